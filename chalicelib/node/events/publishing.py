"""The worker of the queue ``events``: once an event's change is written, it is added to the feed and published.

At-least-once delivery: if anything fails, SQS repeats the message, and the host may get an event twice, with one id.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from chalicelib.node.clock import Clock
from chalicelib.node.commands import Command, CommandStore
from chalicelib.node.events.announcing import (
    OBJECT_EVENTS,
    Event,
    EventBus,
    EventDetail,
    EventFeed,
    EventKind,
    EventQueue,
)
from chalicelib.node.objects import ObjectStore, StoredObject, is_gone, is_storable, theirs
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.write_ahead import requeue_unwritten, wait_until_written
from chalicelib.ocpi.errors import ServerError
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party

_LOG = logging.getLogger(__name__)

EVENT_VERSION: Final = 1
"""The version of the event format, ``v``."""
FEED_READ_DELAY: Final = timedelta(seconds=2)
"""Events younger than this are not read from the feed: one with an earlier cursor may still be on its way."""
_APPEND_ATTEMPTS: Final = 3
_STATES: Final[Mapping[EventKind, Sequence[State]]] = {
    # A partner that has left since its registration was registered nevertheless.
    EventKind.REGISTERED: (State.REGISTERED, State.UNREGISTERED),
    EventKind.UNREGISTERED: (State.UNREGISTERED,),
}


@dataclass(frozen=True, slots=True)
class EventSources:
    """The modules and stores in which an event's change is looked up."""

    modules: Mapping[ModuleID, Module]
    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    commands: CommandStore


class EventPublisher:
    """Publishes announced events to the bus and the feed."""

    def __init__(self, sources: EventSources, queue: EventQueue, bus: EventBus, feed: EventFeed, clock: Clock) -> None:
        self._sources = sources
        self._queue = queue
        self._bus = bus
        self._feed = feed
        self._clock = clock

    def publish(self, events: Sequence[Event], attempt: int = 0) -> None:
        """Publish the events whose change is written, each once; requeue the others.

        Args:
            events: of one message; one may appear more than once.
            attempt: how often they were requeued before.
        """
        snapshot = _Snapshot(self._sources)
        waiting = wait_until_written(events, snapshot.unwritten, self._clock.sleep)
        details = {event.id: snapshot.detail(event) for event in events if event not in waiting}
        for detail in details.values():
            self._append_to_feed({**detail, "object": None})
        if details:
            self._bus.publish(list(details.values()))
        for detail in details.values():
            _LOG.info("event %s", summary_line(detail))
        requeue_unwritten(waiting, attempt, self._queue.announce)

    def _append_to_feed(self, detail: EventDetail) -> None:
        """Add the event to the feed; again under a later time if that took so long that a reader may have passed it."""
        for _ in range(_APPEND_ATTEMPTS):
            now = self._clock()
            self._feed.append(detail, now)
            if self._clock() - now < FEED_READ_DELAY:
                return
        raise ServerError("the feed is too slow to keep its order")


def summary_line(detail: EventDetail) -> str:
    """An event as one line for logs and terminals: its kind, the partner, the object."""
    partner = detail["partner"]
    who = partner["party"] or partner["name"] or partner["id"]
    what = "/".join(filter(None, [detail["module"], detail["module"] and detail["object_id"], *detail["path"]]))
    return " ".join(filter(None, [detail["kind"], who, what, detail["reason"]]))


@dataclass(slots=True)
class _Snapshot:
    """The objects, commands and partners that some events are about, as they were last read from the stores."""

    _sources: EventSources
    _objects: dict[tuple[ModuleID, Party, str], StoredObject] = field(default_factory=dict)
    _commands: dict[str, Command] = field(default_factory=dict)
    _partners: dict[str, Partner | None] = field(default_factory=dict)

    def unwritten(self, events: Sequence[Event]) -> list[Event]:
        """The events whose change is not written yet; reads all that these events are about again."""
        about_objects = [event for event in events if event.kind in OBJECT_EVENTS]
        for module, owner in dict.fromkeys((event.module, event.owner) for event in about_objects):
            if module is not None and owner is not None:
                keys = {self._key(event) for event in events if (event.module, event.owner) == (module, owner)}
                stored = self._sources.stores[module].get_many(theirs(owner), sorted(filter(is_storable, keys)))
                self._objects |= {(module, owner, key): one for key, one in stored.items()}
        for event in events:
            self._partners.pop(event.partner_id, None)
        return [event for event in events if not self._is_written(event)]

    def _is_written(self, event: Event) -> bool:
        if event.kind in OBJECT_EVENTS:
            stored = self._object(event)
            return stored is not None and stored.version >= event.version
        if event.kind is EventKind.COMMAND_RESULT:
            command = self._sources.commands.get(event.object_id)
            if command is not None:
                self._commands[command.id] = command
            return command is not None and command.result is not None
        if event.kind in _STATES:
            partner = self._partner(event)
            return partner is not None and partner.version >= event.version and partner.state in _STATES[event.kind]
        return True

    def detail(self, event: Event) -> EventDetail:
        """The event as the host gets it, with the object as it is now; for events whose change is written."""
        partner, content = self._partner(event), self._content(event)
        party = (partner.party if partner else None) or event.owner
        return {
            "v": EVENT_VERSION,
            "id": event.id,
            "kind": event.kind.value,
            "at": event.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "partner": {
                "id": event.partner_id,
                "name": partner.name if partner else "",
                "role": partner.our_role.other.value if partner else None,
                "party": str(party) if party else None,
            },
            "module": event.module and event.module.value,
            "object_id": event.object_id,
            "path": list(event.path),
            "version": event.version,
            "reason": event.reason or None,
            "href": self._href(event, content),
            "object": content,
        }

    def _content(self, event: Event) -> Any:
        """The object or the command as it is now; None if it is deleted or gone, or if the event is about a partner."""
        if event.kind in OBJECT_EVENTS:
            stored = self._object(event)
            is_here = stored is not None and not stored.metadata.get("deleted_at") and not is_gone(stored)
            return json.loads(stored.body) if stored and is_here else None
        if command := self._commands.get(event.object_id):
            names = ("id", "command", "answer", "result", "session_id")
            return {name: getattr(command, name) for name in names}
        return None

    def _href(self, event: Event, content: Any) -> str | None:
        """The path of the object, command or partner in the operator API; None for an object that is gone."""
        partner = f"/operator/partners/{quote(event.partner_id, safe='')}"
        if event.kind in OBJECT_EVENTS:
            return f"{partner}/{event.module}/{quote(event.object_id, safe='')}" if content else None
        if event.kind is EventKind.COMMAND_RESULT:
            return f"/operator/commands/{quote(event.object_id, safe='')}"
        return partner

    def _object(self, event: Event) -> StoredObject | None:
        if event.module is None or event.owner is None:
            return None
        return self._objects.get((event.module, event.owner, self._key(event)))

    def _key(self, event: Event) -> str:
        return self._sources.modules[event.module].key_of(event.object_id) if event.module else event.object_id

    def _partner(self, event: Event) -> Partner | None:
        if event.partner_id not in self._partners:
            self._partners[event.partner_id] = self._sources.partners.get(event.partner_id)
        return self._partners[event.partner_id]
