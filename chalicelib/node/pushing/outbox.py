"""What partners still have to be told: an entry per partner and object, and when it is tried again.

The entry says that the partner does not hold the object as it is, not what was to be sent: what is sent is always the
object's state at that time (OFF-03, Q-57).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib.node.partners.breaker import CircuitBreaker
from chalicelib.node.pushing.coalescing import ObjectKey
from chalicelib.node.pushing.messages import Announcement

RETRY_DELAYS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
    *[timedelta(days=1)] * 7,
)
"""Between a failure and the next try; after the last of them only the operator, or a change, makes us try (Q-57)."""
RETRY_WINDOW: Final = sum(RETRY_DELAYS, timedelta())
"""All of them together."""
MOST_COUNTED: Final = 10_000
"""Entries of one partner that are counted: with a backlog of so many, it may be more."""
LEASE: Final = timedelta(minutes=15)
"""A try that was queued and is not heard of for so long is queued again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """A delivery that did not reach its partner: the object is dirty there until it does."""

    partner_id: str
    announcement: Announcement
    """All that they have not been told, in one."""
    reason: str
    attempts: int
    """That have failed. While we do not call a partner at all, there are none."""
    failed_at: datetime
    due_at: datetime | None = None
    """When it is tried again; None: given up."""
    no_answer: bool = False
    """Nobody answered, they did not let us in, or we did not ask: it is due as soon as they are reached again."""
    is_unsure: bool = False
    """They may have taken it all the same."""
    first_failed_at: datetime | None = None
    """Since when it is dirty; set by the outbox."""


@dataclass(frozen=True, slots=True)
class SentVersion:
    """What a partner was told of an object ahead of the announcements that are still queued."""

    version: int
    path: tuple[str, ...]
    fields: tuple[str, ...] | None

    def covers(self, announcement: Announcement) -> bool:
        """Whether there is nothing new in the announcement."""
        if announcement.removed or announcement.version > self.version:
            return False
        if self.fields is None:
            return announcement.path[: len(self.path)] == self.path
        fields = announcement.fields
        return announcement.path == self.path and fields is not None and {*fields} <= {*self.fields}


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """What is written down about one object and one partner, and about reaching that partner."""

    breaker: CircuitBreaker
    entry: OutboxEntry | None = None
    sent: tuple[SentVersion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a partner still has to be told of one module."""

    objects: int
    oldest: datetime
    given_up: int = 0
    """Those of them that are not tried again by themselves."""


class Outbox(Protocol):
    """One entry per partner and object."""

    def state(self, partner_id: str, about: ObjectKey) -> DeliveryState:
        """What is known before an object is told, strongly consistent; one call."""

    def record(self, failure: OutboxEntry) -> None:
        """Remember the failure; ``attempts`` are counted on. Two that differ make the whole object dirty."""

    def lease(self, failure: OutboxEntry, until: datetime) -> bool:
        """Move the next try to then, and away from everybody else; False if the entry has changed or gone."""

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        """Make it due now, with the whole schedule before it; False if nothing waits."""

    def clear(self, partner_id: str, about: ObjectKey) -> None:
        """Forget what was recorded for this partner and object."""

    def record_sent(self, partner_id: str, about: ObjectKey, told: Sequence[SentVersion], until: datetime) -> None:
        """Remember until then what they were told ahead of its announcements; nothing: forget."""

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        """Those to be tried again by now, the longest waiting first; it may lag a little."""

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        """What this partner still has to be told, by ``place``, those behind ``after``."""

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        """How much that is, by module; counted up to ``MOST_COUNTED``."""


def entry_name(about: ObjectKey) -> str:
    """Where an object stands among a partner's entries."""
    module, object_id = about
    return f"{module}/{object_id}"


def next_retry_at(attempts: int, now: datetime, since: datetime) -> datetime | None:
    """When to try again after so many failures, the first of them at ``since``; None: not by ourselves.

    A partner that is reached again and again is tried more often than the schedule has it. That does not end it early:
    it goes on by its longest pause for as long as it takes by itself (Q-57).
    """
    if attempts > len(RETRY_DELAYS) and now - since >= RETRY_WINDOW:
        return None
    return now + RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]


def sent_after(told: Sequence[SentVersion], version: int, news: Sequence[Announcement]) -> tuple[SentVersion, ...]:
    """What a partner has been told of an object, once it was told this news as of this version."""
    ahead = {each.path: SentVersion(version, each.path, each.fields) for each in news}
    if () in ahead and ahead[()].fields is None:
        return (ahead[()],)
    for earlier in told:
        later = ahead.get(earlier.path)
        if later is None and earlier.version <= version:
            ahead[earlier.path] = earlier
        elif later is not None and later.fields is not None and earlier.version >= version:
            # What was told as of an older version is forgotten instead: it would hold back what is covered from now on.
            fields = None if earlier.fields is None else tuple(sorted({*earlier.fields, *later.fields}))
            ahead[earlier.path] = SentVersion(version, earlier.path, fields)
    return tuple(ahead[path] for path in sorted(ahead))
