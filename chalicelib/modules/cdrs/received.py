"""Stores the CDRs of partners, posted or pulled, as they came; a stored CDR never changes.

Rules CDR-05, CDR-08, CDR-18, CDR-23; Q-49.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.clock import Sleep
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.objects import ObjectStore, StoredObject, is_storable, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.receiving.incoming import capped
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.receiving.outcome import Outcome
from chalicelib.node.receiving.quarantine import Quarantine, QuarantineEntry
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Deviation, Profile, parse, read_value

_LOG = logging.getLogger(__name__)

OnReceived = Callable[[Partner, Sequence[Json]], None]
"""Called with each CDR that was received, once or more often; CDRs of one page come in one call."""


class ContradictedCdr(InvalidParameters):
    """We hold a CDR of this id with other content, and a CDR never changes (CDR-08, Q-49)."""

    def __init__(self, cdr: Json) -> None:
        super().__init__("Cdr: we hold a CDR of this id with different content, and a CDR never changes (CDR-08)")
        self.cdr = cdr


class ReceivedCdrs:
    """The CDRs that partners sent to us."""

    def __init__(
        self,
        store: ObjectStore,
        counters: Counters,
        quarantine: Quarantine,
        sleep: Sleep,
        announcer: EventAnnouncer,
        on_received: OnReceived,
    ) -> None:
        self._store = store
        self._counters = counters
        self._quarantine = quarantine
        self._sleep = sleep
        self._announcer = announcer
        self._on_received = on_received

    def get(self, partner: Partner, cdr_id: str) -> StoredObject | None:
        """The partner's CDR, by its id or by the last segment of its URL; None if we hold none."""
        return self._store.get(_owner(partner), CDRS.key_of(cdr_id)) if is_storable(cdr_id) else None

    def receive(self, partner: Partner, body: bytes, now: datetime) -> tuple[Json, bool]:
        """Store a CDR that was posted; the CDR as stored, and whether it is new.

        Raises:
            InvalidJson, InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold one of this id with other content; this one is in the quarantine, for the operator.
        """
        try:
            return self._receive(partner, parse(body), now)
        except ContradictedCdr as contradiction:
            self._quarantine_contradiction(partner, contradiction, now)
            raise

    def _receive(self, partner: Partner, value: Any, now: datetime) -> tuple[Json, bool]:
        cdr, is_new, deviations = self._store_once(partner, value, now)
        count_deviations(self._counters, partner.id, CDRS.identifier, deviations)
        # For a repeat as well: the first attempt may have failed after it stored the CDR.
        self._on_received(partner, [cdr])
        return cdr, is_new

    def receive_all(self, partner: Partner, items: Sequence[Any], now: datetime) -> list[Outcome]:
        """Like ``receive``, for the CDRs of a page that we pulled (CDR-23): the outcome of each, in their order.

        CDRs that we hold are read in one store call per hundred, and deviations counted in one. Only CDRs that are not
        among them are looked up again, one by one.
        """
        held, outcomes = self._held(partner, items), list[Outcome]()
        cdrs, deviations = list[Json](), list[Deviation]()
        for item in items:
            try:
                cdr, is_new, found = self._store_once(partner, item, now, held)
            except ContradictedCdr as contradiction:
                # It goes to the quarantine, and the crawl goes on.
                self._quarantine_contradiction(partner, contradiction, now)
                outcomes.append(False)
            except ClientError as broken:
                outcomes.append(broken)
            else:
                outcomes.append(is_new)
                cdrs.append(cdr)
                deviations += found
        count_deviations(self._counters, partner.id, CDRS.identifier, deviations)
        self._on_received(partner, cdrs)
        return outcomes

    def _held(self, partner: Partner, items: Sequence[Any]) -> dict[str, StoredObject]:
        ids = [item.get(CDRS.id_field) for item in items if isinstance(item, dict)]
        keys = [CDRS.key_of(each) for each in ids if isinstance(each, str) and is_storable(each)]
        return self._store.get_many(theirs(partner.party), keys) if partner.party else {}

    def _store_once(
        self, partner: Partner, value: Any, now: datetime, held: dict[str, StoredObject] | None = None
    ) -> tuple[Json, bool, Sequence[Deviation]]:
        """The CDR as stored, whether it is new, and the deviations that were let pass.

        Args:
            partner: whose CDR it is.
            value: the CDR as it came, as a JSON value.
            now: the time.
            held: CDRs that were just read from the store, by their keys.
        """
        reading = read_value(Cdr, value, partner.profile, now)
        # A GET shows what was posted (CDR-05), without defaults of fields that they did not send.
        cdr = as_json(reading.value, defaults=False)
        if held and (stored := held.get(CDRS.key_of(cdr["id"]))):
            return _same(stored, cdr, reading.value, now), False, reading.deviations
        known = retry_on_conflict(partial(self._put_if_new, partner, cdr, reading.value, now), self._sleep)
        return known or cdr, known is None, reading.deviations

    def receive_from_quarantine(self, partner: Partner, body: bytes, now: datetime) -> bool:
        """Like ``receive``, for a CDR that is in the quarantine already; whether it is new.

        Raises:
            InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold one of this id with other content.
        """
        return self._receive(partner, parse(body), now)[1]

    def _put_if_new(self, partner: Partner, cdr: Json, value: Cdr, now: datetime) -> Json | None:
        """The CDR that we held before; None if there was none, and this one is stored."""
        owner, key = _owner(partner), CDRS.key_of(cdr["id"])
        stored = self._store.get(owner, key)
        if stored is None:
            self._announcer.object(partner, CDRS.identifier, cdr["id"], EventKind.CREATED, version=1)
            self._store.put(
                owner, StoredObject(id=key, body=as_bytes(cdr), last_updated=capped(value.last_updated, now))
            )
            return None
        return _same(stored, cdr, value, now)

    def _quarantine_contradiction(self, partner: Partner, contradiction: ContradictedCdr, now: datetime) -> None:
        cdr = contradiction.cdr
        # Somebody has to find out which of the two is to be paid.
        _LOG.error("partner %s sent CDR %r twice, with different content", partner.id, cdr["id"])
        self._quarantine.record(
            QuarantineEntry(
                partner_id=partner.id,
                module=CDRS.identifier,
                id=cdr["id"],
                body=as_bytes(cdr),
                reason=str(contradiction),
                at=now,
            )
        )
        self._counters.count(partner.id, {"cdr_contradicted": 1})


def _owner(partner: Partner) -> str:
    if partner.party is None:
        raise NotFound("we do not know which party you are")
    return theirs(partner.party)


def _same(stored: StoredObject, cdr: Json, value: Cdr, now: datetime) -> Json:
    """The stored CDR, if it has the content of this one.

    Raises:
        ContradictedCdr: it has other content.
    """
    known: Json = json.loads(stored.body)
    held = read_value(Cdr, known | {"id": cdr["id"]}, Profile.LENIENT, now).value
    if _content(as_json(held)) != _content(as_json(value)):
        raise ContradictedCdr(cdr)
    return known


def _content(value: Any) -> Any:
    """The value without ``last_updated`` at any depth, which makes no difference between CDRs (Q-49)."""
    if isinstance(value, dict):
        return {name: _content(each) for name, each in value.items() if name != "last_updated"}
    return [_content(each) for each in value] if isinstance(value, list) else value
