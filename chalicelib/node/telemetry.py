"""What happened, as values: handed to an observer that logs and measures, and never changes anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, in either direction. No token, no body, no query."""

    direction: Literal["in", "out"]
    partner_id: str
    module: str
    method: str
    path: str
    http_status: int
    """0 when there was no answer."""
    status_code: int | None
    latency_ms: float
    problem: str = ""


class Observer(Protocol):
    """Hears of every exchange."""

    def about(self, partner_id: str, module: str) -> None:
        """What follows concerns this partner and module, until the next word."""

    def exchange(self, exchange: Exchange) -> None:
        """One request was answered."""


class NoObserver:
    """An observer that takes no notice."""

    def about(self, partner_id: str, module: str) -> None:
        """Nothing."""

    def exchange(self, exchange: Exchange) -> None:
        """Nothing."""
