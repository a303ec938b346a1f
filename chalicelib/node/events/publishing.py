"""From an announced event to the host: once what it tells of is written, it is noted in the feed and published.

Whatever fails here is our own, and SQS repeats it: the host may get an event twice, with the same id, and none is lost.
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
FEED_READ_DELAY: Final = timedelta(seconds=2)
"""Younger events are not read from the feed: one that is still being written could come to stand before them."""
_TRIES: Final = 3
_STATES: Final[Mapping[EventKind, Sequence[State]]] = {
    # One that was registered and has left since was registered.
    EventKind.REGISTERED: (State.REGISTERED, State.UNREGISTERED),
    EventKind.UNREGISTERED: (State.UNREGISTERED,),
}


@dataclass(frozen=True, slots=True)
class EventSources:
    """Where it stands what events tell of."""

    modules: Mapping[ModuleID, Module]
    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    commands: CommandStore


class EventPublisher:
    """Turns announced events into published ones."""

    def __init__(self, sources: EventSources, queue: EventQueue, bus: EventBus, feed: EventFeed, clock: Clock) -> None:
        self._sources = sources
        self._queue = queue
        self._bus = bus
        self._feed = feed
        self._clock = clock

    def publish(self, events: Sequence[Event], attempt: int = 0) -> None:
        """Publish those whose change is written; put the others back for later.

        Args:
            events: what was announced, and as often.
            attempt: how often they were put back before.
        """
        look = _Look(self._sources)
        waiting = wait_until_written(events, look.unwritten, self._clock.sleep)
        details = {event.id: look.detail(event) for event in events if event not in waiting}
        for detail in details.values():
            self._note({**detail, "object": None})
        if details:
            self._bus.publish(list(details.values()))
        for detail in details.values():
            _LOG.info("event %s", summary_line(detail))
        requeue_unwritten(waiting, attempt, self._queue.announce)

    def _note(self, detail: EventDetail) -> None:
        """Writes into the feed, again under a later time where somebody may have read past it meanwhile."""
        for _ in range(_TRIES):
            now = self._clock()
            self._feed.append(detail, now)
            if self._clock() - now < FEED_READ_DELAY:
                return
        raise ServerError("the feed is too slow to keep its order")


def summary_line(detail: EventDetail) -> str:
    """An event in a line: what, who, which object."""
    partner = detail["partner"]
    who = partner["party"] or partner["name"] or partner["id"]
    what = "/".join(filter(None, [detail["module"], detail["module"] and detail["object_id"], *detail["path"]]))
    return " ".join(filter(None, [detail["kind"], who, what, detail["reason"]]))


@dataclass(slots=True)
class _Look:
    """What the stores hold of everything that some events tell of."""

    _sources: EventSources
    _objects: dict[tuple[ModuleID, Party, str], StoredObject] = field(default_factory=dict)
    _found_commands: dict[str, Command] = field(default_factory=dict)
    _found_partners: dict[str, Partner | None] = field(default_factory=dict)

    def unwritten(self, events: Sequence[Event]) -> list[Event]:
        """Those whose change is not there yet."""
        for module, owner in dict.fromkeys(
            (event.module, event.owner) for event in events if event.kind in OBJECT_EVENTS
        ):
            if module is not None and owner is not None:
                keys = {self._key(event) for event in events if (event.module, event.owner) == (module, owner)}
                stored = self._sources.stores[module].get_many(theirs(owner), sorted(filter(is_storable, keys)))
                self._objects |= {(module, owner, key): one for key, one in stored.items()}
        for event in events:
            self._found_partners.pop(event.partner_id, None)
        return [event for event in events if not self._is_written(event)]

    def _is_written(self, event: Event) -> bool:
        if event.kind in OBJECT_EVENTS:
            stored = self._object(event)
            return stored is not None and stored.version >= event.version
        if event.kind is EventKind.COMMAND_RESULT:
            command = self._sources.commands.get(event.object_id)
            if command is not None:
                self._found_commands[command.id] = command
            return command is not None and command.result is not None
        if event.kind in _STATES:
            partner = self._partner(event)
            return partner is not None and partner.version >= event.version and partner.state in _STATES[event.kind]
        return True

    def detail(self, event: Event) -> EventDetail:
        """What the host is told of an event, with the object as it is now."""
        partner, shown = self._partner(event), self._shown(event)
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
            "href": self._href(event, shown),
            "object": shown,
        }

    def _shown(self, event: Event) -> Any:
        """The object or the command as it is now; None if it is gone, or if the event is about the partner."""
        if event.kind in OBJECT_EVENTS:
            stored = self._object(event)
            is_here = stored is not None and not stored.metadata.get("deleted_at") and not is_gone(stored)
            return json.loads(stored.body) if stored and is_here else None
        if command := self._found_commands.get(event.object_id):
            facts = ("id", "command", "answer", "result", "session_id")
            return {name: getattr(command, name) for name in facts}
        return None

    def _href(self, event: Event, shown: Any) -> str | None:
        """Where in the operator API it stands; None where it is gone."""
        partner = f"/operator/partners/{quote(event.partner_id, safe='')}"
        if event.kind in OBJECT_EVENTS:
            return f"{partner}/{event.module}/{quote(event.object_id, safe='')}" if shown else None
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
        if event.partner_id not in self._found_partners:
            self._found_partners[event.partner_id] = self._sources.partners.get(event.partner_id)
        return self._found_partners[event.partner_id]
