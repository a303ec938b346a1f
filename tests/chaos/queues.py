"""SQS on a bad day: what fails comes again later, what is done may come again, and only lanes keep an order."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.adapters.sqs.pushes import LANES
from chalicelib.node.pulling.state import PullStep
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.messages import Announcement, Delivery, RetryDue
from tests.chaos.weather import Weather

VISIBLE_AGAIN = timedelta(minutes=2)
"""As ``infra/data.yaml`` has it."""
_DUPLICATES = timedelta(minutes=5)
_TWICE = 0.03


@dataclass(eq=False)
class Message:
    """What waits in a queue."""

    id: str
    due: datetime
    work: Sequence[Announcement] | Delivery | RetryDue | PullStep
    attempt: int = 0
    received: int = 0
    """How often a worker got it."""


@dataclass(eq=False)
class Lane:
    """Messages of which the first is worked at alone."""

    messages: list[Message] = field(default_factory=list)


class BadQueues:
    """``changes`` and ``pulls``, which know no order, and ``deliveries.fifo`` with its lanes."""

    def __init__(self, clock: Callable[[], datetime], weather: Weather) -> None:
        self._clock = clock
        self._weather = weather
        self._loose = Lane()
        self._lanes: dict[str, Lane] = {}
        self._sent: dict[object, datetime] = {}
        self._at_work: set[Message] = set()
        self._number = 0

    # --- what the node sends -----------------------------------------------------------------------------------------

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if announcements:
            self._put(self._loose, tuple(announcements), delay_s, attempt)

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        self._put(self._loose, step, delay_s)

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        for delivery in deliveries:
            self._in_line((delivery.partner_id, *object_key_of(delivery.announcement)), delivery, cause)

    def retry(self, due: RetryDue, *, cause: str) -> None:
        self._in_line((due.partner_id, due.after or ""), due, cause)

    def _in_line(self, lane: tuple[str, ...], work: Delivery | RetryDue, cause: str) -> None:
        now = self._clock()
        if self._sent.get((work, cause), now - _DUPLICATES) > now - _DUPLICATES:
            return
        self._sent[work, cause] = now
        name = f"{lane[0]} {zlib.crc32('/'.join(lane[1:]).encode()) % LANES}"
        self._put(self._lanes.setdefault(name, Lane()), work)

    def _put(
        self,
        lane: Lane,
        work: Sequence[Announcement] | Delivery | RetryDue | PullStep,
        delay_s: int = 0,
        attempt: int = 0,
    ) -> None:
        self._number += 1
        due = self._clock() + timedelta(seconds=delay_s)
        lane.messages.append(Message(f"m{self._number}", due, work, attempt))

    # --- what SQS does -----------------------------------------------------------------------------------------------

    def work(self, do: Callable[[Message], bool]) -> bool:
        """Give one message that is due to a worker, which says whether it is done; False if none is due."""
        now = self._clock()
        due = [(self._loose, each) for each in self._loose.messages]
        due += [(lane, lane.messages[0]) for lane in self._lanes.values() if lane.messages]
        due = [(lane, each) for lane, each in due if each.due <= now and each not in self._at_work]
        if not due:
            return False
        lane, message = self._weather.one_of(due)
        self._at_work.add(message)
        message.received += 1
        try:
            is_done = do(message)
        finally:
            self._at_work.discard(message)
        if is_done and not self._weather.strikes(_TWICE):
            lane.messages.remove(message)
        else:
            message.due = self._clock() + VISIBLE_AGAIN
        return True

    @property
    def next_due(self) -> datetime | None:
        """When the next message can be worked at."""
        heads = [lane.messages[0] for lane in self._lanes.values() if lane.messages]
        return min((each.due for each in [*self._loose.messages, *heads]), default=None)
