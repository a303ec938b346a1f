"""Optimistic locking: a write that somebody else has overtaken is refused, and the read-change-write repeated."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from chalicelib.node.clock import Sleep
from chalicelib.ocpi.errors import ServerError

T = TypeVar("T")


class Conflict(Exception):
    """Somebody else wrote first; read again and repeat."""


_MOST_ATTEMPTS: Final = 80
"""Fifty writers of one object get through: each round lets one of them win."""
_LONGEST_PAUSE_S: Final = 0.25


def backoff_s(number: int) -> float:
    """A random while, on average longer with each ``number``, so that those who met do not meet again."""
    return random.uniform(0, min(_LONGEST_PAUSE_S, 0.005 * 2**number))  # noqa: S311 - jitter, not a secret


def retry_on_conflict(attempt: Callable[[], T], sleep: Sleep) -> T:
    """What ``attempt`` answers once it meets no conflict; it reads afresh each time.

    Raises:
        ServerError: others kept winning.
    """
    for number in range(_MOST_ATTEMPTS):
        try:
            return attempt()
        except Conflict:
            sleep(backoff_s(number))
    raise ServerError("too many writers at once: please send it again")
