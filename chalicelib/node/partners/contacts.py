"""Contacts: when requests to and from each partner last succeeded and failed, recorded from telemetry."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib.node.telemetry import Exchange, Observer

_LOG = logging.getLogger(__name__)

_INTERVAL: Final = timedelta(minutes=1)
_LONGEST_PROBLEM: Final = 500
_UNKNOWN_OBJECT: Final = 2003


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """When requests of one module and direction last succeeded and failed; exact to a minute."""

    module: str
    direction: str
    """``in``: they called us; ``out``: we called them."""
    last_success: datetime | None = None
    last_failure: datetime | None = None
    problem: str | None = None
    """Why the last failure failed, in at most 500 characters."""


class ContactStore(Protocol):
    """Stores contacts; a ``PartnerStore`` does."""

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """Record that a request failed with this problem then, or succeeded if it is None."""


class ContactRecorder:
    """An observer that passes everything on to another one, and records contacts.

    At most one write per process and minute for each partner, module, direction and outcome.
    """

    def __init__(self, inner: Observer, store: ContactStore, clock: Callable[[], datetime]) -> None:
        self._inner = inner
        self._store = store
        self._clock = clock
        self._recorded_at: dict[tuple[str, str, str, bool], datetime] = {}

    def set_context(self, partner_id: str, module: str) -> None:
        """Pass it on."""
        self._inner.set_context(partner_id, module)

    def record_exchange(self, exchange: Exchange) -> None:
        """Pass it on, and record the contact if the partner is known."""
        self._inner.record_exchange(exchange)
        if exchange.partner_id:
            self._record(exchange, problem_of(exchange))

    def _record(self, exchange: Exchange, problem: str | None) -> None:
        now, key = self._clock(), (exchange.partner_id, exchange.module, exchange.direction, problem is None)
        recorded_at = self._recorded_at.get(key)
        if recorded_at is not None and recorded_at <= now < recorded_at + _INTERVAL:
            return
        # Before the write: a store that fails must not slow down every request of that minute.
        self._recorded_at[key] = now
        try:
            self._store.record_contact(exchange.partner_id, exchange.module, exchange.direction, now, problem)
        except Exception:  # noqa: BLE001 - the exchange itself has succeeded or failed already
            _LOG.exception("the contact with partner %s was not noted", exchange.partner_id)


def problem_of(exchange: Exchange) -> str | None:
    """Why the exchange counts as failed, in at most 500 characters; None if it succeeded.

    It succeeded, too, if the object was not found, and if a 2xx has no envelope (TRA-14, Q-14, Q-76).
    """
    status, code = exchange.http_status, exchange.status_code
    if status == 404 or code == _UNKNOWN_OBJECT:
        return None
    if 200 <= status < 300 and (code is None or 1000 <= code < 2000):
        return None
    answered = f"HTTP {status}, OCPI status {code}" if code is not None else f"HTTP {status}"
    facts = (answered if status else "no answer", exchange.problem)
    # Lone surrogates cannot be stored.
    return ": ".join(filter(None, facts)).encode(errors="replace").decode()[:_LONGEST_PROBLEM]
