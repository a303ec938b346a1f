"""A FIFO queue in memory: the messages of a lane one after the other, the lanes side by side, as in SQS."""

from __future__ import annotations

import threading
from collections import deque


class Fifo:
    """Messages in lanes, for threads that work as Lambda does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[str]] = {}
        self._busy: set[str] = set()
        self._known: set[str] = set()
        self._closed = False

    def put(self, lane: str, known_by: str, message: str) -> None:
        """Put a message at the end of its lane; one that is known by the same is there already."""
        with self._changed:
            if known_by not in self._known:
                self._known.add(known_by)
                self._waiting.setdefault(lane, deque()).append(message)
                self._changed.notify()

    def next(self) -> tuple[str, str] | None:
        """A lane that nobody works at, and its next message; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._free())
            lane = self._free()
            if lane is None:
                return None
            self._busy.add(lane)
            # The lane that was served goes behind the others.
            messages = self._waiting.pop(lane)
            message = messages.popleft()
            if messages:
                self._waiting[lane] = messages
            return lane, message

    def waiting(self) -> dict[str, list[str]]:
        """The messages of each lane that nobody has taken, in their order."""
        with self._changed:
            return {lane: list(messages) for lane, messages in self._waiting.items()}

    def done(self, lane: str) -> None:
        """Let the next message of the lane go."""
        with self._changed:
            self._busy.remove(lane)
            self._changed.notify_all()

    def close(self) -> None:
        """Send everybody home who waits for work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _free(self) -> str | None:
        return next((lane for lane in self._waiting if lane not in self._busy), None)
