"""The two queues in SQS, as ``Queues`` promises them, and their messages.

``changes``, a standard queue: ``{"v": 1, "attempt": 0, "changes": [CHANGE, ...]}``
``deliveries.fifo``: ``{"v": 1, "partner": "...", "change": CHANGE}``
CHANGE: ``[module, id, version, path, fields, removed]``, as in ``Announcement``

Messages outlive a deployment: a new form gets a new ``v``, and the old one is read for as long as messages are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import Client, bounded
from chalicelib.adapters.queue import Queue, opened
from chalicelib.node.ports import Announcement, Delivery
from chalicelib.ocpi.module import ModuleID

_VERSION: Final = 1
_LONGEST_MESSAGE: Final = 200_000
"""Well below the 256 KB that queues took for years; SQS takes 1 MiB now."""
_MOST_BYTES: Final = 1_000_000
_MOST_MESSAGES: Final = 10
"""In one batch, of 1 MiB in all."""


class NotSent(Exception):
    """SQS refused messages, and did so again when they were sent once more."""


class SqsQueues:
    """The queues of one stage."""

    def __init__(self, changes: str, deliveries: str, client: Client) -> None:
        """Queues by their full names."""
        self._changes = Queue(changes, client)
        self._deliveries = Queue(deliveries, client)

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``changes``, or more where one would exceed 200 KB."""
        # A margin for the frame around the changes, and a comma behind each.
        changes = (_text(_change(announcement)) for announcement in announcements)
        for some in bounded(changes, _size, len(announcements), _LONGEST_MESSAGE - 100):
            body = f'{{"v":{_VERSION},"attempt":{attempt},"changes":[{",".join(some)}]}}'
            self._changes.send(body, delay_s=delay_s)

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message each to ``deliveries.fifo``, in this order; order holds per partner and object.

        SQS drops a message that it saw within the last five minutes, so that a repeated worker tells nobody twice.
        Where equal deliveries are meant, such as for an object that was removed and made again, or for another try,
        ``cause`` has to differ; the id of the message that led here is a good one.

        Raises:
            NotSent: SQS refused some of them twice.
        """
        entries = [_entry(number, delivery, cause) for number, delivery in enumerate(deliveries)]
        for batch in bounded(entries, lambda entry: _size(entry["MessageBody"]), _MOST_MESSAGES, _MOST_BYTES):
            refused = self._send(self._send(batch))
            if refused:
                raise NotSent(f"{len(refused)} of {len(batch)} deliveries")

    def _send(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send these; those that SQS refused."""
        if not entries:
            return []
        answer = self._deliveries.client().send_message_batch(QueueUrl=self._deliveries.url, Entries=entries)
        refused = {failed["Id"] for failed in answer.get("Failed", ())}
        return [entry for entry in entries if entry["Id"] in refused]


def announcements_in(body: str) -> tuple[list[Announcement], int]:
    """The announcements of a message in ``changes``, and how often it was put back.

    Raises:
        ValueError: a later release wrote it.
    """
    message = opened(body, _VERSION)
    return [_announcement(change) for change in message["changes"]], message["attempt"]


def delivery_in(body: str) -> Delivery:
    """The delivery of a message in ``deliveries.fifo``.

    Raises:
        ValueError: a later release wrote it.
    """
    message = opened(body, _VERSION)
    return Delivery(message["partner"], _announcement(message["change"]))


def _entry(number: int, delivery: Delivery, cause: str) -> dict[str, Any]:
    change = _change(delivery.announcement)
    return {
        "Id": str(number),
        "MessageBody": _text({"v": _VERSION, "partner": delivery.partner_id, "change": change}),
        # Digests, for what SQS takes as such an id is narrower than what OCPI takes as an object's.
        "MessageGroupId": _digest(delivery.partner_id, *change[:2]),
        "MessageDeduplicationId": _digest(delivery.partner_id, change, cause),
    }


def _change(announcement: Announcement) -> list[Any]:
    return [
        announcement.module,
        announcement.id,
        announcement.version,
        announcement.path,
        announcement.fields,
        announcement.removed,
    ]


def _announcement(change: list[Any]) -> Announcement:
    module, object_id, version, path, fields, removed = change
    fields = None if fields is None else tuple(fields)
    return Announcement(ModuleID(module), object_id, version, tuple(path), fields, removed)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _size(text: str) -> int:
    return len(text) + 1


def _digest(*parts: Any) -> str:
    return hashlib.sha256(_text(parts).encode()).hexdigest()
