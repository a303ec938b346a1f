"""What is known before a delivery, and what is written down after it, in the words of a delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.node.partners.breaker import CircuitBreakers
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.decision import Attempt
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import DeliveryState, Outbox, OutboxEntry, SentVersion
from chalicelib.ocpi.errors import OcpiError
from chalicelib.ocpi.module import ModuleID

_SENT_KEPT: Final = timedelta(days=4)
"""As long as a queue keeps the announcements that may still come."""


class DeliveryRecords:
    """Partners, their outbox and their breakers, as one delivery reads and writes them; one call each unless said."""

    def __init__(self, partners: PartnerStore, outbox: Outbox, breakers: CircuitBreakers) -> None:
        self._partners = partners
        self._outbox = outbox
        self._breakers = breakers

    def partner(self, partner_id: str) -> Partner | None:
        """The partner, if we know it."""
        return self._partners.get(partner_id)

    def state(self, partner: Partner, announcement: Announcement) -> DeliveryState:
        """What is recorded about the partner and the announcement's object."""
        return self._outbox.state(partner.id, object_key_of(announcement))

    def forget_sent(self, partner: Partner, announcement: Announcement, now: datetime) -> None:
        """Forget which versions of the object were sent."""
        self._outbox.record_sent(partner.id, object_key_of(announcement), (), now)

    def remember_sent(self, attempt: Attempt, sent: Sequence[SentVersion], now: datetime) -> None:
        """Remember what was sent ahead of its announcements: many changes then cost a slow partner few requests."""
        self._outbox.record_sent(attempt.partner.id, object_key_of(attempt.announcement), sent, now + _SENT_KEPT)

    def put_in_outbox(self, entry: OutboxEntry) -> None:
        """Record that the partner does not hold the object as it is."""
        self._outbox.record(entry)

    def settle(self, attempt: Attempt) -> None:
        """Clear the entry that the attempt was about; no call where there is none."""
        if attempt.entry:
            self._outbox.clear(attempt.partner.id, object_key_of(attempt.announcement))

    def count_missing_url(self, partner: Partner, module: ModuleID) -> None:
        """Count that the partner took a posted object and did not say where it is found (CDR-21)."""
        self._partners.count(partner.id, {f"{module}_without_url": 1})

    def reached(self, attempt: Attempt) -> None:
        """Tell the breaker that the partner has answered; no call where nothing had failed before, else two."""
        self._breakers.record_success(attempt.partner, attempt.breaker)

    def not_taken(self, attempt: Attempt, failure: OcpiError) -> None:
        """Tell the breaker of the failure: two calls, and none where it says nothing about reaching the partner."""
        self._breakers.record_failure(attempt.partner, failure)
