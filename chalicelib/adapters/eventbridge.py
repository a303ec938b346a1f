"""The bus in EventBridge, as ``EventBus`` promises it: the source names the stage, the detail type is the kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient, batches
from chalicelib.node.events.announcing import EventDetail

_MOST_ENTRIES: Final = 10
_MOST_BYTES: Final = 250_000
"""In one request, and so in one entry; EventBridge takes 256 KB, and counts a little more than the detail."""
_FRAME: Final = 200
"""More than source, detail type, time and bus take."""


class NotPublished(Exception):
    """EventBridge refused events, and did so again when they were sent once more."""


class EventBridgeBus:
    """The bus of one stage."""

    def __init__(self, client: LazyClient, *, bus: str, source: str) -> None:
        """A bus by its full name."""
        self._bus = bus
        self._source = source
        self._client = client

    def publish(self, details: Sequence[EventDetail]) -> None:
        """One call for up to ten events of 250 KB together; an object that is too large for one is null.

        Raises:
            NotPublished: some were refused twice.
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
        """Send these; those that were refused, and why the last of them was."""
        answer = self._client().put_events(Entries=entries)
        told = zip(entries, answer["Entries"], strict=True)
        refused = [(entry, str(said["ErrorCode"])) for entry, said in told if said.get("ErrorCode")]
        return [entry for entry, _ in refused], refused[-1][1] if refused else ""


def _text(detail: EventDetail) -> str:
    # In ASCII, so that its characters are its bytes.
    return json.dumps(detail, separators=(",", ":"))


def _size(entry: dict[str, Any]) -> int:
    return len(entry["Detail"]) + _FRAME
