"""A pull as it is stored: how far we are with one list of one partner. With its message and its ports."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from chalicelib.ocpi.module import ModuleID

MOST_PAGES: Final = 20_000
"""Pages of one pull; one that needs more fails (Q-09)."""
MOST_ON_A_PAGE: Final = 10_000
"""Objects on one page; a larger page fails the pull. What a full pull saw on a page is one item of the store, which has
room for six times as many."""
MOST_ATTEMPTS: Final = 5
"""Tries to fetch one page while the partner cannot be reached; then the pull has failed (PAG-17)."""
PAUSES_S: Final = (5, 30, 120, 600)
"""Seconds between those tries, the first pause first; the last one repeats."""
MOST_RESTARTS: Final = 1
"""How often one pull begins again at its first page, where the list became shorter and its links have no ``offset``
that we could lower (PAG-16)."""
STUCK_AFTER: Final = timedelta(minutes=30)
"""A running pull that has not moved for so long has lost its worker and is taken up again where it stopped. Longer than
any pause between tries."""

DIGEST_BYTES: Final = 6
"""Bytes that stand for an id among those that a full pull saw."""


class PullState(StrEnum):
    """Whether a pull goes on."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """The last pull of one list of one partner, running or over, and what earlier pulls have achieved.

    There is one per partner and module. A full pull asks for everything, any other for what changed since the last one.
    """

    partner_id: str
    module: ModuleID
    crawl: str
    """The id of this pull: messages of an earlier pull of the list have another one."""
    state: PullState
    is_full: bool
    """Whether it asks for everything, without dates."""
    url: str
    """The page that is fetched next."""
    first_url: str
    """The first page, where the pull begins again if it has to."""
    began_at: datetime
    updated_at: datetime
    """When it moved last."""
    page: int = 0
    """The number of the page that is fetched next, from 0."""
    attempts: int = 0
    """Tries to fetch this page that have failed."""
    restarts: int = 0
    """How often it began again at its first page (PAG-16)."""
    landmark: str | None = None
    """The URL of an earlier page: a link to it shows that the pages go in circles (Q-09)."""
    listed: str | None = None
    """A digest of the ids on the page before: a page with the same one shows that the partner ignores what we ask."""
    total: int | None = None
    """How many objects the list has, as the partner said last."""
    received: int = 0
    """Objects on all pages so far."""
    taken: int = 0
    """Those of them that were stored, for they were new or newer than what we held."""
    refused: int = 0
    """Those of them that went to quarantine."""
    problem: str | None = None
    """Why the pull failed, why this page is tried again, or why nothing was marked as absent; None if all is well."""
    since: datetime | None = None
    """When the last pull that succeeded began: the next one asks for what changed after that."""
    completed_at: datetime | None = None
    """When the last pull that succeeded ended."""
    full_at: datetime | None = None
    """When the last full pull that succeeded began."""
    version: int = 0
    """For the optimistic lock: grows by one with each write."""

    @property
    def step(self) -> PullStep:
        """The message that asks for the page that is fetched next."""
        return PullStep(partner_id=self.partner_id, module=self.module, crawl=self.crawl, page=self.page)

    def with_(self, now: datetime, **facts: Any) -> Pull:
        """The next version of the pull, with these fields replaced."""
        return replace(self, updated_at=now, version=self.version + 1, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep:
    """A message: fetch one page of a pull."""

    partner_id: str
    module: ModuleID
    crawl: str
    page: int


def digest_of(object_id: str) -> bytes:
    """Six bytes that stand for an id, so that a full pull can remember every id that it saw."""
    return hashlib.sha256(object_id.encode()).digest()[:DIGEST_BYTES]


def digest_of_page(ids: Collection[str]) -> str | None:
    """A digest of the ids on a page, in their order; None if there are none."""
    named = [digest_of(object_id) for object_id in ids if object_id]
    return hashlib.sha256(b"".join(named)).hexdigest()[:16] if named else None


class PullStore(Protocol):
    """Stores pulls, one per partner and module."""

    def get(self, partner_id: str, module: ModuleID) -> Pull | None:
        """The pull, strongly consistent; None if there was none. One call."""

    def of(self, partner_id: str) -> list[Pull]:
        """Every pull of this partner's lists, by module."""

    def save(self, pull: Pull) -> None:
        """Write the next version (optimistic lock); one call.

        Raises:
            Conflict: the stored version is not the one before.
        """

    def record_seen(self, pull: Pull, ids: Collection[str]) -> None:
        """Remember for two days the ids on the page just fetched, at most ``MOST_ON_A_PAGE``; one call."""

    def seen(self, pull: Pull) -> Collection[bytes]:
        """The digests of the ids on all pages of this pull, as ``digest_of`` makes them."""


class PullQueue(Protocol):
    """The queue that drives pulls, page by page."""

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        """Send one message to the queue ``pulls``, to be read ``delay_s`` seconds from now."""
