"""One partner is told about one object, and what did not arrive is written down: no failure of theirs is an exception.

Rules TRA-14, TRA-25, OFF-03, OFF-04, SES-14, CDR-21; Q-23, Q-57.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.objects import OURS, ObjectStore, StoredObject
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.breaker import CircuitBreakers, for_current_token, is_partner_failure
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.partners.visibility import may_see
from chalicelib.node.pushing.coalescing import MOST_PARTS, coalesce, coalesce_to_one, object_key_of
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import DeliveryState, Outbox, OutboxEntry, SentVersion, next_retry_at, sent_after
from chalicelib.node.pushing.pacing import PacedPush
from chalicelib.node.pushing.requests import ObjectRequests, RefreshEndpoints, is_final, may_have_arrived
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.errors import OcpiError
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party

_LOG = logging.getLogger(__name__)

_TOLD_WITHIN: Final = timedelta(seconds=40)
"""All requests about one object. A worker has a minute, for a look at their endpoints and to write it all down, too."""
_TOLD_FOR: Final = timedelta(days=4)
"""As long as a queue keeps the announcements that may still come."""


class Deliverer:
    """Tells partners about changes of our objects.

    What stands in the outbox is told with the next change of the object, at its next try, or once the partner is
    reached again.
    """

    def __init__(
        self,
        our_party: Party,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        partners: PartnerStore,
        outbox: Outbox,
        breakers: CircuitBreakers,
        outbound: Outbound,
        observer: Observer,
        clock: Clock,
        refresh: RefreshEndpoints,
    ) -> None:
        self._our_party = our_party
        self._modules = modules
        self._stores = stores
        self._partners = partners
        self._outbox = outbox
        self._breakers = breakers
        self._outbound = outbound
        self._observer = observer
        self._clock = clock
        self._refresh = refresh

    def deliver(self, delivery: Delivery, *, is_repeated: bool = False) -> None:
        """Tell the partner about the object, unless that is told already, or they are not to be called now.

        Three calls to stores where all goes well: the partner, what is written down about the two, the object.

        Args:
            delivery: whom to tell about what.
            is_repeated: an earlier worker may have done some of it, and died (Q-57).
        """
        partner, announcement = self._partners.get(delivery.partner_id), delivery.announcement
        if partner is None or not partner.is_registered or announcement.module not in partner.endpoints:
            return
        self._observer.about(partner.id, announcement.module)
        state = self._outbox.state(partner.id, object_key_of(announcement))
        if delivery.attempt is not None and (not state.entry or state.entry.attempts != delivery.attempt):
            # Another try was faster.
            return
        module = self._modules[announcement.module]
        if delivery.attempt is None and state.entry and module.sending.sent_by_post:
            # There is no news of what is posted, and its next try has its time.
            return
        if state.sent and module.deletable and (announcement.removed or announcement.version == 1):
            # Versions begin anew with another object of this id, so what was told says nothing of it.
            self._outbox.record_sent(partner.id, object_key_of(announcement), (), self._clock())
            state = replace(state, sent=())
        is_paced = module.sending.min_pause_s > 0
        if not state.entry and not is_paced and any(told.covers(announcement) for told in state.sent):
            return
        # Whether they may have it already: an earlier try has not heard of its end, or not lived to see it.
        news = coalesce([state.entry.announcement, announcement] if state.entry else [announcement])
        is_unsure = module.sending.sent_by_post and (is_repeated or bool(state.entry and state.entry.is_unsure))
        breaker = for_current_token(state.breaker, partner)
        if not partner.is_active or breaker.blocks(self._clock()):
            reason = breaker.problem if partner.is_active else "suspended"
            now = self._clock()
            waiting = OutboxEntry(
                partner_id=partner.id,
                announcement=coalesce_to_one(news),
                reason=reason,
                attempts=0,
                failed_at=now,
                due_at=breaker.until or now,
                no_answer=True,
            )
            # No try of ours has failed; it is due when they are called again.
            self._outbox.record(replace(waiting, is_unsure=is_unsure))
            return
        try:
            was_called = self._tell(partner, announcement, state, news, is_unsure=is_unsure)
        except OcpiError as failed:
            self._failed(partner, delivery, state, news, failed, was_unsure=is_unsure)
            return
        if was_called:
            self._breakers.succeeded(partner, breaker)

    def _tell(
        self,
        partner: Partner,
        announcement: Announcement,
        state: DeliveryState,
        news: Sequence[Announcement],
        *,
        is_unsure: bool,
    ) -> bool:
        """Tell what the partner has to know of the object, what they missed included; whether that was anything."""
        module, missed = self._modules[announcement.module], state.entry
        stored = self._stores[module.identifier].get(OURS, announcement.id)
        ends_at, clock = self._clock() + _TOLD_WITHIN, self._clock
        line = ObjectRequests(
            self._our_party, self._outbound, self._refresh, partner, module, announcement.id, ends_at, clock
        )
        was_called = False
        if stored is None:
            if module.deletable:
                line.remove()
                was_called = True
        elif module.sending.sent_by_post:
            was_called = self._post(line, stored, is_unsure=is_unsure)
        elif may_see(partner, module, stored) and (missed or not _is_outdated(stored, announcement, state.sent)):
            whole = json.loads(stored.body)
            is_ahead = stored.version > announcement.version and not announcement.removed
            if is_ahead and len(state.sent) >= MOST_PARTS:
                news = [replace(announcement, path=(), fields=None)]
            was_called = line.tell(whole, news)
            if is_ahead or module.sending.is_final(whole):
                # Of what is final nothing is told twice (SES-10), however late its earlier changes are announced.
                self._note_told(partner, announcement, sent_after(state.sent, stored.version, news))
        if missed:
            self._outbox.clear(partner.id, object_key_of(announcement))
        return was_called

    def _note_told(self, partner: Partner, announcement: Announcement, told: Sequence[SentVersion]) -> None:
        """Remember what was told ahead of its announcements: many changes cost a slow partner few requests."""
        self._outbox.record_sent(partner.id, object_key_of(announcement), told, self._clock() + _TOLD_FOR)

    def _post(self, line: ObjectRequests, stored: StoredObject, *, is_unsure: bool) -> bool:
        """POST the object unless they have it, and note where they say that it is (CDR-21); whether we called them."""
        partner, module = line.partner, line.module
        if "posted" in stored.metadata or not may_see(partner, module, stored):
            return False
        url = line.post(stored, is_unsure=is_unsure)
        if url is None:
            _LOG.warning("partner %s took %s %r and gave no URL for it", partner.id, module.identifier, stored.id)
            self._partners.count(partner.id, {f"{module.identifier}_without_url": 1})
        posted = {"partner": partner.id, "at": self._clock().isoformat(), "url": url}
        retry_on_conflict(lambda: self._note_posted(module, stored.id, posted), self._clock.sleep)
        return True

    def _note_posted(self, module: Module, object_id: str, posted: Mapping[str, str | None]) -> None:
        store = self._stores[module.identifier]
        stored = store.get(OURS, object_id)
        if stored is not None:
            store.put(OURS, stored.with_metadata(posted=dict(posted)))

    # --- what did not arrive -------------------------------------------------------------------------------------

    def _failed(
        self,
        partner: Partner,
        delivery: Delivery,
        state: DeliveryState,
        news: Sequence[Announcement],
        failed: OcpiError,
        *,
        was_unsure: bool,
    ) -> None:
        """Write down what they missed and when it is tried again, and what that says about reaching them."""
        now, missed, announcement = self._clock(), state.entry, delivery.announcement
        posted = self._modules[announcement.module].sending.sent_by_post
        # A change is no try of the schedule, or many quick ones would use it up.
        is_change = missed is not None and missed.due_at is not None and delivery.attempt is None
        counted = 0 if is_change else 1
        attempts, since = (missed.attempts, missed.first_failed_at or now) if missed else (0, now)
        due_at = missed.due_at if missed and is_change else next_retry_at(attempts + 1, now, since)
        failure = OutboxEntry(
            partner_id=partner.id,
            announcement=coalesce_to_one(news),
            reason=str(failed),
            attempts=counted,
            failed_at=now,
            due_at=None if posted and is_final(failed) else due_at,
            no_answer=is_partner_failure(failed),
            is_unsure=posted and (may_have_arrived(failed) or (was_unsure and is_partner_failure(failed))),
        )
        self._outbox.record(failure)
        if posted and failure.due_at is None:
            _LOG.error("%s %r is given up for partner %s: %s", announcement.module, announcement.id, partner.id, failed)
        self._breakers.failed(partner, failed)


def _is_outdated(stored: StoredObject, announcement: Announcement, told: Sequence[SentVersion]) -> bool:
    """Whether later news that tells all of this is told already, or on its way."""
    turn = PacedPush.of(stored.metadata)
    if turn and turn.replaces(announcement.version):
        return True
    # A turn tells of all that has changed until it leaves.
    return any(each.covers(announcement) and each.version >= stored.version for each in told)
