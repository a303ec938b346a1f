"""Proves the Sessions chapter on both sides: who sees a session, how its story is told, and what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.owning.drafts import FinalObject
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import counters, kept, read_as
from tests.world import Pair, pair, register

Json = dict[str, Any]

SESSIONS, TOKENS = ModuleID.SESSIONS, ModuleID.TOKENS
LIST = "/ocpi/cpo/2.1.1/sessions"
SINCE = {"date_from": "2026-01-01T00:00:00Z"}

both_profiles = pytest.mark.parametrize("profile", Profile)


def url(there: Pair, session_id: str = "S1") -> str:
    return there.at_receiver(SESSIONS, session_id)


def held(there: Pair, session_id: str = "S1") -> Json:
    """The session as the eMSP shows it."""
    reply = there.to_emsp("GET", url(there, session_id))
    assert reply.outcome == (200, 1000)
    return dict(reply.data)


def holding(session: Json, profile: Profile = Profile.LENIENT) -> Pair:
    """A pair whose eMSP holds this session."""
    there = read_as(pair(), profile, SESSIONS)
    assert there.to_emsp("PUT", url(there), session).outcome == (201, 1000)
    return there


def at(hour: int) -> str:
    return f"2026-02-01T{hour:02}:00:00Z"


def period(hour: int, volume: float = 1) -> Json:
    return {"start_date_time": at(hour), "dimensions": [{"type": "ENERGY", "volume": volume}]}


# --- at the CPO ----------------------------------------------------------------------------------------------------


def test_the_list_needs_a_date_and_shows_each_emsp_its_own_sessions() -> None:
    """SES-01, SES-02, SES-03, SES-14, PAG-19."""
    there = pair()
    other = there.world.company("other.example", Party.of("NL", "TWO"), frozenset({Role.EMSP}))
    register(other, there.cpo, Role.CPO)
    there.put_in(SESSIONS, make.session("S1"))
    there.cpo.company.own_objects[SESSIONS].put("S2", (), make.session("S2"), other.party)

    there.pump()

    assert there.to_cpo("GET", LIST).outcome == (200, 2001)
    page = there.to_cpo("GET", LIST, query=SINCE)
    assert ([each["id"] for each in page.data], page.headers["x-total-count"]) == (["S1"], "1")
    assert there.to_cpo("GET", LIST, query={"date_from": "2027-01-01T00:00:00Z"}).data == []
    assert there.to_cpo("GET", f"{LIST}/S1").outcome == (404, 2000)
    held_by = [company.received(SESSIONS, there.cpo.party, "S2") is not None for company in (there.emsp, other)]
    assert held_by == [False, True]


def test_a_session_goes_to_the_party_whose_token_it_names() -> None:
    """SES-13, SES-14."""
    there = pair()
    there.put_in(TOKENS, make.token("K1", auth_id="NL-MSP-7"))
    there.pump()

    there.cpo.company.own_objects[SESSIONS].put("S1", (), make.session("S1", auth_id="NL-MSP-7"))
    there.pump()

    assert held(there)["auth_id"] == "NL-MSP-7"


def test_a_session_of_nobodys_or_of_twos_contract_is_not_taken() -> None:
    """SES-13, SES-14."""
    there = pair()
    other = there.world.company("other.example", Party.of("BE", "TWO"), frozenset({Role.EMSP}))
    register(other, there.cpo, Role.CPO)
    own = there.cpo.company.own_objects[SESSIONS]

    with pytest.raises(InvalidParameters, match=r"auth_id: no partner has sent us .*\?partner="):
        own.put("S1", (), make.session("S1", auth_id="NL-MSP-7"))
    for company in (there.emsp, other):
        company.company.own_objects[TOKENS].put("K1", (), make.token("K1", auth_id="NL-MSP-7"))
        company.pump()
    with pytest.raises(InvalidParameters, match=r"auth_id: BE/TWO, NL/MSP all have .*\?partner="):
        own.put("S1", (), make.session("S1", auth_id="NL-MSP-7"))


def test_a_partner_that_registers_anew_still_finds_its_sessions() -> None:
    """SES-02: a session is for a party, whatever becomes of the connection."""
    there = pair()
    there.put_in(SESSIONS, make.session("S1"))
    there.emsp.company.registrations.unregister(there.emsp.partners()[0])

    partner = register(there.emsp, there.cpo, Role.CPO)

    assert partner.token_we_send is not None
    again = type(there.to_cpo)(there.world, "cpo.example", partner.token_we_send.secret)
    assert [each["id"] for each in again("GET", LIST, query=SINCE).data] == ["S1"]


def test_the_story_of_a_session_is_put_then_patched_then_over() -> None:
    """SES-10, SES-12, SES-16: what comes after the end is refused here, and so never sent."""
    there = pair()
    own = there.cpo.company.own_objects[SESSIONS]
    there.put_in(SESSIONS, make.session("S1", status="PENDING", kwh=0))
    there.pump()
    mark = len(there.world.traffic)

    there.world.clock.pass_(minutes=5)
    own.patch("S1", (), {"status": "ACTIVE", "kwh": 3})
    there.pump()
    there.world.clock.pass_(minutes=5)
    own.patch("S1", (), {"status": "COMPLETED", "kwh": 9.5, "end_datetime": "2026-03-01T12:10:00Z"})
    there.pump()

    sent = there.world.since(mark)
    assert [each.request.method for each in sent] == ["PATCH", "PATCH"]
    assert sent[1].json.keys() == {"status", "kwh", "end_datetime", "last_updated"}
    assert (held(there)["status"], held(there)["kwh"]) == ("COMPLETED", 9.5)
    with pytest.raises(FinalObject, match="is final and cannot change any more"):
        own.patch("S1", (), {"kwh": 10})
    assert there.cpo.queues.announcements == []


def test_periods_are_told_by_put() -> None:
    """Q-48: receivers do different things with a PATCH of them."""
    there = pair()
    there.put_in(SESSIONS, make.session("S1"))
    there.pump()
    mark = len(there.world.traffic)

    there.world.clock.pass_(minutes=5)
    there.cpo.company.own_objects[SESSIONS].patch("S1", (), {"charging_periods": [period(1)]})
    there.pump()

    assert [each.request.method for each in there.world.since(mark)] == ["PUT"]
    assert held(there)["charging_periods"] == [period(1)]


# --- at the eMSP ---------------------------------------------------------------------------------------------------


def test_a_patch_of_the_cost_changes_that_alone() -> None:
    """SES-05, SES-04: the first one, and any later one."""
    there = holding(make.session())

    for cost in (0.30, 0.60):
        assert there.to_emsp("PATCH", url(there), {"total_cost": cost}).outcome == (200, 1000)

    after = held(there)
    assert after.pop("total_cost") == 0.6
    assert after | {"last_updated": make.STAMP} == kept(make.session())


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_session_cannot_be_deleted_or_posted(method: str) -> None:
    """SES-04, SES-11."""
    there = holding(make.session())

    assert there.to_emsp(method, url(there), make.session()).outcome == (405, 2000)
    assert held(there) == kept(make.session())


@both_profiles
@pytest.mark.parametrize(
    "name", ["id", "start_datetime", "kwh", "auth_id", "auth_method", "location", "currency", "status"]
)
def test_a_session_without_a_required_field_is_refused(name: str, profile: Profile) -> None:
    """SES-07: and it is ``start_datetime`` here, not ``start_date_time`` as in a CDR."""
    there = read_as(pair(), profile, SESSIONS)
    without = {field: value for field, value in make.session().items() if field != name}

    reply = there.to_emsp("PUT", url(there), without | {"start_date_time": make.STAMP})

    assert reply.outcome == (200, 2001)
    assert name in reply.message
    assert there.to_emsp("GET", url(there)).status == 404


def test_no_price_and_a_price_of_zero_are_two_things() -> None:
    """SES-09, SES-15: kwh is a number, too."""
    there = holding(make.session(kwh=0))
    assert "total_cost" not in held(there)

    there.to_emsp("PATCH", url(there), {"total_cost": 0.0})

    assert held(there)["total_cost"] == held(there)["kwh"] == 0


@both_profiles
def test_more_than_the_evse_in_use_is_taken_and_counted(profile: Profile) -> None:
    """SES-08."""
    whole = make.session(location=make.location(evses=[make.evse("E1"), make.evse("E2")]))

    there = holding(whole, profile)

    assert held(there) == kept(whole)
    assert [name for name in counters(there, SESSIONS) if "SES-08" in name] != []


@both_profiles
@pytest.mark.parametrize("final", ["COMPLETED", "INVALID"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_finished_session_does_not_start_again_but_is_corrected(method: str, final: str, profile: Profile) -> None:
    """SES-10, Q-47."""
    there = holding(make.session(status=final, end_datetime=at(2)), profile)
    news: Json = {"status": "ACTIVE", "kwh": 2.5, "last_updated": at(3)}

    reply = there.to_emsp(method, url(there), make.session(**news) if method == "PUT" else news)

    assert reply.outcome == (200, 1000)
    after = held(there)
    assert (after["status"], after["end_datetime"], after["kwh"]) == (final, at(2), 2.5)
    counted = sorted(name for name in counters(there, SESSIONS) if "SES-10" in name)
    assert [name.split()[3] for name in counted] == ["(the", "status"]


def test_a_correction_that_stays_final_is_counted_once_and_a_repeat_not_at_all() -> None:
    """SES-10, Q-47."""
    there = holding(make.session(status="COMPLETED"))

    there.to_emsp("PUT", url(there), make.session(status="COMPLETED"))
    assert [name for name in counters(there, SESSIONS) if "SES-10" in name] == []
    there.to_emsp("PATCH", url(there), {"kwh": 7, "last_updated": at(1)})

    assert held(there)["kwh"] == 7
    assert [count for name, count in counters(there, SESSIONS).items() if "SES-10" in name] == [1]
