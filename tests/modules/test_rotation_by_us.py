"""We replace the tokens with a PUT: old and new ones overlap, and whatever they answer, nobody is locked out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.node.partners.partner import State
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import ClientError, NotFound, PartnerError
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.modules.scripted import FAILURES, Answer, Meeting, frame, meeting, refusal
from tests.world import Caller, pair

CREDENTIALS = "/2.1.1/credentials"
THEIR_ANSWER = "B2-token-of-the-partner"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    found = meeting(request.param)
    found.partner.answers("PUT", CREDENTIALS, frame(found.partner.credentials(token=THEIR_ANSWER)))
    return found


def rotate(met: Meeting) -> Caller:
    """The partner with the token that stood in our PUT."""
    met.partner.forget()
    met.ours.company.registrations.rotate(met.known)
    return offered(met)


def offered(met: Meeting) -> Caller:
    """The partner with the token that stood in our last PUT, whatever became of it."""
    puts = [request for request in met.partner.requests if request.method == "PUT"]
    return met.caller(json.loads(puts[-1].body)["token"])


def fails(met: Meeting, failure: Answer) -> Caller:
    """The partner with the token of a PUT of ours that failed."""
    met.partner.answers("PUT", CREDENTIALS, failure)
    with pytest.raises(PartnerError):
        met.ours.company.registrations.rotate(met.known)
    return offered(met)


# --- how it goes -----------------------------------------------------------------------------------------------------


def test_our_put_holds_our_credentials_and_brings_theirs(met: Meeting) -> None:
    """CRD-29, CRD-15, CRD-14: then their endpoints are fetched with the token that they answered with."""
    met.registered()
    met.partner.forget()

    met.ours.company.registrations.rotate(met.known)

    assert met.partner.asked == [("PUT", CREDENTIALS), ("GET", "/versions"), ("GET", "/2.1.1")]
    assert met.partner.tokens == ["B-token-of-the-partner-1", THEIR_ANSWER, THEIR_ANSWER]
    body = json.loads(met.partner.requests[0].body)
    assert (body["url"], body["party_id"]) == (f"https://ours.example{met.versions_path}", "CPO")
    assert met.known.problem is None


def test_the_new_token_replaces_the_old_one_within_a_minute(met: Meeting) -> None:
    """CRD-29, Q-40."""
    old = met.registered()
    new = rotate(met)
    assert met.is_admitted(old.token)

    met.world.clock.pass_(seconds=60)

    assert not met.is_admitted(old.token)
    assert met.is_admitted(new.token)
    met.world.clock.pass_(days=400)
    assert met.is_admitted(new.token)


def test_the_first_use_of_the_new_token_ends_the_old_one(met: Meeting) -> None:
    """CRD-29, Q-40."""
    old = met.registered()
    new = rotate(met)

    assert met.is_admitted(new.token)

    assert not met.is_admitted(old.token)


def test_a_rotation_does_not_bring_back_the_dead(met: Meeting) -> None:
    """CRD-05, Q-39: neither the invitation, not even for the POST that it was used for, nor a replaced token."""
    invited = met.invited()
    first = met.caller(met.post(invited).data["token"])
    second = rotate(met)
    met.is_admitted(second.token)

    rotate(met)

    for dead in (invited, first):
        assert dead("GET", met.versions_path).outcome == (401, 2000)
        assert not met.is_admitted(dead.token)
    assert met.post(invited).outcome == (401, 2000)


def test_their_former_token_is_tried_for_a_minute_where_the_new_one_is_refused() -> None:
    """Q-40: as after a PUT of theirs."""
    met = meeting(Role.EMSP)
    met.registered()
    met.partner.answers("PUT", CREDENTIALS, frame(met.partner.credentials(token=THEIR_ANSWER)))
    rotate(met)
    met.partner.forget()
    met.partner.answers("PUT", "/2.1.1/tariffs/DE/CPO/T1", refusal(401))

    met.ours.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    met.ours.pump()

    assert met.partner.tokens == [THEIR_ANSWER, "B-token-of-the-partner-1"]


def test_two_real_nodes_rotate_and_go_on() -> None:
    """CRD-29, CRD-15, CRD-07: in both directions, started by either."""
    both = pair()
    for number, side in enumerate((both.cpo, both.emsp, both.cpo)):
        (partner,) = side.partners()
        before = partner.token_we_send
        side.company.registrations.rotate(partner)
        assert side.partners()[0].token_we_send != before

        both.cpo.company.own_objects[ModuleID.TARIFFS].put(f"T{number}", (), make.tariff(f"T{number}"))
        both.pump()
        assert both.emsp.received(ModuleID.TARIFFS, both.cpo.party, f"T{number}")["id"] == f"T{number}"
    assert [side.partners()[0].problem for side in (both.cpo, both.emsp)] == [None, None]


def test_they_may_look_at_our_endpoints_before_they_answer(met: Meeting) -> None:
    """CRD-29, CRD-22: with the new token, which settles nothing yet."""
    old = met.registered()

    def call_back(request: Request) -> Response:
        caller = met.caller(json.loads(request.body)["token"])
        assert caller("GET", met.versions_path).outcome == (200, 1000)
        assert caller("GET", met.root).outcome == (200, 1000)
        return refusal(500)

    new = fails(met, call_back)
    met.world.clock.pass_(days=1)

    assert met.is_admitted(old.token)
    assert not met.is_admitted(new.token)


# --- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_put_that_fails_leaves_both_tokens_good(failure: Answer) -> None:
    """CRD-29, CRD-24: and ours for them as it was; the operator sees what they answered."""
    met = meeting()
    old = met.registered()
    before = met.known

    new = fails(met, failure)

    for caller in (new, old, new, old):
        assert met.is_admitted(caller.token)
    assert met.known.token_we_send == before.token_we_send
    assert met.known.endpoints == before.endpoints
    assert met.known.state is State.REGISTERED
    assert met.known.problem not in (None, "")


def test_a_new_token_that_they_use_is_theirs_for_good(met: Meeting) -> None:
    """CRD-29: they took our PUT, only their answer got lost."""
    met.registered()
    new = fails(met, refusal(500))
    assert met.is_admitted(new.token)

    met.world.clock.pass_(days=400)

    assert met.is_admitted(new.token)


def test_a_new_token_that_they_never_use_ends_after_a_day(met: Meeting) -> None:
    """CRD-29."""
    old = met.registered()
    new = fails(met, refusal(405))

    met.world.clock.pass_(days=1)

    assert not met.is_admitted(new.token)
    assert met.is_admitted(old.token)


def test_failed_rotations_leave_nothing_behind(met: Meeting) -> None:
    """CRD-29: however often a schedule repeats them."""
    met.registered()
    for _ in range(5):
        fails(met, refusal(405))
        met.world.clock.pass_(days=1)

    assert len(met.known.issued) <= 2


def test_a_rotation_after_a_failed_one_settles_everything(met: Meeting) -> None:
    """CRD-29, Q-40: the tokens of before fade together."""
    old = met.registered()
    unclear = fails(met, refusal(500))
    met.partner.script.clear()

    new = rotate(met)
    met.world.clock.pass_(seconds=60)

    assert [met.is_admitted(caller.token) for caller in (old, unclear, new)] == [False, False, True]


def test_their_new_token_is_kept_although_their_versions_cannot_be_fetched(met: Meeting) -> None:
    """CRD-29, VER-13: it may be the only one that they still take."""
    met.registered()
    before = met.known
    met.partner.answers("GET", "/versions", refusal(500))

    rotate(met)

    assert met.known.token_we_send is not None
    assert met.known.token_we_send.secret == THEIR_ANSWER
    assert met.known.endpoints == before.endpoints
    assert "could not be fetched" in str(met.known.problem)


def test_an_answer_of_another_party_changes_tokens_but_not_who_they_are(met: Meeting) -> None:
    """Q-34, Q-36: the operator is asked."""
    met.registered()
    before = met.known.party
    met.partner.answers("PUT", CREDENTIALS, frame(met.partner.credentials(token=THEIR_ANSWER, party_id="NEW")))

    rotate(met)

    assert met.known.party == before
    assert met.known.token_we_send is not None
    assert met.known.token_we_send.secret == THEIR_ANSWER
    assert "NL/NEW" in str(met.known.problem)


# --- meanwhile -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_they_do_during_our_put_holds(met: Meeting, method: str) -> None:
    """CRD-29, CRD-15, CRD-17: their word is newer than their answer."""
    old = met.registered()

    def first_something_else(_request: Request) -> Response:
        body = met.partner.credentials(token="B3-token") if method == "PUT" else None
        replies.append(old(method, met.credentials_path, body))
        return frame(met.partner.credentials(token=THEIR_ANSWER))

    replies: list[Any] = []
    met.partner.answers("PUT", CREDENTIALS, first_something_else)

    with pytest.raises(ClientError, match="meanwhile"):
        met.ours.company.registrations.rotate(met.known)

    assert [reply.outcome for reply in replies] == [(200, 1000)]
    if method == "PUT":
        assert met.known.token_we_send is not None
        assert met.known.token_we_send.secret == "B3-token"
        assert met.is_admitted(replies[0].data["token"])
    else:
        assert met.known.state is State.UNREGISTERED
        assert not met.is_admitted(old.token)
        assert not met.is_admitted(offered(met).token)


def test_a_token_that_they_use_for_the_first_time_while_they_end_it_is_dead(met: Meeting) -> None:
    """CRD-17, CRD-29: a request that was let in before the DELETE brings nothing back."""
    old = met.registered()
    new = fails(met, refusal(500))
    authentication = met.ours.ports.partners.authenticate(met.known.our_role, AuthToken(new.token).hash)
    assert authentication is not None
    old("DELETE", met.credentials_path)

    met.ours.company.registrations.confirm_rotation(authentication.partner, authentication.grant)

    assert new("GET", met.versions_path).outcome == (401, 2000)


def test_only_a_registered_partner_can_be_given_new_tokens(met: Meeting) -> None:
    met.invited()

    with pytest.raises(NotFound, match="invited, not registered"):
        met.ours.company.registrations.rotate(met.known)

    assert met.partner.requests == []
