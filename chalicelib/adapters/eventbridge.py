"""``EventBus`` on EventBridge: an event's source names the stage, its detail type is the kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient, batches
from chalicelib.node.events.announcing import EventDetail

_MOST_ENTRIES: Final = 10
_MOST_BYTES: Final = 250_000
"""Of one request, and so of one entry. EventBridge accepts 256 KB, and counts more than the detail."""
_ENTRY_OVERHEAD: Final = 200
"""Bytes, at most, of source, detail type, time and bus."""


class NotPublished(Exception):
    """EventBridge refused events twice."""


class EventBridgeBus:
    """The event bus of one stage."""

    def __init__(self, client: LazyClient, *, bus: str, source: str) -> None:
        """``bus`` is its full name; ``source`` is the source of each event."""
        self._bus = bus
        self._source = source
        self._client = client

    def publish(self, details: Sequence[EventDetail]) -> None:
        """Publish the events, one call for up to ten of them with 250 KB in all.

        If an event is larger than that, its object is replaced by null. What is refused is sent again once.

        Raises:
            NotPublished: some events were refused twice.
        """
        entries = [self._entry(detail) for detail in details]
        for batch in batches(entries, _size, _MOST_ENTRIES, _MOST_BYTES):
            refused, why = self._put(batch)
            if refused:
                refused, why = self._put(refused)
            if refused:
                raise NotPublished(f"{len(refused)} of {len(batch)} events: {why}")

    def _entry(self, detail: EventDetail) -> dict[str, Any]:
        entry = {
            "EventBusName": self._bus,
            "Source": self._source,
            "DetailType": detail["kind"],
            "Detail": _text(detail),
        }
        return entry if _size(entry) <= _MOST_BYTES else entry | {"Detail": _text({**detail, "object": None})}

    def _put(self, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
        """Send these entries; those that were refused, and the error code of the last of them."""
        answer = self._client().put_events(Entries=entries)
        results = zip(entries, answer["Entries"], strict=True)
        refused = [(entry, str(result["ErrorCode"])) for entry, result in results if result.get("ErrorCode")]
        return [entry for entry, _ in refused], refused[-1][1] if refused else ""


def _text(detail: EventDetail) -> str:
    # In ASCII, so that the number of characters is the number of bytes.
    return json.dumps(detail, separators=(",", ":"))


def _size(entry: dict[str, Any]) -> int:
    return len(entry["Detail"]) + _ENTRY_OVERHEAD
