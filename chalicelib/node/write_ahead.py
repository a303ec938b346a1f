"""Write-ahead announcements: a change is announced to a queue before it is written, so that no crash can lose it.

So an announcement can reach its worker before the write, or without one. The worker waits until the change is written,
requeues what is late, and gives up what was never written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from chalicelib.node.clock import Sleep

_LOG = logging.getLogger(__name__)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

_CHECKS: Final = 3
_PAUSE_S: Final = 0.05
"""The write usually follows within milliseconds, so a few checks at once are cheaper than another message."""
REQUEUE_DELAYS_S: Final = (1, 5, 15, 60, 300)
"""Seconds until a late change is checked again; after the last of them it counts as never written."""


class Announce(Protocol[T_contra]):
    """Sends announcements to their queue."""

    def __call__(self, announcements: Sequence[T_contra], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send them, to be read after ``delay_s`` seconds; ``attempt`` counts how often they were requeued."""


def wait_until_written(announced: Sequence[T], unwritten: Callable[[Sequence[T]], list[T]], sleep: Sleep) -> list[T]:
    """The announced changes that are still not written after 0.15 s.

    Args:
        announced: the changes to wait for.
        unwritten: answers which of the given changes are not written yet.
        sleep: waits.
    """
    waiting = unwritten(announced)
    for _ in range(_CHECKS):
        if not waiting:
            break
        sleep(_PAUSE_S)
        waiting = unwritten(waiting)
    return waiting


def requeue_unwritten(waiting: Sequence[T], attempt: int, announce: Announce[T]) -> None:
    """Announce unwritten changes once more, with a delay; drop them with a warning after the last attempt.

    Args:
        waiting: as ``wait_until_written`` returned them.
        attempt: how often they were requeued before.
        announce: sends them.
    """
    if waiting and attempt < len(REQUEUE_DELAYS_S):
        announce(waiting, attempt=attempt + 1, delay_s=REQUEUE_DELAYS_S[attempt])
    elif waiting:
        _LOG.warning("%s announced changes were never written; nothing to tell", len(waiting))
