"""What partners still have to be told, as ``Outbox`` promises it: an item per partner (``pk``) and object (``sk``)."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from chalicelib.adapters.dynamodb import Item, Table
from chalicelib.node.ports import Announcement, Conflict, Delivery, Failure
from chalicelib.ocpi.module import ModuleID

_KEPT: Final = timedelta(days=30)
"""A partner that was away for longer has to pull anyway."""
_LONGEST_REASON: Final = 500

_SET: Final = (
    "SET #what = :what, #version = :version, #reason = :reason, #failed_at = :failed_at, #expires_at = :expires_at, "
    "#no_answer = :no_answer, "
    "#first = if_not_exists(#first, :failed_at) ADD #attempts :attempts"
)
_NAMES: Final = {
    "#what": "what",
    "#version": "version",
    "#reason": "reason",
    "#failed_at": "failed_at",
    "#expires_at": "expires_at",
    "#no_answer": "no_answer",
    "#first": "first_failed_at",
    "#attempts": "attempts",
}


class DynamoOutbox:
    """The outbox of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, failure: Failure) -> None:
        """Remember the failure, counting on from an earlier one; two that differ make the whole object dirty."""
        try:
            self._write(failure, ConditionExpression="attribute_not_exists(pk) OR #what = :what")
        except Conflict:
            whole = replace(failure.announcement, path=(), fields=None)
            self._write(replace(failure, announcement=whole))

    def _write(self, failure: Failure, **condition: str) -> None:
        self._table.write(
            "update_item",
            Key=_key(failure.partner_id, failure.announcement),
            UpdateExpression=_SET,
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues=_values(failure),
            **condition,
        )

    def settle(self, delivery: Delivery) -> None:
        """Forget what was recorded for this partner and object."""
        self._table.write("delete_item", Key=_key(delivery.partner_id, delivery.announcement))

    def of(self, partner_id: str) -> list[Failure]:
        """What this partner still has to be told, oldest first."""
        items = self._table.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partner_id}},
            ConsistentRead=True,
        )
        return [_failure_of(item) for item in sorted(items, key=lambda item: item["first_failed_at"]["S"])]


def _key(partner_id: str, announcement: Announcement) -> Item:
    return {"pk": {"S": partner_id}, "sk": {"S": f"{announcement.module}/{announcement.id}"}}


def _what(announcement: Announcement) -> str:
    return json.dumps([announcement.path, announcement.fields, announcement.removed], separators=(",", ":"))


def _values(failure: Failure) -> Item:
    expires_at = math.ceil((failure.failed_at + _KEPT).timestamp())
    return {
        ":what": {"S": _what(failure.announcement)},
        ":version": {"N": str(failure.announcement.version)},
        ":reason": {"S": failure.reason[:_LONGEST_REASON]},
        ":failed_at": {"S": failure.failed_at.isoformat(timespec="microseconds")},
        ":expires_at": {"N": str(expires_at)},
        ":no_answer": {"BOOL": failure.no_answer},
        ":attempts": {"N": str(failure.attempts)},
    }


def _failure_of(item: Item) -> Failure:
    module, _, object_id = item["sk"]["S"].partition("/")
    path, fields, removed = json.loads(item["what"]["S"])
    return Failure(
        partner_id=item["pk"]["S"],
        announcement=Announcement(
            module=ModuleID(module),
            id=object_id,
            version=int(item["version"]["N"]),
            path=tuple(path),
            fields=None if fields is None else tuple(fields),
            removed=removed,
        ),
        reason=item["reason"]["S"],
        attempts=int(item["attempts"]["N"]),
        failed_at=datetime.fromisoformat(item["failed_at"]["S"]),
        no_answer=item.get("no_answer", {}).get("BOOL", False),
    )
