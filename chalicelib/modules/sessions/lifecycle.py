"""What becomes of a session over time: where it ends, and what a partner's update means to what we know.

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


def succeeding(known: Json, whole: Json) -> tuple[Json, tuple[Deviation, ...]]:
    """``whole`` as we hold it over the ``known`` session, and what the CPO should not have sent (Q-47).

    What is new about a finished session is taken, for it may be a correction; but it does not start again.
    """
    if known["status"] not in FINAL or known == whole:
        return whole, ()
    remarks = [Deviation(path="(the whole)", rule="SES-10", what="changed after the session was finished")]
    if whole["status"] in _OPEN:
        remarks.append(Deviation(path="status", rule="SES-10", what="went back from a final state, which was ignored"))
        kept = {name: known[name] for name in ("status", "end_datetime") if name in known}
        whole = {**whole, "status": known["status"]} if "end_datetime" in whole else whole | kept
    return whole, tuple(remarks)


def patched(known: Json, fields: Json) -> Json:
    """The fields of a PATCH with all charging periods that the session then has (Q-48).

    Some CPOs send the whole list, some send what is new: a list that begins no later than ours replaces it, one that
    begins after our last period goes behind it, and one in between is merged in by the start of each period.
    """
    given, stored = fields.get("charging_periods"), known.get("charging_periods")
    if not stored or not isinstance(given, list) or not given:
        return fields
    try:
        starts = {_start(period) for period in given}
    except (KeyError, TypeError, ValueError):
        # Not periods at all: the whole is validated afterwards, and says so.
        return fields
    if min(starts) <= min(map(_start, stored)):
        return fields
    kept = [period for period in stored if _start(period) not in starts]
    return fields | {"charging_periods": sorted([*kept, *given], key=_start)}


def _start(period: Any) -> Any:
    return parse_date_time(period["start_date_time"])
