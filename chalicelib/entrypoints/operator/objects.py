"""Operations about objects: create, change and delete own ones, read those that partners sent."""

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


def _list(call: OperatorCall) -> OperatorReply:
    """A page of own objects, by their creation; in a private module of one partner, or of all partners by their ids."""
    module, party = call.own.module, call.addressee
    store = call.company.ports.stores[module.identifier]
    window = window_of(call.request.query, _MOST_AT_A_TIME)
    if module.sending.private and party is None:
        if window.has_dates or window.offset:
            raise InvalidParameters("offset and dates go with the list of one ?partner=; without, use after")
        return _by_id(call, store)
    page = store.page(list_of(module, party), window)
    following = None if page.next_offset is None else {"offset": page.next_offset}
    return OperatorReply({"total": page.total, "items": [json.loads(body) for body in page.bodies], "next": following})


def _by_id(call: OperatorCall, store: ObjectStore) -> OperatorReply:
    limit, after = _most(call), call.after
    found = store.list_by_owner(OURS, after, limit)
    following = {"after": found[-1].id} if len(found) == limit else None
    return OperatorReply({"items": [json.loads(stored.body) for stored in found], "next": following})


def _most(call: OperatorCall) -> int:
    return window_of({"limit": str(_MOST_AT_A_TIME)} | dict(call.request.query), _MOST_AT_A_TIME).limit


def _get(call: OperatorCall) -> OperatorReply:
    return OperatorReply(call.own.get(call.params["id"], call.path))


def _put(call: OperatorCall) -> OperatorReply:
    return own_result_reply(call.own.put(call.params["id"], call.path, call.json, call.addressee))


def _patch(call: OperatorCall) -> OperatorReply:
    return own_result_reply(call.own.patch(call.params["id"], call.path, call.json))


def _delete(call: OperatorCall) -> OperatorReply:
    module = call.own.module
    if not module.deletable:
        raise MethodNotAllowed(f"the spec defines no deletion of {module.identifier}", ("GET", "PUT", "PATCH"))
    call.own.delete(call.params["id"])
    return OperatorReply({"outcome": "deleted"})


def _import(call: OperatorCall) -> OperatorReply:
    own, values = call.own, call.json
    if not isinstance(values, list):
        raise InvalidParameters("the body is a JSON list of objects")
    if call.request.query.get("push", "no") != "no":
        raise InvalidParameters("push is no, or left out")
    done = own.import_all(values, call.addressee, push="push" not in call.request.query)
    return OperatorReply(
        {
            "created": done.created,
            "updated": done.updated,
            "unchanged": done.unchanged,
            "failed": [{"index": index, "id": object_id, "error": why} for index, object_id, why in done.failed],
            "warnings": [f"{object_id}: {warning(remark)}" for object_id, remark in done.warnings],
        }
    )


# --- what partners sent --------------------------------------------------------------------------------------------


def _received(call: OperatorCall) -> OperatorReply:
    partner, module = call.partner, call.module.identifier
    limit = _most(call)
    store, after = call.company.ports.stores[module], call.after
    found = store.list_by_owner(theirs(partner.party), after, limit) if partner.party else []
    shown = [(stored, item) for stored in found if (item := _shown(call, partner, stored)) is not None]
    gone = {stored.id: stored.metadata["absent_since"] for stored, _ in shown if is_gone(stored)}
    following = found[-1].id if len(found) == limit else None
    return OperatorReply({"items": [item for _, item in shown], "gone": gone, "next": following})


def _received_one(call: OperatorCall) -> OperatorReply:
    partner, module, object_id = call.partner, call.module.identifier, call.module.key_of(call.params["id"])
    store = call.company.ports.stores[module]
    stored = store.get(theirs(partner.party), object_id) if partner.party and is_storable(object_id) else None
    shown = _shown(call, partner, stored) if stored else None
    if shown is None:
        raise NotFound(f"this partner has sent us no {module} {object_id!r}")
    return OperatorReply(shown)


def _shown(call: OperatorCall, partner: Partner, stored: StoredObject) -> Any:
    """The object in the view that the host asked for; None if it was deleted, or if drivers may not see it (Q-28)."""
    if stored.metadata.get("deleted_at"):
        return None
    value = json.loads(stored.body)
    if call.request.query.get("view") == "drivers" and call.module.identifier is ModuleID.LOCATIONS:
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
        body_schema="List",
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
                body_schema="Object",
                query=("partner",),
            ),
            Operation(
                method="PATCH",
                path=path,
                summary=f"Change fields of an own {what}",
                handler=_patch,
                body_schema="Object",
            ),
        )
    ),
    Operation(
        method="DELETE", path=_OBJECT, summary="Delete an own object, here and at every partner", handler=_delete
    ),
)
