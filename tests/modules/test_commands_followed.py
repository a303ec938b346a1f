"""Proves which session an eMSP takes for the one that its command started: by contract, place and time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.node.commands import Command
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.modules.commanding import Commanding, answered, commanding

Json = Any


def at(command: Command, **later: float) -> str:
    """A moment so much later than the command."""
    return format_date_time(command.at + timedelta(**later))


def accepted(evse_uid: str | None = None) -> tuple[Commanding, Command]:
    """A START_SESSION at LOC1 that the CPO passes on."""
    there = commanding()
    return there, there.send(**({"evse_uid": evse_uid} if evse_uid else {}))


@pytest.mark.parametrize("result", ["ACCEPTED", "TIMEOUT", None])
def test_a_session_counts_whatever_the_result_was(result: str | None) -> None:
    """CMD-18: also after a TIMEOUT, and after a result that never came."""
    there, command = accepted()
    if result:
        there.post(command, {"result": result})
    there.world.clock.pass_(minutes=4)

    there.put_session(start_datetime=at(command, minutes=3, seconds=30))

    assert there.stage(command) == ("session", True)


def test_a_session_counts_that_is_told_long_after_it_began() -> None:
    """CMD-18, CMD-14: a charge point that was offline; the answer at once had got lost, too."""
    there = commanding()

    def silent(_request: Request) -> Response:
        raise Unreachable("timed out")

    there.answer = silent
    command = there.send()
    there.world.clock.pass_(hours=2)

    there.put_session(start_datetime=at(command, minutes=1))

    assert there.stage(command) == ("session", True)


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("another driver", {"auth_id": "NL-ABC-C2"}),
        ("another place", {"location": make.location("LOC2", evses=[make.evse("E1")])}),
        ("another EVSE", {"location": make.location("LOC1", evses=[make.evse("E2")])}),
        ("too early", {"start_datetime": "2026-03-01T11:57:59Z"}),
        ("too late", {"start_datetime": "2026-03-01T12:05:02Z"}),
    ],
)
def test_a_session_of_another_driver_place_or_time_does_not_count(why: str, fields: dict[str, Json]) -> None:
    """CMD-18."""
    there, command = accepted("E1")

    there.put_session("S1", **{"start_datetime": at(command, seconds=5)} | fields)

    assert there.now(command).session_id is None, why
    there.put_session("S2", start_datetime=at(command, seconds=5))
    assert there.now(command).session_id == "S2"


def test_a_session_that_another_cpo_tells_of_does_not_count() -> None:
    """CMD-18: although everything in it fits."""
    there, command = accepted()
    stranger = there.cpo.register_with(there.emsp, Party.of("DE", "XYZ"))
    session = make.session("S1", start_datetime=at(command, seconds=5), last_updated="2026-03-01T12:00:00Z")

    assert stranger("PUT", "/ocpi/emsp/2.1.1/sessions/DE/XYZ/S1", session).status == 201

    assert there.now(command).session_id is None


def test_of_two_sessions_the_one_after_the_command_counts() -> None:
    """CMD-18: the one before it was the driver's last, of a minute ago; the next but one is another again."""
    there, command = accepted()

    for session_id, seconds in (("OLD", -30), ("NEXT", 90), ("LATER", 200)):
        there.put_session(session_id, start_datetime=at(command, seconds=seconds))

    assert there.now(command).session_id == "NEXT"


def test_a_cpo_whose_clock_is_a_minute_behind_is_understood() -> None:
    """CMD-18."""
    there, command = accepted()

    there.put_session(start_datetime=at(command, seconds=-60))

    assert there.now(command).session_id == "S1"


def test_the_session_is_found_once_and_stays() -> None:
    """CMD-18."""
    there, command = accepted()
    there.put_session("S2", start_datetime=at(command, seconds=90))
    first = there.now(command)
    there.put_session("S1", start_datetime=at(command, seconds=10))

    assert there.now(command) == first
    assert first.session_id == "S2"


@pytest.mark.parametrize("name", ["RESERVE_NOW", "STOP_SESSION", "UNLOCK_CONNECTOR"])
def test_no_other_command_is_said_to_have_started_a_session(name: str) -> None:
    """CMD-18."""
    there = commanding()
    command = there.send(name)

    there.put_session(start_datetime=at(command, seconds=5))

    assert there.now(command).session_id is None


def test_a_start_that_was_refused_at_once_has_started_no_session() -> None:
    """CMD-18, CMD-04: the driver used the card."""
    there = commanding()
    there.answer = lambda _request: answered("REJECTED")
    command = there.send()

    there.put_session(start_datetime=at(command, seconds=5))

    assert there.stage(command) == ("refused", True)
