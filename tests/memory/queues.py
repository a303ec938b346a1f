"""Fakes of ``PushQueues``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalicelib.node.pushing.messages import Announcement, Delivery, RetryDue


class MemoryPushQueues:
    """``PushQueues`` in memory: two lists, for a test to look at and to drain. No delays, no deduplication."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.announcements: list[tuple[list[Announcement], int]] = []
        """Each message: what it announces, and how often it was requeued."""
        self.deliveries: list[Delivery | RetryDue] = []

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if announcements:
            with self._lock:
                self.announcements.append((list(announcements), attempt))

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        with self._lock:
            self.deliveries.extend(deliveries)

    def retry(self, due: RetryDue, *, cause: str) -> None:
        with self._lock:
            self.deliveries.append(due)

    def wake(self) -> None:
        """Move delayed announcements that are due to ``announcements``: there are none here."""

    def next_due(self) -> datetime | None:
        """When the next delayed announcement is due."""
        return None


class DelayingPushQueues(MemoryPushQueues):
    """``PushQueues`` in memory, with delays: ``wake`` moves what is due to ``announcements``."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self._delayed: list[tuple[datetime, list[Announcement], int]] = []

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if not delay_s:
            super().announce(announcements, attempt=attempt)
        elif announcements:
            self._delayed.append((self._clock() + timedelta(seconds=delay_s), list(announcements), attempt))

    def wake(self) -> None:
        now = self._clock()
        due = sorted((each for each in self._delayed if each[0] <= now), key=lambda each: each[0])
        self._delayed = [each for each in self._delayed if each[0] > now]
        self.announcements += [(announcements, attempt) for _, announcements, attempt in due]

    def next_due(self) -> datetime | None:
        return min((due for due, _, _ in self._delayed), default=None)
