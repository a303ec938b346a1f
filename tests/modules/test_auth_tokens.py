"""Who is let in from memory, and that no token is ever said aloud."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

from chalicelib.node.partners.authentication import CachedAuthenticator
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.partners.store import Authentication
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import PartnerError
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.memory import MemoryPartnerStore
from tests.modules.scripted import Meeting, meeting, refusal
from tests.world import Clock


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


# --- the memory of whom we let in ------------------------------------------------------------------------------------


class Counted(MemoryPartnerStore):
    """A store that counts how often it is asked for an admission."""

    asked = 0

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        self.asked += 1
        return super().authenticate(our_role, token_hash)


PARTNER = Partner(id="p1", our_role=Role.CPO, state=State.REGISTERED)


def grant(kind: GrantKind = GrantKind.CURRENT) -> Grant:
    return Grant(token_hash="hash", partner_id="p1", our_role=Role.CPO, kind=kind)


def test_a_burst_of_requests_reads_the_store_once_and_three_seconds_later_again() -> None:
    """What is remembered is a registered partner with its current token."""
    clock = Clock()
    store = Counted(clock)
    store.save(PARTNER, issue=[grant()])
    authenticator = CachedAuthenticator(store, clock)

    found = [authenticator.authenticate(Role.CPO, "hash") for _ in range(20)]
    assert store.asked == 1
    assert {each.grant.token_hash for each in found if each} == {"hash"}

    clock.pass_(seconds=3)
    authenticator.authenticate(Role.CPO, "hash")
    assert store.asked == 2


def test_a_refusal_is_not_remembered() -> None:
    """CRD-06, CRD-27: a token works the moment it is issued."""
    store = Counted(Clock())
    authenticator = CachedAuthenticator(store, Clock())
    assert authenticator.authenticate(Role.CPO, "hash") is None

    store.save(PARTNER, issue=[grant()])

    assert authenticator.authenticate(Role.CPO, "hash") is not None


@pytest.mark.parametrize("kind", [kind for kind in GrantKind if kind is not GrantKind.CURRENT])
def test_a_token_that_will_end_is_looked_up_each_time(kind: GrantKind) -> None:
    """CRD-05, Q-40."""
    store = Counted(Clock())
    store.save(PARTNER, issue=[grant(kind)])
    authenticator = CachedAuthenticator(store, Clock())
    assert authenticator.authenticate(Role.CPO, "hash") is not None

    store.save(PARTNER.with_changes(version=1), revoke=["hash"])

    assert authenticator.authenticate(Role.CPO, "hash") is None


@pytest.mark.parametrize("partner", [PARTNER.with_changes(state=State.PENDING), PARTNER.with_changes(fading=("old",))])
def test_a_partner_that_will_change_is_looked_up_each_time(partner: Partner) -> None:
    """CRD-22, Q-40."""
    store = Counted(Clock())
    store.save(partner, issue=[grant()])
    authenticator = CachedAuthenticator(store, Clock())

    for _ in range(2):
        authenticator.authenticate(Role.CPO, "hash")

    assert store.asked == 2


def test_a_token_is_dead_the_moment_it_is_revoked_although_it_was_just_used(met: Meeting) -> None:
    """CRD-17: at versions, credentials and modules."""
    caller = met.registered()
    paths = (met.versions_path, met.root, met.credentials_path, f"{met.root}/locations")
    for path in paths:
        assert caller("GET", path).status != 401

    met.ours.company.registrations.unregister(met.known)

    for path in paths:
        assert caller("GET", path).outcome == (401, 2000)


# --- what is said aloud ----------------------------------------------------------------------------------------------


def quoting(request: Request) -> Response:
    """A refusal that repeats every secret of the request, as some platforms do, and escapes slashes, as PHP does."""
    inside = json.loads(request.body).get("token", "") if request.body else ""
    said = refusal(401, message=f"cannot use {request.headers['authorization']}, nor '{inside}'")
    return Response(401, {}, said.body.replace(b"/", rb"\/"))


def test_no_token_is_logged_told_or_shown_in_a_whole_life(caplog: pytest.LogCaptureFixture) -> None:
    """N-40, N-65, CRD-24: not even where the partner quotes what it refuses."""
    caplog.set_level(logging.DEBUG)
    met = meeting(Role.EMSP)
    met.partner.token = "B/token/of/the/partner"
    registrations, said = met.ours.company.registrations, []

    met.partner.answers("GET", "/versions", quoting)
    invited = met.invited()
    said.append(met.post(invited).message)
    met.partner.script.clear()
    answered = met.post(invited).data["token"]
    met.partner.answers("PUT", "/2.1.1/tariffs/DE/CPO/T1", quoting)
    for method in ("POST", "PUT"):
        met.partner.answers(method, "/2.1.1/credentials", quoting)
    met.ours.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    met.ours.pump()
    attempts: list[Callable[[], object]] = [lambda: registrations.rotate(met.known), met.register]
    for attempt in attempts:
        with pytest.raises(PartnerError) as refused:
            attempt()
        said.append(str(refused.value))

    sent = [json.loads(request.body)["token"] for request in met.partner.requests if b'"token"' in request.body]
    secrets = {invited.token, answered, met.partner.token, "A-token-of-the-partner", *sent}
    assert len(secrets) == 6
    partners = met.ours.partners()
    said += [failure.reason for partner in partners for failure in met.ours.ports.outbox.entries(partner.id)]
    assert len(said) == 4
    assert all("cannot use Token AuthToken(" in text for text in said)
    shown = [*said, caplog.text, repr(partners), str(partners), repr(met.ours.observer.exchanges)]
    assert [secret for secret in secrets for text in shown if secret in text] == []


def test_a_token_prints_as_three_characters_of_it_at_most() -> None:
    """N-65."""
    assert repr(AuthToken("a-long-secret-token")) == str(AuthToken("a-long-secret-token")) == "AuthToken(a-l…)"
    assert f"{AuthToken('short')}" == "AuthToken(…)"
