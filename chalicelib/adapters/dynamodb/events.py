"""The feed of events, as ``EventFeed`` promises it: an item per event, by UTC day (``pk``) and cursor (``sk``).

``body`` is the event without its object. It goes away by itself after eight days.
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
    """The feed of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def append(self, detail: EventDetail, now: datetime) -> None:
        """Note an event under this time; one call."""
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
        """The events behind a cursor; one call per day, and per megabyte."""
        found: list[FeedEntry] = []
        if cursor >= cursor_at(until):
            return found
        for day in _days(moment_of(cursor), until):
            found += self._of(day, cursor, until, limit - len(found), forward=True)
            if len(found) == limit:
                break
        return found

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        """The last events; one call per day that is looked at, and per megabyte."""
        found: list[FeedEntry] = []
        for day in reversed(_days(until - FEED_RETENTION, until)):
            found += self._of(day, cursor_at(until - FEED_RETENTION), until, limit - len(found), forward=False)
            if len(found) == limit:
                break
        return found[::-1]

    def _of(self, day: str, cursor: str, until: datetime, limit: int, *, forward: bool) -> Iterator[FeedEntry]:
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
