"""Objects to store, and a client that crawls them as OCPI tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.node.objects import OURS, ObjectStore, StoredObject
from chalicelib.ocpi.paging import Page, Window

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    """So many seconds into the year."""
    return START + timedelta(seconds=second)


def make(
    object_id: str, second: float = 0, *, list_name: str | None = "all", filler: str = "", **facts: Any
) -> StoredObject:
    """An object that says its own id, last updated in that second."""
    body = json.dumps({"id": object_id} | ({"filler": filler} if filler else {}), separators=(",", ":"))
    return StoredObject(id=object_id, body=body.encode(), last_updated=at(second), list=list_name, **facts)


def fill(store: ObjectStore, count: int, *, list_name: str = "all", prefix: str = "L", at_once: int = 99) -> list[str]:
    """Create that many objects, one in each second; their ids by rank."""
    made = [make(f"{prefix}{number:04}", number, list_name=list_name) for number in range(count)]
    for start in range(0, count, at_once):
        store.create(made[start : start + at_once])
    return [stored.id for stored in made]


def touch(store: ObjectStore, object_id: str, second: float) -> None:
    """Change the object in that second."""
    stored = store.get(OURS, object_id)
    assert stored
    store.put(OURS, replace(stored, version=stored.version + 1, last_updated=at(second)))


def drop(store: ObjectStore, object_id: str) -> None:
    """Remove the object."""
    stored = store.get(OURS, object_id)
    assert stored
    store.remove(OURS, stored)


def ids(page: Page) -> list[str]:
    return [json.loads(body)["id"] for body in page.bodies]


def next_window(window: Window, page: Page) -> Window | None:
    """What the ``Link`` of this page asks for; None without one."""
    if page.next_offset is None:
        return None
    return replace(window, offset=page.next_offset, cursor=page.next_cursor)


def crawl(
    store: ObjectStore, window: Window, list_name: str = "all", *, meanwhile: Iterable[Callable[[], None]] = ()
) -> list[Page]:
    """Every page that following ``Link`` from this window gives; between pages, one thing after the other happens."""
    pages: list[Page] = []
    happenings = iter(meanwhile)
    current: Window | None = window
    while current is not None:
        assert len(pages) < 2000, "the crawl does not end"
        pages.append(store.page(list_name, current))
        next(happenings, lambda: None)()
        current = next_window(current, pages[-1])
    return pages


def crawled(store: ObjectStore, window: Window, list_name: str = "all", **more: Any) -> list[str]:
    """The ids on those pages."""
    return [object_id for page in crawl(store, window, list_name, **more) for object_id in ids(page)]
