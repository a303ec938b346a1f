"""The host's side of charging itself: who may charge, what the host rules about its tokens, what became of its CDRs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply, own_result_reply
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.tokens.authorize import Ruling
from chalicelib.modules.tokens.objects import TOKEN_TYPE, LocationReferences
from chalicelib.node.bodies import as_json
from chalicelib.node.outbound import object_url
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile, read_value
from chalicelib.ocpi.types import format_date_time

# --- may this driver charge ----------------------------------------------------------------------------------------


def _authorize(ask: OperatorCall) -> OperatorReply:
    if Role.CPO not in ask.company.settings.roles:
        raise NotFound("this node does not act as cpo, so nobody charges here")
    asked = ask.texts(required={"uid"}, optional={"type", "location_id", "evse_uid", "connector_id"})
    if asked.get("type", "RFID") not in TOKEN_TYPE:
        raise InvalidParameters(f"type is {' or '.join(TOKEN_TYPE)}")
    if ("connector_id" in asked and "evse_uid" not in asked) or ("evse_uid" in asked and "location_id" not in asked):
        raise InvalidParameters("a connector_id needs its evse_uid, and an evse_uid its location_id")
    verdict = ask.company.authorizer.authorize(asked["uid"], asked.get("type"), _references(ask, asked))
    return OperatorReply(
        {
            "allowed": verdict.allowed,
            "decided_by": verdict.decided_by,
            "reason": verdict.reason,
            "auth_method": verdict.auth_method,
            "partner": verdict.partner_id,
            "token": verdict.token,
            "info": verdict.info,
            "location": verdict.location,
        }
    )


def _references(ask: OperatorCall, asked: dict[str, str]) -> dict[str, Any] | None:
    """The LocationReferences of where the driver stands: one EVSE, and no connector unless the host names it (Q-78)."""
    if "location_id" not in asked:
        return None
    found: dict[str, Any] = {"location_id": asked["location_id"]}
    if "evse_uid" in asked:
        found["evse_uids"] = [asked["evse_uid"]]
    if "connector_id" in asked:
        found["connector_ids"] = [asked["connector_id"]]
    return as_json(read_value(LocationReferences, found, Profile.STRICT, ask.company.ports.clock()).value)


# --- what the host rules about its tokens --------------------------------------------------------------------------


def _ruling(ask: OperatorCall) -> OperatorReply:
    ruling = ask.own_of(ModuleID.TOKENS).stored(ask.steps["id"]).metadata.get("authorization")
    if ruling is None:
        raise NotFound("nothing is ruled about this token: whether it is valid decides")
    return OperatorReply(ruling)


def _rule(ask: OperatorCall) -> OperatorReply:
    tokens = ask.own_of(ModuleID.TOKENS)
    reading = read_value(Ruling, ask.json, Profile.STRICT, ask.company.ports.clock(), unknown="drop")
    unknown = [deviation.path for deviation in reading.deviations if deviation.rule == "TRA-37"]
    if unknown:
        raise InvalidParameters(f"a ruling has allowed, info, needs_location and locations, but no {unknown[0]}")
    ruling = as_json(reading.value)
    tokens.set_metadata(ask.steps["id"], authorization=ruling)
    return OperatorReply(ruling)


def _unrule(ask: OperatorCall) -> OperatorReply:
    ask.own_of(ModuleID.TOKENS).set_metadata(ask.steps["id"], authorization=None)
    return OperatorReply({"outcome": "deleted"})


# --- what became of our CDRs ---------------------------------------------------------------------------------------


def _post_cdr(ask: OperatorCall) -> OperatorReply:
    value = ask.json
    object_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(object_id, str):
        raise InvalidParameters("Cdr.id is missing or no string")
    return own_result_reply(ask.own_of(ModuleID.CDRS).put(object_id, (), value, ask.addressee))


def _posting(ask: OperatorCall) -> OperatorReply:
    """Whether the CDR has arrived, and on demand what the partner shows at the URL that it gave us."""
    stored = ask.own_of(ModuleID.CDRS).stored(ask.steps["id"])
    posted = stored.metadata.get("posted")
    if posted is None:
        return OperatorReply({"party": stored.list, "posted_at": None, "url": None})
    at = format_date_time(datetime.fromisoformat(posted["at"]))
    answer = {"party": stored.list, "partner": posted["partner"], "posted_at": at, "url": posted["url"]}
    if ask.request.query.get("fetch") == "yes":
        answer |= _fetched(ask, posted, json.loads(stored.body))
    return OperatorReply(answer)


def _fetched(ask: OperatorCall, posted: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    partner = ask.company.ports.partners.get(posted["partner"])
    endpoint = partner.endpoints.get(ModuleID.CDRS) if partner and partner.is_active else None
    if partner is None or endpoint is None:
        why = "is no longer a partner, is suspended, or has no cdrs endpoint"
        raise ClientError(f"whom it was posted to {why}: nothing to fetch")
    # Some tell no URL, but serve it below their endpoint.
    url = posted["url"] or object_url(endpoint, ours["id"])
    if not partner.hosts(url):
        raise ClientError("its URL is at a host that is not theirs, which must not see our token (Q-59)")
    theirs = data_of(ask.company.outbound.send(partner, ModuleID.CDRS, "GET", url), "GET of the CDR")
    return {"theirs": theirs, "is_equal": _as_we_write(theirs, ask) == ours}


def _as_we_write(theirs: Any, ask: OperatorCall) -> Any:
    """The CDR in our own spelling, so that a null or a stamp with milliseconds makes no difference."""
    try:
        return as_json(read_value(Cdr, theirs, Profile.LENIENT, ask.company.ports.clock()).value)
    except InvalidParameters:
        return theirs


_RULING: Final = f"{ROOT}/tokens/{{id}}/authorization"

OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{ROOT}/authorize",
        summary="May this driver charge here",
        handler=_authorize,
        body="AuthorizeRequest",
    ),
    Operation(method="GET", path=_RULING, summary="What the host rules about a token of its own", handler=_ruling),
    Operation(
        method="PUT",
        path=_RULING,
        summary="Rule about an own token: blocked, no credit, only there, ...",
        handler=_rule,
        body="Ruling",
    ),
    Operation(method="DELETE", path=_RULING, summary="Let the token's validity decide again", handler=_unrule),
    Operation(
        method="POST",
        path=f"{ROOT}/cdrs",
        summary="Put in a CDR, once and for all",
        handler=_post_cdr,
        body="Object",
        query=("partner",),
    ),
    Operation(
        method="GET",
        path=f"{ROOT}/cdrs/{{id}}/posting",
        summary="Whether a CDR has arrived",
        handler=_posting,
        query=("fetch",),
    ),
)
