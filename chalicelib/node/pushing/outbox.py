"""The outbox: which partner does not hold which object as it is, and when that is retried.

An entry holds no content. Whatever failed, a retry sends the object as it is by then (OFF-03, Q-57).
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
"""From a failed try to the next one, the first after the first failure; a nightly one for the last week (Q-57).

After the last, only a change of the object or the operator makes us try.
"""
RETRY_WINDOW: Final = sum(RETRY_DELAYS, timedelta())
"""From the first failure to the last retry, where nothing else makes us try in between."""
MOST_COUNTED: Final = 10_000
"""Entries of one partner that a backlog counts; where it says so many, there may be more."""
LEASE: Final = timedelta(minutes=15)
"""For so long a retry that was queued belongs to its worker; if it has not ended by then, it is queued again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One partner does not hold one object as it is: it is dirty there until a delivery clears the entry."""

    partner_id: str
    announcement: Announcement
    """All that the partner was not told, coalesced to one announcement."""
    reason: str
    attempts: int
    """Tries that have failed; what only waited for a partner that is not called has none.

    For ``Outbox.record``: those to be added to the ones that it has counted.
    """
    failed_at: datetime
    """When the last try failed, or was put off."""
    due_at: datetime | None = None
    """When it is retried; None: given up."""
    no_answer: bool = False
    """Whether it is retried as soon as the partner is reached again.

    The partner did not answer, answered 401, 403, 429 or 5xx, or was not called at all.
    """
    is_unsure: bool = False
    """Whether the partner may have taken a posted object although we have not heard so; it is looked for first."""
    first_failed_at: datetime | None = None
    """Since when the object is dirty; the outbox sets it, whatever ``record`` is given."""


@dataclass(frozen=True, slots=True)
class SentVersion:
    """A part of an object as a partner was sent it, of a later version than was announced.

    An announcement that is still queued and that this covers needs no request.
    """

    version: int
    """The version that was sent."""
    path: tuple[str, ...]
    """As in ``Announcement``."""
    fields: tuple[str, ...] | None
    """As in ``Announcement``."""

    def covers(self, announcement: Announcement) -> bool:
        """Whether the partner was sent all that the announcement tells; a removal is never covered."""
        if announcement.removed or announcement.version > self.version:
            return False
        if self.fields is None:
            return announcement.path[: len(self.path)] == self.path
        fields = announcement.fields
        return announcement.path == self.path and fields is not None and {*fields} <= {*self.fields}


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """What is recorded about one object at one partner, and about reaching that partner."""

    breaker: CircuitBreaker
    """As it is stored; see ``for_current_token``."""
    entry: OutboxEntry | None = None
    """None: the partner has missed nothing of the object."""
    sent: tuple[SentVersion, ...] = ()
    """What was sent ahead of its announcements in the last days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How many objects of one module are dirty at a partner."""

    objects: int
    oldest: datetime
    """Since when the first of them is dirty."""
    given_up: int = 0
    """Those of them that only a change or the operator has retried."""


class Outbox(Protocol):
    """What is recorded about deliveries: per partner and object one entry, and what was sent ahead."""

    def state(self, partner_id: str, about: ObjectKey) -> DeliveryState:
        """What is recorded about the object at the partner, and its breaker; strongly consistent, one call."""

    def record(self, entry: OutboxEntry) -> None:
        """Write the entry over the one of its partner and object, if any.

        ``attempts`` are added up, and ``first_failed_at`` stays. Two announcements of different parts or fields become
        one of the whole object.
        """

    def lease(self, entry: OutboxEntry, until: datetime) -> bool:
        """Make the entry due at ``until``, for whoever is given the lease; False if it has changed since it was read.

        Of two that found the same entry, one gets the lease.
        """

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        """Make the entry due now, with no try counted, so that the whole schedule follows; False if there is none."""

    def clear(self, partner_id: str, about: ObjectKey) -> None:
        """Delete the entry, if any: the partner holds the object as it is."""

    def record_sent(self, partner_id: str, about: ObjectKey, sent: Sequence[SentVersion], until: datetime) -> None:
        """Remember until then what the partner was sent, in place of what was remembered before; empty: forget that."""

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        """Up to ``limit`` entries that are due by now, the longest waiting first; the last changes may be missing."""

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        """The partner's entries in the order of their ``entry_name``, those behind ``after``; all, unless limited."""

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        """The partner's entries counted, by module; up to ``MOST_COUNTED`` of them."""


def entry_name(about: ObjectKey) -> str:
    """``module/id``, by which a partner's entries are named and ordered."""
    module, object_id = about
    return f"{module}/{object_id}"


def next_retry_at(attempts: int, now: datetime, since: datetime) -> datetime | None:
    """When an entry is retried; None: it is given up.

    ``RETRY_DELAYS`` has the pauses. A partner that goes away and comes back is tried more often than that. This does
    not end the schedule early: until ``RETRY_WINDOW`` is over, the longest pause is repeated (Q-57).

    Args:
        attempts: tries that have failed, this one included; at least 1.
        now: when the last of them failed.
        since: when the first of them failed.
    """
    if attempts > len(RETRY_DELAYS) and now - since >= RETRY_WINDOW:
        return None
    return now + RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]


def sent_after(
    sent: Sequence[SentVersion], version: int, announcements: Sequence[Announcement]
) -> tuple[SentVersion, ...]:
    """What a partner was sent of an object, after one more push; by path.

    Args:
        sent: what it was sent before, a part once.
        version: the object's, when it was pushed.
        announcements: whose parts and fields were pushed.
    """
    ahead = {each.path: SentVersion(version, each.path, each.fields) for each in announcements}
    if () in ahead and ahead[()].fields is None:
        return (ahead[()],)
    for earlier in sent:
        later = ahead.get(earlier.path)
        if later is None and earlier.version <= version:
            ahead[earlier.path] = earlier
        elif later is not None and later.fields is not None and earlier.version >= version:
            # Fields that were sent as of an older version are forgotten instead: of both, only that version is true.
            fields = None if earlier.fields is None else tuple(sorted({*earlier.fields, *later.fields}))
            ahead[earlier.path] = SentVersion(version, earlier.path, fields)
    return tuple(ahead[path] for path in sorted(ahead))
