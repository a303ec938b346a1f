"""May this driver charge here? By the whitelist, or by asking the eMSP, as the token's whitelist type says.

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

PATIENCE_S: Final = 3.0
"""Seconds that a driver stands in front of the charge point while we ask; after that the token's own rules count."""
_OUT_OF_REACH: Final = (502, 503, 504)
"""What a gateway answers when the eMSP behind it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a driver may charge, and how we know."""

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
    """Where the eMSP allows it, as far as it says so."""

    @property
    def auth_method(self) -> str | None:
        """How the driver was let in, for the session and the CDR (SES-13); None if nobody was asked."""
        if self.decided_by == "nobody":
            return None
        return "WHITELIST" if self.decided_by in ("whitelist", "offline") else "AUTH_REQUEST"


@dataclass(frozen=True, slots=True)
class _Candidate:
    token: Json
    last_updated: datetime
    partner: Partner | None = field(default=None)
    """Whose token it is; None for our own."""
    own: IndexHit | None = None


class Authorizer:
    """The CPO's side of authorization."""

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
        """Whether the token may charge; three calls, and a request to its eMSP where the whitelist does not decide.

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
        until = self._clock() + timedelta(seconds=PATIENCE_S)
        verdicts = []
        for candidate in candidates:
            verdicts.append(self._verdict(candidate, location, until))
            if verdicts[-1].allowed == "ALLOWED":
                return verdicts[-1]
        return verdicts[0]

    def _candidates(self, uid: str, token_type: str | None) -> Sequence[_Candidate]:
        """The tokens of this uid that count, the likeliest first: valid ones, then the latest (Q-52)."""
        found = self._tokens.find("by_uid", normal_form(uid))
        active = [each for each in self._partners.all() if each.is_active] if found else []
        partners = {each.party: each for each in active if each.our_role is Role.CPO}
        candidates = []
        for each in found:
            token, party = json.loads(each.stored.body), owner_of(each.owner)
            partner = partners.get(party) if party else None
            own = each if each.owner == OURS else None
            if (own or partner) and token_type in (None, token["type"]):
                candidates.append(_Candidate(token, each.stored.last_updated, partner, own))
        return sorted(candidates, key=lambda each: (each.token["valid"], each.last_updated), reverse=True)

    def _verdict(self, candidate: _Candidate, location: Json | None, until: datetime) -> Verdict:
        token, partner = candidate.token, candidate.partner
        if partner is None:
            return self._own_verdict(candidate, location)
        valid, whitelist = token["valid"], token["whitelist"]
        if whitelist == "ALWAYS" or (whitelist == "ALLOWED" and valid):
            return _by_validity(candidate, "whitelist", f"whitelist {whitelist}")
        try:
            return self._ask(partner, token, location, until)
        except Unreachable as unreachable:
            if whitelist == "NEVER":
                reason = f"whitelist NEVER, and the eMSP did not answer: {unreachable}"
                return Verdict(
                    allowed="NOT_ALLOWED", decided_by="offline", reason=reason, partner_id=partner.id, token=token
                )
            return _by_validity(candidate, "offline", f"whitelist {whitelist}, and the eMSP did not answer")
        except OcpiError as failed:
            return Verdict(
                allowed="NOT_ALLOWED", decided_by="real-time", reason=str(failed), partner_id=partner.id, token=token
            )

    def _own_verdict(self, candidate: _Candidate, location: Json | None) -> Verdict:
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
        """What the eMSP says.

        Raises:
            Unreachable: nothing, in the time that there is.
            OcpiError: something else than a verdict, which is a refusal (TOK-21).
        """
        endpoint, left = partner.endpoints.get(TOKENS.identifier), (until - self._clock()).total_seconds()
        if endpoint is None or left <= 0:
            raise Unreachable("no tokens endpoint to ask at" if endpoint is None else "no time left to ask")
        url = f"{object_url(endpoint, token['uid'], 'authorize')}?{urlencode({'type': token['type']})}"
        body = as_bytes(location) if location else b""
        answer = self._outbound.send(partner, TOKENS.identifier, "POST", url, body, timeout_s=left)
        if answer.http_status in _OUT_OF_REACH:
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


def _by_validity(candidate: _Candidate, decided_by: str, reason: str) -> Verdict:
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
    """The answer without a text that says nothing, on which no driver's charging may depend (Q-73)."""
    info = data.get("info")
    if not isinstance(info, dict) or (info.get("language") and info.get("text")):
        return data, ()
    remark = Deviation(path="info", rule="FMT-09", what="has no language or no text")
    return {name: value for name, value in data.items() if name != "info"}, (remark,)


def _covers(allowed: Json | None, asked: Json | None) -> bool:
    """Whether what they allow includes where the driver stands; saying nothing allows everything."""
    if not allowed or not asked:
        return True
    if allowed["location_id"] != asked["location_id"]:
        return False
    fields = [(allowed.get(field), asked.get(field)) for field in ("evse_uids", "connector_ids")]
    return all(not good or not wanted or any(each in good for each in wanted) for good, wanted in fields)
