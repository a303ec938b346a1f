"""We register with a partner: what we ask in which order, which token works when, and what a failure leaves behind."""

from __future__ import annotations

import hashlib
import json

import pytest

from chalicelib.entrypoints.operator import api
from chalicelib.node.partners.partner import State
from chalicelib.node.partners.store import OperatorKey
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import ClientError, MissingEndpoints, PartnerError, UnsupportedVersion
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.modules.scripted import FAILURES, Answer, Meeting, ScriptedPartner, frame, meeting, refusal
from tests.world import World, register

CREDENTIALS = "/2.1.1/credentials"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


# --- how it goes -----------------------------------------------------------------------------------------------------


def test_we_look_twice_and_post_once_with_the_token_that_they_gave(met: Meeting) -> None:
    """CRD-21, CRD-26, CRD-24, Q-43: and give them little time for a look, but a minute for their call-backs."""
    partner = met.register()

    assert met.partner.asked == [("GET", "/versions"), ("GET", "/2.1.1"), ("POST", CREDENTIALS)]
    assert met.partner.tokens == ["A-token-of-the-partner"] * 3
    waits = [traffic.timeout_s for traffic in met.world.traffic]
    assert waits == [8, 8, 60]
    assert (partner.state, partner.party) == (State.REGISTERED, Party.of("NL", "ABC"))


def test_the_post_holds_our_credentials_for_their_role(met: Meeting) -> None:
    """CRD-21, CRD-27, CRD-01."""
    met.register()

    assert json.loads(met.partner.requests[2].body) == {
        "token": met.token_in_post,
        "url": f"https://ours.example{met.versions_path}",
        "business_details": {"name": "Company DE/CPO"},
        "party_id": "CPO",
        "country_code": "DE",
    }


def test_they_can_look_at_our_endpoints_before_they_answer(met: Meeting) -> None:
    """CRD-22, CRD-27, CRD-25: with the token in our POST, which opens no module before we are registered."""

    def call_back(request: Request) -> Response:
        caller = met.caller(json.loads(request.body)["token"])
        assert caller("GET", met.versions_path).outcome == (200, 1000)
        assert caller("GET", met.root).outcome == (200, 1000)
        assert not met.is_admitted(caller.token)
        for method in ("POST", "PUT", "DELETE"):
            reply = caller(method, met.credentials_path, met.partner.credentials())
            assert reply.outcome == (405, 2000)
            assert reply.headers["allow"] == "GET, OPTIONS"
        return frame(met.partner.credentials())

    met.partner.answers("POST", CREDENTIALS, call_back)

    partner = met.register()

    assert partner.problem is None
    assert met.is_admitted(met.token_in_post)


def test_from_then_on_we_use_the_token_that_they_answered_with() -> None:
    """CRD-07, CRD-27."""
    met = meeting(Role.EMSP)
    met.register()
    met.partner.forget()

    met.ours.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    met.ours.pump()

    assert met.partner.tokens == ["B-token-of-the-partner-1"]


@pytest.mark.parametrize("initiator", list(Role))
def test_either_role_may_begin(initiator: Role) -> None:
    """CRD-26: two real nodes, and each ends up with the other's endpoints and a token that works there."""
    world = World()
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
    emsp = world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}))
    register(*((cpo, emsp) if initiator is Role.CPO else (emsp, cpo)), initiator.other)

    cpo.company.own_objects[ModuleID.LOCATIONS].put("L1", (), make.location("L1"))
    cpo.pump()

    assert emsp.received(ModuleID.LOCATIONS, cpo.party, "L1")["id"] == "L1"
    assert [partner.problem for partner in (*cpo.partners(), *emsp.partners())] == [None, None]


@pytest.mark.parametrize("http", [200, 201, 202])
def test_any_success_is_a_success(met: Meeting, http: int) -> None:
    """CRD-04, Q-38."""
    met.partner.answers("POST", CREDENTIALS, frame(met.partner.credentials(), http=http))

    assert met.register().is_registered


def test_a_partner_that_never_looked_is_registered_with_a_remark(met: Meeting) -> None:
    """Q-41."""
    assert "without fetching our endpoints" in str(met.register().problem)


# --- who they say they are -------------------------------------------------------------------------------------------


def test_an_answer_with_our_own_party_waits_for_the_operator_to_say_who_they_are() -> None:
    """Q-36: the connection stands, but nothing they push is theirs until then."""
    met = meeting(Role.CPO)
    met.partner.answers("POST", CREDENTIALS, frame(met.partner.credentials(country_code="de", party_id="CPO")))
    partner = met.register()
    caller = met.caller(met.token_in_post)
    path, tariff = f"{met.root}/tariffs/NL/ABC/T1", make.tariff("T1")

    assert (partner.state, partner.party) == (State.REGISTERED, None)
    assert "our own party" in str(partner.problem)
    assert caller("PUT", path, tariff).status == 404

    assert say_who_they_are(met, "nl/abc") == 200

    assert (met.known.problem, met.known.party) == (None, Party.of("NL", "ABC"))
    assert caller("PUT", path, tariff).status == 201


def say_who_they_are(met: Meeting, party: str) -> int:
    """The HTTP status that the operator gets when it sets the party of the newest partner."""
    met.ours.ports.partners.save_operator_key(hashlib.sha256(b"key").hexdigest(), OperatorKey("test"))
    url, body = f"/operator/partners/{met.known.id}", json.dumps({"party": party}).encode()
    return api.answer(
        met.ours.company, Request(method="PATCH", url=url, headers={"authorization": "Bearer key"}, body=body)
    ).status


@pytest.mark.parametrize("party", ["", "ABC", "NL/ABCD", "NLD/ABC", "NL/ABC/1", "/"])
def test_the_operator_can_only_name_a_party(party: str) -> None:
    """Q-36, FMT-17."""
    met = meeting()
    met.invited()

    assert say_who_they_are(met, party) == 422
    assert met.known.party is None


def test_the_operator_cannot_make_two_partners_one_party(met: Meeting) -> None:
    """CRD-28, Q-34."""
    met.registered()
    met.partner.answers("POST", CREDENTIALS, frame(met.partner.credentials(country_code="DE", party_id="CPO")))
    met.register()

    assert say_who_they_are(met, "NL/ABC") == 409
    assert met.known.party is None


def test_a_party_that_is_registered_already_is_not_registered_twice(met: Meeting) -> None:
    """CRD-28, Q-34: the operator is told, and the token that they got is dead."""
    first = met.registered()
    second = Meeting(met.ours, ScriptedPartner(met.world, met.partner.role, host="second.example"))

    with pytest.raises(ClientError, match="NL/ABC is registered by another connection"):
        second.register()

    assert met.known.state is State.PENDING
    assert "NL/ABC is registered by another connection" in str(met.known.problem)
    assert second.caller(second.token_in_post)("GET", met.versions_path).outcome == (401, 2000)
    assert met.is_admitted(first.token)


# --- what goes wrong -------------------------------------------------------------------------------------------------


def assert_left_as_it_was(met: Meeting, problem: str) -> None:
    """Nothing came of it but a note; no token of ours is good; the same token of theirs registers us later."""
    assert met.known.state is State.PENDING
    assert met.known.problem == problem
    assert met.known.token_we_send is None
    assert met.known.issued == ()
    met.partner.script.clear()
    assert met.register().is_registered


@pytest.mark.parametrize("step", [("GET", "/versions"), ("GET", "/2.1.1")])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_partner_that_cannot_be_looked_at_is_not_posted_to(failure: Answer, step: tuple[str, str]) -> None:
    """CRD-24, CRD-11."""
    met = meeting()
    met.partner.answers(*step, failure)

    with pytest.raises(PartnerError) as failed:
        met.register()

    assert met.partner.asked[-1] == step
    assert_left_as_it_was(met, str(failed.value))


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_refused_post_discards_the_token_that_was_in_it(failure: Answer) -> None:
    """CRD-24, CRD-21: and it is sent once only."""
    met = meeting()
    met.partner.answers("POST", CREDENTIALS, failure)

    with pytest.raises(PartnerError) as failed:
        met.register()

    assert met.caller(met.token_in_post)("GET", met.versions_path).outcome == (401, 2000)
    assert_left_as_it_was(met, str(failed.value))


@pytest.mark.parametrize(("http", "code"), [(200, 3001), (405, 2000), (401, 2002), (500, 3000)])
def test_the_operator_sees_what_they_answered(http: int, code: int) -> None:
    """CRD-24, Q-02: HTTP status, OCPI status code and message."""
    met = meeting()
    met.partner.answers("POST", CREDENTIALS, refusal(http, code, "we are closed"))

    with pytest.raises(PartnerError):
        met.register()

    assert met.known.problem == f"POST credentials was answered with HTTP {http} and OCPI status {code}: we are closed"


def test_a_partner_without_our_version_is_not_posted_to(met: Meeting) -> None:
    """VER-08."""
    met.partner.answers("GET", "/versions", frame([{"version": "2.2.1", "url": met.partner.url("/2.2.1")}]))

    with pytest.raises(UnsupportedVersion):
        met.register()

    assert met.partner.asked == [("GET", "/versions")]
    assert_left_as_it_was(met, "GET versions offers 2.2.1, but not 2.1.1")


def test_a_partner_without_a_module_that_we_require_is_not_posted_to(caplog: pytest.LogCaptureFixture) -> None:
    """CRD-23: it is logged, and the operator sees it."""
    met = meeting(required_modules=frozenset({"cdrs"}))

    with pytest.raises(MissingEndpoints):
        met.register()

    assert met.partner.asked == [("GET", "/versions"), ("GET", "/2.1.1")]
    assert "lacks the endpoints cdrs" in caplog.text
    met.partner.modules.append("cdrs")
    assert_left_as_it_was(met, "GET version details lacks the endpoints cdrs")


def test_credentials_that_cannot_be_used_are_a_refusal(met: Meeting) -> None:
    """CRD-24, CRD-19: the problem names the field."""
    met.partner.answers("POST", CREDENTIALS, frame(met.partner.credentials(token="two words")))

    with pytest.raises(PartnerError, match="POST credentials was answered with Credentials: token"):
        met.register()


def test_a_url_of_our_own_node_is_no_partner() -> None:
    """CRD-24: we answer ourselves that we know no such token."""
    met = meeting()

    with pytest.raises(PartnerError, match="GET versions was answered with HTTP 401"):
        met.ours.company.registrations.register(
            f"https://ours.example{met.versions_path}", AuthToken("A-token"), Role.CPO
        )
