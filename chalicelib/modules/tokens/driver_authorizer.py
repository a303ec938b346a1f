"""May this driver charge here? As a CPO: by the whitelist, or by real-time authorization at the eMSP.

The token's whitelist type says which of the two.

Spec: mod_tokens.md 2.2.2, 4.4; rules TOK-06, TOK-07, TOK-20, TOK-21, TOK-23; Q-52, Q-77.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from chalicelib.modules.tokens.authorize import Decide, ruling_of
from chalicelib.modules.tokens.interface import TOKENS, normal_form
from chalicelib.modules.tokens.objects import AuthorizationInfo
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.objects import OURS, IndexHit, ObjectStore, owner_of
from chalicelib.node.outbound import Outbound, object_url
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.receiving.leniency import count_deviations
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import InvalidParameters, NotEnoughInformation, OcpiError, Unreachable
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Deviation, read_value

_LOG = logging.getLogger(__name__)

AUTHORIZE_TIMEOUT_S: Final = 3.0
"""Seconds for all real-time authorizations of one driver, who waits meanwhile; then the whitelist type decides."""
_UNREACHABLE_STATUSES: Final = (502, 503, 504)
"""HTTP statuses of a gateway whose eMSP does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a driver may charge, and who decided it."""

    allowed: str
    """An ``Allowed`` of the spec."""
    decided_by: str
    """``whitelist``, ``real-time``, ``offline`` (they should have been asked, but did not answer), ``our own token``
    or ``nobody``."""
    reason: str
    partner_id: str | None = None
    token: Json | None = None
    info: Json | None = None
    location: Json | None = None
    """The places where the eMSP allows it; None if it names none."""

    @property
    def auth_method(self) -> str | None:
        """The ``auth_method`` of the session and the CDR (SES-13); None if nobody decided."""
        if self.decided_by == "nobody":
            return None
        return "WHITELIST" if self.decided_by in ("whitelist", "offline") else "AUTH_REQUEST"


@dataclass(frozen=True, slots=True)
class _TokenCandidate:
    """A token that the charge point may have read, for several can have one uid."""

    token: Json
    last_updated: datetime
    partner: Partner | None = field(default=None)
    """Whose token it is; None for our own."""
    own: IndexHit | None = None


class DriverAuthorizer:
    """Decides, as a CPO, whether a driver may charge at our charge points."""

    def __init__(
        self,
        tokens: ObjectStore,
        partners: PartnerStore,
        outbound: Outbound,
        clock: Callable[[], datetime],
        decide: Decide,
    ) -> None:
        self._tokens = tokens
        self._partners = partners
        self._outbound = outbound
        self._clock = clock
        self._decide = decide

    def authorize(self, uid: str, token_type: str | None = None, location: Json | None = None) -> Verdict:
        """Whether the token may charge: three store calls, and a request to its eMSP if the whitelist does not decide.

        Args:
            uid: as the charge point read it; letter case and separators do not matter.
            token_type: only tokens of this type.
            location: LocationReferences of where the driver stands.
        """
        candidates = self._candidates(uid, token_type)
        if not candidates:
            return Verdict(
                allowed="NOT_ALLOWED",
                decided_by="nobody",
                reason="nobody whom we roam with now has sent us a token of this uid",
            )
        if len(candidates) > 1:
            whose = ", ".join(each.partner.id if each.partner else "ours" for each in candidates)
            _LOG.warning("one token uid belongs to several: %s", whose)
        until = self._clock() + timedelta(seconds=AUTHORIZE_TIMEOUT_S)
        verdicts = []
        for candidate in candidates:
            verdicts.append(self._verdict(candidate, location, until))
            if verdicts[-1].allowed == "ALLOWED":
                return verdicts[-1]
        return verdicts[0]

    def _candidates(self, uid: str, token_type: str | None) -> Sequence[_TokenCandidate]:
        """The tokens of this uid, of active partners or our own: valid ones first, then the latest (Q-52)."""
        found = self._tokens.find("by_uid", normal_form(uid))
        active = [each for each in self._partners.all() if each.is_active] if found else []
        partners = {each.party: each for each in active if each.our_role is Role.CPO}
        candidates = []
        for each in found:
            token, party = json.loads(each.stored.body), owner_of(each.owner)
            partner = partners.get(party) if party else None
            own = each if each.owner == OURS else None
            if (own or partner) and token_type in (None, token["type"]):
                candidates.append(_TokenCandidate(token, each.stored.last_updated, partner, own))
        return sorted(candidates, key=lambda each: (each.token["valid"], each.last_updated), reverse=True)

    def _verdict(self, candidate: _TokenCandidate, location: Json | None, until: datetime) -> Verdict:
        token, partner = candidate.token, candidate.partner
        if partner is None:
            return self._own_verdict(candidate, location)
        valid, whitelist = token["valid"], token["whitelist"]
        if whitelist == "ALWAYS" or (whitelist == "ALLOWED" and valid):
            return _verdict_by_validity(candidate, "whitelist", f"whitelist {whitelist}")
        try:
            return self._ask(partner, token, location, until)
        except Unreachable as unreachable:
            if whitelist == "NEVER":
                reason = f"whitelist NEVER, and the eMSP did not answer: {unreachable}"
                return Verdict(
                    allowed="NOT_ALLOWED", decided_by="offline", reason=reason, partner_id=partner.id, token=token
                )
            return _verdict_by_validity(candidate, "offline", f"whitelist {whitelist}, and the eMSP did not answer")
        except OcpiError as failed:
            return Verdict(
                allowed="NOT_ALLOWED", decided_by="real-time", reason=str(failed), partner_id=partner.id, token=token
            )

    def _own_verdict(self, candidate: _TokenCandidate, location: Json | None) -> Verdict:
        token, own = candidate.token, candidate.own
        try:
            info: Json = self._decide(token, ruling_of(own.stored), location) if own else {"allowed": "NOT_ALLOWED"}
        except NotEnoughInformation as unclear:
            return Verdict(
                allowed="NOT_ALLOWED", decided_by="our own token", reason=str(unclear), partner_id=None, token=token
            )
        reason = "a token of ours, which we decide on ourselves"
        return Verdict(
            allowed=info["allowed"],
            decided_by="our own token",
            reason=reason,
            partner_id=None,
            token=token,
            info=info.get("info"),
            location=info.get("location"),
        )

    def _ask(self, partner: Partner, token: Json, location: Json | None, until: datetime) -> Verdict:
        """The verdict of the eMSP.

        Raises:
            Unreachable: it did not answer before ``until``.
            OcpiError: it answered anything else, which counts as a refusal (TOK-21).
        """
        endpoint, left = partner.endpoints.get(TOKENS.identifier), (until - self._clock()).total_seconds()
        if endpoint is None or left <= 0:
            raise Unreachable("no tokens endpoint to ask at" if endpoint is None else "no time left to ask")
        url = f"{object_url(endpoint, token['uid'], 'authorize')}?{urlencode({'type': token['type']})}"
        body = as_bytes(location) if location else b""
        answer = self._outbound.send(partner, TOKENS.identifier, "POST", url, body, timeout_s=left)
        if answer.http_status in _UNREACHABLE_STATUSES:
            raise Unreachable(f"HTTP {answer.http_status}")
        info = self._info(partner, answer)
        if info["allowed"] == "ALLOWED" and not _covers(info.get("location"), location):
            return Verdict(
                allowed="NOT_ALLOWED",
                decided_by="real-time",
                reason="allowed, but not at this place",
                partner_id=partner.id,
                token=token,
            )
        said = "the eMSP said so"
        return Verdict(
            allowed=info["allowed"],
            decided_by="real-time",
            reason=said,
            partner_id=partner.id,
            token=token,
            info=info.get("info"),
            location=info.get("location"),
        )

    def _info(self, partner: Partner, answer: Answer) -> Json:
        data = data_of(answer, "authorize")
        if not isinstance(data, dict):
            raise InvalidParameters("authorize was answered without an AuthorizationInfo")
        said, forgiven = _without_empty_info(data)
        reading = read_value(AuthorizationInfo, said, partner.profile, self._clock())
        count_deviations(self._partners, partner.id, TOKENS.identifier, (*forgiven, *reading.deviations))
        return as_json(reading.value)


def _verdict_by_validity(candidate: _TokenCandidate, decided_by: str, reason: str) -> Verdict:
    allowed, valid = ("ALLOWED", "valid") if candidate.token["valid"] else ("BLOCKED", "not valid")
    partner_id = candidate.partner.id if candidate.partner else None
    return Verdict(
        allowed=allowed,
        decided_by=decided_by,
        reason=f"{reason}; the token is {valid}",
        partner_id=partner_id,
        token=candidate.token,
    )


def _without_empty_info(data: Json) -> tuple[Json, tuple[Deviation, ...]]:
    """The answer without ``info`` that has no text or language, because of which nobody is refused (Q-73)."""
    info = data.get("info")
    if not isinstance(info, dict) or (info.get("language") and info.get("text")):
        return data, ()
    deviation = Deviation(path="info", rule="FMT-09", what="has no language or no text")
    return {name: value for name, value in data.items() if name != "info"}, (deviation,)


def _covers(allowed: Json | None, asked: Json | None) -> bool:
    """Whether the places that they allow include the one asked about; if they name none, they allow all."""
    if not allowed or not asked:
        return True
    if allowed["location_id"] != asked["location_id"]:
        return False
    fields = [(allowed.get(field), asked.get(field)) for field in ("evse_uids", "connector_ids")]
    return all(not permitted or not wanted or any(each in permitted for each in wanted) for permitted, wanted in fields)
