"""Plain ``chalice local`` serves the node against a moto server, with the very commands that the README gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

ROOT = Path(__file__).parents[2]
HTTP = urllib3.PoolManager(retries=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """The environment of a shell that has a moto server with the data stack of stage ``dev``."""
    port = free_port()
    aws = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    shell = {**os.environ, **aws}
    with running(shell, port, "moto_server", "-p", str(port)):
        run(shell, "deploy", "--stage", "dev", "--data-only")
        yield shell


@contextmanager
def running(shell: dict[str, str], port: int, program: str, *arguments: str) -> Iterator[None]:
    """While this is open, a program of the virtual environment serves this port."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=shell, stdout=quiet, stderr=quiet) as process:
        try:
            wait_for(port)
            yield
        finally:
            process.terminate()


def run(shell: dict[str, str], *command: str) -> str:
    """What the command line prints."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *command], cwd=ROOT, env=shell, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def node(environment: dict[str, str]) -> Iterator[str]:
    """The base URL of ``chalice local``."""
    port = free_port()
    with running(environment, port, "chalice", "local", "--stage", "dev", "--port", str(port), "--no-autoreload"):
        yield f"http://127.0.0.1:{port}"


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.fixture(scope="module")
def key(environment: dict[str, str]) -> str:
    """An operator key, made on the command line."""
    return str(json.loads(run(environment, "--json", "keys", "create", "me", "--stage", "dev"))["key"])


def ask(method: str, url: str, authorization: str, body: Any = None) -> tuple[int, Any]:
    sent = None if body is None else json.dumps(body).encode()
    answer = HTTP.request(method, url, body=sent, headers={"Authorization": authorization})
    return answer.status, answer.json()


def test_an_invited_partner_finds_the_versions_where_the_node_listens(node: str, key: str) -> None:
    status, invitation = ask("POST", f"{node}/operator/partners", f"Bearer {key}", {"role": "emsp"})
    assert status == 201

    status, versions = ask("GET", invitation["versions_url"], f"Token {invitation['token']}")

    assert status == 200
    assert versions["data"] == [{"version": "2.1.1", "url": f"{node}/ocpi/cpo/2.1.1"}]


def test_own_objects_are_stored_and_read_back(node: str, key: str) -> None:
    tariff = {
        "id": "T1",
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "FLAT", "price": 1, "step_size": 1}]}],
    }

    created, _ = ask("PUT", f"{node}/operator/tariffs/T1", f"Bearer {key}", tariff)
    status, stored = ask("GET", f"{node}/operator/tariffs/T1", f"Bearer {key}")

    assert (created, status) == (201, 200)
    assert stored | tariff == stored


def test_unknown_paths_and_missing_tokens_are_answered_in_the_envelope(node: str) -> None:
    """TRA-03, TRA-10, TRA-17."""
    assert ask("GET", f"{node}/ocpi/cpo/versions", "Token nope")[0] == 401
    status, answer = ask("GET", f"{node}/no/such/path", "Token nope")

    assert (status, answer["status_code"]) == (404, 2000)
