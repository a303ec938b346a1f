"""The two queues in SQS, as ``Queues`` promises them, and their messages.

``changes``, a standard queue: ``{"v": 1, "attempt": 0, "changes": [CHANGE, ...]}``
``deliveries.fifo``: ``{"v": 1, "partner": "...", "change": CHANGE, "attempt": null}``, as in ``Delivery``, or
``{"v": 1, "tend": "...", "after": null}``, as in ``RetryDue``
CHANGE: ``[module, id, version, path, fields, removed]``, as in ``Announcement``

Messages outlive a deployment: a new form gets a new ``v``, and the old one is read for as long as messages are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient, batches
from chalicelib.adapters.sqs.queue import Queue, decode_message
from chalicelib.node.pushing.messages import Announcement, Delivery, RetryDue
from chalicelib.ocpi.module import ModuleID

LANES: Final = 8
"""Requests that one partner gets at the same time, at most."""
_VERSION: Final = 1
_MOST_BYTES: Final = 1_000_000
_MOST_MESSAGES: Final = 10
"""In one batch, of 1 MiB in all."""


class NotSent(Exception):
    """SQS refused messages, and did so again when they were sent once more."""


class SqsPushQueues:
    """The queues of one stage."""

    def __init__(self, client: LazyClient, *, changes: str, deliveries: str) -> None:
        """Queues by their full names."""
        self._changes = Queue(changes, client)
        self._deliveries = Queue(deliveries, client)

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``changes``, or more where one would exceed 200 KB."""
        changes = [_text(_change(announcement)) for announcement in announcements]
        self._changes.announce(_VERSION, "changes", changes, attempt=attempt, delay_s=delay_s)

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message each to ``deliveries.fifo``, in this order; order holds within a partner's lane.

        All that is about one object goes in one lane. SQS drops a message that it saw within the last five minutes, so
        that a repeated worker tells nobody twice. Where equal deliveries are meant, such as for an object that was
        removed and made again, or for another try, ``cause`` has to differ; the id of the message that led here is a
        good one.

        Raises:
            NotSent: SQS refused some of them twice.
        """
        entries = [_entry(number, delivery, cause) for number, delivery in enumerate(deliveries)]
        for batch in batches(entries, lambda entry: _size(entry["MessageBody"]), _MOST_MESSAGES, _MOST_BYTES):
            refused = self._send(self._send(batch))
            if refused:
                raise NotSent(f"{len(refused)} of {len(batch)} deliveries")

    def retry(self, due: RetryDue, *, cause: str) -> None:
        """Send one message, behind what waits in one of the partner's lanes; once for each ``cause``."""
        facts = [due.partner_id, due.after or ""]
        self._deliveries.send(
            _text({"v": _VERSION, "tend": due.partner_id, "after": due.after}),
            MessageGroupId=_lane(*facts),
            MessageDeduplicationId=_digest("tend", *facts, cause),
        )

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
    message = decode_message(body, _VERSION)
    return [_announcement(change) for change in message["changes"]], message["attempt"]


def delivery_in(body: str) -> Delivery | RetryDue:
    """What a message in ``deliveries.fifo`` asks for.

    Raises:
        ValueError: a later release wrote it.
    """
    message = decode_message(body, _VERSION)
    if "tend" in message:
        return RetryDue(message["tend"], message["after"])
    return Delivery(message["partner"], _announcement(message["change"]), message.get("attempt"))


def _entry(number: int, delivery: Delivery, cause: str) -> dict[str, Any]:
    change = _change(delivery.announcement)
    return {
        "Id": str(number),
        "MessageBody": _text(
            {"v": _VERSION, "partner": delivery.partner_id, "change": change, "attempt": delivery.attempt}
        ),
        # Digests, for what SQS takes as such an id is narrower than what OCPI takes as an object's.
        "MessageGroupId": _lane(delivery.partner_id, *change[:2]),
        "MessageDeduplicationId": _digest(delivery.partner_id, change, delivery.attempt, cause),
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


def _lane(partner_id: str, *about: str) -> str:
    """The message group: a partner has a few, so that one that hangs holds up little but itself."""
    return _digest(partner_id, int(_digest(*about), 16) % LANES)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(_text(parts).encode()).hexdigest()
