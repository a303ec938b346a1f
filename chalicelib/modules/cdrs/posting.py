"""They post a CDR to us, once: it is kept as it came, at a URL of its own, and never changes.

Spec: mod_cdrs.md 2.2; rules CDR-04 to CDR-08, CDR-18, CDR-22.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from chalicelib.modules.cdrs.interface import CDRS, step_of
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.bodies import dumped, encoded
from chalicelib.node.incoming import capped
from chalicelib.node.partners import Partner
from chalicelib.node.ports import ObjectStore, Quarantine, Quarantined, Stored, is_storable, theirs
from chalicelib.node.receiver import Tallies, count
from chalicelib.node.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Profile, read, read_value

_LOG = logging.getLogger(__name__)

Received = Callable[[Partner, Json], None]
"""Told of each CDR, once or more often."""


class ContradictedCdr(InvalidParameters):
    """We hold a CDR of this id with other content, and a CDR never changes (CDR-08, Q-49)."""


class CdrReceiver:
    """The receiver's interface of the CDRs module."""

    def __init__(
        self, store: ObjectStore, tallies: Tallies, quarantine: Quarantine, sleep: Sleep, received: Received
    ) -> None:
        self._store = store
        self._tallies = tallies
        self._quarantine = quarantine
        self._sleep = sleep
        self._received = received

    def endpoints(self) -> Iterable[Endpoint]:
        """The collection, which is posted to, and each CDR's URL, where it can be read again."""
        role, identifier = CDRS.owner.other, CDRS.identifier
        root = f"{version_root(role)}/{identifier}"
        yield Endpoint(role, identifier, root, {"POST": self.post}, interface="receiver")
        yield Endpoint(role, identifier, f"{root}/{{cdr_id}}", {"GET": self.get}, interface="receiver")

    def post(self, call: Call) -> Response:
        """Keep the CDR, and say where it is found from now on (CDR-04); a repeat is told the same.

        Raises:
            InvalidJson, InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold another one of this id; this one is kept aside for the operator.
        """
        reading = read(Cdr, call.request.body, call.partner.profile, call.now)
        # What is shown again is what was posted (CDR-05), without what its Location means though nobody says it.
        cdr = dumped(reading.value, defaults=False)
        try:
            known = repeated(lambda: self._keep(call, cdr, reading.value), self._sleep)
        except ContradictedCdr as contradiction:
            self._put_aside(call, cdr, contradiction)
            raise
        count(self._tallies, call.partner.id, CDRS.identifier, reading.deviations)
        # For a repeat as well: we may have failed between keeping the CDR and telling of it.
        self._received(call.partner, known or cdr)
        location = f"{call.url}/{quote(step_of((known or cdr)['id']), safe='*')}"
        return success(call.now, created=known is None, headers={"location": location})

    def _keep(self, call: Call, cdr: Json, value: Cdr) -> Json | None:
        """The CDR as we have held it before; None if it is new."""
        owner, key = self._owner(call), CDRS.key_of(cdr["id"])
        stored = self._store.get(owner, key)
        if stored is None:
            self._store.put(owner, Stored(key, encoded(cdr), capped(value.last_updated, call.now)))
            return None
        known: Json = json.loads(stored.body)
        held = read_value(Cdr, known | {"id": cdr["id"]}, Profile.LENIENT, call.now).value
        if _content(dumped(held)) != _content(dumped(value)):
            raise ContradictedCdr("Cdr: we hold a CDR of this id with different content (CDR-08)")
        return known

    def _put_aside(self, call: Call, cdr: Json, contradiction: ContradictedCdr) -> None:
        # Somebody has to find out which of the two is to be paid.
        _LOG.error("partner %s sent CDR %r twice, with different content", call.partner.id, cdr["id"])
        self._quarantine.record(
            Quarantined(call.partner.id, CDRS.identifier, cdr["id"], encoded(cdr), str(contradiction), call.now)
        )
        self._tallies.tally(call.partner.id, {"cdr_contradicted": 1})

    def get(self, call: Call) -> Response:
        """The CDR as it was posted (CDR-05).

        Raises:
            NotFound: the caller has posted none of this id (CDR-06).
        """
        object_id = call.params["cdr_id"]
        stored = self._store.get(self._owner(call), CDRS.key_of(object_id)) if is_storable(object_id) else None
        if stored is None:
            raise NotFound("we have no such Cdr of yours")
        return success(call.now, stored.body)

    def _owner(self, call: Call) -> str:
        if call.partner.party is None:
            raise NotFound("we do not know which party you are")
        return theirs(call.partner.party)


def _content(value: Any) -> Any:
    """What a CDR says, whenever it was said (Q-49)."""
    if isinstance(value, dict):
        return {name: _content(each) for name, each in value.items() if name != "last_updated"}
    return [_content(each) for each in value] if isinstance(value, list) else value
