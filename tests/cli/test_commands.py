"""``commands``: each asks the right thing, follows what comes of it, and says by its exit code whether it was done."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner

ANSWERED = {"at": "2026-05-05T12:00:00.120+00:00", "what": "answered ACCEPTED"}
RESULT = {"at": "2026-05-05T12:00:01.450+00:00", "what": "result ACCEPTED"}
FOLLOWED = {"at": "2026-05-05T12:00:02.000+00:00", "what": "session S1"}


def command(stage: str = "accepted", **facts: Any) -> dict[str, Any]:
    return {
        "id": "c1",
        "side": "sent",
        "partner": "b1",
        "command": "START_SESSION",
        "stage": stage,
        "is_over": False,
        "request": {},
        "answer": "ACCEPTED",
        "result": None,
        "posting": "none",
        "problem": None,
        "session_id": None,
        "at": "2026-05-05T12:00:00Z",
        "deadline": "2026-05-05T12:02:00Z",
        "events": [ANSWERED],
        **facts,
    }


@pytest.fixture(autouse=True)
def blue(server: OperatorServer) -> None:
    server.partners = [partner("b1")]


def test_a_session_is_started_with_a_token_at_a_place(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/commands/START_SESSION"] = command()

    result = run("commands", "send", "NL/BLU", "start_session", "--token", "K1", "--location", "LOC1", "--evse", "E1")

    assert result.exit_code == 0
    assert server.asked[-1].body == {"token_uid": "K1", "location_id": "LOC1", "evse_uid": "E1"}
    fields = dict(line.split(maxsplit=1) for line in result.stdout.splitlines()[:-1])
    assert (fields["id"], fields["stage"], fields["answer"]) == ("c1", "accepted", "ACCEPTED")
    assert "result" not in fields
    assert result.stdout.splitlines()[-1].split(maxsplit=1)[1] == "answered ACCEPTED"


@pytest.mark.parametrize(
    ("name", "arguments", "body"),
    [
        ("STOP_SESSION", ("--session", "S1"), {"session_id": "S1"}),
        (
            "UNLOCK_CONNECTOR",
            ("--location", "LOC1", "--evse", "E1", "--connector", "1"),
            {"location_id": "LOC1", "evse_uid": "E1", "connector_id": "1"},
        ),
    ],
)
def test_each_command_says_what_it_is_about(
    name: str, arguments: tuple[str, ...], body: dict[str, str], run: Run, server: OperatorServer
) -> None:
    server.says[f"POST partners/b1/commands/{name}"] = command("done", command=name)

    assert run("commands", "send", "b1", name, *arguments).exit_code == 0
    assert server.asked[-1].body == body


def test_a_reservation_ends_after_the_minutes_that_are_asked_for(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/commands/RESERVE_NOW"] = command("done", command="RESERVE_NOW")
    before = datetime.now(UTC)

    run(
        "commands", "send", "b1", "RESERVE_NOW",
        "--token", "K1", "--location", "LOC1", "--reservation", "7", "--minutes", "40",
    )  # fmt: skip

    until = datetime.fromisoformat(server.asked[-1].body.pop("expiry_date"))
    assert timedelta(minutes=39) < until - before < timedelta(minutes=41)
    assert server.asked[-1].body == {"token_uid": "K1", "location_id": "LOC1", "reservation_id": 7}


def test_a_reservation_without_a_number_gets_one(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/commands/RESERVE_NOW"] = command("done", command="RESERVE_NOW")

    run("commands", "send", "b1", "RESERVE_NOW", "--token", "K1", "--location", "LOC1")

    assert 0 < server.asked[-1].body["reservation_id"] < 2**31


def test_an_unknown_command_is_not_sent(run: Run, server: OperatorServer) -> None:
    assert run("commands", "send", "b1", "EXPLODE").exit_code == 2
    assert server.asked == []


def test_waiting_tells_what_happens_once_and_ends_with_the_session(run: Run, server: OperatorServer) -> None:
    over = command("session", is_over=True, result="ACCEPTED", session_id="S1", events=[ANSWERED, RESULT, FOLLOWED])
    server.says["POST partners/b1/commands/START_SESSION"] = command()
    server.says["GET commands/c1"] = over

    result = run("commands", "send", "b1", "START_SESSION", "--token", "K1", "--location", "LOC1", "--wait")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "12:00:00.120  answered ACCEPTED",
        "12:00:01.450  result ACCEPTED",
        "12:00:02.000  session S1",
    ]
    assert "session_id  S1" in result.stdout
    assert "answered" not in result.stdout


@pytest.mark.parametrize("stage", ["failed", "refused", "no result", "not done", "no session", "not answered"])
def test_what_went_wrong_ends_with_1(stage: str, run: Run, server: OperatorServer) -> None:
    server.says["GET commands/c1"] = command(stage, is_over=True)

    assert run("commands", "show", "c1").exit_code == 1
    assert run("commands", "show", "c1", "--json").exit_code == 1


@pytest.mark.parametrize("stage", ["requested", "accepted", "done", "session", "waiting", "answering", "answered"])
def test_what_goes_well_ends_with_0(stage: str, run: Run, server: OperatorServer) -> None:
    server.says["GET commands/c1"] = command(stage)

    assert run("commands", "show", "c1").exit_code == 0


def test_a_command_in_json_is_what_the_node_answered(run: Run, server: OperatorServer) -> None:
    server.says["GET commands/c1"] = command("session", is_over=True, session_id="S1")

    result = run("commands", "show", "c1", "--wait", "--json")

    assert json.loads(result.stdout) == command("session", is_over=True, session_id="S1")


def test_what_a_partner_said_does_not_steer_the_terminal(run: Run, server: OperatorServer) -> None:
    said = {"at": "2026-05-05T12:00:00.120+00:00", "what": "answered \x1b[2J"}
    server.says["GET commands/c1"] = command(events=[said])

    assert "\x1b" not in run("commands", "show", "c1").stdout


def test_the_list_has_a_line_for_each_command_and_says_how_to_go_on(run: Run, server: OperatorServer) -> None:
    items = [command(), command("done", id="c2")]
    server.says["GET partners/b1/commands"] = {"items": items, "next": "c2"}

    result = run("commands", "list", "NL/BLU", "--limit", "2", "--after", "c0")

    assert server.asked[-1].query == {"limit": "2", "after": "c0"}
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["id", "c1", "c2"]
    assert "--after c2" in result.stderr


def test_no_commands_are_said_to_be_none(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1/commands"] = {"items": [], "next": None}

    result = run("commands", "list", "b1")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "None\n")
