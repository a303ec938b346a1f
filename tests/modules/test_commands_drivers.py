"""Proves what a CPO makes of the driver and of the reservation in a command."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.objects import theirs
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.relaying import OTHER, REQUESTS, ROOT, Relaying, relaying
from tests.world import Caller, register

Json = Any


def started_by(uid: str = "NEW", **fields: Json) -> Relaying:
    """A CPO that has just accepted a start by a token that nobody has told it of."""
    there = relaying()
    there.accepted(token=make.token(uid, auth_id="NL-MSP-APP1") | fields)
    return there


def put_token(there: Relaying, uid: str, **fields: Json) -> int:
    """The HTTP status of the eMSP's PUT of a token."""
    path = there.pair.at_receiver(ModuleID.TOKENS, uid)
    return there.pair.to_cpo("PUT", path, make.token(uid, **fields)).status


# --- a token that nobody has told us of ---------------------------------------------------------------------------


def test_the_session_of_an_unknown_token_finds_its_way_to_the_emsp_that_sent_it() -> None:
    """Q-55, CMD-01: the host names no partner, the contract does."""
    there = started_by()

    session = make.session("S9", auth_id="NL-MSP-APP1", auth_method="AUTH_REQUEST")
    there.cpo.company.own_objects[ModuleID.SESSIONS].put("S9", (), session)
    there.pair.pump()

    assert there.pair.emsp.received(ModuleID.SESSIONS, there.cpo.party, "S9")["auth_id"] == "NL-MSP-APP1"


def test_a_command_does_not_take_over_another_emsp_s_driver() -> None:
    """Q-55, SES-14: whoever has pushed the token has the sessions, whatever others say in a command."""
    there = relaying()
    other = there.world.company("other.example", OTHER, frozenset({Role.EMSP}))
    register(other, there.cpo, Role.CPO)
    other.company.own_objects[ModuleID.TOKENS].put("K7", (), make.token("K7", auth_id="NL-OTH-1"))
    other.pump()

    there.accepted(token=make.token("K7", auth_id="NL-OTH-1"))
    there.cpo.company.own_objects[ModuleID.SESSIONS].put("S9", (), make.session("S9", auth_id="NL-OTH-1"))
    there.pair.pump()

    assert other.received(ModuleID.SESSIONS, there.cpo.party, "S9")["auth_id"] == "NL-OTH-1"
    assert there.pair.emsp.received(ModuleID.SESSIONS, there.cpo.party, "S9") is None


def test_a_token_from_a_command_is_none_that_was_pushed() -> None:
    """Q-55: neither to the eMSP, nor to the operator, nor to a charge point that asks by its uid."""
    there = started_by()
    path = there.pair.at_receiver(ModuleID.TOKENS, "NEW")

    assert there.pair.to_cpo("GET", path).outcome == (404, 2000)
    assert there.cpo.received(ModuleID.TOKENS, there.pair.emsp.party, "NEW") is None
    assert there.cpo.ports.stores[ModuleID.TOKENS].find("by_uid", "new") == []
    assert there.cpo.ports.stores[ModuleID.TOKENS].find("by_uid", "NEW") == []
    assert there.pair.to_cpo("PATCH", path, {"valid": False}).status == 404


def test_a_put_of_a_token_from_a_command_is_its_first() -> None:
    """Q-55: 201, whatever the command said; afterwards it is a token like any other."""
    there = started_by(last_updated="2026-06-01T00:00:00Z")

    statuses = [put_token(there, "NEW", auth_id="NL-MSP-APP1", issuer=issuer) for issuer in ("First", "Second")]

    assert statuses == [201, 200]
    assert there.cpo.received(ModuleID.TOKENS, there.pair.emsp.party, "NEW")["issuer"] == "Second"
    stored = there.cpo.ports.stores[ModuleID.TOKENS].get(theirs(there.pair.emsp.party), "NEW")
    assert stored
    assert "deleted_at" not in stored.metadata


def test_a_command_does_not_change_a_token_that_was_pushed() -> None:
    """Q-55: what the eMSP says of it in its list counts."""
    there = relaying()
    put_token(there, "K1", issuer="Pushed")

    there.accepted(token=make.token("K1", issuer="In a command", whitelist="ALWAYS", auth_id="NL-MSP-X"))

    assert there.token("K1") == make.token("K1", issuer="Pushed")


def test_a_uid_that_several_drivers_of_an_app_share_leads_to_the_last_one() -> None:
    """Q-55: some eMSPs send one uid with every contract."""
    there = started_by("APP")

    there.accepted(token=make.token("APP", auth_id="NL-MSP-APP2"))

    there.cpo.company.own_objects[ModuleID.SESSIONS].put("S9", (), make.session("S9", auth_id="NL-MSP-APP2"))
    assert there.token("APP")["auth_id"] == "NL-MSP-APP2"


@pytest.mark.parametrize("fields", [{"valid": False}, {"whitelist": "NEVER"}, {"auth_id": ""}])
def test_whether_the_driver_may_charge_is_the_emsp_s_business(fields: Json) -> None:
    """Q-55: it has asked for it; nobody is asked back."""
    there = relaying()
    mark = len(there.world.traffic)

    there.accepted(token=make.token("NEW") | fields)

    assert len(there.world.since(mark)) == 1
    assert fields.items() <= there.asked[0]["request"]["token"].items()


LEFT_OUT = ["type", "issuer", "valid", "whitelist", "last_updated"]


@pytest.mark.parametrize("field", LEFT_OUT)
def test_a_token_with_a_field_too_few_is_enough_for_a_lenient_reader(field: str) -> None:
    """Q-55, CMD-13: counted, for the operator to see; a strict one refuses it."""
    there = relaying()
    token = {name: value for name, value in make.token("NEW").items() if name != field}

    there.accepted(token=token)
    counted = there.cpo.ports.partners.counters(there.cpo.partners()[0].id)
    there.read_as(Profile.STRICT)
    refused = there.post(token=token)

    assert field in there.asked[0]["request"]["token"]
    assert any(f"token.{field}" in name for name in counted)
    assert refused.outcome == (200, 2001)
    assert len(there.asked) == 1


def test_a_driver_of_whom_little_is_said_is_on_no_whitelist() -> None:
    """Q-55."""
    there = relaying()

    there.accepted(token={"uid": "NEW", "auth_id": "NL-MSP-APP1"})

    token = there.asked[0]["request"]["token"]
    assert (token["type"], token["whitelist"], token["valid"]) == ("OTHER", "NEVER", True)


@pytest.mark.parametrize("field", ["uid", "auth_id"])
@pytest.mark.parametrize("profile", list(Profile))
def test_a_token_must_say_who_the_driver_is(field: str, profile: Profile) -> None:
    """Q-55, CMD-13."""
    there = relaying()
    there.read_as(profile)
    token = {name: value for name, value in make.token("NEW").items() if name != field}

    assert there.post(token=token).outcome == (200, 2001)
    assert there.token("NEW") is None


# --- reservations --------------------------------------------------------------------------------------------------


def test_the_same_reservation_again_names_the_one_that_it_replaces() -> None:
    """CMD-12: also at another EVSE; its end is passed on, and so are all later ones."""
    there = relaying()

    first = there.accepted("RESERVE_NOW", expiry_date="2026-03-01T13:00:00Z")
    second = there.accepted("RESERVE_NOW", expiry_date="2026-03-01T14:00:00Z", evse_uid="E2")
    third = there.accepted("RESERVE_NOW", expiry_date="2026-03-01T12:30:00Z")

    assert [message.get("replaces") for message in there.asked] == [None, first.id, second.id]
    ends = [message["request"]["expiry_date"] for message in there.asked]
    assert ends == ["2026-03-01T13:00:00Z", "2026-03-01T14:00:00Z", "2026-03-01T12:30:00Z"]
    assert third.id == there.asked[2]["command_id"]


@pytest.mark.parametrize("other", [{"reservation_id": 8}, {"location_id": "LOC2"}])
def test_another_reservation_replaces_nothing(other: Json) -> None:
    """CMD-12."""
    there = relaying()
    there.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC2", (), make.location("LOC2"))
    there.accepted("RESERVE_NOW")

    there.accepted("RESERVE_NOW", **other)

    assert [message.get("replaces") for message in there.asked] == [None, None]


def test_two_emsps_may_give_their_reservations_the_same_number() -> None:
    """CMD-12: also at the same place; each replaces its own, and names none of the other's."""
    there = relaying()
    other = there.world.company("other.example", OTHER, frozenset({Role.EMSP}))
    token = register(other, there.cpo, Role.CPO).token_we_send
    assert token
    by_other = Caller(there.world, "cpo.example", token.secret)

    first = there.accepted("RESERVE_NOW")
    reply = by_other("POST", f"{ROOT}/RESERVE_NOW", REQUESTS["RESERVE_NOW"])
    there.accepted("RESERVE_NOW")

    assert reply.data == {"result": "ACCEPTED"}

    assert [message["partner"]["party"] for message in there.asked] == ["NL/MSP", "NL/OTH", "NL/MSP"]
    assert [message.get("replaces") for message in there.asked] == [None, None, first.id]


def test_a_reservation_that_was_refused_replaces_nothing() -> None:
    """CMD-12, CMD-08: what was never passed on is no reservation."""
    there = relaying()
    there.post("RESERVE_NOW", evse_uid="E9")

    there.accepted("RESERVE_NOW")

    assert "replaces" not in there.asked[0]


def test_no_command_changes_the_status_of_an_evse() -> None:
    """CMD-12: it is what the back end reports."""
    there = relaying()

    there.answers(there.accepted("RESERVE_NOW").id, "ACCEPTED")

    location = there.pair.to_cpo("GET", "/ocpi/cpo/2.1.1/locations/LOC1").data
    assert [evse["status"] for evse in location["evses"]] == ["AVAILABLE", "AVAILABLE", "REMOVED"]
