"""Operations about the quarantine, the objects of partners that were refused: list them, retry, drop."""

from __future__ import annotations

import json
from typing import Any, Final

from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply
from chalicelib.node.receiving.quarantine import QuarantineEntry
from chalicelib.ocpi.types import format_date_time

_AT_A_TIME: Final = 100
_MOST_BYTES: Final = 2_000_000
"""Bytes of objects in one answer, or a little more: Lambda answers 6 MB at most."""


def _quarantine(call: OperatorCall) -> OperatorReply:
    items, size, following = list[dict[str, Any]](), 0, None
    found = call.company.ports.quarantine.of(call.partner.id, call.after, _AT_A_TIME)
    for each in found:
        if items and size + len(each.body) > _MOST_BYTES:
            following = items[-1]["entry"]
            break
        items.append(_shown(each))
        size += len(each.body)
    if following is None and len(found) == _AT_A_TIME:
        following = items[-1]["entry"]
    return OperatorReply({"items": items, "after": following})


def _retry(call: OperatorCall) -> OperatorReply:
    return OperatorReply({"outcome": call.company.quarantine_retry.retry(call.partner, call.params["entry"])})


def _drop(call: OperatorCall) -> OperatorReply:
    call.company.quarantine_retry.drop(call.partner, call.params["entry"])
    return OperatorReply({"outcome": "deleted"})


def _shown(each: QuarantineEntry) -> dict[str, Any]:
    return {
        "entry": each.entry,
        "module": each.module,
        "id": each.id,
        "reason": each.reason,
        "at": format_date_time(each.at),
        "object": _as_far_as_it_is_json(each.body),
    }


def _as_far_as_it_is_json(body: bytes) -> Any:
    """The object; if it was too large to be kept, its beginning as text."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


_QUARANTINE: Final = f"{ROOT}/partners/{{partner}}/quarantine"

OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_QUARANTINE,
        summary="Objects of this partner that were refused",
        handler=_quarantine,
        query=("after",),
    ),
    Operation(
        method="POST",
        path=f"{_QUARANTINE}/{{entry}}/retry",
        summary="Retry it, with the partner's profile as it is now",
        handler=_retry,
    ),
    Operation(method="DELETE", path=f"{_QUARANTINE}/{{entry}}", summary="Drop it", handler=_drop),
)
