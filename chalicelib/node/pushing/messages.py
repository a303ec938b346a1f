"""The messages between the workers that push: a change, a delivery of it, a partner to look after; and their queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.ocpi.module import ModuleID


@dataclass(frozen=True, slots=True)
class Announcement:
    """One of our objects is about to change; every push to a partner begins with this message.

    It says what changes, never to what: whoever handles it reads the object as it is then.
    """

    module: ModuleID
    id: str
    version: int
    """That the object has once the change is written; 1 for a new one."""
    path: tuple[str, ...] = ()
    """The part that changes, by the ids of its levels, such as EVSE uid and connector id; empty: the object itself."""
    fields: tuple[str, ...] | None = None
    """Those of the part that change; None: the part is new, or replaced as a whole."""
    removed: bool = False
    """Whether the object is deleted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One partner is to be told of one change, or of what it missed; the worker reads the object as it is then."""

    partner_id: str
    announcement: Announcement
    attempt: int | None = None
    """None: a change. Else the retry of an entry of the outbox: how many of its tries had failed when this was queued.

    The number makes a retry that is queued twice happen once.
    """


@dataclass(frozen=True, slots=True)
class RetryDue:
    """One partner has entries to be retried, or a breaker to be probed."""

    partner_id: str
    after: str | None = None
    """None: retry what is due. Else the partner is reached again: retry all that got no answer, due or not.

    The text is where to go on among its entries, behind this ``entry_name``; empty for the first.
    """


class PushQueues(Protocol):
    """The queues of the workers that push: ``changes``, and ``deliveries.fifo`` with its lanes per partner."""

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``changes``.

        Args:
            announcements: what it announces.
            attempt: how often these were announced again before, since they were not written yet.
            delay_s: seconds for which the queue holds it back.
        """

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message each to ``deliveries.fifo``.

        Order holds within a partner's lane, and all deliveries of one object to one partner take the same lane.

        Args:
            deliveries: in the order in which they are to be worked.
            cause: such as the id of the message that led here; equal deliveries of one cause are sent once.
        """

    def retry(self, due: RetryDue, *, cause: str) -> None:
        """Send one message to ``deliveries.fifo``, in one of the partner's lanes, behind what waits there.

        Args:
            due: whom to look after.
            cause: equal messages of one cause are sent once.
        """
