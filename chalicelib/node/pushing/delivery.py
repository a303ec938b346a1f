"""One delivery, carried out: reads what is known, has ``decision`` decide, calls the partner, records the outcome.

A failure of the partner is an entry of the outbox, never an exception. What to do is decided in ``decision``; the order
of the calls, between any two of which a worker may die, stands here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.objects import OURS, ObjectStore
from chalicelib.node.pushing.decision import (
    Attempt,
    Post,
    Push,
    Remove,
    Skip,
    Wait,
    decide_on_object,
    decide_on_partner,
    decide_on_state,
    entry_after,
)
from chalicelib.node.pushing.messages import Delivery
from chalicelib.node.pushing.records import DeliveryRecords
from chalicelib.node.pushing.requests import ObjectRequests, PushClient
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.errors import OcpiError
from chalicelib.ocpi.module import Module, ModuleID

_LOG = logging.getLogger(__name__)


class Deliverer:
    """Tells partners about changes of our objects.

    What a partner missed stands in the outbox. It is told with the next change of the object, at its next retry, or
    once the partner is reached again.
    """

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        records: DeliveryRecords,
        client: PushClient,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._modules = modules
        self._stores = stores
        self._records = records
        self._client = client
        self._observer = observer
        self._clock = clock

    def deliver(self, delivery: Delivery, *, is_repeated: bool = False) -> None:
        """Bring the partner up to date with the object, or record in the outbox that it is not.

        Three calls to stores where all goes well: the partner, what is recorded about the two, the object.

        Args:
            delivery: whom to tell about what.
            is_repeated: an earlier worker had the message, and may have died after its request (Q-57).
        """
        announcement = delivery.announcement
        partner = decide_on_partner(self._records.partner(delivery.partner_id), announcement.module)
        if isinstance(partner, Skip):
            return
        self._observer.set_context(partner.id, announcement.module)
        module, state = self._modules[announcement.module], self._records.state(partner, announcement)
        decision = decide_on_state(partner, module, delivery, state, self._clock(), is_repeated=is_repeated)
        if isinstance(decision, Skip):
            return
        if decision.forgets_sent:
            self._records.forget_sent(partner, announcement, self._clock())
        if isinstance(decision, Wait):
            self._records.put_in_outbox(decision.entry)
        else:
            self._try(decision)

    def _try(self, attempt: Attempt) -> None:
        """Make the attempt, and record how it ended."""
        try:
            was_called = self._bring_up_to_date(attempt)
        except OcpiError as failure:
            self._record_failure(attempt, failure)
            return
        if was_called:
            self._records.reached(attempt)

    def _bring_up_to_date(self, attempt: Attempt) -> bool:
        """Send what the partner lacks of the object as it is now; whether that was anything.

        Raises:
            OcpiError: a request failed; what was to be recorded after it is not.
        """
        stored = self._stores[attempt.module.identifier].get(OURS, attempt.announcement.id)
        requests = self._client.requests_about(attempt.partner, attempt.module, attempt.announcement.id)
        was_called = self._carry_out(decide_on_object(attempt, stored), attempt, requests)
        self._records.settle(attempt)
        return was_called

    def _carry_out(self, decision: Skip | Remove | Post | Push, attempt: Attempt, requests: ObjectRequests) -> bool:
        """Send what was decided, and remember it; whether the partner was called."""
        was_called = not isinstance(decision, Skip)
        if isinstance(decision, Remove):
            requests.remove()
        elif isinstance(decision, Post):
            self._post(decision, attempt, requests)
        elif isinstance(decision, Push):
            was_called = requests.tell(decision.whole, decision.announcements)
            if decision.sent:
                self._records.remember_sent(attempt, decision.sent, self._clock())
        return was_called

    def _post(self, decision: Post, attempt: Attempt, requests: ObjectRequests) -> None:
        """POST the object, then mark it as posted, with the URL that the partner gave for it (CDR-21)."""
        partner, module, object_id = attempt.partner, attempt.module, decision.stored.id
        url = requests.post(decision.stored, is_unsure=decision.looks_first)
        if url is None:
            _LOG.warning("partner %s took %s %r and gave no URL for it", partner.id, module.identifier, object_id)
            self._records.count_missing_url(partner, module.identifier)
        mark = {"partner": partner.id, "at": self._clock().isoformat(), "url": url}
        retry_on_conflict(lambda: self._mark_posted(module, object_id, mark), self._clock.sleep)

    def _mark_posted(self, module: Module, object_id: str, mark: Mapping[str, str | None]) -> None:
        store = self._stores[module.identifier]
        stored = store.get(OURS, object_id)
        if stored is not None:
            store.put(OURS, stored.with_metadata(posted=dict(mark)))

    def _record_failure(self, attempt: Attempt, failure: OcpiError) -> None:
        """Record what the partner missed and when it is retried; then, what the failure says about reaching it."""
        entry, announcement = entry_after(attempt, failure, self._clock()), attempt.announcement
        self._records.put_in_outbox(entry)
        if attempt.module.sending.sent_by_post and entry.due_at is None:
            what = (announcement.module, announcement.id, attempt.partner.id, failure)
            _LOG.error("%s %r is given up for partner %s: %s", *what)
        self._records.not_taken(attempt, failure)
