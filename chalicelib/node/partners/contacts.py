"""When each partner was last in touch, and what went wrong: noted from the exchanges that the observer hears of."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib.node.telemetry import Exchange, Observer

_LOG = logging.getLogger(__name__)

_ONCE_PER: Final = timedelta(minutes=1)
_LONGEST_PROBLEM: Final = 500
_UNKNOWN_OBJECT: Final = 2003


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """When it last went well with a partner in one module and direction, and when not; exact to a minute."""

    module: str
    direction: str
    """``in``: they called us; ``out``: we called them."""
    last_success: datetime | None = None
    last_failure: datetime | None = None
    problem: str | None = None
    """Why it failed then, in at most 500 characters."""


class ContactStore(Protocol):
    """Remembers contacts; a ``PartnerStore`` does."""

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """It went well then, or failed with this problem."""


class ContactRecorder:
    """An observer that passes on what it hears, and notes when each partner was in touch.

    One write per partner, module, direction and outcome, process and minute at most: all other requests cost nothing.
    """

    def __init__(self, inner: Observer, notes: ContactStore, clock: Callable[[], datetime]) -> None:
        self._inner = inner
        self._notes = notes
        self._clock = clock
        self._noted: dict[tuple[str, str, str, bool], datetime] = {}

    def about(self, partner_id: str, module: str) -> None:
        """Passes it on."""
        self._inner.about(partner_id, module)

    def exchange(self, exchange: Exchange) -> None:
        """Passes it on, and notes it if it is known whose it is."""
        self._inner.exchange(exchange)
        if exchange.partner_id:
            self._note(exchange, problem_of(exchange))

    def _note(self, exchange: Exchange, problem: str | None) -> None:
        now, key = self._clock(), (exchange.partner_id, exchange.module, exchange.direction, problem is None)
        noted = self._noted.get(key)
        if noted is not None and noted <= now < noted + _ONCE_PER:
            return
        # Before the write: a store that fails must not hold up every request of that minute.
        self._noted[key] = now
        try:
            self._notes.record_contact(exchange.partner_id, exchange.module, exchange.direction, now, problem)
        except Exception:  # noqa: BLE001 - whatever becomes of the note, the exchange took place
            _LOG.exception("the contact with partner %s was not noted", exchange.partner_id)


def problem_of(exchange: Exchange) -> str | None:
    """What went wrong, in at most 500 characters; None if the two understood each other.

    They did where one said that it has no such object, and where a 2xx has no envelope (TRA-14, Q-14, Q-76).
    """
    status, code = exchange.http_status, exchange.status_code
    if status == 404 or code == _UNKNOWN_OBJECT:
        return None
    if 200 <= status < 300 and (code is None or 1000 <= code < 2000):
        return None
    answered = f"HTTP {status}, OCPI status {code}" if code is not None else f"HTTP {status}"
    facts = (answered if status else "no answer", exchange.problem)
    # Half characters cannot be written down.
    return ": ".join(filter(None, facts)).encode(errors="replace").decode()[:_LONGEST_PROBLEM]
