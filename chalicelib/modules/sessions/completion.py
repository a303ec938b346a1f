"""A CDR completes the session of the same id, whichever of the two arrives first (Q-47).

A CDR of 2.1.1 does not name its session. Many CPOs give both the same id; sessions of other CPOs stay as they were
pushed (Q-63).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from chalicelib.modules.sessions.lifecycle import is_final
from chalicelib.node.bodies import as_bytes
from chalicelib.node.clock import Sleep
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.objects import ObjectStore, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.errors import BodyTooLarge
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.types import parse_date_time

_LOG = logging.getLogger(__name__)

_CDR_FIELD_OF: Final = {
    "start_datetime": "start_date_time",
    "end_datetime": "stop_date_time",
    "kwh": "total_energy",
    "auth_method": "auth_method",
    "location": "location",
    "currency": "currency",
    "charging_periods": "charging_periods",
    "total_cost": "total_cost",
}
"""Session fields that are taken from the CDR, by the CDR's names; not ``auth_id``, which is an index key."""


class SessionCompletion:
    """Completes the sessions that we received with the values of the CDRs that we received."""

    def __init__(
        self, cdr_module: Module, sleep: Sleep, announcer: EventAnnouncer, *, sessions: ObjectStore, cdrs: ObjectStore
    ) -> None:
        self._sessions = sessions
        self._cdrs = cdrs
        self._cdr_module = cdr_module
        self._sleep = sleep
        self._announcer = announcer

    def corrected_by_cdr(self, owner: Party, before: Json | None, session: Json) -> Json | None:
        """The session with the values of the CDR of the same id; None without one.

        The CDR is read only where it can exist: one that came after ``before`` has completed that already.
        """
        if before and not is_final(session):
            return None
        stored = self._cdrs.get(theirs(owner), self._cdr_module.key_of(session["id"]))
        cdr: Json = json.loads(stored.body) if stored else {}
        return _completed(session, cdr) if cdr.get("id") == session["id"] else None

    def complete(self, partner: Partner, cdrs: Sequence[Json]) -> None:
        """Complete the sessions of these CDRs that we hold: one store call per hundred, two more for each session."""
        ids = [cdr["id"] for cdr in cdrs]
        held = self._sessions.get_many(theirs(partner.party), ids) if partner.party else {}
        for cdr in cdrs:
            session: Json = json.loads(held[cdr["id"]].body) if cdr["id"] in held else {}
            if session and _completed(session, cdr) != session:
                try:
                    retry_on_conflict(partial(self._complete, partner, cdr), self._sleep)
                except BodyTooLarge:
                    # The CDR is kept and the others go on; only this session stays open.
                    _LOG.exception("partner %s: the session of CDR %r is too large to be ended", partner.id, cdr["id"])

    def _complete(self, partner: Partner, cdr: Json) -> None:
        owner = theirs(partner.party) if partner.party else ""
        stored = self._sessions.get(owner, cdr["id"]) if owner else None
        if stored is None:
            return
        session: Json = json.loads(stored.body)
        completed = _completed(session, cdr)
        if completed == session:
            return
        # Pushes of the session that are older than its CDR come too late.
        stamp = max(stored.last_updated, parse_date_time(completed["last_updated"]))
        self._announcer.object(partner, ModuleID.SESSIONS, stored.id, EventKind.UPDATED, stored.version + 1)
        self._sessions.put(
            owner, replace(stored, body=as_bytes(completed), last_updated=stamp, version=stored.version + 1)
        )


def _completed(session: Json, cdr: Json) -> Json:
    """The session, completed, with the values of its CDR."""
    billed = {name: cdr[field] for name, field in _CDR_FIELD_OF.items()}
    stamp = max(session["last_updated"], cdr["last_updated"])
    return session | billed | {"status": "COMPLETED", "last_updated": stamp}
