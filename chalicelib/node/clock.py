"""The time, and waiting for it to pass: a test sets the one and skips the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Sleep = Callable[[float], None]
"""Waits for so many seconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the time when it is called, and waits."""

    now: Callable[[], datetime]
    """The time, with its zone."""
    sleep: Sleep

    def __call__(self) -> datetime:
        """The time, with its zone."""
        return self.now()
