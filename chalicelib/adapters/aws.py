"""The AWS clients of a process, created at first use, and batches within the limits of AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

LazyClient = Callable[[], Any]
"""Returns the client, which is created at the first call."""


class Clients:
    """The boto3 clients of one process. Threads can share them."""

    def __init__(self, **options: Any) -> None:
        """``options`` are passed to every client, such as ``endpoint_url``; others come from the environment."""
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
        # boto3's session is not safe to use in two threads.
        with self._lock:
            if service not in self._built:
                self._built[service] = self._new(service)
            return self._built[service]

    def _new(self, service: str) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        self._session = self._session or Session()
        # boto3's default timeout of 60 s is longer than our functions may run: fail early and retry instead.
        config = Config(
            connect_timeout=1,
            read_timeout=4,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=20,
        )
        return self._session.client(service, config=config, **self._options)


def batches(items: Iterable[T], size: Callable[[T], int], most: int, most_bytes: int) -> Iterator[list[T]]:
    """The items in order, in lists of up to ``most`` items and ``most_bytes`` bytes; a larger item is a batch alone.

    Args:
        items: what to divide.
        size: the bytes of one item.
        most: the most items of a batch.
        most_bytes: the most bytes of a batch.
    """
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
