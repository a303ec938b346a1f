"""The real app on moto: what Lambda would run, called as API Gateway would call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from chalice.test import Client

from chalicelib import clihooks
from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints import running
from tests.resources import create_all

ENVIRONMENT = {
    "OCPI_STAGE": "dev",
    "OCPI_COUNTRY_CODE": "DE",
    "OCPI_PARTY_ID": "CPO",
    "OCPI_NAME": "Example Charging",
    "OCPI_ROLES": "cpo,emsp",
    "OCPI_PUBLIC_URL": "https://node.example",
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the app."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Call = Callable[..., Answer]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A fresh AWS account with the data stack of stage ``dev``, and a process that has not started yet.

    It starts after ``capsys``, so that what it logs can be read there.
    """
    from moto import mock_aws

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    running.company.cache_clear()
    running.telemetry.cache_clear()
    with mock_aws():
        create_all(running.clients(), "dev")
        yield
    running.company.cache_clear()
    running.telemetry.cache_clear()


@pytest.fixture
def company(aws: None) -> Company:
    """The node that the app runs."""
    return running.company()


@pytest.fixture
def call(aws: None) -> Iterator[Call]:
    """Calls the app over HTTP, as Chalice's own test client does."""
    from app import app

    # API Gateway's way of matching paths, which Chalice's own local gateway lacks.
    clihooks.install()
    with Client(app) as client:

        def send(
            method: str,
            path: str,
            *,
            token: str | None = None,
            body: bytes = b"",
            headers: Mapping[str, str] | None = None,
        ) -> Answer:
            sent = {"Content-Type": "application/json", **({"Authorization": f"Token {token}"} if token else {})}
            response = client.http.request(method, path, headers=sent | dict(headers or {}), body=body)
            return Answer(response.status_code, response.headers, response.body.decode())

        yield send
