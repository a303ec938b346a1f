"""A partner registers with us: what it takes, what it gets, and which tokens live and die."""

from __future__ import annotations

import base64

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.partner import State
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.modules.scripted import FAILURES, Meeting, ScriptedPartner, meeting

each_role = pytest.mark.parametrize("their_role", list(Role))
each_failure = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


# --- how it goes -----------------------------------------------------------------------------------------------------


def test_they_are_called_back_before_they_are_answered(met: Meeting) -> None:
    """CRD-02, CRD-03, CRD-26, Q-43: versions, then details, with the token they gave, in little time."""
    reply = met.post(met.invited())

    assert reply.outcome == (200, 1000)
    calls = [traffic for traffic in met.world.traffic if traffic.host == "partner.example"]
    assert [(call.request.method, call.path) for call in calls] == [("GET", "/versions"), ("GET", "/2.1.1")]
    assert [call.request.headers["authorization"] for call in calls] == ["Token B-token-of-the-partner-1"] * 2
    assert met.world.traffic.index(calls[-1]) < len(met.world.traffic) - 1
    waits = [call.timeout_s or 1000 for call in calls]
    assert max(waits) <= 8
    assert sum(waits) <= 20


def test_they_are_answered_with_our_credentials_and_a_token_of_their_own(met: Meeting) -> None:
    """CRD-04, CRD-27, CRD-01: our party and versions URL, and a token that is neither A nor B."""
    caller = met.invited()
    data = met.post(caller).data

    assert data | {"token": "C"} == {
        "token": "C",
        "url": f"https://ours.example{met.versions_path}",
        "business_details": {"name": "Company DE/CPO"},
        "party_id": "CPO",
        "country_code": "DE",
    }
    assert data["token"] not in (caller.token, met.partner.token)
    assert met.caller(data["token"])("GET", met.credentials_path).data == data


def test_their_token_opens_every_module(met: Meeting) -> None:
    """CRD-06."""
    caller = met.registered()

    for module in MODULES:
        assert caller("GET", f"{met.root}/{module}").status in (200, 405)
    assert caller("GET", met.versions_path).outcome == (200, 1000)


def test_what_we_know_of_them_is_what_they_said(met: Meeting) -> None:
    """CRD-04, CRD-02."""
    met.post(met.invited(), business_details=make.business_details(name="Blue", website="https://blue.example"))

    assert met.known.state is State.REGISTERED
    assert met.known.party == Party.of("NL", "ABC")
    assert met.known.name == "Blue"
    assert met.known.versions_url == "https://partner.example/versions"
    assert met.known.endpoints["locations"] == "https://partner.example/2.1.1/locations"
    assert met.known.problem is None


def test_pushes_carry_the_token_that_they_gave() -> None:
    """CRD-07."""
    met = meeting(Role.EMSP)
    met.registered()
    met.partner.forget()

    met.ours.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    met.ours.pump()

    assert met.partner.asked == [("PUT", "/2.1.1/tariffs/DE/CPO/T1")]
    assert met.partner.tokens == ["B-token-of-the-partner-1"]


# --- the invitation --------------------------------------------------------------------------------------------------


def test_an_invitation_opens_no_module(met: Meeting) -> None:
    """CRD-25."""
    caller = met.invited()

    for module in MODULES:
        assert caller("GET", f"{met.root}/{module}").outcome == (401, 2000)


def test_an_invitation_shows_our_credentials_with_itself(met: Meeting) -> None:
    """CRD-01, Q-37."""
    caller = met.invited()

    data = caller("GET", met.credentials_path).data

    assert data["token"] == caller.token
    assert data["url"] == f"https://ours.example{met.versions_path}"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_is_not_registered_cannot_change_or_end_it(met: Meeting, method: str) -> None:
    """CRD-09, CRD-10: and the invitation stays good."""
    caller = met.invited()

    reply = caller(method, met.credentials_path, met.partner.credentials() if method == "PUT" else None)

    assert reply.outcome == (405, 2000)
    assert reply.headers["allow"] == "GET, POST, OPTIONS"
    assert met.partner.requests == []
    assert met.post(caller).outcome == (200, 1000)


def test_who_is_registered_cannot_register_again(met: Meeting) -> None:
    """CRD-08: nothing changes, and nobody is called back."""
    caller = met.registered()
    before = met.known
    met.partner.forget()

    reply = met.post(caller, token="another-token", url="https://elsewhere.example/versions")

    assert reply.outcome == (405, 2000)
    assert reply.headers["allow"] == "GET, PUT, DELETE, OPTIONS"
    assert met.partner.requests == []
    assert met.known == before
    assert met.is_admitted(caller.token)


def test_credentials_cannot_be_patched(met: Meeting) -> None:
    """CRD-18."""
    for caller in (met.invited(), met.registered()):
        assert caller("PATCH", met.credentials_path, {"token": "x"}).outcome == (405, 2000)


def test_a_used_invitation_is_dead(met: Meeting) -> None:
    """CRD-05: for every URL and method, and for another registration."""
    caller = met.invited()
    met.post(caller)

    for path in (met.versions_path, met.root, f"{met.root}/locations", met.credentials_path):
        assert caller("GET", path).outcome == (401, 2000)
    assert met.post(caller, token="another-token").outcome == (401, 2000)
    assert met.post(caller, url=met.partner.url("/other")).outcome == (401, 2000)
    assert met.put(caller).outcome == (401, 2000)
    assert caller("DELETE", met.credentials_path).outcome == (401, 2000)


def test_the_very_same_post_again_gets_another_token(met: Meeting) -> None:
    """Q-39: within ten minutes, because the first answer may be lost; the token in that one is dead then."""
    caller = met.invited()
    first = met.post(caller).data["token"]
    assert met.is_admitted(first)

    met.world.clock.pass_(minutes=9)
    second = met.post(caller).data["token"]

    assert second != first
    assert not met.is_admitted(first)
    assert met.is_admitted(second)
    met.world.clock.pass_(minutes=1)
    assert met.post(caller).outcome == (401, 2000)
    assert met.is_admitted(second)


def test_the_same_post_as_another_party_is_no_repetition(met: Meeting) -> None:
    """Q-39, Q-34."""
    caller = met.invited()
    met.post(caller)

    assert met.post(caller, party_id="XYZ").outcome == (200, 2000)
    assert met.known.party == Party.of("NL", "ABC")


def test_a_used_invitation_does_not_outlive_the_registration(met: Meeting) -> None:
    """CRD-17, Q-39: not even for the repeated POST."""
    caller = met.invited()
    registered = met.caller(met.post(caller).data["token"])

    assert registered("DELETE", met.credentials_path).outcome == (200, 1000)

    assert met.post(caller).outcome == (401, 2000)
    assert met.known.state is State.UNREGISTERED


def test_an_invitation_lasts_seven_days(met: Meeting) -> None:
    """CRD-30."""
    in_time, too_late = met.invited(), met.invited()

    met.world.clock.pass_(days=6, hours=23)
    assert met.post(in_time).outcome == (200, 1000)

    met.world.clock.pass_(hours=1)
    assert met.post(too_late).outcome == (401, 2000)


def test_an_invitation_can_be_taken_back_and_another_given(met: Meeting) -> None:
    """CRD-30."""
    caller = met.invited()
    met.ours.company.registrations.unregister(met.known)

    assert met.post(caller).outcome == (401, 2000)
    assert met.post(met.invited()).outcome == (200, 1000)


def test_a_token_in_base64_registers(met: Meeting) -> None:
    """Q-03: A, and then the token that they got."""
    invited = met.invited()

    reply = met.post(met.caller(base64.b64encode(invited.token.encode()).decode()))

    assert reply.outcome == (200, 1000)
    assert met.is_admitted(base64.b64encode(reply.data["token"].encode()).decode())


# --- who they are ----------------------------------------------------------------------------------------------------


def test_a_party_that_somebody_else_is_registered_as_is_refused(met: Meeting) -> None:
    """CRD-28, Q-34, Q-33: in whatever letters; the invitation stays good, the first connection as it is."""
    first = met.registered()
    ScriptedPartner(met.world, met.partner.role, host="impostor.example")
    invited = met.invited()
    theirs = make.credentials("B2-token", "https://impostor.example/versions", party_id="abc", country_code="nl")

    reply = invited("POST", met.credentials_path, theirs)

    assert reply.outcome == (200, 2000)
    assert "NL/ABC is registered by another connection" in reply.message
    assert met.is_admitted(first.token)
    assert invited("POST", met.credentials_path, theirs | {"party_id": "XYZ"}).outcome == (200, 1000)


def test_one_party_may_be_registered_in_each_role() -> None:
    """CRD-28, VER-10."""
    met = meeting(Role.EMSP)
    as_emsp = met.registered()
    as_cpo = Meeting(met.ours, ScriptedPartner(met.world, Role.CPO, host="other.example"))

    caller = as_cpo.registered()

    assert [partner.party for partner in met.ours.partners()] == [Party.of("NL", "ABC")] * 2
    assert met.is_admitted(as_emsp.token)
    assert as_cpo.is_admitted(caller.token)


def test_who_unregistered_comes_back_with_a_new_invitation(met: Meeting) -> None:
    """CRD-28, CRD-30."""
    gone = met.registered()
    gone("DELETE", met.credentials_path)

    back = met.registered()

    assert met.is_admitted(back.token)
    assert not met.is_admitted(gone.token)
    assert [partner.state for partner in met.ours.partners()] == [State.UNREGISTERED, State.REGISTERED]


def test_an_invitation_can_be_for_one_party_alone(met: Meeting) -> None:
    """Q-34."""
    caller = met.invited()
    met.ours.company.registrations.update(met.known, party=Party.of("NL", "ABC"))

    refused = met.post(caller, party_id="XYZ")

    assert refused.outcome == (200, 2000)
    assert met.partner.requests == []
    assert met.post(caller).outcome == (200, 1000)


def test_a_party_in_small_letters_is_kept_in_capitals(met: Meeting) -> None:
    """Q-33, CRD-28."""
    met.post(met.invited(), party_id="aBc", country_code="nl")

    assert met.known.party == Party.of("NL", "ABC")
