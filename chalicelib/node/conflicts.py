"""Optimistic locking: a store refuses a write if the object has changed since it was read; we read again and retry."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from chalicelib.node.clock import Sleep
from chalicelib.ocpi.errors import ServerError

T = TypeVar("T")


class Conflict(Exception):
    """Somebody else wrote since we read; read again and retry."""


_MOST_ATTEMPTS: Final = 80
"""Enough for fifty concurrent writers of one object: in each round one of them succeeds."""
_LONGEST_PAUSE_S: Final = 0.25


def backoff_s(attempt: int) -> float:
    """Seconds to wait after failed attempt number ``attempt``, counted from 0: exponential back-off with full jitter.

    At most 0.25 s.
    """
    return random.uniform(0, min(_LONGEST_PAUSE_S, 0.005 * 2**attempt))  # noqa: S311 - jitter, not a secret


def retry_on_conflict(attempt: Callable[[], T], sleep: Sleep) -> T:
    """The result of ``attempt``, which is called again, after a back-off, whenever it raises ``Conflict``.

    Args:
        attempt: one read-change-write; it has to read again in each call.
        sleep: waits between two attempts.

    Raises:
        ServerError: every attempt met a conflict.
    """
    for number in range(_MOST_ATTEMPTS):
        try:
            return attempt()
        except Conflict:
            sleep(backoff_s(number))
    raise ServerError("too many writers at once: please send it again")
