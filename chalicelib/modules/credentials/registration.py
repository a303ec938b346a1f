"""The life of a connection: invited, registered, its tokens rotated, ended. As responder and as initiator.

A token is named by who sends it. ``token_they_send`` we issue and know by its hash; ``token_we_send`` they issue.
Spec: credentials.md; rules CRD-01 to CRD-30; Q-34 to Q-43.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.modules.credentials.handshake import register, send_credentials, their_endpoints
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.versions.interface import CALL_BACKS
from chalicelib.node.flows import Flow, T, drive
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners import Grant, GrantKind, Partner, State
from chalicelib.node.ports import Conflict, PartnerStore, PartyTaken
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import ClientError, NotFound, OcpiError, PartnerError, UnableToUseApi
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role

INVITATION_LASTS: Final = timedelta(days=7)
_REPEAT_WINDOW: Final = timedelta(minutes=10)
_OVERLAP: Final = timedelta(seconds=60)
_UNRESOLVED_LASTS: Final = timedelta(days=1)
"""How long a token of a rotation whose outcome is unknown stays good beside the old one (CRD-29)."""
_CALL_BACK_TIMEOUT_S: Final = 8.0
"""Two call-backs have to fit into the POST that they are part of (Q-43)."""
_OUR_POST_TIMEOUT_S: Final = 60.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A token for a partner to register with; shown once."""

    partner: Partner
    token: AuthToken
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in a credentials object."""

    party: Party
    business_details: Mapping[str, Any]


class Registrations:
    """Everything that changes how we are connected with partners."""

    def __init__(
        self,
        identity: Identity,
        partners: PartnerStore,
        outbound: Outbound,
        clock: Callable[[], datetime],
        fresh_token: Callable[[], AuthToken],
        fresh_id: Callable[[], str],
        our_versions_url: Callable[[Role], str],
        required_modules: Collection[str],
        changed: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._partners = partners
        self._outbound = outbound
        self._clock = clock
        self._fresh_token = fresh_token
        self._fresh_id = fresh_id
        self._our_versions_url = our_versions_url
        self._required = required_modules
        self._changed = changed

    # --- as responder ---------------------------------------------------------------------------------------------

    def invite(self, their_role: Role, name: str = "") -> Invitation:
        """A token with which a partner can register with us within seven days (CRD-30)."""
        token, expires_at = self._fresh_token(), self._clock() + INVITATION_LASTS
        partner = Partner(
            self._fresh_id(), their_role.other, State.INVITED, name, issued=(token.hash,), updated_at=self._clock()
        )
        grant = Grant(token.hash, partner.id, partner.our_role, GrantKind.INVITATION, expires_at)
        return Invitation(self._save(partner, issue=[grant]), token, expires_at)

    def accept(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials, in answer to their POST; the token that brought it is spent (CRD-02 to CRD-05).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            ClientError: somebody else has registered as this party (Q-34).
        """
        endpoints = self._their_endpoints(partner, theirs)
        now, fresh = self._clock(), self._fresh_token()
        registered = self._introduced(partner, theirs, endpoints).with_(
            state=State.REGISTERED, issued=(grant.token_hash, fresh.hash), problem=None, updated_at=now
        )
        spent = Grant(
            grant.token_hash,
            partner.id,
            partner.our_role,
            GrantKind.SPENT,
            # A repeated POST does not extend its own window.
            grant.expires_at if grant.kind is GrantKind.SPENT else now + _REPEAT_WINDOW,
            fingerprint(theirs),
        )
        self._save(registered, issue=[self._current(registered, fresh), spent])
        return self._our_credentials(partner.our_role, fresh)

    def replace(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials with a fresh token, in answer to their PUT (CRD-14, CRD-15).

        Their old token fades for a minute; ours is replaced at once, and tried again if the new one is refused (Q-40).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            ClientError: they want to become a party that somebody else is.
        """
        endpoints = self._their_endpoints(partner, theirs)
        now, fresh = self._clock(), self._fresh_token()
        renewed = self._renewed(self._introduced(partner, theirs, endpoints), partner, (grant.token_hash,), fresh)
        fading = Grant(grant.token_hash, partner.id, partner.our_role, GrantKind.FADING, now + _OVERLAP)
        self._save(renewed, issue=[self._current(partner, fresh), fading], release=_given_up(partner, renewed))
        return self._our_credentials(partner.our_role, fresh)

    def ended(self, partner: Partner, grant: Grant) -> None:
        """Their DELETE: both tokens die, nothing is sent any more, what we received stays (CRD-17, Q-42)."""
        self._end(partner, revoke=[grant.token_hash])

    # --- as initiator ---------------------------------------------------------------------------------------------

    def register(self, versions_url: str, token: AuthToken, their_role: Role, name: str = "") -> Partner:
        """The partner, registered with us after we registered with them (CRD-21).

        Raises:
            PartnerError: they cannot be used or refused; the partner stays ``pending`` with the problem on record.
            ClientError: another connection is registered as this party.
        """
        partner = self._save(
            Partner(
                self._fresh_id(),
                their_role.other,
                State.PENDING,
                name,
                versions_url=versions_url,
                updated_at=self._clock(),
            )
        )
        ours, current = self._fresh_token(), partner

        def our_credentials() -> Mapping[str, Any]:
            nonlocal current
            # They call back with this token before they answer: it must work before the POST leaves (CRD-22).
            current = self._save(partner.with_(issued=(ours.hash,)), issue=[self._current(partner, ours)])
            return self._our_credentials(partner.our_role, ours)

        try:
            flow = register(versions_url, token, self._required, our_credentials, self._clock())
            done = self._drive(partner, flow, _OUR_POST_TIMEOUT_S)
            self._refuse_our_own_party(done.credentials)
            current = self._partners.get(partner.id) or current
            called_back = self._partners.tallies(partner.id).get(CALL_BACKS)
            return self._save(
                self._introduced(current, done.credentials, done.endpoints).with_(
                    state=State.REGISTERED,
                    problem=None if called_back else "they registered us without fetching our endpoints (CRD-02)",
                    updated_at=self._clock(),
                )
            )
        except OcpiError as failed:
            current = self._partners.get(partner.id) or current
            pending = current.with_(issued=(), problem=str(failed), updated_at=self._clock())
            self._save(pending, revoke=[ours.hash])
            raise

    def rotate(self, partner: Partner) -> Partner:
        """The partner with fresh tokens on both sides, after a PUT of ours (CRD-29).

        Raises:
            NotFound: they are not registered.
            PartnerError: they refused; the old tokens go on, the fresh one stays good for a day in case they took it.
        """
        token = self._token_for(partner)
        fresh, now, former = self._fresh_token(), self._clock(), partner.issued
        unresolved = Grant(fresh.hash, partner.id, partner.our_role, GrantKind.CURRENT, now + _UNRESOLVED_LASTS)
        partner = self._save(partner.with_(issued=(*former, fresh.hash)), issue=[unresolved])
        try:
            ours = self._our_credentials(partner.our_role, fresh)
            flow = send_credentials("PUT", partner.endpoints, token, ours, now)
            theirs = self._drive(partner, flow, _OUR_POST_TIMEOUT_S)
            endpoints = self._their_endpoints(partner, theirs)
        except PartnerError as failed:
            self._note(partner, str(failed))
            raise
        current = self._partners.get(partner.id) or partner
        renewed = self._renewed(self._introduced(current, theirs, endpoints), partner, former, fresh)
        fading = [Grant(old, partner.id, partner.our_role, GrantKind.FADING, now + _OVERLAP) for old in former]
        return self._save(renewed, issue=[self._current(partner, fresh), *fading], release=_given_up(partner, renewed))

    def unregister(self, partner: Partner) -> Partner:
        """The partner after our DELETE; whatever they answer, it is over for us (CRD-17, Q-42)."""
        problem = None
        if partner.is_registered and ModuleID.CREDENTIALS in partner.endpoints:
            try:
                url = partner.endpoints[ModuleID.CREDENTIALS]
                response = self._outbound.send(partner, ModuleID.CREDENTIALS, "DELETE", url)
                if response.status >= 300 and response.status not in (401, 404, 405):
                    problem = f"DELETE credentials was answered with HTTP {response.status}"
            except UnableToUseApi as failed:
                problem = f"they may not know that it is over: {failed}"
        return self._end(self._partners.get(partner.id) or partner, problem=problem)

    def refreshed(self, partner: Partner) -> Partner:
        """The partner with its endpoints as they are published now; as before if that fails (VER-13)."""
        if not partner.is_registered or partner.versions_url is None:
            return partner
        try:
            token = self._token_for(partner)
            flow = their_endpoints(partner.versions_url, token, self._required, self._clock())
            endpoints = self._drive(partner, flow, _CALL_BACK_TIMEOUT_S)
        except PartnerError as failed:
            return self._note(partner, str(failed))
        if endpoints == partner.endpoints:
            return partner
        _LOG.info("endpoints of partner %s changed", partner.id)
        return self._save(partner.with_(endpoints=endpoints, problem=None, updated_at=self._clock()))

    def successor_used(self, partner: Partner) -> None:
        """Lets the old tokens of a rotation die, now that they use the new one (Q-40)."""
        try:
            issued = tuple(token for token in partner.issued if token not in partner.fading)
            self._save(partner.with_(issued=issued, fading=()), revoke=partner.fading)
        except ClientError:
            # Another request of theirs came first and has done it.
            _LOG.debug("the old tokens of partner %s are gone already", partner.id)

    def changed(self, partner: Partner, **facts: Any) -> Partner:
        """The partner with its name or profile changed by the operator."""
        return self._save(partner.with_(**facts, updated_at=self._clock()))

    # --- what they have in common ---------------------------------------------------------------------------------

    def our_credentials(self, role: Role, token: AuthToken) -> Mapping[str, Any]:
        """What the bearer of ``token`` uses to reach us (CRD-01)."""
        return self._our_credentials(role, token)

    def _our_credentials(self, role: Role, token: AuthToken) -> dict[str, Any]:
        return {
            "token": token.secret,
            "url": self._our_versions_url(role),
            "business_details": dict(self._identity.business_details),
            "party_id": self._identity.party.party_id,
            "country_code": self._identity.party.country_code,
        }

    def _their_endpoints(self, partner: Partner, theirs: Credentials) -> dict[str, str]:
        flow = their_endpoints(theirs.url, theirs.auth_token, self._required, self._clock())
        return self._drive(partner, flow, _CALL_BACK_TIMEOUT_S)

    def _drive(self, partner: Partner, flow: Flow[T], timeout_s: float) -> T:
        def send(request: Request) -> Response:
            token = AuthToken(request.headers["authorization"].removeprefix("Token "))
            return self._outbound.ask(
                partner.id,
                ModuleID.CREDENTIALS,
                request.method,
                request.url,
                token,
                request.body,
                timeout_s=timeout_s,
            )

        return drive(flow, send)

    def _introduced(self, partner: Partner, theirs: Credentials, endpoints: Mapping[str, str]) -> Partner:
        details = theirs.business_details.model_dump(mode="json", exclude_none=True)
        return partner.with_(
            name=partner.name or theirs.business_details.name,
            party=theirs.party,
            versions_url=theirs.url,
            endpoints=endpoints,
            business_details=details,
            token_we_send=theirs.auth_token,
        )

    def _renewed(self, partner: Partner, before: Partner, fading: Collection[str], fresh: AuthToken) -> Partner:
        now = self._clock()
        return partner.with_(
            former_token_we_send=before.token_we_send,
            overlap_until=now + _OVERLAP,
            issued=(*fading, fresh.hash),
            fading=tuple(fading),
            problem=None,
            updated_at=now,
        )

    def _current(self, partner: Partner, token: AuthToken) -> Grant:
        return Grant(token.hash, partner.id, partner.our_role, GrantKind.CURRENT)

    def _refuse_our_own_party(self, theirs: Credentials) -> None:
        """Some platforms answer with the initiator's party instead of their own (Q-36)."""
        if theirs.party == self._identity.party:
            raise UnableToUseApi(f"POST credentials was answered with our own party {theirs.party} instead of theirs")

    def _token_for(self, partner: Partner) -> AuthToken:
        if not partner.is_registered or partner.token_we_send is None:
            raise NotFound(f"partner {partner.id} is {partner.state}, not registered")
        return partner.token_we_send

    def _save(
        self,
        partner: Partner,
        *,
        issue: Collection[Grant] = (),
        revoke: Collection[str] = (),
        release: Party | None = None,
    ) -> Partner:
        try:
            saved = self._partners.save(partner, issue=issue, revoke=revoke, release=release)
        except PartyTaken:
            raise ClientError(f"{partner.party} is registered on another connection: unregister that first") from None
        except Conflict:
            raise ClientError("the registration changed meanwhile: please try again") from None
        self._changed()
        return saved

    def _note(self, partner: Partner, problem: str) -> Partner:
        current = self._partners.get(partner.id) or partner
        return self._save(current.with_(problem=problem, updated_at=self._clock()))

    def _end(self, partner: Partner, *, revoke: Collection[str] = (), problem: str | None = None) -> Partner:
        ended = partner.with_(
            state=State.UNREGISTERED,
            issued=(),
            fading=(),
            token_we_send=None,
            former_token_we_send=None,
            problem=problem,
            updated_at=self._clock(),
        )
        return self._save(ended, revoke={*revoke, *partner.issued}, release=partner.party)


def fingerprint(theirs: Credentials) -> str:
    """What makes two POSTs the same POST sent twice (Q-39)."""
    return hashlib.sha256(f"{theirs.url} {theirs.token}".encode()).hexdigest()


def _given_up(before: Partner, after: Partner) -> Party | None:
    return before.party if before.party != after.party else None
