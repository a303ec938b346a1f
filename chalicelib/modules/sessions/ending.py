"""A CDR ends its session: it is the last word, whichever of the two arrives first (Q-47).

2.1.1 does not name the session in a CDR. CPOs that use one id for both are understood; the others' sessions stay as
their owners left them (Q-63).
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

_LIKE_THE_CDR: Final = {
    "start_datetime": "start_date_time",
    "end_datetime": "stop_date_time",
    "kwh": "total_energy",
    "auth_method": "auth_method",
    "location": "location",
    "currency": "currency",
    "charging_periods": "charging_periods",
    "total_cost": "total_cost",
}
"""Fields of a session, and those of a CDR that say the same; but for the contract, by which a session is found."""


class SessionEnds:
    """What the CDRs that we hold tell about the sessions that we hold."""

    def __init__(
        self, cdr_module: Module, sleep: Sleep, announcer: EventAnnouncer, *, sessions: ObjectStore, cdrs: ObjectStore
    ) -> None:
        self._sessions = sessions
        self._cdrs = cdrs
        self._cdr_module = cdr_module
        self._sleep = sleep
        self._announcer = announcer

    def corrected(self, owner: Party, before: Json | None, session: Json) -> Json | None:
        """The session as the CDR of the same id tells it; None without one.

        Looks only where there can be one: a CDR that came later than ``before`` has ended that.
        """
        if before and not is_final(session):
            return None
        stored = self._cdrs.get(theirs(owner), self._cdr_module.key_of(session["id"]))
        cdr: Json = json.loads(stored.body) if stored else {}
        return _finished(session, cdr) if cdr.get("id") == session["id"] else None

    def ended(self, partner: Partner, cdrs: Sequence[Json]) -> None:
        """Finish the sessions of these CDRs, where we hold them; one call per hundred, two more for each session."""
        ids = [cdr["id"] for cdr in cdrs]
        held = self._sessions.get_many(theirs(partner.party), ids) if partner.party else {}
        for cdr in cdrs:
            session: Json = json.loads(held[cdr["id"]].body) if cdr["id"] in held else {}
            if session and _finished(session, cdr) != session:
                try:
                    retry_on_conflict(partial(self._ended, partner, cdr), self._sleep)
                except BodyTooLarge:
                    # The CDR is kept; that its session stays open hurts neither that nor other CDRs.
                    _LOG.exception("partner %s: the session of CDR %r is too large to be ended", partner.id, cdr["id"])

    def _ended(self, partner: Partner, cdr: Json) -> None:
        owner = theirs(partner.party) if partner.party else ""
        stored = self._sessions.get(owner, cdr["id"]) if owner else None
        if stored is None:
            return
        session: Json = json.loads(stored.body)
        finished = _finished(session, cdr)
        if finished == session:
            return
        # Pushes of the session that are older than its CDR come too late.
        stamp = max(stored.last_updated, parse_date_time(finished["last_updated"]))
        self._announcer.object(partner, ModuleID.SESSIONS, stored.id, EventKind.UPDATED, stored.version + 1)
        self._sessions.put(
            owner, replace(stored, body=as_bytes(finished), last_updated=stamp, version=stored.version + 1)
        )


def _finished(session: Json, cdr: Json) -> Json:
    """The session as its CDR bills it."""
    told = {name: cdr[field] for name, field in _LIKE_THE_CDR.items()}
    stamp = max(session["last_updated"], cdr["last_updated"])
    return session | told | {"status": "COMPLETED", "last_updated": stamp}
