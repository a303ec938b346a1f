"""How far we are with a partner's list, as it is written down, and the ports that keep and drive it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from chalicelib.ocpi.module import ModuleID

MOST_PAGES: Final = 20_000
"""Of one crawl; one that needs more fails (Q-09)."""
MOST_ON_A_PAGE: Final = 10_000
"""Objects on one page; a larger one fails the crawl. What a full crawl saw on a page lies in one item of the store,
which has room for six times as many."""
MOST_ATTEMPTS: Final = 5
"""At one page, where the partner is away; then the crawl has failed (PAG-17)."""
PAUSES_S: Final = (5, 30, 120, 600)
"""Seconds between those attempts."""
MOST_RESTARTS: Final = 1
"""Of one crawl from its first page, where its list became shorter behind links that only its owner reads (PAG-16)."""
STUCK_AFTER: Final = timedelta(minutes=30)
"""A crawl that has not moved for so long is taken up again where it stopped. Longer than any pause of its own."""

DIGEST_BYTES: Final = 6


class PullState(StrEnum):
    """Where a crawl stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """The last crawl of one list of one partner, and what earlier ones have achieved.

    There is one at a time. ``page`` counts from 0 and names the page that is fetched next.
    """

    partner_id: str
    module: ModuleID
    crawl: str
    """The crawl's id."""
    state: PullState
    is_full: bool
    url: str
    """Of the page that is fetched next."""
    first_url: str
    began_at: datetime
    updated_at: datetime
    page: int = 0
    attempts: int = 0
    """Of this page, so far."""
    restarts: int = 0
    landmark: str | None = None
    """The URL of an earlier page: where we come by it again, the pages go in circles (Q-09)."""
    listed: str | None = None
    """A digest of the ids on the page before: who serves the same ones again does not know what was asked for."""
    total: int | None = None
    """What the partner said last that there is."""
    received: int = 0
    taken: int = 0
    """Those that were new or newer than what we held."""
    refused: int = 0
    """Those that went to quarantine."""
    problem: str | None = None
    since: datetime | None = None
    """When the last crawl that succeeded began: the next one asks for what changed after that."""
    completed_at: datetime | None = None
    full_at: datetime | None = None
    """When the last complete crawl without dates began."""
    version: int = 0

    def with_(self, now: datetime, **facts: Any) -> Pull:
        """The pull one step further."""
        return replace(self, updated_at=now, version=self.version + 1, **facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep:
    """Fetch one page of a crawl."""

    partner_id: str
    module: ModuleID
    crawl: str
    page: int


def digest_of(object_id: str) -> bytes:
    """Six bytes that stand for an id: a crawl remembers every id that it saw."""
    return hashlib.sha256(object_id.encode()).digest()[:DIGEST_BYTES]


def digest_of_page(ids: Collection[str]) -> str | None:
    """What stands for a page that lists these ids in this order; None for a page that lists none."""
    named = [digest_of(object_id) for object_id in ids if object_id]
    return hashlib.sha256(b"".join(named)).hexdigest()[:16] if named else None


class PullStore(Protocol):
    """One pull per partner and module."""

    def get(self, partner_id: str, module: ModuleID) -> Pull | None:
        """The pull, strongly consistent; one call."""

    def of(self, partner_id: str) -> list[Pull]:
        """Every pull from this partner, by module."""

    def save(self, pull: Pull) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not the one before.
        """

    def record_seen(self, pull: Pull, ids: Collection[str]) -> None:
        """Remember for two days what the page just fetched listed, at most ``MOST_ON_A_PAGE`` ids; one call."""

    def seen(self, pull: Pull) -> Collection[bytes]:
        """The digests of everything that this crawl's pages listed."""


class PullQueue(Protocol):
    """The queue that drives crawls, page by page."""

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        """Send one message to ``pulls``, to be read now or later."""
