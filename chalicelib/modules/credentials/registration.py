"""Registration with partners: invitation, handshake, rotation of tokens, unregistering. As responder and as initiator.

A token is named by who sends it. The one that they send we issue, and keep as a hash in a ``Grant``; ``token_we_send``
they issue. ``Partner.issued`` lists the hashes of the tokens that they may send.
Spec: credentials.md; rules CRD-01 to CRD-30, VER-11, VER-13; Q-34 to Q-43.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.modules.credentials.exchange import CredentialsExchange
from chalicelib.modules.credentials.handshake import Registration, register, send_credentials
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.versions.interface import CALL_BACKS
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.partners.registry import PartnerRegistry
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound, OcpiError, PartnerError, UnableToUseApi
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role

INVITATION_LASTS: Final = timedelta(days=7)
_REPEAT_WINDOW: Final = timedelta(minutes=10)
"""How long the same POST may come again with the token that it has used up (CRD-05, Q-39)."""
_OVERLAP: Final = timedelta(seconds=60)
"""How long a replaced token is still taken after a rotation (Q-40)."""
_OFFER_LASTS: Final = timedelta(days=1)
"""How long a token that we offered stays valid beside the old one, where we do not know if they took it (CRD-29)."""
_BROKEN_OFF: Final = "not finished: if it stays so, the registration broke off; unregister this partner and start again"
_NOT_FETCHED: Final = "their endpoints could not be fetched: "

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A token with which a partner can register with us, often called token A; it is shown once."""

    partner: Partner
    token: AuthToken
    expires_at: datetime


class Registrations:
    """Creates, changes and ends the registrations of partners; every change is saved in the partner registry."""

    def __init__(
        self,
        exchange: CredentialsExchange,
        registry: PartnerRegistry,
        outbound: Outbound,
        clock: Callable[[], datetime],
        fresh_token: Callable[[], AuthToken],
        fresh_id: Callable[[], str],
    ) -> None:
        self._exchange = exchange
        self._registry = registry
        self._outbound = outbound
        self._clock = clock
        self._fresh_token = fresh_token
        self._fresh_id = fresh_id

    # --- as responder ---------------------------------------------------------------------------------------------

    def invite(self, their_role: Role, name: str = "") -> Invitation:
        """A token with which a partner can register with us within seven days (CRD-30)."""
        token, expires_at = self._fresh_token(), self._clock() + INVITATION_LASTS
        partner = Partner(
            id=self._fresh_id(), our_role=their_role.other, state=State.INVITED, name=name, issued=(token.hash,)
        )
        grant = _grant(partner, token.hash, GrantKind.INVITATION, expires_at)
        return Invitation(self._registry.save(partner, issue=[grant]), token, expires_at)

    def accept(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials, in answer to their POST; the token that brought it is spent (CRD-02 to CRD-05).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            ClientError: another connection is registered as this party, or the invitation was for another party (Q-34).
        """
        if partner.party not in (None, theirs.party):
            raise ClientError(f"this registration is for {partner.party} alone (Q-34)")
        endpoints = self._exchange.fetch_endpoints(partner, theirs.url, theirs.auth_token)
        now, fresh = self._clock(), self._fresh_token()
        # A repeated POST does not extend its own window.
        until = grant.expires_at if grant.kind is GrantKind.SPENT else now + _REPEAT_WINDOW
        spent = _grant(partner, grant.token_hash, GrantKind.SPENT, until, fingerprint(theirs))

        def registered(before: Partner) -> Partner:
            return self._exchange.with_credentials(_unchanged(before, partner), theirs, endpoints).with_changes(
                state=State.REGISTERED, party=theirs.party, issued=(grant.token_hash, fresh.hash), fading=()
            )

        self._registry.save(partner, registered, issue=[_grant(partner, fresh.hash), spent])
        return self.our_credentials(partner, fresh)

    def replace(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials with a fresh token, in answer to their PUT (CRD-14, CRD-15).

        They may use their old token for another minute. We use the new one of theirs at once, and the old one again if
        the new one is refused within that minute (Q-40).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            InvalidParameters: they name another party, and the operator has not set that one (Q-34).
        """
        if partner.party not in (None, theirs.party):
            raise InvalidParameters("Credentials: country_code and party_id are not the party that you are here (Q-34)")
        endpoints = self._exchange.fetch_endpoints(partner, theirs.url, theirs.auth_token)
        now, fresh = self._clock(), self._fresh_token()
        fading = _grant(partner, grant.token_hash, GrantKind.FADING, now + _OVERLAP)

        def renewed(before: Partner) -> Partner:
            return self._exchange.with_credentials(_unchanged(before, partner), theirs, endpoints).with_changes(
                party=theirs.party,
                former_token_we_send=before.token_we_send,
                overlap_until=now + _OVERLAP,
                issued=(grant.token_hash, fresh.hash),
                fading=(grant.token_hash,),
            )

        self._registry.save(partner, renewed, issue=[_grant(partner, fresh.hash), fading])
        return self.our_credentials(partner, fresh)

    def confirm_rotation(self, partner: Partner, grant: Grant) -> Partner:
        """The partner after it first used the new token of a rotation; the tokens that it replaces stop working (Q-40).

        Args:
            partner: who called us.
            grant: the token that it used.
        """
        if grant.kind is GrantKind.OFFERED:
            # Our PUT arrived, although its answer did not. Their old token stays valid, in case they use that as well.
            return self._registry.save(partner, issue=[_grant(partner, grant.token_hash)])

        def settled(now: Partner) -> Partner:
            return now.with_changes(issued=tuple(token for token in now.issued if token not in now.fading), fading=())

        return self._registry.save(partner, settled)

    def end_by_partner(self, partner: Partner) -> Partner:
        """The partner, unregistered by its own DELETE (CRD-17)."""
        return self._end(partner, "they ended the registration")

    # --- as initiator ---------------------------------------------------------------------------------------------

    def register(self, versions_url: str, token: AuthToken, their_role: Role, name: str = "") -> Partner:
        """The partner, registered with us after we registered with them (CRD-21).

        Raises:
            PartnerError: their API cannot be used, or refused; the partner stays ``pending``, with this problem.
            ClientError: another connection is registered as this party.
        """
        partner = self._registry.save(
            Partner(
                id=self._fresh_id(),
                our_role=their_role.other,
                state=State.PENDING,
                name=name,
                versions_url=versions_url,
                # Recorded now, because nobody would record it if this process ended during the handshake.
                problem=_BROKEN_OFF,
            )
        )
        ours = self._fresh_token()

        def issue_token() -> Mapping[str, Any]:
            # They call back with this token before they answer: it must work before the POST leaves (CRD-22).
            issue = [_grant(partner, ours.hash)]
            self._registry.save(partner, lambda now: _pending(now).with_changes(issued=(ours.hash,)), issue)
            return self.our_credentials(partner, ours)

        required = self._exchange.required_modules
        try:
            handshake = register(versions_url, token, required, issue_token, self._clock())
            return self._complete(partner, self._exchange.run(partner, handshake, ours))
        except OcpiError as failed:
            self._record_problem(partner, str(failed), issued=())
            raise

    def _complete(self, partner: Partner, done: Registration) -> Partner:
        """The partner, registered by the result of a handshake."""
        theirs, problem = done.credentials, None
        party = None if self._exchange.is_our_party(theirs.party) else theirs.party
        if party is None:
            # Some platforms repeat the initiator's party; only the operator can say who they are.
            problem = "they answered with our own party: set theirs; until then they can send nothing"
        elif not self._registry.counter(partner, CALL_BACKS):
            problem = "they registered us without fetching our endpoints (CRD-02)"

        def registered(before: Partner) -> Partner:
            known = self._exchange.with_credentials(_pending(before), theirs, done.endpoints)
            return known.with_changes(state=State.REGISTERED, party=party, problem=problem)

        return self._registry.save(partner, registered)

    def rotate(self, partner: Partner) -> Partner:
        """The partner with fresh tokens on both sides, after a PUT of ours (CRD-29).

        Raises:
            NotFound: they are not registered.
            PartnerError: they refused or did not answer. The old tokens stay valid, and the fresh one for a day,
                in case they took it.
            ClientError: they changed or ended the registration meanwhile.
        """
        ours, now = self._fresh_token(), self._clock()
        token, former = self._token_for(partner), self._registry.grants(partner)
        partner = self._offer_token(partner, ours, former, now + _OFFER_LASTS)
        handshake = send_credentials("PUT", partner.endpoints, token, self.our_credentials(partner, ours), now)
        try:
            theirs = self._exchange.run(partner, handshake, ours)
        except PartnerError as failed:
            self._record_problem(partner, str(failed))
            raise
        until = self._clock() + _OVERLAP
        replaced = [grant.token_hash for grant in former if grant.kind in (GrantKind.CURRENT, GrantKind.OFFERED)]

        def renewed(before: Partner) -> Partner:
            if ours.hash not in before.issued:
                raise ClientError("they changed or ended the registration meanwhile")
            known = self._exchange.with_credentials(before, theirs, before.endpoints)
            problem = f"PUT credentials was answered as {theirs.party}: set that party if it is theirs (Q-34)"
            return known.with_changes(
                former_token_we_send=token,
                overlap_until=until,
                fading=(*before.fading, *replaced),
                problem=None if theirs.party == before.party else problem,
            )

        # Their new token is kept before anything else can fail: soon it is the only one that they take.
        fading = [_grant(partner, token_hash, GrantKind.FADING, until) for token_hash in replaced]
        issue = [_grant(partner, ours.hash), *fading]
        return self.refresh_endpoints(self._registry.save(partner, renewed, issue=issue))

    def _offer_token(self, partner: Partner, ours: AuthToken, former: Collection[Grant], until: datetime) -> Partner:
        """The partner with one more token that it may use, and without those that are spent or expired."""
        valid = {grant.token_hash for grant in former if grant.kind is not GrantKind.SPENT}
        invalid = {*partner.issued} - valid

        def changed(now: Partner) -> Partner:
            self._token_for(now)  # raises where they have ended it meanwhile
            return now.with_changes(issued=(*(token for token in now.issued if token not in invalid), ours.hash))

        return self._registry.save(partner, changed, issue=[_grant(partner, ours.hash, GrantKind.OFFERED, until)])

    def unregister(self, partner: Partner) -> Partner:
        """The partner, unregistered by our DELETE; for us it is, whatever they answer (CRD-17, Q-42)."""
        problem = None
        # Also a suspended partner is told that the registration has ended.
        if partner.is_registered and ModuleID.CREDENTIALS in partner.endpoints:
            try:
                url = partner.endpoints[ModuleID.CREDENTIALS]
                answer = self._outbound.send(partner, ModuleID.CREDENTIALS, "DELETE", url)
                if answer.http_status >= 300 and answer.http_status not in (401, 404, 405):
                    problem = f"DELETE credentials was answered with HTTP {answer.http_status}"
            except UnableToUseApi as failed:
                problem = f"they may not know that it is over: {failed}"
        return self._end(partner, problem)

    # --- while registered -----------------------------------------------------------------------------------------

    def sync_endpoints(self, partner: Partner) -> Partner:
        """The partner after both sides' endpoints were brought up to date, as is done every day.

        They are told by a PUT of credentials if ours have changed (VER-11); theirs are fetched (VER-13). What fails is
        recorded as the partner's problem.
        """
        if not partner.is_active or self._exchange.knows_our_endpoints(partner):
            return self.refresh_endpoints(partner)
        try:
            return self.rotate(partner)
        except OcpiError as failed:
            return self._record_problem(partner, f"they could not be told that our endpoints changed: {failed}")

    def refresh_endpoints(self, partner: Partner) -> Partner:
        """The partner with its endpoints fetched again, or with a problem and those that it had (VER-13)."""
        if not partner.is_active or partner.versions_url is None:
            return partner
        token = self._token_for(partner)
        try:
            endpoints = self._exchange.fetch_endpoints(partner, partner.versions_url, token)
        except PartnerError as failed:
            return self._record_problem(partner, f"{_NOT_FETCHED}{failed}")

        def moved(before: Partner) -> Partner:
            if before.token_we_send != token:
                # Their PUT or DELETE came meanwhile, and is newer than what we fetched.
                return before
            is_solved = (before.problem or "").startswith(_NOT_FETCHED)
            return before.with_changes(endpoints=endpoints, problem=None if is_solved else before.problem)

        return self._registry.save(partner, moved)

    def update(self, partner: Partner, **facts: Any) -> Partner:
        """The partner with fields that the operator sets: name, party, profile, whether it is suspended, and others.

        Raises:
            ClientError: another connection is registered as this party (Q-34).
        """
        solved = {"problem": None} if "party" in facts else {}
        return self._registry.save(partner, lambda now: now.with_changes(**facts, **solved))

    def our_credentials(self, partner: Partner, token: AuthToken) -> Mapping[str, Any]:
        """The credentials that this partner uses to reach us, with this token (CRD-01)."""
        return self._exchange.our_credentials(partner.our_role, token)

    def _token_for(self, partner: Partner) -> AuthToken:
        if not partner.is_registered or partner.token_we_send is None:
            raise NotFound(f"partner {partner.id} is {partner.state}, not registered")
        return partner.token_we_send

    def _record_problem(self, partner: Partner, problem: str, **facts: Any) -> Partner:
        _LOG.warning("partner %s: %s", partner.id, problem)
        return self._registry.save(partner, lambda now: now.with_changes(problem=problem, **facts))

    def _end(self, partner: Partner, problem: str | None) -> Partner:
        """The partner, unregistered and without tokens on either side; the objects that it sent us stay (Q-42)."""
        gone: dict[str, Any] = {"issued": (), "fading": (), "token_we_send": None, "former_token_we_send": None}
        gone |= {"is_suspended": False}
        return self._registry.save(
            partner, lambda now: now.with_changes(state=State.UNREGISTERED, problem=problem, **gone)
        )


def fingerprint(theirs: Credentials) -> str:
    """A hash of their credentials; two POSTs with the same one are one POST, repeated (Q-39)."""
    return hashlib.sha256(f"{theirs.url} {theirs.token}".encode()).hexdigest()


def _grant(
    partner: Partner,
    token_hash: str,
    kind: GrantKind = GrantKind.CURRENT,
    expires_at: datetime | None = None,
    repeat_of: str | None = None,
) -> Grant:
    return Grant(
        token_hash=token_hash,
        partner_id=partner.id,
        our_role=partner.our_role,
        kind=kind,
        expires_at=expires_at,
        repeat_of=repeat_of,
    )


def _unchanged(now: Partner, before: Partner) -> Partner:
    """The partner as it is now.

    Raises:
        ClientError: somebody else changed the registration while we fetched their versions.
    """
    if (now.state, now.issued) != (before.state, before.issued):
        raise ClientError("the registration changed meanwhile: please try again")
    return now


def _pending(now: Partner) -> Partner:
    """The partner as it is now.

    Raises:
        ClientError: it is not pending any more.
    """
    if now.state is not State.PENDING:
        raise ClientError("the registration was ended meanwhile")
    return now
