"""The AWS clients of a process, built at first use; and the cutting of work into requests that AWS takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

LazyClient = Callable[[], Any]
"""Gives the client, so that whoever holds it costs nothing until the first call."""


class Clients:
    """The low-level clients of one process, safe to share between threads."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to every client, such as ``endpoint_url``; what is left out comes from the environment."""
        self._options = options
        self._lock = threading.Lock()
        self._session: Any = None
        self._built: dict[str, Any] = {}

    def dynamodb(self) -> Any:
        """The DynamoDB client."""
        return self._client("dynamodb")

    def sqs(self) -> Any:
        """The SQS client."""
        return self._client("sqs")

    def events(self) -> Any:
        """The EventBridge client."""
        return self._client("events")

    def _client(self, service: str) -> Any:
        # The lock is for boto3's session, which two threads must not use at once.
        with self._lock:
            if service not in self._built:
                self._built[service] = self._new(service)
            return self._built[service]

    def _new(self, service: str) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        self._session = self._session or Session()
        # boto3 waits 60 s by default, longer than any of our functions may run: fail early and repeat instead.
        patience = Config(
            connect_timeout=1,
            read_timeout=4,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=20,
        )
        return self._session.client(service, config=patience, **self._options)


def batches(items: Iterable[T], size: Callable[[T], int], most: int, most_bytes: int) -> Iterator[list[T]]:
    """The items in order, in lists of up to ``most`` items and ``most_bytes`` bytes; an oversize item goes alone."""
    batch: list[T] = []
    taken = 0
    for item in items:
        needed = size(item)
        if batch and (len(batch) == most or taken + needed > most_bytes):
            yield batch
            batch, taken = [], 0
        batch.append(item)
        taken += needed
    if batch:
        yield batch
