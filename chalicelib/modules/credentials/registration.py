"""The life of a connection: invited, registered, its tokens rotated, ended. As responder and as initiator.

A token is named by who sends it. ``token_they_send`` we issue and know by its hash; ``token_we_send`` they issue.
Spec: credentials.md; rules CRD-01 to CRD-30, VER-11, VER-13; Q-34 to Q-43.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.modules.credentials.handshake import Registration, register, send_credentials
from chalicelib.modules.credentials.introduction import Introduction
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
_OVERLAP: Final = timedelta(seconds=60)
_OFFER_LASTS: Final = timedelta(days=1)
"""How long the token of a rotation whose outcome is unknown waits beside the old one for its first use (CRD-29)."""
_BROKEN_OFF: Final = "not finished: if it stays so, the registration broke off; unregister this partner and start again"
_NOT_FETCHED: Final = "their endpoints could not be fetched: "

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A token for a partner to register with; shown once."""

    partner: Partner
    token: AuthToken
    expires_at: datetime


class Registrations:
    """Everything that changes how we are connected with partners."""

    def __init__(
        self,
        introduction: Introduction,
        roster: PartnerRegistry,
        outbound: Outbound,
        clock: Callable[[], datetime],
        fresh_token: Callable[[], AuthToken],
        fresh_id: Callable[[], str],
    ) -> None:
        self._introduction = introduction
        self._roster = roster
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
        return Invitation(self._roster.save(partner, issue=[grant]), token, expires_at)

    def accept(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials, in answer to their POST; the token that brought it is spent (CRD-02 to CRD-05).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            ClientError: somebody else is this party, or the invitation was for another one (Q-34).
        """
        if partner.party not in (None, theirs.party):
            raise ClientError(f"this registration is for {partner.party} alone (Q-34)")
        endpoints = self._introduction.endpoints(partner, theirs.url, theirs.auth_token)
        now, fresh = self._clock(), self._fresh_token()
        # A repeated POST does not extend its own window.
        until = grant.expires_at if grant.kind is GrantKind.SPENT else now + _REPEAT_WINDOW
        spent = _grant(partner, grant.token_hash, GrantKind.SPENT, until, fingerprint(theirs))

        def registered(before: Partner) -> Partner:
            return self._introduction.introduced(_untouched(before, partner), theirs, endpoints).with_(
                state=State.REGISTERED, party=theirs.party, issued=(grant.token_hash, fresh.hash), fading=()
            )

        self._roster.save(partner, registered, issue=[_grant(partner, fresh.hash), spent])
        return self.our_credentials(partner, fresh)

    def replace(self, partner: Partner, grant: Grant, theirs: Credentials) -> Mapping[str, Any]:
        """Our credentials with a fresh token, in answer to their PUT (CRD-14, CRD-15).

        Their old token fades for a minute; ours is replaced at once, and tried again if the new one is refused (Q-40).

        Raises:
            PartnerError: their API cannot be used; nothing has changed.
            InvalidParameters: they want to be another party, and the operator has not set that one (Q-34).
        """
        if partner.party not in (None, theirs.party):
            raise InvalidParameters("Credentials: country_code and party_id are not the party that you are here (Q-34)")
        endpoints = self._introduction.endpoints(partner, theirs.url, theirs.auth_token)
        now, fresh = self._clock(), self._fresh_token()
        fading = _grant(partner, grant.token_hash, GrantKind.FADING, now + _OVERLAP)

        def renewed(before: Partner) -> Partner:
            return self._introduction.introduced(_untouched(before, partner), theirs, endpoints).with_(
                party=theirs.party,
                former_token_we_send=before.token_we_send,
                overlap_until=now + _OVERLAP,
                issued=(grant.token_hash, fresh.hash),
                fading=(grant.token_hash,),
            )

        self._roster.save(partner, renewed, issue=[_grant(partner, fresh.hash), fading])
        return self.our_credentials(partner, fresh)

    def successor_used(self, partner: Partner, grant: Grant) -> Partner:
        """The partner after it used a token that replaces others: those of a rotation that is done die (Q-40)."""
        if grant.kind is GrantKind.OFFERED:
            # They took what we never saw them take. What they had before stays good, in case they use that as well.
            return self._roster.save(partner, issue=[_grant(partner, grant.token_hash)])

        def settled(now: Partner) -> Partner:
            return now.with_(issued=tuple(token for token in now.issued if token not in now.fading), fading=())

        return self._roster.save(partner, settled)

    def ended(self, partner: Partner) -> Partner:
        """The partner after its DELETE (CRD-17)."""
        return self._end(partner, "they ended the registration")

    # --- as initiator ---------------------------------------------------------------------------------------------

    def register(self, versions_url: str, token: AuthToken, their_role: Role, name: str = "") -> Partner:
        """The partner, registered with us after we registered with them (CRD-21).

        Raises:
            PartnerError: they cannot be used or refused; the partner stays ``pending`` with the problem on record.
            ClientError: another connection is registered as this party.
        """
        partner = self._roster.save(
            Partner(
                id=self._fresh_id(),
                our_role=their_role.other,
                state=State.PENDING,
                name=name,
                versions_url=versions_url,
                # Nobody would write it down if this process ended before the conversation does.
                problem=_BROKEN_OFF,
            )
        )
        ours = self._fresh_token()

        def introduce_us() -> Mapping[str, Any]:
            # They call back with this token before they answer: it must work before the POST leaves (CRD-22).
            issue = [_grant(partner, ours.hash)]
            self._roster.save(partner, lambda now: _pending(now).with_(issued=(ours.hash,)), issue)
            return self.our_credentials(partner, ours)

        required = self._introduction.required_modules
        try:
            conversation = register(versions_url, token, required, introduce_us, self._clock())
            return self._registered(partner, self._introduction.held(partner, conversation, ours))
        except OcpiError as failed:
            self._note(partner, str(failed), issued=())
            raise

    def _registered(self, partner: Partner, done: Registration) -> Partner:
        theirs, problem = done.credentials, None
        party = None if self._introduction.is_ours(theirs.party) else theirs.party
        if party is None:
            # Some platforms repeat the initiator's party; only the operator can say who they are.
            problem = "they answered with our own party: set theirs; until then they can send nothing"
        elif not self._roster.counter(partner, CALL_BACKS):
            problem = "they registered us without fetching our endpoints (CRD-02)"

        def registered(before: Partner) -> Partner:
            known = self._introduction.introduced(_pending(before), theirs, done.endpoints)
            return known.with_(state=State.REGISTERED, party=party, problem=problem)

        return self._roster.save(partner, registered)

    def rotate(self, partner: Partner) -> Partner:
        """The partner with fresh tokens on both sides, after a PUT of ours (CRD-29).

        Raises:
            NotFound: they are not registered.
            PartnerError: they refused; the old tokens go on, the fresh one stays good for a day in case they took it.
            ClientError: they changed or ended the registration meanwhile.
        """
        ours, now = self._fresh_token(), self._clock()
        token, former = self._token_for(partner), self._roster.grants(partner)
        partner = self._offered(partner, ours, former, now + _OFFER_LASTS)
        conversation = send_credentials("PUT", partner.endpoints, token, self.our_credentials(partner, ours), now)
        try:
            theirs = self._introduction.held(partner, conversation, ours)
        except PartnerError as failed:
            self._note(partner, str(failed))
            raise
        until = self._clock() + _OVERLAP
        replaced = [grant.token_hash for grant in former if grant.kind in (GrantKind.CURRENT, GrantKind.OFFERED)]

        def renewed(before: Partner) -> Partner:
            if ours.hash not in before.issued:
                raise ClientError("they changed or ended the registration meanwhile")
            known = self._introduction.introduced(before, theirs, before.endpoints)
            problem = f"PUT credentials was answered as {theirs.party}: set that party if it is theirs (Q-34)"
            return known.with_(
                former_token_we_send=token,
                overlap_until=until,
                fading=(*before.fading, *replaced),
                problem=None if theirs.party == before.party else problem,
            )

        # Their new token is kept before anything else can fail: soon it is the only one that they take.
        fading = [_grant(partner, token_hash, GrantKind.FADING, until) for token_hash in replaced]
        return self.refreshed(self._roster.save(partner, renewed, issue=[_grant(partner, ours.hash), *fading]))

    def _offered(self, partner: Partner, ours: AuthToken, former: Collection[Grant], until: datetime) -> Partner:
        """The partner with a token more that it may come to use, and without those that are good for nothing."""
        good = {grant.token_hash for grant in former if grant.kind is not GrantKind.SPENT}
        gone = {*partner.issued} - good

        def changed(now: Partner) -> Partner:
            self._token_for(now)  # raises where they have ended it meanwhile
            return now.with_(issued=(*(token for token in now.issued if token not in gone), ours.hash))

        return self._roster.save(partner, changed, issue=[_grant(partner, ours.hash, GrantKind.OFFERED, until)])

    def unregister(self, partner: Partner) -> Partner:
        """The partner after our DELETE; whatever they answer, it is over for us (CRD-17, Q-42)."""
        problem = None
        # Also one that is suspended: that it is over is the last thing that they have to know.
        if partner.is_registered and ModuleID.CREDENTIALS in partner.endpoints:
            try:
                url = partner.endpoints[ModuleID.CREDENTIALS]
                answer = self._outbound.send(partner, ModuleID.CREDENTIALS, "DELETE", url)
                if answer.http_status >= 300 and answer.http_status not in (401, 404, 405):
                    problem = f"DELETE credentials was answered with HTTP {answer.http_status}"
            except UnableToUseApi as failed:
                problem = f"they may not know that it is over: {failed}"
        return self._end(partner, problem)

    # --- while it lasts -------------------------------------------------------------------------------------------

    def tended(self, partner: Partner) -> Partner:
        """The partner after its daily care: told where our endpoints changed (VER-11), theirs fetched (VER-13)."""
        if not partner.is_active or self._introduction.is_up_to_date(partner):
            return self.refreshed(partner)
        try:
            return self.rotate(partner)
        except OcpiError as failed:
            return self._note(partner, f"they could not be told that our endpoints changed: {failed}")

    def refreshed(self, partner: Partner) -> Partner:
        """The partner with its endpoints as they are published now; as before if that fails (VER-13)."""
        if not partner.is_active or partner.versions_url is None:
            return partner
        token = self._token_for(partner)
        try:
            endpoints = self._introduction.endpoints(partner, partner.versions_url, token)
        except PartnerError as failed:
            return self._note(partner, f"{_NOT_FETCHED}{failed}")

        def moved(before: Partner) -> Partner:
            if before.token_we_send != token:
                # Their PUT came meanwhile, or their DELETE, and knows better.
                return before
            healed = (before.problem or "").startswith(_NOT_FETCHED)
            return before.with_(endpoints=endpoints, problem=None if healed else before.problem)

        return self._roster.save(partner, moved)

    def changed(self, partner: Partner, **facts: Any) -> Partner:
        """The partner with its name, party, how it is read, or whether it is suspended set by the operator.

        Raises:
            ClientError: another connection is registered as this party (Q-34).
        """
        settled = {"problem": None} if "party" in facts else {}
        return self._roster.save(partner, lambda now: now.with_(**facts, **settled))

    def our_credentials(self, partner: Partner, token: AuthToken) -> Mapping[str, Any]:
        """What the partner uses to reach us with this token (CRD-01)."""
        return self._introduction.our_credentials(partner.our_role, token)

    def _token_for(self, partner: Partner) -> AuthToken:
        if not partner.is_registered or partner.token_we_send is None:
            raise NotFound(f"partner {partner.id} is {partner.state}, not registered")
        return partner.token_we_send

    def _note(self, partner: Partner, problem: str, **facts: Any) -> Partner:
        _LOG.warning("partner %s: %s", partner.id, problem)
        return self._roster.save(partner, lambda now: now.with_(problem=problem, **facts))

    def _end(self, partner: Partner, problem: str | None) -> Partner:
        """The partner without tokens on either side: nothing is sent any more, what we received stays (Q-42)."""
        gone: dict[str, Any] = {"issued": (), "fading": (), "token_we_send": None, "former_token_we_send": None}
        gone |= {"is_suspended": False}
        return self._roster.save(partner, lambda now: now.with_(state=State.UNREGISTERED, problem=problem, **gone))


def fingerprint(theirs: Credentials) -> str:
    """What makes two POSTs the same POST sent twice (Q-39)."""
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


def _untouched(now: Partner, before: Partner) -> Partner:
    """The partner as it is now, if nobody else changed the registration while we looked at their versions."""
    if (now.state, now.issued) != (before.state, before.issued):
        raise ClientError("the registration changed meanwhile: please try again")
    return now


def _pending(now: Partner) -> Partner:
    if now.state is not State.PENDING:
        raise ClientError("the registration was ended meanwhile")
    return now
