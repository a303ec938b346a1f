"""``EventQueue`` on SQS: the queue ``events``. Its messages: ``{"v": 1, "attempt": 0, "events": [EVENT, ...]}``.

EVENT: ``[kind, partner, module, owner, id, path, version, at, reason]``, as in ``Event``. The content of the object is
read when the event is published.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient
from chalicelib.adapters.sqs.queue import Queue, decode_message
from chalicelib.node.events.announcing import Event, EventKind
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party

_VERSION: Final = 1


class SqsEventQueue:
    """The event queue of one stage."""

    def __init__(self, name: str, client: LazyClient) -> None:
        """``name`` is the queue's full name."""
        self._queue = Queue(name, client)

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send the events, to be read after ``delay_s`` seconds; one call per message of up to 200 KB."""
        texts = [json.dumps(_list_of(event), separators=(",", ":")) for event in events]
        self._queue.announce(_VERSION, "events", texts, attempt=attempt, delay_s=delay_s)


def events_in(body: str) -> tuple[list[Event], int]:
    """The events of a message, and how often they were requeued.

    Raises:
        ValueError: the message was written by a later release.
    """
    message = decode_message(body, _VERSION)
    return [_event(event) for event in message["events"]], message["attempt"]


def _list_of(event: Event) -> list[Any]:
    owner = str(event.owner) if event.owner else None
    at = event.at.isoformat()
    return [
        *(event.kind, event.partner_id, event.module, owner, event.object_id),
        *(event.path, event.version, at, event.reason),
    ]


def _event(event: list[Any]) -> Event:
    kind, partner_id, module, owner, object_id, path, version, at, reason = event
    return Event(
        kind=EventKind(kind),
        partner_id=partner_id,
        object_id=object_id,
        version=version,
        at=datetime.fromisoformat(at),
        module=module and ModuleID(module),
        owner=Party.of(*owner.split("/")) if owner else None,
        path=tuple(path),
        reason=reason,
    )
