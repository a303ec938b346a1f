"""Fakes of ``EventQueue``, ``EventBus`` and ``EventFeed``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from chalicelib.node.events.announcing import FEED_RETENTION, Event, EventDetail, FeedEntry, cursor_at


class MemoryEventQueue:
    """``EventQueue`` in memory: the messages as a list, for a test to look at and to drain. Nothing is delayed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: list[tuple[list[Event], int]] = []
        """Each message: its events, and how often it was requeued."""

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        if events:
            with self._lock:
                self.messages.append((list(events), attempt))


class MemoryEventBus:
    """``EventBus`` in memory: what was published."""

    def __init__(self) -> None:
        self.published: list[EventDetail] = []

    def publish(self, details: Sequence[EventDetail]) -> None:
        self.published.extend(details)


class MemoryEventFeed:
    """``EventFeed`` in memory; nothing expires."""

    def __init__(self) -> None:
        self._entries: dict[str, FeedEntry] = {}

    def append(self, detail: EventDetail, now: datetime) -> None:
        cursor = cursor_at(now, detail["id"])
        self._entries[cursor] = FeedEntry(cursor, dict(detail))

    def after(self, cursor: str, until: datetime, limit: int) -> list[FeedEntry]:
        return self._between(cursor, until)[:limit]

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        return self._between(cursor_at(until - FEED_RETENTION), until)[-limit:]

    def _between(self, cursor: str, until: datetime) -> list[FeedEntry]:
        return [entry for key, entry in sorted(self._entries.items()) if cursor < key < cursor_at(until)]
