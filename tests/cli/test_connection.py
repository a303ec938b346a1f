"""Which node a command talks to, and what it says when that does not work."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from cli.nodes import write_nodes
from tests.cli.conftest import Run
from tests.cli.operator_server import KEY, OperatorServer

NOWHERE = {"OCPI_OPERATOR_URL": None, "OCPI_OPERATOR_KEY": None}


@pytest.fixture
def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def note_nodes(server: OperatorServer, free_port: int) -> None:
    Path(".local").mkdir()
    write_nodes(
        {
            "cpo": {"operator_url": server.url, "operator_key": KEY},
            "emsp": {"operator_url": f"http://127.0.0.1:{free_port}/operator", "operator_key": "other"},
        }
    )


def test_the_environment_names_the_node(run: Run, server: OperatorServer) -> None:
    result = run("partners", "list")

    assert result.exit_code == 0
    assert server.asked[0].path == ["partners"]


def test_options_may_stand_before_or_after_the_subcommand(run: Run, server: OperatorServer) -> None:
    before = run("--url", server.url, "--key", KEY, "--json", "partners", "list", **NOWHERE)
    after = run("partners", "list", "--url", server.url, "--key", KEY, "--json", **NOWHERE)

    assert before.exit_code == after.exit_code == 0
    assert before.stdout == after.stdout


def test_a_local_cpo_is_asked_when_nothing_else_is_said(run: Run, server: OperatorServer, free_port: int) -> None:
    note_nodes(server, free_port)

    assert run("partners", "list", **NOWHERE).exit_code == 0


def test_a_named_local_node_outdoes_the_environment(run: Run, server: OperatorServer, free_port: int) -> None:
    note_nodes(server, free_port)

    result = run("--node", "emsp", "partners", "list")

    assert f"Nothing answers at http://127.0.0.1:{free_port}/operator" in result.stderr


def test_the_nodes_file_is_for_its_owner_only(run: Run, server: OperatorServer, free_port: int) -> None:
    note_nodes(server, free_port)

    assert Path(".local/nodes.json").stat().st_mode & 0o077 == 0


def test_without_any_node_the_ways_to_name_one_are_told(run: Run) -> None:
    result = run("partners", "list", **NOWHERE)

    assert result.exit_code == 2
    assert "OCPI_OPERATOR_URL" in result.stderr
    assert "make run" in result.stderr


def test_a_url_needs_a_key(run: Run, server: OperatorServer) -> None:
    result = run("partners", "list", "--url", server.url, **NOWHERE)

    assert result.exit_code == 2
    assert "OCPI_OPERATOR_KEY" in result.stderr


def test_a_url_and_a_local_node_exclude_each_other(run: Run, server: OperatorServer) -> None:
    assert run("partners", "list", "--url", server.url, "--node", "cpo").exit_code == 2


@pytest.mark.parametrize("url", ["ocpi.example.com", "ftp://ocpi.example.com/", "http:///operator"])
def test_what_is_no_url_is_refused(run: Run, url: str) -> None:
    result = run("partners", "list", "--url", url)

    assert result.exit_code == 2
    assert "is not a URL" in result.stderr


def test_a_refused_connection_asks_whether_the_node_runs(run: Run, free_port: int) -> None:
    result = run("get", "locations", "--url", f"http://127.0.0.1:{free_port}/operator")

    assert result.exit_code == 1
    assert "Is the node running?" in result.stderr
    assert result.stdout == ""


def test_an_unknown_key_is_told_how_to_make_one(run: Run) -> None:
    result = run("partners", "list", OCPI_OPERATOR_KEY="ocpi_wrong-secret")

    assert result.exit_code == 1
    assert "python -m cli keys create" in result.stderr
    assert "wrong-secret" not in result.output


def test_a_refusal_is_told_in_the_nodes_words(run: Run, server: OperatorServer) -> None:
    server.refuses = (502, {"error": "their versions answered 401", "details": ["GET https://blue.example"]})

    result = run("partners", "register", "https://blue.example/versions", "--role", "cpo", "--token", "tok-9")

    assert result.exit_code == 1
    assert "Error: their versions answered 401\n  - GET https://blue.example" in result.stderr
    assert "tok-9" not in result.output


@pytest.mark.parametrize("answer", [(502, b"<html>Bad Gateway</html>"), (200, b"<html>"), (403, {"message": "no"})])
def test_what_is_no_operator_api_is_called_that(run: Run, server: OperatorServer, answer: tuple[int, object]) -> None:
    server.refuses = answer

    result = run("partners", "list")

    assert result.exit_code == 1
    assert "Check the URL" in result.stderr


def test_what_others_wrote_cannot_steer_the_terminal(run: Run, server: OperatorServer) -> None:
    server.refuses = (400, {"error": "bad name \x1b[2J", "details": []})

    result = run("partners", "list")

    assert "\x1b" not in result.output


def test_an_answer_in_json_is_json_alone(run: Run) -> None:
    result = run("partners", "list", "--json")

    assert json.loads(result.stdout) == {"partners": []}
    assert result.stderr == ""
