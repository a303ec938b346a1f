"""Partners that something is due for: probed when they are not called, told again what they missed. Needs N-42; Q-57.

Once a minute we look who that is; each of them is then looked after by a message of its own, so that one that hangs
holds up nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.breaker import LONGEST_PAUSE, CircuitBreaker, CircuitBreakers, for_current_token
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.messages import Delivery, PushQueues, RetryDue
from chalicelib.node.pushing.outbox import LEASE, RETRY_DELAYS, RETRY_WINDOW, Outbox, OutboxEntry, entry_name
from chalicelib.ocpi.errors import NotTaken, OcpiError

MOST_REQUEUED: Final = 100
"""Entries of the outbox that one message queues again; the next message comes behind them."""
_PROBE_S: Final = 10
_UNSERVED: Final = timedelta(days=1)
"""How long a module's entries rest that the partner does not serve any more."""
_AT_WORK: Final = timedelta(minutes=1)
"""How long a partner may still be at work with what we have given up: only then it is worth while to look for it."""


class Retries:
    """Looks after partners."""

    def __init__(
        self,
        partners: PartnerStore,
        outbox: Outbox,
        breakers: CircuitBreakers,
        queues: PushQueues,
        outbound: Outbound,
        clock: Callable[[], datetime],
    ) -> None:
        self._partners = partners
        self._outbox = outbox
        self._breakers = breakers
        self._queues = queues
        self._outbound = outbound
        self._clock = clock

    def retry_all(self) -> None:
        """Send for each partner that something is due for: two calls, and one for each partner that can be called."""
        now, breakers = self._clock(), self._breakers.all()
        for partner in self._partners.all():
            known = breakers.get(partner.id)
            breaker = for_current_token(known, partner)
            if not partner.is_active:
                continue
            if known and known.needs_probe and not breaker.needs_probe:
                # Since they were not reached, credentials were exchanged: all of it is worth a try.
                self._queues.retry(RetryDue(partner.id, after=""), cause=f"{now:%Y-%m-%dT%H:%M}")
            elif self._is_due(partner, breaker, now):
                self._queues.retry(RetryDue(partner.id), cause=f"{now:%Y-%m-%dT%H:%M}")

    def _is_due(self, partner: Partner, breaker: CircuitBreaker, now: datetime) -> bool:
        if breaker.needs_probe:
            return breaker.is_due(now)
        return not breaker.blocks(now) and bool(self._outbox.due(partner.id, now, 1))

    def retry(self, due: RetryDue) -> None:
        """Probe the partner if that is due; queue again what is."""
        partner = self._partners.get(due.partner_id)
        if partner is None or not partner.is_active:
            return
        now, breaker = self._clock(), self._breakers.of(partner)
        if breaker.needs_probe:
            if breaker.is_due(now) and self._answers(partner):
                self._breakers.succeeded(partner, breaker, is_probe=True)
        elif breaker.blocks(now):
            return
        elif due.after is None:
            self._again(partner, self._outbox.due(partner.id, now, MOST_REQUEUED), now, None)
        else:
            missed = self._outbox.entries(partner.id, due.after, MOST_REQUEUED)
            self._again(partner, missed, now, due.after)

    def _answers(self, partner: Partner) -> bool:
        """Whether they answer a GET of their versions, and take our token."""
        try:
            answer = self._outbound.send(partner, "versions", "GET", partner.versions_url or "", timeout_s=_PROBE_S)
            if not answer.is_success:
                raise NotTaken(f"GET versions was answered with HTTP {answer.http_status}", answer)
        except OcpiError as failed:
            self._breakers.failed(partner, failed, is_probe=True)
            return False
        return True

    def _again(self, partner: Partner, found: list[OutboxEntry], now: datetime, after: str | None) -> None:
        again = []
        for failure in self._those_to_try(found, after):
            rest = _rest(partner, failure, now)
            if self._outbox.lease(failure, now + (rest or LEASE)) and not rest:
                again.append(Delivery(partner.id, failure.announcement, failure.attempts))
        self._queues.deliver(again, cause=f"{now:%Y-%m-%dT%H:%M:%S}")
        if len(found) == MOST_REQUEUED:
            last = entry_name(object_key_of(found[-1].announcement))
            self._queues.retry(RetryDue(partner.id, None if after is None else last), cause=f"{now:%H:%M:%S} {last}")

    @staticmethod
    def _those_to_try(found: list[OutboxEntry], after: str | None) -> Iterable[OutboxEntry]:
        """What nobody answered is due at once when they are reached again; what they refused, in its time."""
        return found if after is None else (each for each in found if each.no_answer and each.due_at)


def _rest(partner: Partner, failure: OutboxEntry, now: datetime) -> timedelta | None:
    """How long this is better left alone, although it is due; None: not at all."""
    if failure.announcement.module not in partner.endpoints:
        return _UNSERVED
    # One that failed again and again is likely to, however often its partner is reached with something else.
    least = RETRY_DELAYS[min(failure.attempts, len(RETRY_DELAYS)) - 2] if failure.attempts > 1 else timedelta()
    if now - (failure.first_failed_at or now) < RETRY_WINDOW:
        # Quicker tries use up no schedule that is not over yet.
        least = min(least, LONGEST_PAUSE)
    left = failure.failed_at + (max(least, _AT_WORK) if failure.is_unsure else least) - now
    return left if left > timedelta() else None
