"""What was announced is about to be written: waiting until it is, putting back what is late, giving up what never was.

A write that is announced first cannot be lost, and its announcement may come before it, or alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from chalicelib.node.clock import Sleep

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

_LOOKS: Final = 3
_PAUSE_S: Final = 0.05
"""The write follows its announcement within milliseconds, so looking again at once is cheaper than another message."""
REQUEUE_DELAYS_S: Final = (1, 5, 15, 60, 300)
"""When to look again for a write that is late; after the last, it never happened."""


class Announce(Protocol[T_contra]):
    """Sends announcements, now or later."""

    def __call__(self, announcements: Sequence[T_contra], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send them; ``attempt`` counts how often they were put back."""


def wait_until_written(announced: Sequence[T], unwritten: Callable[[Sequence[T]], list[T]], sleep: Sleep) -> list[T]:
    """Those that are not written even after a while; ``unwritten`` looks which are not yet."""
    waiting = unwritten(announced)
    for _ in range(_LOOKS):
        if not waiting:
            break
        sleep(_PAUSE_S)
        waiting = unwritten(waiting)
    return waiting


def requeue_unwritten(waiting: Sequence[T], attempt: int, announce: Announce[T]) -> None:
    """Announce again, for later, what is not written yet; give it up after the last ``attempt``."""
    if waiting and attempt < len(REQUEUE_DELAYS_S):
        announce(waiting, attempt=attempt + 1, delay_s=REQUEUE_DELAYS_S[attempt])
    elif waiting:
        _LOG.warning("%s announced changes were never written; nothing to tell", len(waiting))
