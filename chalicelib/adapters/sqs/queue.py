"""One SQS queue: sending messages, and decoding their JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient, batches

_LONGEST_DELAY_S: Final = 900
_LONGEST_MESSAGE: Final = 200_000
"""Bytes of one message; far below SQS's former limit of 256 KB. It is 1 MiB now."""


class Queue:
    """A queue by its full name, whose URL is looked up with the first message."""

    def __init__(self, name: str, client: LazyClient) -> None:
        self.client = client
        self._name = name
        self._url = ""

    @property
    def url(self) -> str:
        """The queue's URL; one call, the first time."""
        if not self._url:
            self._url = self.client().get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url

    def send(self, body: str, *, delay_s: int | None = None, **parameters: Any) -> None:
        """Send one message; one call.

        Args:
            body: its text.
            delay_s: seconds until it can be read, at most 900 (the limit of SQS); None for a FIFO queue.
            parameters: further parameters of SendMessage.
        """
        delay = {} if delay_s is None else {"DelaySeconds": min(delay_s, _LONGEST_DELAY_S)}
        self.client().send_message(QueueUrl=self.url, MessageBody=body, **delay, **parameters)

    def announce(self, version: int, name: str, texts: Sequence[str], *, attempt: int, delay_s: int) -> None:
        """Send announcements as ``{"v": version, "attempt": attempt, name: [text, ...]}``, in messages of up to 200 KB.

        Args:
            version: the version of the message format.
            name: the name of the list.
            texts: the announcements, in JSON and ASCII.
            attempt: how often they were requeued.
            delay_s: as in ``send``.
        """
        # One byte for the comma after each, and 100 for the rest of the message.
        for batch in batches(texts, lambda text: len(text) + 1, len(texts), _LONGEST_MESSAGE - 100):
            self.send(f'{{"v":{version},"attempt":{attempt},"{name}":[{",".join(batch)}]}}', delay_s=delay_s)


def decode_message(body: str, version: int) -> dict[str, Any]:
    """The JSON object of a message that this node wrote.

    Args:
        body: the message.
        version: the version of the format that the caller reads.

    Raises:
        ValueError: the message has another version, written by a later release.
    """
    message: dict[str, Any] = json.loads(body)
    if message["v"] != version:
        raise ValueError(f"a message in version {message['v']}: written by a later release")
    return message
