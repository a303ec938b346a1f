"""What the host hears: the queue of events, the bus and the feed, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from chalicelib.node.events.announcing import FEED_RETENTION, Event, EventDetail, FeedEntry, cursor_at


class MemoryEventQueue:
    """The queue of events, for a test to look at and to drain. Nothing is delayed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: list[tuple[list[Event], int]] = []
        """Each message: its events, and how often it was put back."""

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        if events:
            with self._lock:
                self.messages.append((list(events), attempt))


class MemoryEventBus:
    """What the host heard."""

    def __init__(self) -> None:
        self.published: list[EventDetail] = []

    def publish(self, details: Sequence[EventDetail]) -> None:
        self.published.extend(details)


class MemoryEventFeed:
    """What was published."""

    def __init__(self) -> None:
        self._noted: dict[str, FeedEntry] = {}

    def append(self, detail: EventDetail, now: datetime) -> None:
        cursor = cursor_at(now, detail["id"])
        self._noted[cursor] = FeedEntry(cursor, dict(detail))

    def after(self, cursor: str, until: datetime, limit: int) -> list[FeedEntry]:
        return self._between(cursor, until)[:limit]

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        return self._between(cursor_at(until - FEED_RETENTION), until)[-limit:]

    def _between(self, cursor: str, until: datetime) -> list[FeedEntry]:
        return [noted for place, noted in sorted(self._noted.items()) if cursor < place < cursor_at(until)]
