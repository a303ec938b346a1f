"""What the host is told of: each change that a partner made, announced before it is written, published after it.

An announcement carries no content, and no change is lost whatever fails: see ``publishing.py`` for its other end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Path

FEED_RETENTION: Final = timedelta(days=7)
"""How long an event can be read."""
FEED_EXPIRES_AFTER: Final = timedelta(days=8)
"""When the feed forgets it: a day later, for who begins with the oldest and goes on from there."""


class EventKind(StrEnum):
    """What happened."""

    CREATED = "object.created"
    UPDATED = "object.updated"
    REMOVED = "object.removed"
    COMMAND_RESULT = "command.result"
    REGISTERED = "partner.registered"
    UNREGISTERED = "partner.unregistered"
    BROKEN = "partner.broken"
    RECOVERED = "partner.recovered"


OBJECT_EVENTS: Final = frozenset({EventKind.CREATED, EventKind.UPDATED, EventKind.REMOVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a partner did, or that happened to it, and that is about to be written."""

    kind: EventKind
    partner_id: str
    object_id: str
    """The object's, the command's, or the partner's."""
    version: int
    """The one that is about to exist."""
    at: datetime
    """When it was announced."""
    module: ModuleID | None = None
    owner: Party | None = None
    """Whose object it is."""
    path: Path = ()
    """The ids of the part that changed; empty for the whole object."""
    reason: str = ""
    """In a few words, where there is something to say."""

    @property
    def id(self) -> str:
        """The same for the same change, however often it is announced or published; 32 characters."""
        # With the path: two that meet announce one version each for their part, and neither part may be overlooked.
        told = [self.kind, self.partner_id, self.module, self.object_id, self.version, self.path]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


EventDetail = Mapping[str, Any]
"""An event as the host gets it: see docs/events.md."""


class EventQueue(Protocol):
    """The queue between what happens and its publication."""

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``events``; ``attempt`` counts how often it was put back."""


class EventBus(Protocol):
    """Where the host hears of events."""

    def publish(self, details: Sequence[EventDetail]) -> None:
        """Publish all of them; what one of them shows is left out where it is too large.

        Raises an exception of its own where any is refused: then all are published again.
        """


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event in the feed."""

    cursor: str
    """Its place: as it stands in the feed, and in the order of text."""
    detail: EventDetail


class EventFeed(Protocol):
    """What was published, kept for ``EXPIRES``, in the order in which it was noted."""

    def append(self, detail: EventDetail, now: datetime) -> None:
        """Note an event under this time; one call."""

    def after(self, cursor: str, until: datetime, limit: int) -> list[FeedEntry]:
        """Up to ``limit`` events behind a cursor, the oldest first, noted before ``until``."""

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        """The last ``limit`` events that were noted before ``until``, the oldest first."""


def cursor_at(moment: datetime, event_id: str = "") -> str:
    """The place of an event that was noted at this time; without an id, the place before all of that time."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}/{event_id}"


def moment_of(cursor: str) -> datetime:
    """The time in a cursor.

    Raises:
        ValueError: it is none of ours.
    """
    moment, slash, event_id = cursor.partition("/")
    found = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%f%z")
    if not slash or len(event_id) > 32 or cursor_at(found, event_id) != cursor:
        raise ValueError("not a cursor of the feed")
    return found


class EventAnnouncer:
    """Announces what is about to be written. If that fails nothing may be written, and whoever asked asks again."""

    def __init__(self, queue: EventQueue, clock: Callable[[], datetime], *, wanted: bool = True) -> None:
        """Without being ``wanted`` it announces nothing."""
        self._queue = queue
        self._clock = clock
        self._wanted = wanted

    def object(
        self, partner: Partner, module: ModuleID, object_id: str, kind: EventKind, version: int, path: Path = ()
    ) -> None:
        """An object of this partner is about to be created, updated or removed; one message."""
        self._announce(kind, partner, object_id, version, module=module, owner=partner.party, path=path)

    def command_result(self, partner: Partner, command_id: str) -> None:
        """The result of a command that we sent to this partner is about to be written; one message."""
        # The first result counts and never changes: whichever version of the command it is written with, it is one.
        self._announce(EventKind.COMMAND_RESULT, partner, command_id, 1, module=ModuleID.COMMANDS)

    def partner(self, partner: Partner, kind: EventKind, reason: str = "", version: int = 1) -> None:
        """Something happens to the connection; one message.

        Args:
            partner: as it is, or as it is about to be.
            kind: one of ``partner....``.
            reason: in a few words, without anything secret.
            version: of the partner, or whatever else differs between two such events of one partner.
        """
        self._announce(kind, partner, partner.id, version, owner=partner.party, reason=reason)

    def _announce(self, kind: EventKind, partner: Partner, object_id: str, version: int, **facts: Any) -> None:
        if self._wanted:
            self._queue.announce(
                [
                    Event(
                        kind=kind,
                        partner_id=partner.id,
                        object_id=object_id,
                        version=version,
                        at=self._clock(),
                        **facts,
                    )
                ]
            )
