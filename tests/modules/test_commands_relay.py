"""Proves which commands a CPO takes, what it answers at once, and what its charge points' back end is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.node.commands import Side
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.relaying import REQUESTS, ROOT, Relaying, relaying
from tests.rules import envelopes

Json = Any

every_command = pytest.mark.parametrize("name", list(REQUESTS))
every_profile = pytest.mark.parametrize("profile", list(Profile))
PLACES = ["RESERVE_NOW", "START_SESSION", "UNLOCK_CONNECTOR"]


def untouched(there: Relaying) -> bool:
    """Whether nothing was written down, queued or remembered."""
    tokens = vars(there.cpo.ports.stores[ModuleID.TOKENS])["_objects"]
    return not (there.commands() or there.asked or there.results or tokens)


# --- taken ----------------------------------------------------------------------------------------------------------


@every_command
@every_profile
def test_a_right_command_is_accepted_in_an_envelope_and_passed_on(name: str, profile: Profile) -> None:
    """CMD-01, CMD-02, CMD-03: data is a CommandResponse, and no bare string."""
    there = relaying()
    there.read_as(profile)

    reply = there.post(name)

    assert reply.outcome == (200, 1000)
    assert reply.data == {"result": "ACCEPTED"}
    assert envelopes.objections(reply.response, there.world.clock.now) == []
    (message,), (command,) = there.asked, there.commands()
    assert (message["command"], message["command_id"]) == (name, command.id)
    assert (command.side, command.command, command.answer, command.result) == (Side.RECEIVED, name, "ACCEPTED", None)
    assert command.request == REQUESTS[name]


@every_command
def test_the_answer_does_not_wait_for_the_charge_point(name: str) -> None:
    """CMD-19: it is there before the back end has read anything, and nobody is called meanwhile."""
    there = relaying()
    mark = len(there.world.traffic)

    there.accepted(name)

    assert [each.path for each in there.world.since(mark)] == [f"{ROOT}/{name}"]
    assert [result.result for result, _ in there.results] == ["TIMEOUT"]


def test_the_back_end_is_told_all_that_it_needs() -> None:
    """CMD-01, Q-59: whose command, until when, what about; not where the answer goes."""
    there = relaying(command_timeout_s=90)

    command = there.accepted("UNLOCK_CONNECTOR")

    (message,), partner = there.asked, there.cpo.partners()[0]
    assert message == {
        "version": 1,
        "command_id": command.id,
        "command": "UNLOCK_CONNECTOR",
        "partner": {"id": partner.id, "party": "NL/MSP", "name": "Company NL/MSP"},
        "requested_at": "2026-03-01T12:00:00Z",
        "answer_by": "2026-03-01T12:01:30Z",
        "request": {"location_id": "LOC1", "evse_uid": "E1", "connector_id": "1"},
        "evse": make.evse("E1"),
    }


def test_the_session_to_stop_is_told_without_what_may_outgrow_a_message() -> None:
    """CMD-01: a long session has thousands of periods, and a queue takes no more than 256 KB."""
    there = relaying()
    periods = [
        {"start_date_time": "2026-01-01T00:00:00Z", "dimensions": [{"type": "ENERGY", "volume": number}]}
        for number in range(3)
    ]
    there.put_session("S2", charging_periods=periods)

    there.accepted("STOP_SESSION", session_id="S2")

    told = there.asked[0]["session"]
    assert (told["id"], told["status"], told["auth_id"]) == ("S2", "ACTIVE", "NL-ABC-C1")
    assert "charging_periods" not in told


@every_command
def test_no_token_of_ours_leaves_with_the_message(name: str) -> None:
    """CMD-01: the back end has no business with it; the driver's card it needs."""
    there = relaying()
    partner = there.cpo.partners()[0]

    there.accepted(name)

    text = json.dumps(there.asked)
    assert partner.token_we_send
    assert partner.token_we_send.secret not in text
    assert there.pair.to_cpo.token not in text
    assert ('"uid": "K1"' in text) is (name in ("RESERVE_NOW", "START_SESSION"))


@pytest.mark.parametrize("name", ["RESERVE_NOW", "START_SESSION"])
@every_profile
def test_an_evse_need_not_be_named(name: str, profile: Profile) -> None:
    """CMD-11: then the back end chooses one."""
    there = relaying()
    there.read_as(profile)

    reply = there.post(name, "evse_uid")

    assert reply.data == {"result": "ACCEPTED"}
    assert "evse_uid" not in there.asked[0]["request"]
    assert "evse" not in there.asked[0]


# --- refused as no such object ------------------------------------------------------------------------------------

REQUIRED = [(name, field) for name, request in REQUESTS.items() for field in request if field != "evse_uid"]
REQUIRED += [("UNLOCK_CONNECTOR", "evse_uid")]
BAD_ADDRESSES: list[Json] = [5, "", "results", {}, "https://"]
BAD_LOCATIONS: list[Json] = ["", "x" * 300, {}, ["LOC1"]]
BAD_EVSES: list[Json] = ["", "x" * 300, []]
BAD_TOKENS: list[Json] = [
    *("K1", [], 5),
    *(make.token("K1") | bad for bad in ({"uid": ""}, {"uid": "x" * 300}, {"uid": None}, {"auth_id": None})),
]
INVALID: list[tuple[str, str, Json]] = [
    *((name, "response_url", bad) for name in REQUESTS for bad in BAD_ADDRESSES),
    *((name, "location_id", bad) for name in PLACES for bad in BAD_LOCATIONS),
    *((name, "evse_uid", bad) for name in PLACES for bad in BAD_EVSES),
    *((name, "token", bad) for name in PLACES[:2] for bad in BAD_TOKENS),
    ("RESERVE_NOW", "expiry_date", "soon"),
    ("RESERVE_NOW", "reservation_id", "seven"),
    ("RESERVE_NOW", "reservation_id", 2**31),
    ("STOP_SESSION", "session_id", ""),
    ("STOP_SESSION", "session_id", {"id": "S1"}),
    ("UNLOCK_CONNECTOR", "connector_id", ""),
    ("UNLOCK_CONNECTOR", "connector_id", True),
]


@pytest.mark.parametrize(("name", "field"), REQUIRED)
@pytest.mark.parametrize("null", [True, False])
@every_profile
def test_a_command_without_a_required_field_is_2001_and_leaves_no_trace(
    name: str, field: str, null: bool, profile: Profile
) -> None:
    """CMD-13, CMD-11: unlocking needs the EVSE and its connector."""
    there = relaying()
    there.read_as(profile)

    reply = there.post(name, **{field: None}) if null else there.post(name, field)

    assert reply.outcome == (200, 2001)
    assert field in reply.message
    assert untouched(there)


@pytest.mark.parametrize(("name", "field", "value"), INVALID)
@every_profile
def test_a_command_with_an_invalid_field_is_2001_and_leaves_no_trace(
    name: str, field: str, value: Json, profile: Profile
) -> None:
    """CMD-13."""
    there = relaying()
    there.read_as(profile)

    reply = there.post(name, **{field: value})

    assert reply.outcome == (200, 2001)
    assert field in reply.message
    assert untouched(there)


def test_a_response_url_that_is_too_long_is_taken_from_a_lenient_partner_only() -> None:
    """CMD-13: 255 characters are the spec's; whoever makes longer ones is answered there nonetheless."""
    there = relaying()
    url = "https://emsp.example/" + "x" * 300

    assert there.accepted(response_url=url).response_url == url
    there.read_as(Profile.STRICT)
    assert there.post(response_url=url).outcome == (200, 2001)
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("raw", "outcome"), [(b"", (400, 2000)), (b"{", (400, 2000)), (b"[]", (200, 2001)), (b'"START"', (200, 2001))]
)
def test_a_body_that_is_no_object_is_refused(raw: bytes, outcome: tuple[int, int]) -> None:
    """CMD-13."""
    there = relaying()

    assert there.pair.to_cpo("POST", f"{ROOT}/START_SESSION", raw=raw).outcome == outcome
    assert untouched(there)
