"""One SQS queue as its users need it: found by its name at the first message, then written to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient, batches

_LONGEST_DELAY_S: Final = 900
_LONGEST_MESSAGE: Final = 200_000
"""Well below the 256 KB that queues took for years; SQS takes 1 MiB now."""


class Queue:
    """A queue by its full name."""

    def __init__(self, name: str, client: LazyClient) -> None:
        self.client = client
        self._name = name
        self._url = ""

    @property
    def url(self) -> str:
        """Where it is; one call, the first time."""
        if not self._url:
            self._url = self.client().get_queue_url(QueueName=self._name)["QueueUrl"]
        return self._url

    def send(self, body: str, *, delay_s: int | None = None, **how: Any) -> None:
        """Send one message, to be read now or, as far as SQS lets it wait, later; a FIFO queue has no delay."""
        delay = {} if delay_s is None else {"DelaySeconds": min(delay_s, _LONGEST_DELAY_S)}
        self.client().send_message(QueueUrl=self.url, MessageBody=body, **delay, **how)

    def announce(self, version: int, name: str, texts: Sequence[str], *, attempt: int, delay_s: int) -> None:
        """Send one message with all of these in JSON, or more where one would exceed 200 KB."""
        # A margin for the frame around them, and a comma behind each.
        for some in batches(texts, lambda text: len(text) + 1, len(texts), _LONGEST_MESSAGE - 100):
            self.send(f'{{"v":{version},"attempt":{attempt},"{name}":[{",".join(some)}]}}', delay_s=delay_s)


def decode_message(body: str, version: int) -> dict[str, Any]:
    """A message of our own in the version that is read here.

    Raises:
        ValueError: a later release wrote it.
    """
    message: dict[str, Any] = json.loads(body)
    if message["v"] != version:
        raise ValueError(f"a message in version {message['v']}: written by a later release")
    return message
