"""Telemetry: requests and responses as values, for an observer that logs and measures them and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its response, in either direction; without tokens, bodies and query."""

    direction: Literal["in", "out"]
    """``in``: the partner called us; ``out``: we called the partner."""
    partner_id: str
    module: str
    method: str
    path: str
    http_status: int
    """0 if there was no response."""
    status_code: int | None
    """The OCPI status code; None if there was no envelope."""
    latency_ms: float
    problem: str = ""
    """Why it failed, or the status message of the envelope."""


class Observer(Protocol):
    """The port for telemetry."""

    def set_context(self, partner_id: str, module: str) -> None:
        """Add this partner and module to what is logged from now on, until the next call."""

    def record_exchange(self, exchange: Exchange) -> None:
        """Log and measure one request, which was answered or failed."""


class NoObserver:
    """An observer that does nothing."""

    def set_context(self, partner_id: str, module: str) -> None:
        """Do nothing."""

    def record_exchange(self, exchange: Exchange) -> None:
        """Do nothing."""
