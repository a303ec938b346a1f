"""Pages of a list of ours: whatever the offset and the size of the list, a page costs two calls.

By rank: one Query of ``by_rank`` for the keys, one BatchGetItem for the bodies and the counter. That takes a hundred
keys, so a page of 99 objects is two calls and one of 100 is three.

By change: one Query of ``by_last_updated`` from where the cursor stands, one BatchGetItem. Only the first page of a
longer crawl pays more: it looks whether the dates cover the whole list, and counts what they select.

Indexes lag behind the table. So an index only says which objects to read; what is read, strongly consistent, decides.
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
"""An index is usually a few milliseconds behind."""


class Pages:
    """The pages of the lists in one table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, list_name: str, window: Window) -> Page:
        """The window's page of the list, by rank or by change as ``ObjectStore.page`` promises.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """
        place = decode_cursor(window)
        if isinstance(place, ChangeCursor):
            start = _start(list_name, place.last_updated, place.id)
            return self._by_change(list_name, window, start, place.total)
        if place is not None or not window.has_dates:
            return self._by_rank(list_name, window, place)
        if date_bounds(window) is None:
            return Page((), 0)
        return self._first_by_change(list_name, window)

    # --- by rank -------------------------------------------------------------------------------------------------

    def _by_rank(self, list_name: str, window: Window, crawl: RankCursor | None) -> Page:
        counter, objects = self._caught_up(list_name, window)
        first = window.offset + 1
        if first not in objects:
            # Past the end. Or nothing turned up at this rank: rather a crawl without it than no crawl.
            first = min(objects, default=window.offset + window.limit + 1)
        bodies = bodies_that_fit(body_of(objects[rank]) for rank in _unbroken(objects, first))
        end = first - 1 + len(bodies)
        crawl = crawl or RankCursor(removals=counter.removals)
        next_offset, going_on = (end, crawl) if end < counter.n else (0, crawl.again(counter.removals))
        if going_on is None:
            return Page(tuple(bodies), counter.n)
        return Page(tuple(bodies), counter.n, next_offset, encode_cursor(going_on))

    def _caught_up(self, list_name: str, window: Window) -> tuple[ListCounter, dict[int, Item]]:
        """The list's counter and the window's objects by rank, once the index knows the first of them."""
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
        found = self._table.get_all([counter_key(list_name), *map(_table_key, keys)])
        counter = ListCounter.of(next((item for item in found if item["pk"]["S"] != OURS), None))
        # An object that moved since the index noted it stands where it says itself.
        objects = {rank_of(item): item for item in found if item["pk"]["S"] == OURS}
        return counter, {rank: item for rank, item in objects.items() if first <= rank <= last}

    # --- by change -----------------------------------------------------------------------------------------------

    def _first_by_change(self, list_name: str, window: Window) -> Page:
        """The first page of a crawl with dates, or a later one for a client that ignores ``Link``."""
        if not window.offset and (page := self._only_page(list_name, window)):
            return page
        if self._covers_list(list_name, window):
            return self._by_rank(list_name, window, None)
        total = self._count(list_name, window)
        start = self._behind_offset(list_name, window)
        return Page((), total) if start is None else self._by_change(list_name, window, start, total)

    def _only_page(self, list_name: str, window: Window) -> Page | None:
        """The page if it is the only one, by rank as the list is (PAG-05); most delta pulls end here."""
        keys = self._changed(list_name, window, {})
        if len(keys) > window.limit:
            return None
        items = sorted(self._table.get_all(list(map(_table_key, keys))), key=rank_of)
        bodies = bodies_that_fit(map(body_of, items))
        return Page(tuple(bodies), len(items)) if len(bodies) == len(items) else None

    def _by_change(self, list_name: str, window: Window, start: Item, total: int) -> Page:
        keys = self._changed(list_name, window, start)
        asked = keys[: window.limit]
        found = {item["id"]["S"]: item for item in self._table.get_all(list(map(_table_key, asked)))}
        # An object that was removed since the index noted it counts as passed.
        items = (found.get(key["id"]["S"]) for key in asked)
        bodies = bodies_that_fit(body_of(item) if item else b"" for item in items)
        served = tuple(filter(None, bodies))
        if len(bodies) == len(keys):
            return Page(served, total)
        last = keys[len(bodies) - 1]
        place = ChangeCursor(last_updated=last["last_updated"]["S"], id=last["id"]["S"], total=total)
        return Page(served, total, window.offset + len(bodies), encode_cursor(place))

    def _changed(self, list_name: str, window: Window, start: Item) -> list[Item]:
        """The keys of the page behind ``start``, and one more if there is one."""
        keys: list[Item] = []
        more = window.limit + 1
        while True:
            answer = self._table.query_page(start, **_within(list_name, window), Limit=more - len(keys))
            keys += answer.items
            start = answer.next_key
            if not start or len(keys) == more:
                return keys

    def _covers_list(self, list_name: str, window: Window) -> bool:
        """Whether the dates leave nothing out: one key from each end that they bound."""
        low, high = date_bounds(window) or ("", "")
        return (window.date_from is None or self._edge(list_name, oldest=True) >= low) and (
            window.date_to is None or self._edge(list_name, oldest=False) <= high
        )

    def _edge(self, list_name: str, *, oldest: bool) -> str:
        keys = self._table.query_page({}, **_within(list_name, Window()), Limit=1, ScanIndexForward=oldest).items
        return str(keys[0]["last_updated"]["S"]) if keys else ""

    def _count(self, list_name: str, window: Window) -> int:
        answer = self._table.query_page({}, **_within(list_name, window), Select="COUNT")
        total = answer.count
        while answer.next_key:
            answer = self._table.query_page(answer.next_key, **_within(list_name, window), Select="COUNT")
            total += answer.count
        return total

    def _behind_offset(self, list_name: str, window: Window) -> Item | None:
        """Where the page starts that has ``offset`` keys before it; None if there are no more keys than those."""
        left, start = window.offset, Item()
        while left:
            answer = self._table.query_page(start, **_within(list_name, window), Select="COUNT", Limit=left)
            left -= answer.count
            start = answer.next_key
            if not start:
                return None
        return start


def _unbroken(objects: dict[int, Item], first: int) -> range:
    """The ranks from ``first`` on, up to a hole: what the index does not know yet cuts the page, and is not skipped."""
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
