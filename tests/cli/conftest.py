"""A node's operator API to talk to, and a way to call the command line as its user does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from tests.cli.operator_server import KEY, OperatorServer, serving

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[OperatorServer]:
    with serving(OperatorServer()) as running:
        yield running


@pytest.fixture
def run(server: OperatorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Calls the command line in an empty folder, with the server as the node in the environment."""
    monkeypatch.chdir(tmp_path)
    known = {"OCPI_OPERATOR_URL": server.url, "OCPI_OPERATOR_KEY": KEY}

    def run(*arguments: str, stdin: str | bytes | None = None, **environment: str | None) -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, env=known | environment, prog_name="python -m cli")

    return run
