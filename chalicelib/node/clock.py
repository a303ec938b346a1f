"""The clock: reading the time, and sleeping. Tests set the time and skip the sleep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Sleep = Callable[[float], None]
"""Blocks for the given number of seconds."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Returns the time when it is called, and sleeps."""

    now: Callable[[], datetime]
    """The current time, with its time zone."""
    sleep: Sleep

    def __call__(self) -> datetime:
        """The current time, with its time zone."""
        return self.now()
