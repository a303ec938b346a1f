"""Others write, or our store fails, while a registration is under way: none is lost, none comes of nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from chalicelib.node.partners.partner import State
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Role
from tests.modules.scripted import FailingPartners, Meeting, frame, meeting
from tests.world import Reply

CREDENTIALS = "/2.1.1/credentials"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


# --- they register with us -------------------------------------------------------------------------------------------


def test_two_posts_at_the_same_time_are_one_registration(met: Meeting) -> None:
    """CRD-04, CRD-05: one of them gets a token, which works; the other is told to try again."""
    caller, both_in = met.invited(), threading.Barrier(2)
    replies: list[Reply] = []

    def together(_request: Request) -> Response:
        both_in.wait(timeout=10)
        return frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}])

    met.partner.answers("GET", "/versions", together)
    posts = [threading.Thread(target=lambda: replies.append(met.post(caller))) for _ in range(2)]
    for post in posts:
        post.start()
    for post in posts:
        post.join()

    (winner,) = [reply for reply in replies if reply.code == 1000]
    (loser,) = [reply for reply in replies if reply.code != 1000]
    assert loser.outcome == (200, 2000)
    assert "try again" in loser.message
    assert met.is_admitted(winner.data["token"])
    assert len(met.ours.partners()) == 1
    assert len(met.known.issued) == 2


def test_an_invitation_taken_back_during_the_call_back_registers_nobody(met: Meeting) -> None:
    """CRD-30, CRD-17."""
    caller = met.invited()

    def versions(_request: Request) -> Response:
        met.ours.company.registrations.unregister(met.known)
        return frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}])

    met.partner.answers("GET", "/versions", versions)

    assert met.post(caller).outcome == (200, 2000)
    assert met.known.state is State.UNREGISTERED
    assert met.known.token_we_send is None
    assert met.post(caller).outcome == (401, 2000)


def test_a_partner_renamed_during_the_call_back_keeps_name_and_registration(met: Meeting) -> None:
    """CRD-02: the operator's change and the partner's do not exclude each other."""
    caller = met.invited()

    def versions(_request: Request) -> Response:
        met.ours.company.registrations.update(met.known, name="Blue Mobility")
        return frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}])

    met.partner.answers("GET", "/versions", versions)

    assert met.post(caller).outcome == (200, 1000)
    assert (met.known.name, met.known.state) == ("Blue Mobility", State.REGISTERED)


# --- our store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(met: Meeting) -> FailingPartners:
    return FailingPartners.of(met)


def test_a_store_that_fails_after_the_call_back_takes_no_invitation(met: Meeting, store: FailingPartners) -> None:
    """CRD-11, TRA-38: the partner is told that we failed, not that it did."""
    caller = met.invited()
    store.fails = "before"

    assert met.post(caller).outcome == (200, 3000)

    assert met.known.state is State.INVITED
    assert met.post(caller).outcome == (200, 1000)


def test_a_store_that_answers_too_late_loses_no_registration(met: Meeting, store: FailingPartners) -> None:
    """CRD-05, Q-39: the same POST again gets a token."""
    caller = met.invited()
    store.fails = "after"

    assert met.post(caller).outcome == (200, 3000)

    again = met.post(caller)
    assert again.outcome == (200, 1000)
    assert met.is_admitted(again.data["token"])


def test_a_token_that_died_in_a_late_store_is_remembered_nowhere(met: Meeting, store: FailingPartners) -> None:
    """CRD-17: we let nobody in from memory whose registration may be over."""
    caller = met.registered()
    assert met.is_admitted(caller.token)
    store.fails = "after"

    assert caller("DELETE", met.credentials_path).outcome == (200, 3000)

    assert not met.is_admitted(caller.token)


# --- we register with them -------------------------------------------------------------------------------------------

Meanwhile = Callable[[Meeting], object]


def test_a_partner_given_up_before_the_post_is_not_posted_to(met: Meeting) -> None:
    """CRD-30, CRD-22: and no token is issued to it."""

    def details(_request: Request) -> Response:
        met.ours.company.registrations.unregister(met.known)
        return frame(met.partner.details())

    met.partner.answers("GET", "/2.1.1", details)

    with pytest.raises(ClientError, match="ended meanwhile"):
        met.register()

    assert met.partner.asked == [("GET", "/versions"), ("GET", "/2.1.1")]
    assert (met.known.state, met.known.issued) == (State.UNREGISTERED, ())


def during_the_post(met: Meeting, meanwhile: Meanwhile) -> None:
    def post(_request: Request) -> Response:
        meanwhile(met)
        return frame(met.partner.credentials())

    met.partner.answers("POST", CREDENTIALS, post)


def test_a_partner_renamed_during_the_post_is_registered_under_that_name(met: Meeting) -> None:
    """CRD-21: what they accepted is not lost because somebody else wrote."""
    during_the_post(met, lambda met: met.ours.company.registrations.update(met.known, name="Blue"))

    met.register()

    assert (met.known.name, met.known.state) == ("Blue", State.REGISTERED)


def test_a_partner_given_up_during_the_post_stays_given_up(met: Meeting) -> None:
    """CRD-30, CRD-17."""
    during_the_post(met, lambda met: met.ours.company.registrations.unregister(met.known))

    with pytest.raises(ClientError, match="ended meanwhile"):
        met.register()

    assert met.known.state is State.UNREGISTERED
    assert met.caller(met.token_in_post)("GET", met.versions_path).outcome == (401, 2000)


def test_a_registration_that_broke_off_says_so(met: Meeting) -> None:
    """CRD-24: whatever ended it, the operator finds a pending partner with a problem, and can give it up."""
    store = FailingPartners.of(met)

    def fails(_met: Meeting) -> None:
        store.fails = "before"

    during_the_post(met, fails)

    with pytest.raises(TimeoutError):
        met.register()

    assert met.known.state is State.PENDING
    assert "broke off" in str(met.known.problem)
    assert met.ours.company.registrations.unregister(met.known).state is State.UNREGISTERED
    assert met.caller(met.token_in_post)("GET", met.versions_path).outcome == (401, 2000)
