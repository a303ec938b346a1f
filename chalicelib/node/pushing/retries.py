"""Retries: entries of the outbox are queued as deliveries when they are due, and partners with an open breaker probed.

Once a minute ``retry_all`` sends a message for each partner that needs that, and ``retry`` handles it; a partner that
hangs so holds up no other. Needs N-42; OFF-03, OFF-04, Q-57.
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
"""Entries of the outbox that one message queues; if there are more, another message follows their deliveries."""
_PROBE_S: Final = 10
"""The longest that a probe may take."""
_UNSERVED: Final = timedelta(days=1)
"""How long an entry is put off whose module the partner has no endpoint for (any more)."""
_AT_WORK: Final = timedelta(minutes=1)
"""For so long a partner may be at work with a request that we waited for in vain; it is not looked for before."""


class Retries:
    """Queues what is due at partners, and probes those whose breaker is open."""

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
        """Queue a message for each partner that has entries due, or a probe.

        Calls: two, one per partner that is called now, and one per message.
        """
        now, breakers = self._clock(), self._breakers.all()
        for partner in self._partners.all():
            known = breakers.get(partner.id)
            breaker = for_current_token(known, partner)
            if not partner.is_active:
                continue
            if known and known.needs_probe and not breaker.needs_probe:
                # Credentials were exchanged since the breaker opened: all entries are worth a try.
                self._queues.retry(RetryDue(partner.id, after=""), cause=f"{now:%Y-%m-%dT%H:%M}")
            elif self._is_due(partner, breaker, now):
                self._queues.retry(RetryDue(partner.id), cause=f"{now:%Y-%m-%dT%H:%M}")

    def _is_due(self, partner: Partner, breaker: CircuitBreaker, now: datetime) -> bool:
        if breaker.needs_probe:
            return breaker.is_due(now)
        return not breaker.blocks(now) and bool(self._outbox.due(partner.id, now, 1))

    def retry(self, due: RetryDue) -> None:
        """Probe the partner, or queue the entries that the message asks for; nothing while it is not to be called."""
        partner = self._partners.get(due.partner_id)
        if partner is None or not partner.is_active:
            return
        now, breaker = self._clock(), self._breakers.for_partner(partner)
        if breaker.needs_probe:
            if breaker.is_due(now) and self._answers(partner):
                self._breakers.record_success(partner, breaker, is_probe=True)
        elif breaker.blocks(now):
            return
        elif due.after is None:
            self._requeue(partner, self._outbox.due(partner.id, now, MOST_REQUEUED), now, None)
        else:
            self._requeue(partner, self._outbox.entries(partner.id, due.after, MOST_REQUEUED), now, due.after)

    def _answers(self, partner: Partner) -> bool:
        """Whether the partner answers a GET of its versions, with our token; the breaker is told where it does not."""
        try:
            answer = self._outbound.send(partner, "versions", "GET", partner.versions_url or "", timeout_s=_PROBE_S)
            if not answer.is_success:
                raise NotTaken(f"GET versions was answered with HTTP {answer.http_status}", answer)
        except OcpiError as failure:
            self._breakers.record_failure(partner, failure, is_probe=True)
            return False
        return True

    def _requeue(self, partner: Partner, found: list[OutboxEntry], now: datetime, after: str | None) -> None:
        """Queue a delivery for each entry that can be leased and needs no back-off; then a message for those behind."""
        deliveries = []
        for entry in found if after is None else _unanswered(found):
            backoff = backoff_of(partner, entry, now)
            if self._outbox.lease(entry, now + (backoff or LEASE)) and not backoff:
                deliveries.append(Delivery(partner.id, entry.announcement, entry.attempts))
        self._queues.deliver(deliveries, cause=f"{now:%Y-%m-%dT%H:%M:%S}")
        if len(found) == MOST_REQUEUED:
            last = entry_name(object_key_of(found[-1].announcement))
            self._queues.retry(RetryDue(partner.id, None if after is None else last), cause=f"{now:%H:%M:%S} {last}")


def _unanswered(found: Iterable[OutboxEntry]) -> list[OutboxEntry]:
    """The entries that are retried at once when the partner is reached again; what it refused waits for its time."""
    return [entry for entry in found if entry.no_answer and entry.due_at]


def backoff_of(partner: Partner, entry: OutboxEntry, now: datetime) -> timedelta | None:
    """For how long the entry is put off although it was found; None: it is retried now.

    An entry whose retries have failed keeps the pause of its schedule, however often the partner is reached again in
    between; within ``RETRY_WINDOW``, the longest pause of a breaker at most. One that may have arrived waits until the
    partner can have finished with it.
    """
    if entry.announcement.module not in partner.endpoints:
        return _UNSERVED
    pause = RETRY_DELAYS[min(entry.attempts, len(RETRY_DELAYS)) - 2] if entry.attempts > 1 else timedelta()
    if now - (entry.first_failed_at or now) < RETRY_WINDOW:
        # Tries that come quicker than the schedule do not end it early, so the last ones need no full pause.
        pause = min(pause, LONGEST_PAUSE)
    left = entry.failed_at + (max(pause, _AT_WORK) if entry.is_unsure else pause) - now
    return left if left > timedelta() else None
