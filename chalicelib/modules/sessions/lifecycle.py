"""The final states of a session, and how a partner's PUT or PATCH is applied to the session that we hold.

Spec: mod_sessions.md 1.1, 4.1; rule SES-10.
"""

from __future__ import annotations

from typing import Any, Final

from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Deviation
from chalicelib.ocpi.types import parse_date_time

FINAL: Final = frozenset({"COMPLETED", "INVALID"})
_OPEN: Final = frozenset({"PENDING", "ACTIVE"})


def is_final(session: Json) -> bool:
    """Whether the session may not change any more."""
    return session["status"] in FINAL


def reconcile(known: Json, whole: Json) -> tuple[Json, tuple[Deviation, ...]]:
    """The session to store when ``whole`` replaces the ``known`` one, and what the CPO should not have sent (Q-47).

    Changes of a session in a final state are taken, for they may be corrections; but it does not become active again.
    """
    if known["status"] not in FINAL or known == whole:
        return whole, ()
    deviations = [Deviation(path="(the whole)", rule="SES-10", what="changed after the session was finished")]
    if whole["status"] in _OPEN:
        deviations.append(
            Deviation(path="status", rule="SES-10", what="went back from a final state, which was ignored")
        )
        kept = {name: known[name] for name in ("status", "end_datetime") if name in known}
        whole = {**whole, "status": known["status"]} if "end_datetime" in whole else whole | kept
    return whole, tuple(deviations)


def expand_patch(known: Json, fields: Json) -> Json:
    """The fields of a PATCH, with ``charging_periods`` completed to the list that the session then has (Q-48).

    Some CPOs send the whole list, some only new periods: a list that begins no later than ours replaces it, one that
    begins after our last period is appended, and one in between is merged by the start of each period.
    """
    given, stored = fields.get("charging_periods"), known.get("charging_periods")
    if not stored or not isinstance(given, list) or not given:
        return fields
    try:
        starts = {_start(period) for period in given}
    except (KeyError, TypeError, ValueError):
        # These are no charging periods: the whole session is validated afterwards, and refused.
        return fields
    if min(starts) <= min(map(_start, stored)):
        return fields
    kept = [period for period in stored if _start(period) not in starts]
    return fields | {"charging_periods": sorted([*kept, *given], key=_start)}


def _start(period: Any) -> Any:
    return parse_date_time(period["start_date_time"])
