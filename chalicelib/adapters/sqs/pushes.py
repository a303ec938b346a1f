"""``PushQueues`` on SQS, and the messages of the two queues.

``changes``, a standard queue: ``{"v": 1, "attempt": 0, "changes": [CHANGE, ...]}``
``deliveries.fifo``: ``{"v": 1, "partner": "...", "change": CHANGE, "attempt": null}``, as in ``Delivery``, or
``{"v": 1, "tend": "...", "after": null}``, as in ``RetryDue``
CHANGE: ``[module, id, version, path, fields, removed]``, as in ``Announcement``

Messages outlive a deployment: a new format needs a new ``v``, and the former one is read as long as messages are kept.
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
"""Message groups per partner, and so the most deliveries to one partner at the same time."""
_VERSION: Final = 1
_MOST_BYTES: Final = 1_000_000
_MOST_MESSAGES: Final = 10
"""Of one SendMessageBatch, which may have 1 MiB in all."""


class NotSent(Exception):
    """SQS refused messages twice."""


class SqsPushQueues:
    """The queues ``changes`` and ``deliveries.fifo`` of one stage."""

    def __init__(self, client: LazyClient, *, changes: str, deliveries: str) -> None:
        """The queues' full names."""
        self._changes = Queue(changes, client)
        self._deliveries = Queue(deliveries, client)

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send announcements to ``changes``, read after ``delay_s`` seconds; one call per message of up to 200 KB."""
        changes = [_text(_change(announcement)) for announcement in announcements]
        self._changes.announce(_VERSION, "changes", changes, attempt=attempt, delay_s=delay_s)

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message per delivery to ``deliveries.fifo``; one call for up to ten of them.

        The order is kept within a lane (a message group). A partner has ``LANES`` of them; all deliveries of one object
        are in the same lane. What SQS refuses is sent again once.

        Args:
            deliveries: what to send, in this order.
            cause: for the deduplication: SQS drops a delivery that equals one of the last five minutes and has the same
                cause. It should be the id of the message that led here: then a repeated worker sends nothing twice, and
                a second delivery for another reason is sent.

        Raises:
            NotSent: SQS refused some of them twice.
        """
        entries = [_entry(number, delivery, cause) for number, delivery in enumerate(deliveries)]
        for batch in batches(entries, lambda entry: _size(entry["MessageBody"]), _MOST_MESSAGES, _MOST_BYTES):
            refused = self._send(self._send(batch))
            if refused:
                raise NotSent(f"{len(refused)} of {len(batch)} deliveries")

    def retry(self, due: RetryDue, *, cause: str) -> None:
        """Send one message to ``deliveries.fifo``, in one of the partner's lanes; deduplicated by ``cause``."""
        identity = [due.partner_id, due.after or ""]
        self._deliveries.send(
            _text({"v": _VERSION, "tend": due.partner_id, "after": due.after}),
            MessageGroupId=_lane(*identity),
            MessageDeduplicationId=_digest("tend", *identity, cause),
        )

    def _send(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send these entries; those that SQS refused."""
        if not entries:
            return []
        answer = self._deliveries.client().send_message_batch(QueueUrl=self._deliveries.url, Entries=entries)
        refused = {failed["Id"] for failed in answer.get("Failed", ())}
        return [entry for entry in entries if entry["Id"] in refused]


def announcements_in(body: str) -> tuple[list[Announcement], int]:
    """The announcements in a message of ``changes``, and how often they were requeued.

    Raises:
        ValueError: the message was written by a later release.
    """
    message = decode_message(body, _VERSION)
    return [_announcement(change) for change in message["changes"]], message["attempt"]


def delivery_in(body: str) -> Delivery | RetryDue:
    """The delivery, or the partner to look after, in a message of ``deliveries.fifo``.

    Raises:
        ValueError: the message was written by a later release.
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
        # Digests, because SQS allows fewer characters in these ids than OCPI in an object's id.
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
    """The message group of an object at a partner: one of ``LANES``, by a hash, so that one slow request delays few."""
    return _digest(partner_id, int(_digest(*about), 16) % LANES)


def _digest(*parts: Any) -> str:
    return hashlib.sha256(_text(parts).encode()).hexdigest()
