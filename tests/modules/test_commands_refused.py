"""Proves which commands a CPO refuses for what they are about, and that it has four of them and nothing but POST."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.relaying import OTHER, REQUESTS, ROOT, relaying
from tests.modules.test_commands_relay import PLACES, every_command, every_profile, untouched
from tests.world import register

Json = Any


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"location_id": "LOC9"}, PLACES),
        ({"location_id": "loc1"}, PLACES),
        ({"evse_uid": "E9"}, PLACES),
        ({"evse_uid": "GONE"}, PLACES),
        ({"connector_id": "9"}, PLACES[2:]),
        ({"connector_id": "2"}, PLACES[2:]),
    ],
    ids=["location", "case", "evse", "removed evse", "connector", "another evse's connector"],
)
@every_profile
def test_a_place_that_we_do_not_have_is_2003(fields: Json, names: list[str], profile: Profile) -> None:
    """CMD-08, Q-75: never passed on, and no result follows."""
    there = relaying()
    there.read_as(profile)

    for name in names:
        reply = there.post(name, **fields)

        assert reply.outcome == (200, 2003)
        assert next(iter(fields)) in reply.message
    assert untouched(there)


@pytest.mark.parametrize("evses", [None, [make.evse("E1", status="REMOVED")]])
def test_a_place_where_nothing_is_left_is_2003(evses: Json) -> None:
    """CMD-08, Q-75: also if the partner leaves the choice to us."""
    there = relaying()
    there.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC2", (), make.location("LOC2") | {"evses": evses})

    assert there.post("START_SESSION", "evse_uid", location_id="LOC2").outcome == (200, 2003)
    assert untouched(there)


@pytest.mark.parametrize("session_id", ["S9", "s1", "OTHERS", "x" * 36])
def test_stopping_a_session_that_is_none_of_theirs_is_unknown_session(session_id: str) -> None:
    """CMD-09, CMD-04: another eMSP's session is as unknown as one that never was."""
    there = relaying()
    register(there.world.company("other.example", OTHER, frozenset({Role.EMSP})), there.cpo, Role.CPO)
    there.put_session("OTHERS", OTHER)

    reply = there.post("STOP_SESSION", session_id=session_id)

    assert (reply.outcome, reply.data) == ((200, 1000), {"result": "UNKNOWN_SESSION"})
    assert untouched(there)


@pytest.mark.parametrize(("status", "answer"), [("COMPLETED", "REJECTED"), ("INVALID", "REJECTED")])
def test_stopping_a_session_that_is_over_is_rejected(status: str, answer: str) -> None:
    """CMD-10."""
    there = relaying()
    there.put_session("S2", status=status, end_datetime="2026-01-01T02:00:00Z")

    reply = there.post("STOP_SESSION", session_id="S2")

    assert (reply.outcome, reply.data) == ((200, 1000), {"result": answer})
    assert untouched(there)


@pytest.mark.parametrize("status", ["ACTIVE", "PENDING"])
def test_stopping_a_session_that_goes_on_is_accepted(status: str) -> None:
    """CMD-10, CMD-09."""
    there = relaying()
    there.put_session("S2", status=status)

    assert there.accepted("STOP_SESSION", session_id="S2").request["session_id"] == "S2"


# --- which commands there are -------------------------------------------------------------------------------------


@every_command
def test_a_command_that_is_switched_off_is_not_supported_and_the_others_work(name: str) -> None:
    """CMD-16, CMD-03."""
    there = relaying(commands=frozenset(REQUESTS) - {name})

    answers = {each: there.post(each).data["result"] for each in REQUESTS}

    assert answers == dict.fromkeys(REQUESTS, "ACCEPTED") | {name: "NOT_SUPPORTED"}
    assert {each["command"] for each in there.asked} == set(REQUESTS) - {name}


@pytest.mark.parametrize("name", ["CANCEL_RESERVATION", "start_session", "START_SESSION%20", "x" * 500])
def test_a_command_that_does_not_exist_is_404(name: str) -> None:
    """CMD-16: also one of a later version."""
    there = relaying()

    reply = there.pair.to_cpo("POST", f"{ROOT}/{name}", REQUESTS["START_SESSION"])

    assert reply.outcome == (404, 2000)
    assert untouched(there)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [f"{ROOT}/START_SESSION", ROOT])
def test_there_is_nothing_but_post(method: str, path: str) -> None:
    """CMD-15: also with a body that would be right."""
    there = relaying()

    reply = there.pair.to_cpo(method, path, REQUESTS["START_SESSION"])

    assert reply.outcome == (405, 2000)
    assert untouched(there)


def test_a_command_needs_a_token_of_ours() -> None:
    """CMD-01: or anybody could start charging."""
    there = relaying()
    stranger = replace(there.pair.to_cpo, token="none")

    assert stranger("POST", f"{ROOT}/START_SESSION", REQUESTS["START_SESSION"]).status == 401
    assert untouched(there)
