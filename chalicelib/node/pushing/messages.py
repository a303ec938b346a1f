"""The messages that drive pushes, and the port that queues them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chalicelib.ocpi.module import ModuleID


@dataclass(frozen=True, slots=True)
class Announcement:
    """One own object is about to change: the message that drives everything partners are told.

    ``fields`` is None when the part at ``path`` is new or replaced as a whole; ``removed`` when the object goes away.
    """

    module: ModuleID
    id: str
    version: int
    path: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One partner is to be told about one change; it carries no content, the worker reads the current state."""

    partner_id: str
    announcement: Announcement
    attempt: int | None = None
    """For another try of what stands in the outbox: how many have failed. A try that comes twice is made once."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """Look after one partner: probe it if it is not called, queue again what it missed and what is due."""

    partner_id: str
    after: str | None = None
    """Go through everything that nothing reached them with, from behind this place on; None: what is due."""


class PushQueues(Protocol):
    """The queues that drive what must not happen inside a request."""

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``changes``; ``attempt`` counts how often it was put back."""

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message each to ``deliveries.fifo``, in this order; order holds within a partner's lane.

        All that is about one object goes in one lane.

        Equal deliveries of one ``cause``, such as the id of the message that led here, are sent once.
        """

    def retry(self, due: RetryDue, *, cause: str) -> None:
        """Send one message to ``deliveries.fifo``, behind what waits there in one of the partner's lanes."""
