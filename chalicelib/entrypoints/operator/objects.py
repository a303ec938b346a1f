"""The host's side of the objects: it puts its own in, and reads those that partners sent."""

from __future__ import annotations

import json
from typing import Any, Final

from chalicelib.entrypoints.operator.operation import (
    ROOT,
    Operation,
    OperatorCall,
    OperatorReply,
    own_result_reply,
    warning,
)
from chalicelib.modules.locations.driver_view import driver_view
from chalicelib.node.objects import OURS, ObjectStore, StoredObject, is_gone, is_storable, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.visibility import list_of
from chalicelib.ocpi.errors import InvalidParameters, MethodNotAllowed, NotFound
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import window_of

_MOST_AT_A_TIME: Final = 100


# --- our own -------------------------------------------------------------------------------------------------------


def _list(ask: OperatorCall) -> OperatorReply:
    """A page in the order of creation; of a private module that is the list of one partner, or all by their ids."""
    module, party = ask.own.module, ask.addressee
    store = ask.company.ports.stores[module.identifier]
    window = window_of(ask.request.query, _MOST_AT_A_TIME)
    if module.sending.private and party is None:
        if window.has_dates or window.offset:
            raise InvalidParameters("offset and dates go with the list of one ?partner=; without, use after")
        return _by_id(ask, store)
    page = store.page(list_of(module, party), window)
    following = None if page.next_offset is None else {"offset": page.next_offset}
    return OperatorReply({"total": page.total, "items": [json.loads(body) for body in page.bodies], "next": following})


def _by_id(ask: OperatorCall, store: ObjectStore) -> OperatorReply:
    limit, after = _most(ask), ask.after
    found = store.received(OURS, after, limit)
    following = {"after": found[-1].id} if len(found) == limit else None
    return OperatorReply({"items": [json.loads(stored.body) for stored in found], "next": following})


def _most(ask: OperatorCall) -> int:
    return window_of({"limit": str(_MOST_AT_A_TIME)} | dict(ask.request.query), _MOST_AT_A_TIME).limit


def _get(ask: OperatorCall) -> OperatorReply:
    return OperatorReply(ask.own.get(ask.steps["id"], ask.path))


def _put(ask: OperatorCall) -> OperatorReply:
    return own_result_reply(ask.own.put(ask.steps["id"], ask.path, ask.json, ask.addressee))


def _patch(ask: OperatorCall) -> OperatorReply:
    return own_result_reply(ask.own.patch(ask.steps["id"], ask.path, ask.json))


def _delete(ask: OperatorCall) -> OperatorReply:
    module = ask.own.module
    if not module.deletable:
        raise MethodNotAllowed(f"the spec defines no deletion of {module.identifier}", ("GET", "PUT", "PATCH"))
    ask.own.delete(ask.steps["id"])
    return OperatorReply({"outcome": "deleted"})


def _import(ask: OperatorCall) -> OperatorReply:
    own, values = ask.own, ask.json
    if not isinstance(values, list):
        raise InvalidParameters("the body is a JSON list of objects")
    if ask.request.query.get("push", "no") != "no":
        raise InvalidParameters("push is no, or left out")
    done = own.import_all(values, ask.addressee, told="push" not in ask.request.query)
    return OperatorReply(
        {
            "created": done.created,
            "updated": done.updated,
            "unchanged": done.unchanged,
            "failed": [{"index": index, "id": object_id, "error": why} for index, object_id, why in done.failed],
            "warnings": [f"{object_id}: {warning(remark)}" for object_id, remark in done.remarks],
        }
    )


# --- what partners sent --------------------------------------------------------------------------------------------


def _received(ask: OperatorCall) -> OperatorReply:
    partner, module = ask.partner, ask.module.identifier
    limit = _most(ask)
    store, after = ask.company.ports.stores[module], ask.after
    found = store.received(theirs(partner.party), after, limit) if partner.party else []
    shown = [(stored, item) for stored in found if (item := _shown(ask, partner, stored)) is not None]
    gone = {stored.id: stored.metadata["absent_since"] for stored, _ in shown if is_gone(stored)}
    following = found[-1].id if len(found) == limit else None
    return OperatorReply({"items": [item for _, item in shown], "gone": gone, "next": following})


def _received_one(ask: OperatorCall) -> OperatorReply:
    partner, module, object_id = ask.partner, ask.module.identifier, ask.module.key_of(ask.steps["id"])
    store = ask.company.ports.stores[module]
    stored = store.get(theirs(partner.party), object_id) if partner.party and is_storable(object_id) else None
    shown = _shown(ask, partner, stored) if stored else None
    if shown is None:
        raise NotFound(f"this partner has sent us no {module} {object_id!r}")
    return OperatorReply(shown)


def _shown(ask: OperatorCall, partner: Partner, stored: StoredObject) -> Any:
    """The object as the host asked to see it; None if it was deleted, or if drivers may not see it (Q-28)."""
    if stored.metadata.get("deleted_at"):
        return None
    value = json.loads(stored.body)
    if ask.request.query.get("view") == "drivers" and ask.module.identifier is ModuleID.LOCATIONS:
        return None if is_gone(stored) else driver_view(value, partner.business_details)
    return value


_OBJECT: Final = f"{ROOT}/{{module}}/{{id}}"
_EVSE: Final = f"{_OBJECT}/{{evse_uid}}"
_CONNECTOR: Final = f"{_EVSE}/{{connector_id}}"
_RECEIVED: Final = f"{ROOT}/partners/{{partner}}/{{module}}"
_PAGED: Final = ("offset", "limit", "date_from", "date_to", "partner", "after")

OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_RECEIVED,
        summary="What this partner sent us",
        handler=_received,
        query=("after", "limit", "view"),
    ),
    Operation(
        method="GET",
        path=f"{_RECEIVED}/{{id}}",
        summary="One object that this partner sent us",
        handler=_received_one,
        query=("view",),
    ),
    Operation(
        method="GET", path=f"{ROOT}/{{module}}", summary="Our own objects, in pages", handler=_list, query=_PAGED
    ),
    Operation(
        method="PUT",
        path=f"{ROOT}/{{module}}",
        summary="Create or replace a list of own objects",
        handler=_import,
        body="List",
        query=("partner", "push"),
    ),
    *(
        operation
        for path, what in ((_OBJECT, "object"), (_EVSE, "EVSE"), (_CONNECTOR, "connector"))
        for operation in (
            Operation(method="GET", path=path, summary=f"One own {what}", handler=_get),
            Operation(
                method="PUT",
                path=path,
                summary=f"Create or replace an own {what}",
                handler=_put,
                body="Object",
                query=("partner",),
            ),
            Operation(
                method="PATCH", path=path, summary=f"Change fields of an own {what}", handler=_patch, body="Object"
            ),
        )
    ),
    Operation(
        method="DELETE", path=_OBJECT, summary="Delete an own object, here and at every partner", handler=_delete
    ),
)
