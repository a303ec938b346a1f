"""``EventFeed`` on DynamoDB: an item per event, by UTC day (``pk``) and cursor (``sk``).

``body`` is the event as JSON, without its object. Items expire after eight days.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from chalicelib.adapters.dynamodb.table import Table, epoch
from chalicelib.node.events.announcing import (
    FEED_EXPIRES_AFTER,
    FEED_RETENTION,
    EventDetail,
    FeedEntry,
    cursor_at,
    moment_of,
)

_DAY: Final = timedelta(days=1)
_BETWEEN: Final = "pk = :day AND sk BETWEEN :after AND :until"


class DynamoEventFeed:
    """The event feed of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def append(self, detail: EventDetail, now: datetime) -> None:
        """Record an event under this time; one call."""
        cursor = cursor_at(now, detail["id"])
        self._table.write(
            "put_item",
            Item={
                "pk": {"S": _day(now)},
                "sk": {"S": cursor},
                "body": {"S": json.dumps(detail, ensure_ascii=False, separators=(",", ":"))},
                "expires_at": {"N": str(epoch(now + FEED_EXPIRES_AFTER))},
            },
        )

    def after(self, cursor: str, until: datetime, limit: int) -> list[FeedEntry]:
        """Up to ``limit`` events after a cursor that were recorded before ``until``, oldest first.

        One call per day, and per megabyte.
        """
        entries: list[FeedEntry] = []
        if cursor >= cursor_at(until):
            return entries
        for day in _days(moment_of(cursor), until):
            entries += self._of_day(day, cursor, until, limit - len(entries), forward=True)
            if len(entries) == limit:
                break
        return entries

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        """The last ``limit`` events that were recorded before ``until``, oldest first.

        One call per day that is read, and per megabyte.
        """
        entries: list[FeedEntry] = []
        for day in reversed(_days(until - FEED_RETENTION, until)):
            entries += self._of_day(day, cursor_at(until - FEED_RETENTION), until, limit - len(entries), forward=False)
            if len(entries) == limit:
                break
        return entries[::-1]

    def _of_day(self, day: str, cursor: str, until: datetime, limit: int, *, forward: bool) -> Iterator[FeedEntry]:
        items = self._table.query(
            KeyConditionExpression=_BETWEEN,
            ExpressionAttributeValues={
                ":day": {"S": day},
                ":after": {"S": f"{cursor}\0"},
                ":until": {"S": cursor_at(until)},
            },
            ScanIndexForward=forward,
            ConsistentRead=True,
            Limit=limit,
        )
        for _, item in zip(range(limit), items, strict=False):
            yield FeedEntry(item["sk"]["S"], json.loads(item["body"]["S"]))


def _days(first: datetime, last: datetime) -> list[str]:
    return [_day(first + number * _DAY) for number in range((last.date() - first.date()).days + 1)]


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
