"""``Outbox`` on DynamoDB. The table also holds the circuit breakers.

| pk | sk | what |
|---|---|---|
| partner's id | ``{module}/{object id}`` | an outbox entry; in the index ``by_due`` while ``due_at`` is set |
| ``told/{partner's id}`` | ``{module}/{object id}`` | versions that were sent ahead of their announcements |
| ``breaker`` | partner's id | the partner's breaker, see ``breakers`` |
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
"""A partner that is unreachable for longer has to pull our lists."""
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
        """The entry of this partner and object, what was sent ahead, and the partner's breaker; one call."""
        sk = {"S": entry_name(about)}
        entry, sent, breaker = (
            {"pk": {"S": partner_id}, "sk": sk},
            _sent_key(partner_id, about),
            breaker_key(partner_id),
        )
        found = {item["pk"]["S"]: item for item in self._table.get_all([entry, sent, breaker])}
        return DeliveryState(
            breaker_of(found.get("breaker"), partner_id),
            _entry_of(found[partner_id]) if partner_id in found else None,
            _sent_of(found.get(sent["pk"]["S"])),
        )

    def record(self, entry: OutboxEntry) -> None:
        """Write the entry, its ``attempts`` added to those of a stored one; one or two calls.

        If the stored entry is about other parts or fields, the new one is about the whole object.
        """
        try:
            self._write(entry, ConditionExpression="attribute_not_exists(pk) OR #what = :what")
        except Conflict:
            whole = replace(entry.announcement, path=(), fields=None)
            self._write(replace(entry, announcement=whole))

    def _write(self, entry: OutboxEntry, **condition: str) -> None:
        due = {":due_at": {"S": moment_text(entry.due_at)}} if entry.due_at else {}
        self._table.write(
            "update_item",
            Key=_key(entry),
            UpdateExpression=_SET + (", #due_at = :due_at" if due else " REMOVE #due_at") + " ADD #attempts :attempts",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues=_values(entry) | due,
            **condition,
        )

    def lease(self, entry: OutboxEntry, until: datetime) -> bool:
        """Move the entry's next retry to ``until``; False if it was changed or deleted meanwhile; one call."""
        try:
            self._table.write(
                "update_item",
                Key=_key(entry),
                UpdateExpression="SET due_at = :until",
                ConditionExpression="attempts = :attempts AND due_at = :due_at",
                ExpressionAttributeValues={
                    ":until": {"S": moment_text(until)},
                    ":attempts": {"N": str(entry.attempts)},
                    ":due_at": {"S": moment_text(entry.due_at) if entry.due_at else ""},
                },
            )
        except Conflict:
            return False
        return True

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        """Make the entry due now, with no attempts counted; False if there is none; one call."""
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
        """Delete the entry of this partner and object, if there is one; one call."""
        self._table.write("delete_item", Key={"pk": {"S": partner_id}, "sk": {"S": entry_name(about)}})

    def record_sent(self, partner_id: str, about: ObjectKey, sent: Sequence[SentVersion], until: datetime) -> None:
        """Write, until this time, what was sent ahead of its announcements; delete it if ``sent`` is empty."""
        key = _sent_key(partner_id, about)
        if not sent:
            self._table.write("delete_item", Key=key)
            return
        parts = json.dumps([[each.version, each.path, each.fields] for each in sent], separators=(",", ":"))
        self._table.write("put_item", Item={**key, "parts": {"S": parts}, "expires_at": _epoch(until)})

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        """Up to ``limit`` entries that are due for a retry, the longest due first; eventually consistent."""
        found = self._table.query(
            IndexName="by_due",
            KeyConditionExpression="pk = :pk AND due_at <= :now",
            ExpressionAttributeValues={":pk": {"S": partner_id}, ":now": {"S": moment_text(now)}},
            Limit=limit,
        )
        return [_entry_of(item) for item in islice(found, limit)]

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        """Up to ``limit`` entries of this partner, ordered by name, those after ``after``; one call per megabyte."""
        return [_entry_of(item) for item in islice(self._table.query_partition(partner_id, after), limit)]

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        """The number of this partner's entries, by module, counted up to ``MOST_COUNTED``; one call per megabyte."""
        backlogs: dict[str, Backlog] = {}
        entries = self._table.query_partition(partner_id, ProjectionExpression="sk, first_failed_at, due_at")
        for item in islice(entries, MOST_COUNTED):
            module, since = item["sk"]["S"].partition("/")[0], datetime.fromisoformat(item["first_failed_at"]["S"])
            counted = backlogs.get(module, Backlog(objects=0, oldest=since))
            given_up = counted.given_up + ("due_at" not in item)
            oldest = min(counted.oldest, since)
            backlogs[module] = Backlog(objects=counted.objects + 1, oldest=oldest, given_up=given_up)
        return backlogs


def _key(entry: OutboxEntry) -> Item:
    return {"pk": {"S": entry.partner_id}, "sk": {"S": entry_name(object_key_of(entry.announcement))}}


def _sent_key(partner_id: str, about: ObjectKey) -> Item:
    return {"pk": {"S": f"told/{partner_id}"}, "sk": {"S": entry_name(about)}}


def _epoch(moment: datetime) -> dict[str, str]:
    return {"N": str(epoch(moment))}


def _what(announcement: Announcement) -> str:
    return json.dumps([announcement.path, announcement.fields, announcement.removed], separators=(",", ":"))


def _values(entry: OutboxEntry) -> Item:
    return {
        ":what": {"S": _what(entry.announcement)},
        ":version": {"N": str(entry.announcement.version)},
        ":reason": {"S": entry.reason[:_LONGEST_REASON]},
        ":failed_at": {"S": moment_text(entry.failed_at)},
        ":expires_at": _epoch(entry.failed_at + _KEPT),
        ":flags": {"L": [{"BOOL": entry.no_answer}, {"BOOL": entry.is_unsure}]},
        ":attempts": {"N": str(entry.attempts)},
    }


def _entry_of(item: Item) -> OutboxEntry:
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


def _sent_of(item: Item | None) -> tuple[SentVersion, ...]:
    parts = json.loads(item["parts"]["S"]) if item else []
    return tuple(
        SentVersion(version, tuple(path), None if fields is None else tuple(fields)) for version, path, fields in parts
    )
