"""A registration ends, by their DELETE or ours: tokens die, nothing is sent any more, what was received stays."""

from __future__ import annotations

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.partner import State
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.modules.scripted import FAILURES, Meeting, meeting, refusal
from tests.world import Pair, pair

CREDENTIALS = "/2.1.1/credentials"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


def unregister(both: Pair, who: Role) -> None:
    """One of the two ends it, and the other hears of it."""
    side = both.cpo if who is Role.CPO else both.emsp
    side.company.registrations.unregister(side.partners()[0])


@pytest.mark.parametrize("who", list(Role))
def test_both_sides_know_that_it_is_over(who: Role) -> None:
    """CRD-17, Q-42: no token of either is good, or known, any more."""
    both = pair()

    unregister(both, who)

    for side in (both.cpo, both.emsp):
        (partner,) = side.partners()
        assert (partner.state, partner.token_we_send, partner.former_token_we_send) == (State.UNREGISTERED, None, None)
        assert partner.issued == ()
    for call, tree in ((both.to_cpo, "/ocpi/cpo"), (both.to_emsp, "/ocpi/emsp")):
        for path in ("/versions", "/2.1.1", "/2.1.1/credentials", *(f"/2.1.1/{module}" for module in MODULES)):
            assert call("GET", f"{tree}{path}").outcome == (401, 2000)


@pytest.mark.parametrize("who", list(Role))
def test_nothing_is_sent_any_more_and_what_was_received_stays(who: Role) -> None:
    """CRD-17, Q-42: not even what was queued before."""
    both = pair()
    tariffs = both.cpo.company.own_objects[ModuleID.TARIFFS]
    tariffs.put("T1", (), make.tariff("T1"))
    both.pump()
    tariffs.put("T2", (), make.tariff("T2"))

    unregister(both, who)
    mark = len(both.world.traffic)
    tariffs.put("T3", (), make.tariff("T3"))
    both.pump()
    for side in (both.cpo, both.emsp):
        side.company.registrations.sync_endpoints(side.partners()[0])

    assert both.world.since(mark) == []
    assert both.emsp.received(ModuleID.TARIFFS, both.cpo.party, "T1")["id"] == "T1"
    assert both.emsp.received(ModuleID.TARIFFS, both.cpo.party, "T2") is None


def test_their_delete_ends_it_in_every_state_of_a_rotation(met: Meeting) -> None:
    """CRD-17: by the current token, a fading one, or one of a PUT of ours that failed."""
    current = met.registered()
    assert current("DELETE", met.credentials_path).outcome == (200, 1000)

    fading = met.registered()
    fresh = met.put(fading).data["token"]
    assert fading("DELETE", met.credentials_path).outcome == (200, 1000)

    assert met.known.problem == "they ended the registration"
    for token in (current.token, fading.token, fresh):
        assert met.caller(token)("GET", met.versions_path).outcome == (401, 2000)


@pytest.mark.parametrize("status", [200, 204, 401, 404, 405])
def test_our_delete_is_over_without_a_problem(met: Meeting, status: int) -> None:
    """CRD-17, Q-42: where they took it, or know of nothing."""
    met.registered()
    met.partner.forget()
    met.partner.answers("DELETE", CREDENTIALS, refusal(status))

    met.ours.company.registrations.unregister(met.known)

    assert met.partner.asked == [("DELETE", CREDENTIALS)]
    assert met.partner.tokens == ["B-token-of-the-partner-1"]
    assert (met.known.state, met.known.problem) == (State.UNREGISTERED, None)


@pytest.mark.parametrize("name", ["refused", "timeout", "403", "500", "502 in HTML", "a redirect"])
def test_our_delete_is_over_for_us_whatever_they_answer(name: str) -> None:
    """CRD-17, Q-42: the operator sees that they may not know."""
    met = meeting()
    caller = met.registered()
    met.partner.answers("DELETE", CREDENTIALS, FAILURES[name])

    met.ours.company.registrations.unregister(met.known)

    assert met.known.state is State.UNREGISTERED
    assert met.known.problem not in (None, "")
    assert not met.is_admitted(caller.token)


def test_a_partner_that_only_was_invited_is_not_called(met: Meeting) -> None:
    """CRD-17, CRD-30."""
    caller = met.invited()

    met.ours.company.registrations.unregister(met.known)

    assert met.partner.requests == []
    assert caller("GET", met.versions_path).outcome == (401, 2000)


def test_ending_it_twice_is_harmless(met: Meeting) -> None:
    """CRD-17."""
    met.registered()
    met.ours.company.registrations.unregister(met.known)
    met.partner.forget()

    assert met.ours.company.registrations.unregister(met.known).state is State.UNREGISTERED
    assert met.partner.requests == []
