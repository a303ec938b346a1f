"""Operations about charging: authorize a driver, rule about own tokens, post CDRs and see whether they arrived."""

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


def _authorize(call: OperatorCall) -> OperatorReply:
    if Role.CPO not in call.company.settings.roles:
        raise NotFound("this node does not act as cpo, so nobody charges here")
    asked = call.texts(required={"uid"}, optional={"type", "location_id", "evse_uid", "connector_id"})
    if asked.get("type", "RFID") not in TOKEN_TYPE:
        raise InvalidParameters(f"type is {' or '.join(TOKEN_TYPE)}")
    if ("connector_id" in asked and "evse_uid" not in asked) or ("evse_uid" in asked and "location_id" not in asked):
        raise InvalidParameters("a connector_id needs its evse_uid, and an evse_uid its location_id")
    verdict = call.company.authorizer.authorize(asked["uid"], asked.get("type"), _references(call, asked))
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


def _references(call: OperatorCall, asked: dict[str, str]) -> dict[str, Any] | None:
    """The LocationReferences of where the driver stands: one EVSE, and no connector unless the host names it (Q-78)."""
    if "location_id" not in asked:
        return None
    found: dict[str, Any] = {"location_id": asked["location_id"]}
    if "evse_uid" in asked:
        found["evse_uids"] = [asked["evse_uid"]]
    if "connector_id" in asked:
        found["connector_ids"] = [asked["connector_id"]]
    return as_json(read_value(LocationReferences, found, Profile.STRICT, call.company.ports.clock()).value)


# --- rulings about own tokens --------------------------------------------------------------------------------------


def _ruling(call: OperatorCall) -> OperatorReply:
    ruling = call.own_of(ModuleID.TOKENS).stored(call.params["id"]).metadata.get("authorization")
    if ruling is None:
        raise NotFound("nothing is ruled about this token: whether it is valid decides")
    return OperatorReply(ruling)


def _rule(call: OperatorCall) -> OperatorReply:
    tokens = call.own_of(ModuleID.TOKENS)
    reading = read_value(Ruling, call.json, Profile.STRICT, call.company.ports.clock(), unknown="drop")
    unknown = [deviation.path for deviation in reading.deviations if deviation.rule == "TRA-37"]
    if unknown:
        raise InvalidParameters(f"a ruling has allowed, info, needs_location and locations, but no {unknown[0]}")
    ruling = as_json(reading.value)
    tokens.set_metadata(call.params["id"], authorization=ruling)
    return OperatorReply(ruling)


def _unrule(call: OperatorCall) -> OperatorReply:
    call.own_of(ModuleID.TOKENS).set_metadata(call.params["id"], authorization=None)
    return OperatorReply({"outcome": "deleted"})


# --- our CDRs ------------------------------------------------------------------------------------------------------


def _post_cdr(call: OperatorCall) -> OperatorReply:
    value = call.json
    object_id = value.get("id") if isinstance(value, dict) else None
    if not isinstance(object_id, str):
        raise InvalidParameters("Cdr.id is missing or no string")
    return own_result_reply(call.own_of(ModuleID.CDRS).put(object_id, (), value, call.addressee))


def _posting(call: OperatorCall) -> OperatorReply:
    """Whether the CDR was delivered; with ``?fetch=yes`` also the CDR as the partner serves it at its URL."""
    stored = call.own_of(ModuleID.CDRS).stored(call.params["id"])
    posted = stored.metadata.get("posted")
    if posted is None:
        return OperatorReply({"party": stored.list, "posted_at": None, "url": None})
    at = format_date_time(datetime.fromisoformat(posted["at"]))
    answer = {"party": stored.list, "partner": posted["partner"], "posted_at": at, "url": posted["url"]}
    if call.request.query.get("fetch") == "yes":
        answer |= _fetched(call, posted, json.loads(stored.body))
    return OperatorReply(answer)


def _fetched(call: OperatorCall, posted: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    partner = call.company.ports.partners.get(posted["partner"])
    endpoint = partner.endpoints.get(ModuleID.CDRS) if partner and partner.is_active else None
    if partner is None or endpoint is None:
        why = "is no longer a partner, is suspended, or has no cdrs endpoint"
        raise ClientError(f"whom it was posted to {why}: nothing to fetch")
    # Some partners answer no URL, but serve the CDR below their endpoint.
    url = posted["url"] or object_url(endpoint, ours["id"])
    if not partner.hosts(url):
        raise ClientError("its URL is at a host that is not theirs, which must not see our token (Q-59)")
    theirs = data_of(call.company.outbound.send(partner, ModuleID.CDRS, "GET", url), "GET of the CDR")
    return {"theirs": theirs, "is_equal": _as_we_write(theirs, call) == ours}


def _as_we_write(theirs: Any, call: OperatorCall) -> Any:
    """The CDR as we would write it, so that nulls and milliseconds make no difference."""
    try:
        return as_json(read_value(Cdr, theirs, Profile.LENIENT, call.company.ports.clock()).value)
    except InvalidParameters:
        return theirs


_RULING: Final = f"{ROOT}/tokens/{{id}}/authorization"

OPERATIONS: Final = (
    Operation(
        method="POST",
        path=f"{ROOT}/authorize",
        summary="May this driver charge here",
        handler=_authorize,
        body_schema="AuthorizeRequest",
    ),
    Operation(method="GET", path=_RULING, summary="The ruling about an own token", handler=_ruling),
    Operation(
        method="PUT",
        path=_RULING,
        summary="Rule about an own token: blocked, no credit, only there, ...",
        handler=_rule,
        body_schema="Ruling",
    ),
    Operation(method="DELETE", path=_RULING, summary="Let the token's validity decide again", handler=_unrule),
    Operation(
        method="POST",
        path=f"{ROOT}/cdrs",
        summary="Create a CDR, which never changes",
        handler=_post_cdr,
        body_schema="Object",
        query=("partner",),
    ),
    Operation(
        method="GET",
        path=f"{ROOT}/cdrs/{{id}}/posting",
        summary="Whether a CDR was delivered",
        handler=_posting,
        query=("fetch",),
    ),
)
