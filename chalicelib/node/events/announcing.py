"""Events about changes that partners made, and the ports that queue, publish and store them.

An event is announced to a queue before its change is written, and published once it is written (``publishing``). So no
crash can lose one. The queued event has no content of the object.
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
"""How long an event can be read from the feed."""
FEED_EXPIRES_AFTER: Final = timedelta(days=8)
"""When an event is deleted: a day later, so that a reader who began with the oldest can read on."""


class EventKind(StrEnum):
    """What happened, as the host sees it in ``kind``."""

    CREATED = "object.created"
    UPDATED = "object.updated"
    REMOVED = "object.removed"
    COMMAND_RESULT = "command.result"
    REGISTERED = "partner.registered"
    UNREGISTERED = "partner.unregistered"
    BROKEN = "partner.broken"
    RECOVERED = "partner.recovered"


OBJECT_EVENTS: Final = frozenset({EventKind.CREATED, EventKind.UPDATED, EventKind.REMOVED})
"""The kinds that are about an object of a partner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change that is about to be written: of a partner's object, of a command, or of a partner itself."""

    kind: EventKind
    partner_id: str
    object_id: str
    """The id of the object, the command or the partner."""
    version: int
    """The version that the write will create."""
    at: datetime
    """When it was announced."""
    module: ModuleID | None = None
    owner: Party | None = None
    """The party that owns the object."""
    path: Path = ()
    """The ids of the part that changed; empty for the whole object."""
    reason: str = ""
    """A few words for the host; empty for most events."""

    @property
    def id(self) -> str:
        """32 hexadecimal digits that identify the change: repeated announcements and publications have the same id."""
        # With the path: two concurrent writers may announce the same version, each for another part.
        identity = [self.kind, self.partner_id, self.module, self.object_id, self.version, self.path]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


EventDetail = Mapping[str, Any]
"""An event as the host gets it: see docs/events.md."""


class EventQueue(Protocol):
    """The port for the queue between the announcement of an event and its publication."""

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``events``, read after ``delay_s`` seconds; ``attempt`` counts its requeues."""


class EventBus(Protocol):
    """The port for the event bus that the host subscribes to."""

    def publish(self, details: Sequence[EventDetail]) -> None:
        """Publish these events. The object in an event is replaced by null if it is too large for the bus.

        Raises an adapter's own exception if the bus refused any of them; the caller publishes all of them again.
        """


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """An event in the feed."""

    cursor: str
    """Its position in the feed; cursors sort as text."""
    detail: EventDetail


class EventFeed(Protocol):
    """The port that stores published events in the order of their recording, for ``FEED_EXPIRES_AFTER``."""

    def append(self, detail: EventDetail, now: datetime) -> None:
        """Record an event under this time; one call."""

    def after(self, cursor: str, until: datetime, limit: int) -> list[FeedEntry]:
        """Up to ``limit`` events after a cursor that were recorded before ``until``, oldest first."""

    def latest(self, until: datetime, limit: int) -> list[FeedEntry]:
        """The last ``limit`` events that were recorded before ``until``, oldest first."""


def cursor_at(moment: datetime, event_id: str = "") -> str:
    """The cursor of an event recorded at this time; without an id, the position before all events of this time."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}/{event_id}"


def moment_of(cursor: str) -> datetime:
    """The time in a cursor.

    Raises:
        ValueError: it is not a cursor of the feed.
    """
    text, slash, event_id = cursor.partition("/")
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    if not slash or len(event_id) > 32 or cursor_at(moment, event_id) != cursor:
        raise ValueError("not a cursor of the feed")
    return moment


class EventAnnouncer:
    """Announces events, each before its change is written. If it fails, the change must not be written."""

    def __init__(self, queue: EventQueue, clock: Callable[[], datetime], *, enabled: bool = True) -> None:
        """If not ``enabled``, every method does nothing."""
        self._queue = queue
        self._clock = clock
        self._enabled = enabled

    def object(
        self, partner: Partner, module: ModuleID, object_id: str, kind: EventKind, version: int, path: Path = ()
    ) -> None:
        """Announce that an object of this partner will be created, updated or removed; one message.

        Args:
            partner: the object's owner.
            module: the object's module.
            object_id: the object's id.
            kind: one of ``OBJECT_EVENTS``.
            version: the version that the write will create.
            path: the ids of the part that changes; empty for the whole object.
        """
        self._announce(kind, partner, object_id, version, module=module, owner=partner.party, path=path)

    def command_result(self, partner: Partner, command_id: str) -> None:
        """Announce that the result of a command that we sent to this partner will be written; one message."""
        # Only the first result counts, so there is one event per command: its version is always 1.
        self._announce(EventKind.COMMAND_RESULT, partner, command_id, 1, module=ModuleID.COMMANDS)

    def partner(self, partner: Partner, kind: EventKind, reason: str = "", version: int = 1) -> None:
        """Announce that a partner was registered, unregistered, broken or recovered; one message.

        Args:
            partner: before or after the change.
            kind: one of those about partners.
            reason: a few words, without secrets.
            version: of the partner, or another number that differs between two events of this kind for one partner.
        """
        self._announce(kind, partner, partner.id, version, owner=partner.party, reason=reason)

    def _announce(self, kind: EventKind, partner: Partner, object_id: str, version: int, **facts: Any) -> None:
        if self._enabled:
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
