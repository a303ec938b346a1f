"""``events``: what partners did is shown line by line, each once, and only what is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli import events as command
from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def event(number: int = 1, **facts: Any) -> dict[str, Any]:
    red = {"id": "b1", "name": "Red", "role": "cpo", "party": "DE/RED"}
    return {
        "v": 1,
        "id": f"{number:032x}",
        "kind": "object.updated",
        "at": "2026-05-05T12:00:00.123Z",
        "partner": red,
        "module": "locations",
        "object_id": f"LOC{number}",
        "path": [],
        "version": 2,
        "reason": None,
        "href": f"/operator/partners/b1/locations/LOC{number}",
        "object": None,
        **facts,
    }


def page(*items: dict[str, Any], following: str = "c1") -> dict[str, Any]:
    return {"items": list(items), "next": following}


@pytest.fixture(autouse=True)
def red(server: OperatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.partners = [partner("b1", party="DE/RED"), partner("b2", party="DE/BLU")]
    monkeypatch.setattr(command, "POLL_S", 0.0)


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_last_events_say_when_what_who_and_which(run: Run, server: OperatorServer) -> None:
    server.says["GET events"] = page(
        event(1, path=["E1", "2"]),
        event(2, kind="partner.broken", module=None, object_id="b1", reason="no answer"),
        event(3, kind="partner.registered", module=None, partner={**event()["partner"], "party": None}),
    )

    result = run("events")

    assert result.exit_code == 0
    at = "2026-05-05T12:00:00.123Z"
    assert lines(result.stdout) == [
        [at, "object.updated", "DE/RED", "locations/LOC1/E1/2"],
        [at, "partner.broken", "DE/RED", "no", "answer"],
        [at, "partner.registered", "Red"],
    ]
    assert [asked.query for asked in server.asked] == [{"limit": "100", "latest": "yes"}]


def test_where_nothing_happened_it_says_so(run: Run, server: OperatorServer) -> None:
    server.says["GET events"] = page()

    assert run("events").stderr == "None\n"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--partner", "DE/BLU"], [2]),
        (["--module", "cdrs"], [3]),
        (["--kind", "object.created"], [2, 3]),
        (["--kind", "object.created", "--module", "locations"], [2]),
    ],
)
def test_only_what_is_asked_for_is_shown(
    run: Run, server: OperatorServer, options: list[str], shown: list[int]
) -> None:
    blue = {**event()["partner"], "id": "b2"}
    server.says["GET events"] = page(
        event(1), event(2, kind="object.created", partner=blue), event(3, kind="object.created", module="cdrs")
    )

    result = run("events", *options, "--json")

    assert [json.loads(line)["object_id"] for line in result.stdout.splitlines()] == [f"LOC{n}" for n in shown]


def test_a_script_gets_each_event_whole_in_a_line(run: Run, server: OperatorServer) -> None:
    server.says["GET events"] = page(event(1, object_id="Ä\n\x1b"), event(2))

    found = [json.loads(line) for line in run("events", "--json").stdout.splitlines()]

    assert found == [event(1, object_id="Ä\n\x1b"), event(2)]


def test_following_shows_each_event_once_and_goes_on_from_the_last(
    run: Run, server: OperatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = iter([page(event(1)), page(following="c2"), page(event(1), event(2), following="c3")])
    looks = iter([None, None])
    server.says["GET events"] = lambda: next(pages)

    def pause(_seconds: float) -> None:
        """Until somebody presses Ctrl-C."""
        if next(looks, "enough"):
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.events.time.sleep", pause)

    result = run("events", "--follow")

    assert result.exit_code == 0
    assert [line[-1] for line in lines(result.stdout)] == ["locations/LOC1", "locations/LOC2"]
    assert [asked.query.get("after") for asked in server.asked] == [None, "c1", "c2"]


def test_following_waits_for_a_node_that_is_away(
    run: Run, server: OperatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = iter([page(event(1)), page(event(2), following="c2")])
    server.says["GET events"] = lambda: next(pages)
    server.refuses, server.patience = (502, {"message": "Internal server error"}), 1

    def pause(_seconds: float) -> None:
        """The node is back after two failures; then somebody presses Ctrl-C."""
        if len(server.asked) == 3:
            server.refuses = None
        if len(server.asked) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("cli.events.time.sleep", pause)

    result = run("events", "--follow")

    assert result.exit_code == 0
    assert [line[-1] for line in lines(result.stdout)] == ["locations/LOC1", "locations/LOC2"]
    assert [asked.query.get("after") for asked in server.asked] == [None, "c1", "c1", "c1"]
    assert result.stderr.count("Waiting for it") == 1


def test_following_does_not_pause_while_there_is_more(run: Run, server: OperatorServer) -> None:
    full = page(*(event(number) for number in range(100)))
    pages = iter([full, full, full])
    server.says["GET events"] = lambda: next(pages)
    server.refuses, server.patience = (401, {"error": "unknown operator key"}), 3

    result = run("events", "--follow")

    assert result.exit_code == 1
    assert len(lines(result.stdout)) == 100


@pytest.mark.parametrize("wrong", [["--kind", "object.changed"], ["--module", "chargers"]])
def test_what_there_is_not_is_not_asked_for(run: Run, server: OperatorServer, wrong: list[str]) -> None:
    assert run("events", *wrong).exit_code == 2
    assert server.asked == []


def test_what_a_partner_wrote_does_not_steer_the_terminal(run: Run, server: OperatorServer) -> None:
    server.says["GET events"] = page(event(1, object_id="\x1b[2J"))

    assert "\x1b" not in run("events").stdout
