"""``pull`` and ``pulls``: a list is fetched on demand, followed to its end, and it is said how far all of them are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner

FULL_AT = "2026-05-04T12:00:00Z"


def pull(state: str = "running", **facts: Any) -> dict[str, Any]:
    return {
        "module": "locations",
        "state": state,
        "is_full": False,
        "pages": 2,
        "total": 250,
        "received": 200,
        "taken": 7,
        "refused": 1,
        "problem": None,
        "began_at": "2026-05-05T12:00:00Z",
        "updated_at": "2026-05-05T12:00:01Z",
        "completed_at": None,
        "full_at": FULL_AT,
        **facts,
    }


@pytest.fixture(autouse=True)
def red(server: OperatorServer) -> None:
    server.partners = [partner("b1", party="DE/RED")]


def test_what_changed_is_pulled_unless_everything_is_asked_for(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull(is_full=True)

    assert run("pull", "DE/RED", "locations").exit_code == 0
    assert run("pull", "DE/RED", "locations", "--full").exit_code == 0

    assert [asked.query for asked in server.asked if asked.method == "POST"] == [{}, {"full": "yes"}]


def test_a_pull_that_has_begun_says_how_to_follow_it(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull()

    result = run("pull", "DE/RED", "locations")

    assert ["state", "running"] in [line.split() for line in result.stdout.splitlines()]
    assert "python -m cli pulls DE/RED" in result.stderr


def test_a_module_that_ocpi_does_not_know_is_not_pulled(run: Run, server: OperatorServer) -> None:
    assert run("pull", "b1", "charging_profiles").exit_code == 2
    assert server.asked == []


def test_waiting_looks_until_the_crawl_is_done(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull(received=0, total=None)
    looks = iter([pull(), pull("done", received=250)])
    server.says["GET partners/b1/pulls"] = lambda: {"pulls": [pull("failed", module="cdrs"), next(looks)]}

    result = run("pull", "b1", "locations", "--wait")

    assert result.exit_code == 0
    assert dict(line.split(maxsplit=1) for line in result.stdout.splitlines()) == {
        "module": "locations",
        "state": "done",
        "pages": "2",
        "received": "250",
        "taken": "7",
        "refused": "1",
        "full": FULL_AT,
    }
    assert "python -m cli quarantine list b1" in result.stderr
    assert list(looks) == []


def test_waiting_for_a_crawl_that_fails_ends_with_1_and_says_why(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull()
    server.says["GET partners/b1/pulls"] = {"pulls": [pull("failed", problem="HTTP 503")]}

    result = run("pull", "b1", "locations", "--wait")

    assert result.exit_code == 1
    assert "problem    HTTP 503" in result.stdout
    assert run("pull", "b1", "locations", "--wait", "--json").exit_code == 1


def test_everything_is_not_promised_while_a_crawl_of_changes_is_at_work(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull(is_full=False)

    result = run("pull", "b1", "locations", "--full", "--wait")

    assert result.exit_code == 1
    assert "is at work" in result.stderr
    assert "python -m cli pulls b1" in result.stderr


def test_a_pull_in_json_is_what_the_node_answered(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/pull/locations"] = pull("done")

    result = run("pull", "b1", "locations", "--wait", "--json")

    assert json.loads(result.stdout) == pull("done")


def test_each_list_has_its_line(run: Run, server: OperatorServer) -> None:
    done = pull("done", completed_at="2026-05-05T12:00:09Z")
    server.says["GET partners/b1/pulls"] = {"pulls": [done, pull("failed", module="tariffs", problem="HTTP 503")]}

    head, first, second = run("pulls", "DE/RED").stdout.splitlines()

    assert head.split() == ["module", "state", "pages", "received", "taken", "refused", "completed", "full", "problem"]
    assert first.split() == ["locations", "done", "2", "200", "7", "1", "2026-05-05T12:00:09Z", FULL_AT]
    assert second.split() == ["tariffs", "failed", "2", "200", "7", "1", FULL_AT, "HTTP", "503"]


def test_no_pulls_are_said_to_be_none(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1/pulls"] = {"pulls": []}

    result = run("pulls", "b1")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "None\n")


def test_pulls_in_json_are_what_the_node_answered(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1/pulls"] = {"pulls": [pull("done")]}

    assert json.loads(run("pulls", "b1", "--json").stdout) == [pull("done")]


def test_what_a_partner_said_does_not_steer_the_terminal(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1/pulls"] = {"pulls": [pull("failed", problem="odd \x1b[2J")]}

    assert "\x1b" not in run("pulls", "b1").stdout
