"""What becomes of a partner's CDR that reaches us, posted or pulled: kept as it came, and never changed.

Rules CDR-05, CDR-08, CDR-18, CDR-23; Q-49.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.bodies import dumped, encoded
from chalicelib.node.incoming import capped
from chalicelib.node.leniency import Tallies, count
from chalicelib.node.partners import Partner
from chalicelib.node.ports import ObjectStore, Quarantine, Quarantined, Stored, is_storable, theirs
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Profile, read, read_value

_LOG = logging.getLogger(__name__)

Received = Callable[[Partner, Json], None]
"""Told of each CDR, once or more often."""


class ContradictedCdr(InvalidParameters):
    """We hold a CDR of this id with other content, and a CDR never changes (CDR-08, Q-49)."""


class CdrKeeper:
    """The partners' CDRs."""

    def __init__(
        self, store: ObjectStore, tallies: Tallies, quarantine: Quarantine, sleep: Sleep, received: Received
    ) -> None:
        self._store = store
        self._tallies = tallies
        self._quarantine = quarantine
        self._sleep = sleep
        self._received = received

    def stored(self, partner: Partner, cdr_id: str) -> Stored | None:
        """What we hold of the partner's CDR, by its id or by the last step of its URL."""
        return self._store.get(_owner(partner), CDRS.key_of(cdr_id)) if is_storable(cdr_id) else None

    def take(self, partner: Partner, body: bytes, now: datetime) -> tuple[Json, bool]:
        """The CDR as we hold it from now on, and whether it is new.

        Raises:
            InvalidJson, InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold another one of this id; this one is kept aside for the operator.
        """
        reading = read(Cdr, body, partner.profile, now)
        # What is shown again is what was posted (CDR-05), without what its Location means though nobody says it.
        cdr = dumped(reading.value, defaults=False)
        try:
            known = repeated(lambda: self._keep(partner, cdr, reading.value, now), self._sleep)
        except ContradictedCdr as contradiction:
            self._put_aside(partner, cdr, contradiction, now)
            raise
        count(self._tallies, partner.id, CDRS.identifier, reading.deviations)
        # For a repeat as well: we may have failed between keeping the CDR and telling of it.
        self._received(partner, known or cdr)
        return known or cdr, known is None

    def pulled(self, partner: Partner, body: bytes, now: datetime) -> bool:
        """Like ``take``, for a CDR that was pulled and may also be posted (CDR-23); whether it is new.

        Raises:
            InvalidParameters: the body is no CDR.
        """
        try:
            return self.take(partner, body, now)[1]
        except ContradictedCdr:
            # It is put aside, and the crawl goes on.
            return False

    def _keep(self, partner: Partner, cdr: Json, value: Cdr, now: datetime) -> Json | None:
        """The CDR as we have held it before; None if it is new."""
        owner, key = _owner(partner), CDRS.key_of(cdr["id"])
        stored = self._store.get(owner, key)
        if stored is None:
            self._store.put(owner, Stored(key, encoded(cdr), capped(value.last_updated, now)))
            return None
        known: Json = json.loads(stored.body)
        held = read_value(Cdr, known | {"id": cdr["id"]}, Profile.LENIENT, now).value
        if _content(dumped(held)) != _content(dumped(value)):
            raise ContradictedCdr("Cdr: we hold a CDR of this id with different content (CDR-08)")
        return known

    def _put_aside(self, partner: Partner, cdr: Json, contradiction: ContradictedCdr, now: datetime) -> None:
        # Somebody has to find out which of the two is to be paid.
        _LOG.error("partner %s sent CDR %r twice, with different content", partner.id, cdr["id"])
        self._quarantine.record(
            Quarantined(partner.id, CDRS.identifier, cdr["id"], encoded(cdr), str(contradiction), now)
        )
        self._tallies.tally(partner.id, {"cdr_contradicted": 1})


def _owner(partner: Partner) -> str:
    if partner.party is None:
        raise NotFound("we do not know which party you are")
    return theirs(partner.party)


def _content(value: Any) -> Any:
    """What a CDR says, whenever it was said (Q-49)."""
    if isinstance(value, dict):
        return {name: _content(each) for name, each in value.items() if name != "last_updated"}
    return [_content(each) for each in value] if isinstance(value, list) else value
