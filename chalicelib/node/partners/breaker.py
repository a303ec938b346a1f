"""Whether a partner can be reached, as its answers tell, so that a dead one costs neither time nor requests.

Needs N-42; rules OFF-03, OFF-04; Q-23, Q-57.
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
"""So many failures in a row, and the partner is not called any more."""
FIRST_PAUSE: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(minutes=15)
"""Between two probes; it doubles from the first to the longest."""
LONGEST_WAIT: Final = timedelta(hours=1)
"""However long a partner asks us to wait."""
_JITTER: Final = 0.2
_LONGEST_PROBLEM: Final = 500
_REFUSING: Final = (401, 403)
_ASKING_TO_WAIT: Final = (429, 503)


class CircuitState(StrEnum):
    """Whether we call a partner."""

    CLOSED = "closed"
    """As usual."""
    WAITING = "waiting"
    """They asked us to wait; then we go on."""
    OPEN = "open"
    """They do not answer; a probe finds out when they do."""
    CREDENTIALS_BROKEN = "credentials_broken"
    """They refuse our token; new credentials help, and a probe finds out when they take the old ones again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """What stands between us and one partner."""

    partner_id: str
    state: CircuitState = CircuitState.CLOSED
    failures: int = 0
    """In a row."""
    pauses: int = 0
    """In a row, without a delivery between them that went well."""
    broken_since: datetime | None = None
    """When we stopped to call them; until a request other than a probe went well."""
    until: datetime | None = None
    """When a partner that is not called is called, or probed, again."""
    problem: str = ""
    token: str = ""
    """The fingerprint of the token with which we failed."""
    version: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether all went well last."""
        return self == CircuitBreaker(partner_id=self.partner_id, token=self.token, version=self.version)

    @property
    def needs_probe(self) -> bool:
        """Whether nothing is sent before a probe went well."""
        return self.state in (CircuitState.OPEN, CircuitState.CREDENTIALS_BROKEN)

    @property
    def is_probed(self) -> bool:
        """Whether a probe went well, and nothing else was tried since."""
        return self.pauses > 0 and not self.failures and self.state is CircuitState.CLOSED

    def blocks(self, now: datetime) -> bool:
        """Whether nothing is sent now."""
        return self.needs_probe or (self.state is CircuitState.WAITING and not self.is_due(now))

    def is_due(self, now: datetime) -> bool:
        """Whether the pause is over."""
        return self.until is not None and self.until <= now


class CircuitBreakerStore(Protocol):
    """One breaker per partner."""

    def breaker(self, partner_id: str) -> CircuitBreaker:
        """The partner's, strongly consistent; a closed one where nothing ever failed. One call."""

    def breakers(self) -> dict[str, CircuitBreaker]:
        """Those of all partners to whom something ever failed; one call."""

    def save_breaker(self, breaker: CircuitBreaker) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not the one before.
        """


OnReachable = Callable[[Partner], None]
"""Told when a partner answers again that had not: before that is written down, so it may be told twice."""
OnStateChange = Callable[[Partner, CircuitBreaker], None]
"""Hears that a partner is broken, or recovered, before it is written down."""


class CircuitBreakers:
    """The breakers of all partners. While all goes well they cost nothing but the look."""

    def __init__(
        self,
        store: CircuitBreakerStore,
        clock: Clock,
        told: OnStateChange,
        on_reachable: OnReachable,
    ) -> None:
        self._store = store
        self._clock = clock
        self._told = told
        self._on_reachable = on_reachable

    def of(self, partner: Partner) -> CircuitBreaker:
        """The partner's breaker; one call."""
        return for_current_token(self._store.breaker(partner.id), partner)

    def all(self) -> dict[str, CircuitBreaker]:
        """The breakers of those to whom something ever failed, by partner; one call."""
        return self._store.breakers()

    def succeeded(self, partner: Partner, breaker: CircuitBreaker, *, is_probe: bool = False) -> None:
        """They have answered: nothing is in the way. After a mere probe, the next pause is as long as if there were.

        Two calls; none where nothing was in the way.
        """
        if breaker.is_clean:
            return
        if is_probe or not breaker.is_probed:
            self._on_reachable(partner)
        self._change(partner, lambda before: _after_success(before, is_probe=is_probe))

    def failed(self, partner: Partner, failure: OcpiError, *, is_probe: bool = False) -> None:
        """Something failed. Two calls; none where that says nothing about reaching the partner.

        While they are not called, what still fails was under way before, and makes the pause no longer.
        """
        if not is_probe and not is_partner_failure(failure):
            return
        now = self._clock()
        self._change(partner, lambda before: _after_failure(before, failure, now, is_probe=is_probe))

    def _change(self, partner: Partner, change: Callable[[CircuitBreaker], CircuitBreaker]) -> None:
        heard: list[bool] = []

        def attempt() -> None:
            before = self.of(partner)
            after = change(before)
            if after == before:
                return
            after = replace(after, version=before.version + 1, token=_fingerprint(partner))
            was_broken, is_broken = before.broken_since is not None, after.broken_since is not None
            # What an earlier attempt has told may not have come about.
            if is_broken != (heard[-1] if heard else was_broken):
                heard.append(is_broken)
                self._told(partner, after)
            self._store.save_breaker(after)
            if is_broken != was_broken:
                # Several workers find out at the same time; only one of them writes it down.
                _log(partner, after)

        retry_on_conflict(attempt, self._clock.sleep)


def _log(partner: Partner, after: CircuitBreaker) -> None:
    if after.broken_since is None:
        _LOG.warning("partner %s is reached again", partner.id)
    else:
        # A partner that is away comes back; one that refuses our token wants somebody to act.
        is_refused = after.state is CircuitState.CREDENTIALS_BROKEN
        level = logging.ERROR if is_refused else logging.WARNING
        _LOG.log(level, "partner %s is not called any more, %s: %s", partner.id, after.state, after.problem)


def for_current_token(breaker: CircuitBreaker | None, partner: Partner) -> CircuitBreaker:
    """The breaker, if any, as it is for the token that we send today: another one is another chance."""
    if breaker is None:
        return CircuitBreaker(partner_id=partner.id)
    if breaker.is_clean or breaker.token == _fingerprint(partner):
        return breaker
    return CircuitBreaker(partner_id=partner.id, broken_since=breaker.broken_since, version=breaker.version)


def is_partner_failure(failure: OcpiError) -> bool:
    """Whether it tells of the partner, rather than of what we sent."""
    return is_refusal(failure.answer) if isinstance(failure, NotTaken) else isinstance(failure, Unreachable)


def is_refusal(answer: Answer) -> bool:
    """Whether they do not let us in, or cannot answer, whatever we ask."""
    return answer.http_status in (*_REFUSING, *_ASKING_TO_WAIT) or answer.http_status >= 500


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
    if answer.http_status in _ASKING_TO_WAIT and not breaker.needs_probe:
        return _pausing(breaker, CircuitState.WAITING, answer, now)
    breaker = replace(breaker, failures=breaker.failures + 1)
    if answer.http_status in _REFUSING:
        return _pausing(breaker, CircuitState.CREDENTIALS_BROKEN, answer, now)
    if breaker.failures >= OPENS_AFTER or is_probe:
        return _pausing(breaker, CircuitState.OPEN, answer, now)
    return breaker


def _pausing(breaker: CircuitBreaker, state: CircuitState, answer: Answer, now: datetime) -> CircuitBreaker:
    asked = retry_after(answer.headers, now)
    pause = _pause(breaker.pauses) if asked is None else min(asked, LONGEST_WAIT)
    pausing = replace(breaker, state=state, pauses=breaker.pauses + 1, until=now + pause)
    return replace(pausing, broken_since=breaker.broken_since or now) if pausing.needs_probe else pausing


def _pause(pauses: int) -> timedelta:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(pauses, 8)))
    return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter, not a secret


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long they ask us to wait: seconds, or until a date; None if they do not say so in a way that we read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**6))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(timedelta(), (until if until.tzinfo else until.replace(tzinfo=UTC)) - now)
