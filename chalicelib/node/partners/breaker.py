"""Circuit breakers: a partner that keeps failing is not called any more, until a probe finds it reachable again.

A *probe* is a GET of the partner's versions, sent by the schedule instead of a real request. The pause doubles
with each failed probe. Needs N-42; rules OFF-03, OFF-04; Q-23, Q-57.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final, Protocol

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.answer import NO_ANSWER, Answer
from chalicelib.ocpi.errors import NotTaken, OcpiError, Unreachable

_LOG = logging.getLogger(__name__)

OPENS_AFTER: Final = 5
"""Failures in a row until the breaker opens."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)
"""The pause until the next probe: it doubles from the first to the longest, with 20 % jitter."""
LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
"""The longest pause that a partner can ask for with ``Retry-After``."""
_JITTER: Final = 0.2
_LONGEST_PROBLEM: Final = 500
_CREDENTIALS_REFUSED: Final = (401, 403)
_OVERLOADED: Final = (429, 503)


class CircuitState(StrEnum):
    """Whether we call a partner."""

    CLOSED = "closed"
    """We do."""
    WAITING = "waiting"
    """They asked us to wait (429, 503): we call them again after ``until``, without a probe."""
    OPEN = "open"
    """They failed too often: only probes are sent, after ``until``."""
    CREDENTIALS_BROKEN = "credentials_broken"
    """They refuse our token (401, 403): as OPEN, and an exchange of credentials closes the breaker too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """The circuit breaker of one partner, as it is stored."""

    partner_id: str
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    """Failed requests in a row."""
    pauses: int = 0
    """Pauses in a row, since a request other than a probe last succeeded; the number decides how long the next is."""
    broken_since: datetime | None = None
    """When the breaker opened; kept until a request other than a probe succeeds."""
    until: datetime | None = None
    """The end of the pause: when the partner is called, or probed, again."""
    problem: str = ""
    """The last failure, in at most 500 characters."""
    token: str = ""
    """The fingerprint of the token that we sent in the failed requests."""
    version: int = 0
    """For optimistic locking: 0 until something fails, and one more with each write."""

    @property
    def is_clean(self) -> bool:
        """Whether the breaker is closed, and the last request succeeded."""
        return self == CircuitBreaker(partner_id=self.partner_id, token=self.token, version=self.version)

    @property
    def needs_probe(self) -> bool:
        """Whether only a probe may be sent."""
        return self.state in (CircuitState.OPEN, CircuitState.CREDENTIALS_BROKEN)

    @property
    def is_half_open(self) -> bool:
        """Whether a probe succeeded, and no other request has succeeded or failed since."""
        return self.pauses > 0 and not self.failures and self.state is CircuitState.CLOSED

    def blocks(self, now: datetime) -> bool:
        """Whether no request may be sent now, other than a probe."""
        return self.needs_probe or (self.state is CircuitState.WAITING and not self.is_due(now))

    def is_due(self, now: datetime) -> bool:
        """Whether the pause is over."""
        return self.until is not None and self.until <= now


class CircuitBreakerStore(Protocol):
    """The port that stores one circuit breaker per partner."""

    def breaker(self, partner_id: str) -> CircuitBreaker:
        """The partner's breaker, a closed one if nothing ever failed; strongly consistent; one call."""

    def breakers(self) -> dict[str, CircuitBreaker]:
        """The breakers of all partners to which a request ever failed, by partner id; one call."""

    def save_breaker(self, breaker: CircuitBreaker) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not ``breaker.version - 1``.
        """


OnReachable = Callable[[Partner], None]
"""Called when a partner is reachable again, before that is saved; so it may be called twice."""
OnStateChange = Callable[[Partner, CircuitBreaker], None]
"""Called when a partner becomes broken or recovers, before that is saved; so it may be called twice."""


class CircuitBreakers:
    """The circuit breakers of all partners. While requests succeed, nothing is written."""

    def __init__(
        self,
        store: CircuitBreakerStore,
        clock: Clock,
        on_state_change: OnStateChange,
        on_reachable: OnReachable,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_state_change = on_state_change
        self._on_reachable = on_reachable

    def for_partner(self, partner: Partner) -> CircuitBreaker:
        """The partner's breaker, for the token that we send today; one call."""
        return for_current_token(self._store.breaker(partner.id), partner)

    def all(self) -> dict[str, CircuitBreaker]:
        """The stored breakers of partners to which a request ever failed, by partner id; one call.

        They may be about an earlier token: see ``for_current_token``.
        """
        return self._store.breakers()

    def record_success(self, partner: Partner, breaker: CircuitBreaker, *, is_probe: bool = False) -> None:
        """Close the breaker, because the partner answered. Two calls; none if the breaker was clean.

        Args:
            partner: who answered.
            breaker: as it was before the request.
            is_probe: whether the request was a probe; then the next pause is still the longer one.
        """
        if breaker.is_clean:
            return
        if is_probe or not breaker.is_half_open:
            self._on_reachable(partner)
        self._change(partner, lambda before: _after_success(before, is_probe=is_probe))

    def record_failure(self, partner: Partner, failure: OcpiError, *, is_probe: bool = False) -> None:
        """Count a failed request, and open the breaker if there were enough in a row.

        Two calls; none if the failure is no failure of the partner (see ``is_partner_failure``). While the breaker is
        open, failures of requests that were sent before do not extend the pause.
        """
        if not is_probe and not is_partner_failure(failure):
            return
        now = self._clock()
        self._change(partner, lambda before: _after_failure(before, failure, now, is_probe=is_probe))

    def _change(self, partner: Partner, change: Callable[[CircuitBreaker], CircuitBreaker]) -> None:
        reported: list[bool] = []

        def attempt() -> None:
            before = self.for_partner(partner)
            after = change(before)
            if after == before:
                return
            after = replace(after, version=before.version + 1, token=_fingerprint(partner))
            was_broken, is_broken = before.broken_since is not None, after.broken_since is not None
            # An earlier attempt may have reported a change that it could not save.
            if is_broken != (reported[-1] if reported else was_broken):
                reported.append(is_broken)
                self._on_state_change(partner, after)
            self._store.save_breaker(after)
            if is_broken != was_broken:
                # After the save, because several workers notice the change at once and only one of them saves it.
                _log(partner, after)

        retry_on_conflict(attempt, self._clock.sleep)


def _log(partner: Partner, after: CircuitBreaker) -> None:
    if after.broken_since is None:
        _LOG.warning("partner %s is reached again", partner.id)
    else:
        # An unreachable partner recovers by itself; if it refuses our token, the operator has to act.
        is_refused = after.state is CircuitState.CREDENTIALS_BROKEN
        level = logging.ERROR if is_refused else logging.WARNING
        _LOG.log(level, "partner %s is not called any more, %s: %s", partner.id, after.state, after.problem)


def for_current_token(breaker: CircuitBreaker | None, partner: Partner) -> CircuitBreaker:
    """The breaker for the token that we send to the partner today: closed if the failures were with another token.

    Args:
        breaker: as it is stored; None if there is none.
        partner: whose breaker it is.
    """
    if breaker is None:
        return CircuitBreaker(partner_id=partner.id)
    if breaker.is_clean or breaker.token == _fingerprint(partner):
        return breaker
    return CircuitBreaker(partner_id=partner.id, broken_since=breaker.broken_since, version=breaker.version)


def is_partner_failure(failure: OcpiError) -> bool:
    """Whether the partner is unreachable or refuses everything, rather than only this request."""
    return is_refusal(failure.answer) if isinstance(failure, NotTaken) else isinstance(failure, Unreachable)


def is_refusal(answer: Answer) -> bool:
    """Whether the status says that they would refuse any request now: 401, 403, 429 or 5xx."""
    return answer.http_status in (*_CREDENTIALS_REFUSED, *_OVERLOADED) or answer.http_status >= 500


def _fingerprint(partner: Partner) -> str:
    return partner.token_we_send.hash[:16] if partner.token_we_send else ""


def _after_success(breaker: CircuitBreaker, *, is_probe: bool) -> CircuitBreaker:
    clean = CircuitBreaker(partner_id=breaker.partner_id, token=breaker.token, version=breaker.version)
    return replace(clean, pauses=breaker.pauses, broken_since=breaker.broken_since) if is_probe else clean


def _after_failure(breaker: CircuitBreaker, failure: OcpiError, now: datetime, *, is_probe: bool) -> CircuitBreaker:
    if not is_probe and breaker.blocks(now):
        return breaker
    answer = failure.answer if isinstance(failure, NotTaken) else NO_ANSWER
    breaker = replace(breaker, problem=str(failure)[:_LONGEST_PROBLEM])
    if answer.http_status in _OVERLOADED and not breaker.needs_probe:
        return _pausing(breaker, CircuitState.WAITING, answer, now)
    breaker = replace(breaker, failures=breaker.failures + 1)
    if answer.http_status in _CREDENTIALS_REFUSED:
        return _pausing(breaker, CircuitState.CREDENTIALS_BROKEN, answer, now)
    if breaker.failures >= OPENS_AFTER or is_probe:
        return _pausing(breaker, CircuitState.OPEN, answer, now)
    return breaker


def _pausing(breaker: CircuitBreaker, state: CircuitState, answer: Answer, now: datetime) -> CircuitBreaker:
    asked = retry_after(answer.headers, now)
    pause = _pause(breaker.pauses) if asked is None else min(asked, LONGEST_RETRY_AFTER)
    pausing = replace(breaker, state=state, pauses=breaker.pauses + 1, until=now + pause)
    return replace(pausing, broken_since=breaker.broken_since or now) if pausing.needs_probe else pausing


def _pause(pauses: int) -> timedelta:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(pauses, 8)))
    return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter, not a secret


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The pause that a ``Retry-After`` header asks for, in seconds or as a date; None if there is no valid one."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**6))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(timedelta(), (until if until.tzinfo else until.replace(tzinfo=UTC)) - now)
