"""Fake of ``ObjectStore``."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from chalicelib.adapters.dynamodb.cursors import (
    ChangeCursor,
    RankCursor,
    bodies_that_fit,
    date_bounds,
    decode_cursor,
    encode_cursor,
    fixed_width,
)
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import MOST_INDEX_HITS, OURS, IndexHit, StoredObject
from chalicelib.ocpi.paging import Page, Window


class MemoryObjectStore:
    """``ObjectStore`` in memory, with the same pages and cursors as on DynamoDB."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str], StoredObject] = {}
        self._lists: dict[str, list[str]] = {}
        """The ids of each list by rank, counted from 0."""
        self._removals: dict[str, int] = {}

    def get(self, owner: str, object_id: str) -> StoredObject | None:
        with self._lock:
            return self._objects.get((owner, object_id))

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, StoredObject]:
        with self._lock:
            keys = [(owner, object_id) for object_id in object_ids]
            return {key[1]: self._objects[key] for key in keys if key in self._objects}

    def put(self, owner: str, stored: StoredObject) -> None:
        with self._lock:
            before = self._objects.get((owner, stored.id))
            if stored.version != (before.version + 1 if before else 1):
                raise Conflict("somebody else wrote first")
            self._objects[owner, stored.id] = replace(_as_stored(stored), list=before.list if before else None)

    def create(self, stored: Sequence[StoredObject]) -> None:
        with self._lock:
            ids = {one.id for one in stored}
            if len(ids) < len(stored) or self.get_many(OURS, list(ids)):
                raise Conflict("one of the objects exists already")
            for one in stored:
                self._objects[OURS, one.id] = _as_stored(one)
                self._lists.setdefault(one.list or "", []).append(one.id)

    def remove(self, owner: str, stored: StoredObject) -> None:
        with self._lock:
            known = self._objects.get((owner, stored.id))
            if known is None or known.version != stored.version:
                raise Conflict("the object has changed")
            del self._objects[owner, stored.id]
            if owner == OURS:
                name = known.list or ""
                ids = self._lists[name]
                ids[ids.index(stored.id)] = ids[-1]
                ids.pop()
                self._removals[name] = self._removals.get(name, 0) + 1

    def page(self, list_name: str, window: Window) -> Page:
        with self._lock:
            cursor, span = decode_cursor(window), date_bounds(window)
            if isinstance(cursor, RankCursor) or not window.has_dates:
                return self._by_rank(list_name, window, cursor)
            if span is None:
                return Page((), 0)
            objects = [self._objects[OURS, object_id] for object_id in self._lists.get(list_name, ())]
            inside = [one for one in objects if span[0] <= fixed_width(one.last_updated) <= span[1]]
            if cursor:
                return _by_change(inside, window, cursor)
            if len(inside) == len(objects):
                return self._by_rank(list_name, window, None)
            bodies = bodies_that_fit(one.body for one in inside)
            if not window.offset and len(inside) <= window.limit and len(bodies) == len(inside):
                return Page(tuple(bodies), len(inside))
            return _by_change(inside, window, None)

    def _by_rank(self, list_name: str, window: Window, crawl: RankCursor | ChangeCursor | None) -> Page:
        ids, removals = self._lists.get(list_name, []), self._removals.get(list_name, 0)
        served = ids[window.offset : window.offset + window.limit]
        bodies = tuple(bodies_that_fit(self._objects[OURS, object_id].body for object_id in served))
        end, crawl = (
            window.offset + len(bodies),
            crawl if isinstance(crawl, RankCursor) else RankCursor(removals=removals),
        )
        if bodies and end < len(ids):
            return Page(bodies, len(ids), end, encode_cursor(crawl))
        again = crawl.restarted(removals)
        return Page(bodies, len(ids), 0, encode_cursor(again)) if again else Page(bodies, len(ids))

    def find(self, index: str, key: str, limit: int = MOST_INDEX_HITS) -> list[IndexHit]:
        with self._lock:
            found = [IndexHit(of, one) for (of, _), one in self._objects.items() if key and one.keys.get(index) == key]
            return sorted(found, key=lambda each: each.stored.last_updated, reverse=True)[:limit]

    def list_by_owner(self, owner: str, after: str | None, limit: int) -> list[StoredObject]:
        with self._lock:
            # By code points, which is the order of the bytes of UTF-8, by which DynamoDB sorts.
            found = sorted(id_ for of, id_ in self._objects if of == owner and id_ > (after or ""))
            return [self._objects[owner, id_] for id_ in found[:limit]]


def _as_stored(stored: StoredObject) -> StoredObject:
    moment = stored.last_updated
    return replace(
        stored,
        last_updated=moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        metadata=dict(stored.metadata),
        keys=dict(stored.keys),
    )


def _by_change(inside: Iterable[StoredObject], window: Window, cursor: ChangeCursor | None) -> Page:
    ordered = sorted(inside, key=lambda one: (one.last_updated, one.id.encode()))
    total = cursor.total if cursor else len(ordered)
    if cursor:
        behind = (cursor.last_updated, cursor.id.encode())
        ordered = [one for one in ordered if (fixed_width(one.last_updated), one.id.encode()) > behind]
    else:
        ordered = ordered[window.offset :]
    bodies = tuple(bodies_that_fit(one.body for one in ordered[: window.limit]))
    if len(bodies) == len(ordered):
        return Page(bodies, total)
    last = ordered[len(bodies) - 1]
    onward = ChangeCursor(last_updated=fixed_width(last.last_updated), id=last.id, total=total)
    return Page(bodies, total, window.offset + len(bodies), encode_cursor(onward))
