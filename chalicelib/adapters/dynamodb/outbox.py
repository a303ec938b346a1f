"""What partners still have to be told, as ``Outbox`` promises it.

| pk | sk | what |
|---|---|---|
| partner's id | ``{module}/{object id}`` | a failure; in the index ``by_due`` while it has a next try |
| ``told/{partner's id}`` | ``{module}/{object id}`` | what was told ahead of its announcements |
| ``breaker`` | partner's id | the partner's breaker, as ``DynamoBreakers`` keeps it |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from chalicelib.adapters.dynamodb.breakers import breaker_key, breaker_of, moment_text
from chalicelib.adapters.dynamodb.table import Item, Table, epoch
from chalicelib.node.conflicts import Conflict
from chalicelib.node.pushing.coalescing import ObjectKey, object_key_of
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import MOST_COUNTED, Backlog, DeliveryState, OutboxEntry, SentVersion, entry_name
from chalicelib.ocpi.module import ModuleID

_KEPT: Final = timedelta(days=90)
"""A partner that was away for longer has to pull anyway."""
_LONGEST_REASON: Final = 500

_SET: Final = (
    "SET #what = :what, #version = :version, #reason = :reason, #failed_at = :failed_at, #expires_at = :expires_at, "
    "#flags = :flags, #first = if_not_exists(#first, :failed_at)"
)
_NAMES: Final = {
    "#what": "what",
    "#version": "version",
    "#reason": "reason",
    "#failed_at": "failed_at",
    "#expires_at": "expires_at",
    "#flags": "flags",
    "#first": "first_failed_at",
    "#attempts": "attempts",
    "#due_at": "due_at",
}


class DynamoOutbox:
    """The outbox of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def state(self, partner_id: str, about: ObjectKey) -> DeliveryState:
        """What is known before an object is told; one call."""
        sk = {"S": entry_name(about)}
        missed, told, breaker = (
            {"pk": {"S": partner_id}, "sk": sk},
            _told_key(partner_id, about),
            breaker_key(partner_id),
        )
        found = {item["pk"]["S"]: item for item in self._table.get_all([missed, told, breaker])}
        return DeliveryState(
            breaker_of(found.get("breaker"), partner_id),
            _failure_of(found[partner_id]) if partner_id in found else None,
            _told_of(found.get(told["pk"]["S"])),
        )

    def record(self, failure: OutboxEntry) -> None:
        """Remember the failure, counting on from an earlier one; two that differ make the whole object dirty."""
        try:
            self._write(failure, ConditionExpression="attribute_not_exists(pk) OR #what = :what")
        except Conflict:
            whole = replace(failure.announcement, path=(), fields=None)
            self._write(replace(failure, announcement=whole))

    def _write(self, failure: OutboxEntry, **condition: str) -> None:
        due = {":due_at": {"S": moment_text(failure.due_at)}} if failure.due_at else {}
        self._table.write(
            "update_item",
            Key=_key(failure),
            UpdateExpression=_SET + (", #due_at = :due_at" if due else " REMOVE #due_at") + " ADD #attempts :attempts",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues=_values(failure) | due,
            **condition,
        )

    def lease(self, failure: OutboxEntry, until: datetime) -> bool:
        """Move the next try to then; False if the entry has changed or gone."""
        try:
            self._table.write(
                "update_item",
                Key=_key(failure),
                UpdateExpression="SET due_at = :until",
                ConditionExpression="attempts = :attempts AND due_at = :due_at",
                ExpressionAttributeValues={
                    ":until": {"S": moment_text(until)},
                    ":attempts": {"N": str(failure.attempts)},
                    ":due_at": {"S": moment_text(failure.due_at) if failure.due_at else ""},
                },
            )
        except Conflict:
            return False
        return True

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        """Make it due now, with the whole schedule before it; False if nothing waits."""
        try:
            self._table.write(
                "update_item",
                Key={"pk": {"S": partner_id}, "sk": {"S": entry_name(about)}},
                UpdateExpression="SET due_at = :now, attempts = :none, expires_at = :expires_at",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={
                    ":now": {"S": moment_text(now)},
                    ":none": {"N": "0"},
                    ":expires_at": _epoch(now + _KEPT),
                },
            )
        except Conflict:
            return False
        return True

    def clear(self, partner_id: str, about: ObjectKey) -> None:
        """Forget what was recorded for this partner and object."""
        self._table.write("delete_item", Key={"pk": {"S": partner_id}, "sk": {"S": entry_name(about)}})

    def record_sent(self, partner_id: str, about: ObjectKey, told: Sequence[SentVersion], until: datetime) -> None:
        """Remember until then what they were told ahead of its announcements; nothing: forget."""
        key = _told_key(partner_id, about)
        if not told:
            self._table.write("delete_item", Key=key)
            return
        parts = json.dumps([[each.version, each.path, each.fields] for each in told], separators=(",", ":"))
        self._table.write("put_item", Item={**key, "parts": {"S": parts}, "expires_at": _epoch(until)})

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        """Those to be tried again by now, the longest waiting first."""
        found = self._table.query(
            IndexName="by_due",
            KeyConditionExpression="pk = :pk AND due_at <= :now",
            ExpressionAttributeValues={":pk": {"S": partner_id}, ":now": {"S": moment_text(now)}},
            Limit=limit,
        )
        return [_failure_of(item) for item in islice(found, limit)]

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        """What this partner still has to be told, by place, those behind ``after``."""
        return [_failure_of(item) for item in islice(self._table.query_partition(partner_id, after), limit)]

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        """How much that is, by module; counted up to ``MOST_COUNTED``; a call per megabyte."""
        found: dict[str, Backlog] = {}
        entries = self._table.query_partition(partner_id, ProjectionExpression="sk, first_failed_at, due_at")
        for item in islice(entries, MOST_COUNTED):
            module, since = item["sk"]["S"].partition("/")[0], datetime.fromisoformat(item["first_failed_at"]["S"])
            known = found.get(module, Backlog(objects=0, oldest=since))
            given_up = known.given_up + ("due_at" not in item)
            found[module] = Backlog(objects=known.objects + 1, oldest=min(known.oldest, since), given_up=given_up)
        return found


def _key(failure: OutboxEntry) -> Item:
    return {"pk": {"S": failure.partner_id}, "sk": {"S": entry_name(object_key_of(failure.announcement))}}


def _told_key(partner_id: str, about: ObjectKey) -> Item:
    return {"pk": {"S": f"told/{partner_id}"}, "sk": {"S": entry_name(about)}}


def _epoch(moment: datetime) -> dict[str, str]:
    return {"N": str(epoch(moment))}


def _what(announcement: Announcement) -> str:
    return json.dumps([announcement.path, announcement.fields, announcement.removed], separators=(",", ":"))


def _values(failure: OutboxEntry) -> Item:
    return {
        ":what": {"S": _what(failure.announcement)},
        ":version": {"N": str(failure.announcement.version)},
        ":reason": {"S": failure.reason[:_LONGEST_REASON]},
        ":failed_at": {"S": moment_text(failure.failed_at)},
        ":expires_at": _epoch(failure.failed_at + _KEPT),
        ":flags": {"L": [{"BOOL": failure.no_answer}, {"BOOL": failure.is_unsure}]},
        ":attempts": {"N": str(failure.attempts)},
    }


def _failure_of(item: Item) -> OutboxEntry:
    module, _, object_id = item["sk"]["S"].partition("/")
    path, fields, removed = json.loads(item["what"]["S"])
    no_answer, is_unsure = (flag["BOOL"] for flag in item["flags"]["L"])
    return OutboxEntry(
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
        due_at=datetime.fromisoformat(item["due_at"]["S"]) if "due_at" in item else None,
        no_answer=no_answer,
        is_unsure=is_unsure,
        first_failed_at=datetime.fromisoformat(item["first_failed_at"]["S"]),
    )


def _told_of(item: Item | None) -> tuple[SentVersion, ...]:
    parts = json.loads(item["parts"]["S"]) if item else []
    return tuple(
        SentVersion(version, tuple(path), None if fields is None else tuple(fields)) for version, path, fields in parts
    )
