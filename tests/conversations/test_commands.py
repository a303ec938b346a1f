"""Tells how an eMSP's driver starts, stops, reserves and unlocks at a CPO, both nodes being real."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.commands.stages import stage
from chalicelib.node.commands import Command, CommandResult, Posting
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.world import Pair, pair

Json = Any

FIELDS: dict[str, Json] = {
    "RESERVE_NOW": {
        "token_uid": "K1",
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": 7,
        "location_id": "LOC1",
    },
    "START_SESSION": {"token_uid": "K1", "location_id": "LOC1", "evse_uid": "E1"},
    "STOP_SESSION": {"session_id": "S1"},
    "UNLOCK_CONNECTOR": {"location_id": "LOC1", "evse_uid": "E1", "connector_id": "1"},
}


class Story:
    """A CPO with one location, and an eMSP with one driver."""

    def __init__(self) -> None:
        self.pair: Pair = pair()
        self.pair.put_in(ModuleID.LOCATIONS, make.location("LOC1"))
        self.pair.put_in(ModuleID.TOKENS, make.token("K1"))
        self.pair.pump()

    def ask(self, name: str = "START_SESSION", **fields: Json) -> Command:
        """The eMSP's command, answered at once."""
        emsp = self.pair.emsp
        return emsp.company.sent_commands.send(emsp.partners()[0], name, FIELDS[name] | fields)

    def charge_point(self, result: str) -> None:
        """The charge point answers the last command, and the answer goes its way."""
        queues = self.pair.cpo.command_queues
        queues.enqueue_result(
            CommandResult(command_id=queues.asked[-1]["command_id"], result=result, source="charge point")
        )
        self.pair.cpo.pump_commands()

    def session(self, **fields: Json) -> None:
        """The charge point charges, and the CPO tells of it."""
        fields = {"start_datetime": format_date_time(self.pair.world.clock.now)} | fields
        self.pair.put_in(ModuleID.SESSIONS, make.session("S1", **fields))
        self.pair.pump()

    def wait(self, **amount: float) -> None:
        """Time passes, and the CPO does what falls due."""
        self.pair.world.clock.pass_(**amount)
        self.pair.cpo.pump_commands()

    def stage(self, command: Command) -> str:
        """Where the eMSP sees the command."""
        return stage(self.at_emsp(command), self.pair.world.clock.now)

    def at_emsp(self, command: Command) -> Command:
        emsp = self.pair.emsp
        kept = emsp.ports.commands.get(command.id)
        assert kept
        return emsp.company.sent_commands.with_session(kept, emsp.partners()[0])

    def at_cpo(self) -> Command:
        """The last command as the CPO keeps it."""
        cpo = self.pair.cpo
        return cpo.ports.commands.for_partner(cpo.partners()[0].id, None, 1)[0]

    def posts(self, mark: int = 0) -> list[Json]:
        """What the CPO has posted to ``response_url``s, each at exactly the one that was given."""
        given = self.at_cpo().response_url
        found = [each for each in self.pair.world.since(mark) if "/emsp/2.1.1/commands/" in each.request.url]
        assert all(each.request.url == given and each.request.method == "POST" for each in found)
        return [each.json for each in found]


@pytest.mark.parametrize("name", list(FIELDS))
@pytest.mark.parametrize(
    ("result", "expected"), [("ACCEPTED", "done"), ("REJECTED", "not done"), ("NOT_SUPPORTED", "not done")]
)
def test_each_command_is_answered_at_once_and_once_more_by_the_charge_point(
    name: str, result: str, expected: str
) -> None:
    """CMD-01, CMD-02, CMD-04, CMD-05, CMD-06: one POST, bare, with the token, and the eMSP understands it."""
    story = Story()
    if name == "STOP_SESSION":
        story.session()
    command = story.ask(name)

    first = story.stage(command)
    story.charge_point(result)

    assert (first, story.stage(command)) == ("accepted", expected)
    assert story.posts() == [{"result": result}]
    sent = story.pair.world.traffic[-1].request
    assert sent.headers["authorization"] == f"Token {story.pair.to_emsp.token}"
    assert story.at_cpo().posting is Posting.DONE


def test_a_driver_starts_and_stops_by_app() -> None:
    """CMD-18, CMD-09, CMD-10: start, session, stop, and a stop too many."""
    story = Story()
    start = story.ask()
    story.charge_point("ACCEPTED")
    stages = [story.stage(start)]
    story.session()
    stages.append(story.stage(start))
    stop = story.ask("STOP_SESSION")
    story.charge_point("ACCEPTED")
    story.session(status="COMPLETED", end_datetime="2026-03-01T14:00:00Z")

    again = story.ask("STOP_SESSION")

    assert [*stages, story.stage(stop)] == ["done", "session", "done"]
    assert story.pair.emsp.received(ModuleID.SESSIONS, story.pair.cpo.party, "S1")["status"] == "COMPLETED"
    assert (again.answer, story.stage(again)) == ("REJECTED", "refused")


def test_a_silent_charge_point_is_a_timeout_once_and_on_time_and_its_session_counts_nonetheless() -> None:
    """CMD-14, CMD-18: what it says later is remembered, and not posted."""
    story = Story()
    command = story.ask()

    story.wait(seconds=59)
    early = story.posts()
    story.wait(seconds=2)
    timed_out = story.stage(command)
    story.wait(minutes=1)
    story.charge_point("ACCEPTED")
    story.session()

    assert (early, story.posts()) == ([], [{"result": "TIMEOUT"}])
    assert (timed_out, story.stage(command)) == ("not done", "session")
    assert story.at_cpo().events[-1].what == "ACCEPTED from the charge point, too late: TIMEOUT counts"


def test_a_charge_point_that_answers_in_time_is_not_timed_out() -> None:
    """CMD-14, CMD-04."""
    story = Story()
    story.ask()

    story.charge_point("ACCEPTED")
    story.wait(minutes=5)

    assert story.posts() == [{"result": "ACCEPTED"}]


@pytest.mark.parametrize(
    ("name", "fields", "status", "answer"),
    [
        ("START_SESSION", {"location_id": "LOC9"}, "OCPI status 2003", None),
        ("START_SESSION", {"evse_uid": "E9"}, "OCPI status 2003", None),
        ("UNLOCK_CONNECTOR", {"connector_id": "9"}, "OCPI status 2003", None),
        ("STOP_SESSION", {"session_id": "S9"}, "", "UNKNOWN_SESSION"),
    ],
)
def test_what_the_cpo_does_not_have_never_reaches_a_charge_point(
    name: str, fields: Json, status: str, answer: str | None
) -> None:
    """CMD-08, CMD-09, CMD-04: and there is no POST either."""
    story = Story()

    command = story.ask(name, **fields)
    story.wait(minutes=5)

    assert status in (command.problem or "")
    assert command.answer == answer
    assert story.pair.cpo.command_queues.asked == []
    assert [each for each in story.pair.world.traffic if "/emsp/2.1.1/commands/" in each.request.url] == []


def test_an_emsp_that_is_down_when_the_result_comes_is_asked_twice_and_never_again() -> None:
    """CMD-04, Q-57, Q-58: once more at once, as no connection came about; the operator sees it, the session counts."""
    story = Story()
    command = story.ask()
    story.pair.world.down.add("emsp.example")

    story.charge_point("ACCEPTED")
    story.pair.world.down.clear()
    story.wait(minutes=2)
    story.session()

    assert story.posts() == [{"result": "ACCEPTED"}] * 2
    assert story.at_cpo().posting is Posting.FAILED
    assert "connection refused" in (story.at_cpo().problem or "")
    assert story.stage(command) == "session"
