"""Pages of our lists: whatever the offset and the size of the list, a page takes two calls.

By rank: one Query of ``by_rank`` for the keys, one BatchGetItem for the objects and the counter. BatchGetItem reads 100
items, so a page of 99 objects takes two calls, and one of 100 takes three.

By change: one Query of ``by_last_updated`` from the cursor on, one BatchGetItem. The first page of a crawl of several
pages takes more: it checks whether the dates cover the whole list, and counts the objects that they select.

Indexes are eventually consistent. So they only say which objects to read; the objects are read strongly consistently.
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib.adapters.dynamodb.cursors import (
    ChangeCursor,
    RankCursor,
    bodies_that_fit,
    date_bounds,
    decode_cursor,
    encode_cursor,
)
from chalicelib.adapters.dynamodb.items import ListCounter, body_of, counter_key, object_key, rank_of
from chalicelib.adapters.dynamodb.table import Item, Table
from chalicelib.node.objects import OURS
from chalicelib.ocpi.paging import Page, Window

_LAG_WAITS_S: Final = (0.05, 0.1, 0.2, 0.4)
"""Pauses until the index is read again; it is usually a few milliseconds behind the table."""


class Pages:
    """The pages of the lists in one table, for ``DynamoObjectStore``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, list_name: str, window: Window) -> Page:
        """The window's page of the list; see ``ObjectStore.page``.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """
        cursor = decode_cursor(window)
        if isinstance(cursor, ChangeCursor):
            start = _start(list_name, cursor.last_updated, cursor.id)
            return self._by_change(list_name, window, start, cursor.total)
        if cursor is not None or not window.has_dates:
            return self._by_rank(list_name, window, cursor)
        if date_bounds(window) is None:
            return Page((), 0)
        return self._first_by_change(list_name, window)

    # --- by rank -------------------------------------------------------------------------------------------------

    def _by_rank(self, list_name: str, window: Window, cursor: RankCursor | None) -> Page:
        counter, objects = self._read_until_indexed(list_name, window)
        first = window.offset + 1
        if first not in objects:
            # After the end of the list; or the index is still not up to date: skipping this object is the lesser evil.
            first = min(objects, default=window.offset + window.limit + 1)
        bodies = bodies_that_fit(body_of(objects[rank]) for rank in _until_gap(objects, first))
        end = first - 1 + len(bodies)
        cursor = cursor or RankCursor(removals=counter.removals)
        next_offset, next_cursor = (end, cursor) if end < counter.n else (0, cursor.restarted(counter.removals))
        if next_cursor is None:
            return Page(tuple(bodies), counter.n)
        return Page(tuple(bodies), counter.n, next_offset, encode_cursor(next_cursor))

    def _read_until_indexed(self, list_name: str, window: Window) -> tuple[ListCounter, dict[int, Item]]:
        """The list's counter and the window's objects by rank; retries until the index contains the first of them."""
        for wait in _LAG_WAITS_S:
            counter, objects = self._ranked(list_name, window)
            if window.offset + 1 in objects or window.offset >= counter.n:
                return counter, objects
            self._table.sleep(wait)
        return self._ranked(list_name, window)

    def _ranked(self, list_name: str, window: Window) -> tuple[ListCounter, dict[int, Item]]:
        first, last = window.offset + 1, window.offset + window.limit
        keys = self._table.query(
            IndexName="by_rank",
            KeyConditionExpression="#list = :list AND #rank BETWEEN :first AND :last",
            ExpressionAttributeNames={"#list": "list", "#rank": "rank"},
            ExpressionAttributeValues={
                ":list": {"S": list_name},
                ":first": {"N": str(first)},
                ":last": {"N": str(last)},
            },
        )
        items = self._table.get_all([counter_key(list_name), *map(_table_key, keys)])
        counter = ListCounter.of(next((item for item in items if item["pk"]["S"] != OURS), None))
        # The rank in the item counts: the one in the index may be outdated.
        objects = {rank_of(item): item for item in items if item["pk"]["S"] == OURS}
        return counter, {rank: item for rank, item in objects.items() if first <= rank <= last}

    # --- by change -----------------------------------------------------------------------------------------------

    def _first_by_change(self, list_name: str, window: Window) -> Page:
        """A page with dates and without a cursor: the first of a crawl, or one for a client that ignores ``Link``."""
        if not window.offset and (page := self._only_page(list_name, window)):
            return page
        if self._covers_list(list_name, window):
            return self._by_rank(list_name, window, None)
        total = self._count(list_name, window)
        start = self._start_at_offset(list_name, window)
        return Page((), total) if start is None else self._by_change(list_name, window, start, total)

    def _only_page(self, list_name: str, window: Window) -> Page | None:
        """The page if it is the only one, ordered by rank as the list is (PAG-05); most pulls by date end here."""
        keys = self._changed(list_name, window, {})
        if len(keys) > window.limit:
            return None
        items = sorted(self._table.get_all(list(map(_table_key, keys))), key=rank_of)
        bodies = bodies_that_fit(map(body_of, items))
        return Page(tuple(bodies), len(items)) if len(bodies) == len(items) else None

    def _by_change(self, list_name: str, window: Window, start: Item, total: int) -> Page:
        keys = self._changed(list_name, window, start)
        page_keys = keys[: window.limit]
        items_by_id = {item["id"]["S"]: item for item in self._table.get_all(list(map(_table_key, page_keys)))}
        # If the index still has an object that was removed, the cursor has to pass its key.
        items = (items_by_id.get(key["id"]["S"]) for key in page_keys)
        bodies = bodies_that_fit(body_of(item) if item else b"" for item in items)
        served = tuple(filter(None, bodies))
        if len(bodies) == len(keys):
            return Page(served, total)
        last = keys[len(bodies) - 1]
        cursor = ChangeCursor(last_updated=last["last_updated"]["S"], id=last["id"]["S"], total=total)
        return Page(served, total, window.offset + len(bodies), encode_cursor(cursor))

    def _changed(self, list_name: str, window: Window, start: Item) -> list[Item]:
        """The keys of the page after ``start``, and one more if there is one."""
        keys: list[Item] = []
        more = window.limit + 1
        while True:
            answer = self._table.query_page(start, **_within(list_name, window), Limit=more - len(keys))
            keys += answer.items
            start = answer.next_key
            if not start or len(keys) == more:
                return keys

    def _covers_list(self, list_name: str, window: Window) -> bool:
        """Whether the dates select the whole list; one call for each date that is given."""
        low, high = date_bounds(window) or ("", "")
        return (window.date_from is None or self._edge(list_name, oldest=True) >= low) and (
            window.date_to is None or self._edge(list_name, oldest=False) <= high
        )

    def _edge(self, list_name: str, *, oldest: bool) -> str:
        """The oldest or the newest ``last_updated`` in the list; empty if the list is."""
        keys = self._table.query_page({}, **_within(list_name, Window()), Limit=1, ScanIndexForward=oldest).items
        return str(keys[0]["last_updated"]["S"]) if keys else ""

    def _count(self, list_name: str, window: Window) -> int:
        answer = self._table.query_page({}, **_within(list_name, window), Select="COUNT")
        total = answer.count
        while answer.next_key:
            answer = self._table.query_page(answer.next_key, **_within(list_name, window), Select="COUNT")
            total += answer.count
        return total

    def _start_at_offset(self, list_name: str, window: Window) -> Item | None:
        """The key before the page that begins at ``offset``; None if the window has no more objects than that."""
        left, start = window.offset, Item()
        while left:
            answer = self._table.query_page(start, **_within(list_name, window), Select="COUNT", Limit=left)
            left -= answer.count
            start = answer.next_key
            if not start:
                return None
        return start


def _until_gap(objects: dict[int, Item], first: int) -> range:
    """The ranks from ``first`` up to a gap: an object that is not in the index yet ends the page and is not skipped."""
    end = first
    while end in objects:
        end += 1
    return range(first, end)


def _within(list_name: str, window: Window) -> dict[str, Any]:
    low, high = date_bounds(window) or ("", "")
    return {
        "IndexName": "by_last_updated",
        "KeyConditionExpression": "#list = :list AND last_updated BETWEEN :low AND :high",
        "ExpressionAttributeNames": {"#list": "list"},
        "ExpressionAttributeValues": {":list": {"S": list_name}, ":low": {"S": low}, ":high": {"S": high}},
    }


def _start(list_name: str, last_updated: str, object_id: str) -> Item:
    return object_key(OURS, object_id) | {"list": {"S": list_name}, "last_updated": {"S": last_updated}}


def _table_key(key: Item) -> Item:
    return {"pk": key["pk"], "id": key["id"]}
