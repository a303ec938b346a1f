"""Clients for calls to partners that may call loopback."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.adapters.http.web import HttpWeb


@pytest.fixture(scope="session")
def system_trust() -> ssl.SSLContext:
    """What a client uses without a context of its own; loading it for every test would take most of their time."""
    return ssl.create_default_context()


@pytest.fixture
def make_web(system_trust: ssl.SSLContext) -> Iterator[Callable[..., HttpWeb]]:
    """Clients that may call loopback, and that are closed at the end."""
    made: list[HttpWeb] = []

    def make(**settings: Any) -> HttpWeb:
        made.append(HttpWeb(**{"open_network": True, "ssl_context": system_trust, **settings}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web(make_web: Callable[..., HttpWeb]) -> HttpWeb:
    return make_web()
