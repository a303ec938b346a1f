"""A push as a value: the object or part as it shall become, the time it carries, and what had to be forgiven.

A part is an EVSE or connector, which has a URL of its own below its object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.node.bodies import as_json
from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import Level, stand_ins_of
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, merge_patch
from chalicelib.ocpi.reading import Deviation, Profile, Reading, StandIns, read_value
from chalicelib.ocpi.types import OcpiObject, format_date_time

_TOLERATED_SKEW: Final = timedelta(minutes=5)
"""A ``last_updated`` further ahead counts as now when pushes are compared (Q-72)."""


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """What the URL of a push names: an object of an owner, or a part of it."""

    owner: Party
    id: str
    """The object's id."""
    path: Path
    """The ids that lead from the object to the part; empty for the object itself."""
    levels: Sequence[Level]
    """The level of what is addressed, then those inside it."""

    @property
    def level(self) -> Level:
        """The level of what is addressed."""
        return self.levels[0]

    @property
    def inner(self) -> Level | None:
        """The level below it; None if there is none."""
        return self.levels[1] if len(self.levels) > 1 else None

    @property
    def own_id(self) -> str:
        """The id of what is addressed: the last segment of the URL, which the body must repeat (TRA-31)."""
        return self.path[-1] if self.path else self.id


@dataclass(frozen=True, slots=True)
class IncomingPart:
    """An object or part as it shall become after a push, before it is compared with what we hold."""

    part: Json
    """All of its fields."""
    stamp: datetime
    """Its ``last_updated``."""
    _: KW_ONLY
    stamped_by_us: bool
    """Whether the partner left ``last_updated`` out, so that it is the time of the push."""
    is_whole: bool
    """Whether it was a PUT: inner parts that are not in it are gone."""
    unsure: frozenset[str]
    """Paths of the parts whose ``last_updated`` tells nothing about order: set by us, or in the future (Q-31, Q-72).
    Ids joined by ``/``; the object itself is the empty path."""
    deviations: tuple[Deviation, ...]
    """What was forgiven."""

    def keeping(self, at: ObjectAddress, known: Json) -> IncomingPart:
        """With the inner parts of ``known``, if the push has no list of them and they may not be deleted (Q-29).

        Args:
            at: what the push addresses.
            known: the same as we hold it.
        """
        inner = at.inner
        if inner is None or not inner.removal_marker:
            return self
        if inner.list_field in self.part or not known.get(inner.list_field):
            return self
        return replace(self, part=self.part | {inner.list_field: known[inner.list_field]}, is_whole=False)


def read_put(at: ObjectAddress, value: Any, partner: Partner, now: datetime) -> IncomingPart:
    """An object or part that was sent as a whole.

    Args:
        at: what it is.
        value: the JSON value of the body, or of an element of a list that was pulled.
        partner: who sent it, and how leniently it is read.
        now: the time, which stands in for a ``last_updated`` that is left out (Q-31).

    Raises:
        InvalidParameters: it is no such object, or has another id than the URL (TRA-31).
    """
    reading = read_value(at.level.model, value, partner.profile, now, stand_ins=_stand_ins(at.levels, partner))
    lacks_stamp = any(each.path == "last_updated" and _is_missing_stamp(each) for each in reading.deviations)
    return _push_of(at, reading, now, stamped_by_us=lacks_stamp, is_whole=True)


def read_patch(at: ObjectAddress, known: Json, patch: Json, partner: Partner, now: datetime) -> IncomingPart:
    """An object or part with some of its fields changed.

    Args:
        at: what it is.
        known: all of it as we hold it.
        patch: the fields to change; those in lists of inner parts are merged by id.
        partner: who sent it, and how leniently it is read.
        now: the time, which stands in for a ``last_updated`` that is left out (Q-31).

    Raises:
        InvalidParameters: the changed object breaks a rule, or has another id than the URL (TRA-31, LOC-22).
    """
    profile = partner.profile
    fields, forgiven = _without_required_nulls(at.levels, patch, profile)
    stamped_by_us = fields.get("last_updated") is None
    if stamped_by_us:
        fields |= {"last_updated": format_date_time(now)}
    whole, skipped = merge_patch(known, fields, at.levels, _completeness(at.levels, partner, now))
    if skipped and profile is Profile.STRICT:
        raise InvalidParameters(f"{at.level.model.__name__}: {skipped[0]} is neither known nor complete (Q-45)")
    _require_own_id(at, whole)
    reading = read_value(at.level.model, whole, profile, now, stand_ins=_stand_ins(at.levels, partner))
    touched_fields = [each for each in reading.deviations if each.path.split(".")[0].split("[")[0] in fields]
    incomplete = [Deviation(path=path, rule="Q-45", what="is an incomplete part and was skipped") for path in skipped]
    found = Reading(reading.value, (*forgiven, *incomplete, *touched_fields))
    return _push_of(at, found, now, stamped_by_us=stamped_by_us, is_whole=False)


def _push_of(
    at: ObjectAddress, reading: Reading[OcpiObject], now: datetime, *, stamped_by_us: bool, is_whole: bool
) -> IncomingPart:
    part, stamp = as_json(reading.value), now if stamped_by_us else _last_updated(reading.value)
    _require_own_id(at, part)
    filled = stamped_by_us or any(_is_missing_stamp(each) for each in reading.deviations)
    stamps, latest = _stamps(part, at.levels, at.path), format_date_time(now + _TOLERATED_SKEW)
    ahead = {mark for mark, text in stamps.items() if text > latest}
    ours = {mark for mark, text in stamps.items() if filled and text == format_date_time(now)}
    remarks = (Deviation(path="last_updated", rule="Q-72", what="lies in the future"),) if ahead else ()
    return IncomingPart(
        part,
        stamp,
        stamped_by_us=stamped_by_us,
        is_whole=is_whole,
        unsure=frozenset(ahead | ours),
        deviations=(*reading.deviations, *remarks),
    )


def _require_own_id(at: ObjectAddress, part: Json) -> None:
    if part[at.level.id_field] != at.own_id:
        raise InvalidParameters(f"{at.level.model.__name__}.{at.level.id_field} is not the id in the URL (TRA-31)")


# --- order by time -------------------------------------------------------------------------------------------------


def is_older(push: IncomingPart, at: ObjectAddress, stored: StoredObject, known: Json, now: datetime) -> bool:
    """Whether the push is older than what we hold (Q-32); False where a ``last_updated`` tells nothing about order."""
    if push.stamped_by_us or _mark(at.path) in stored.metadata.get("unsure_stamps", ()):
        return False
    # Parts are stored to the second; a push within that second is no older than they are.
    newest = datetime.fromisoformat(known["last_updated"]) if at.path else stored.last_updated
    return capped(push.stamp, now) < newest


def capped(stamp: datetime, now: datetime) -> datetime:
    """The stamp; ``now`` if the stamp lies more than five minutes ahead of it (Q-72)."""
    return stamp if stamp <= now + _TOLERATED_SKEW else now


def metadata_after(stored: StoredObject | None, at: ObjectAddress, push: IncomingPart) -> dict[str, Any]:
    """The metadata of the object after this push.

    Marks of deletion and absence are dropped, and stamps of unsure order that the push replaces.
    """
    before = dict(stored.metadata) if stored else {}
    for outlived in ("deleted_at", "absent_since", "absent_pulls", "absent_in"):
        before.pop(outlived, None)
    here, marks = _mark(at.path), set(before.pop("unsure_stamps", ()))
    below = {mark for mark in marks if push.is_whole and (not at.path or mark.startswith(f"{here}/"))}
    marks = marks - below - {here} | push.unsure
    if here in push.unsure:
        # Its stamp went up to its parents.
        marks |= {_mark(at.path[:depth]) for depth in range(len(at.path))}
    return before | ({"unsure_stamps": sorted(marks)} if marks else {})


def _mark(path: Path) -> str:
    return "/".join(path)


def _stamps(part: Json, levels: Sequence[Level], path: Path) -> dict[str, str]:
    """The ``last_updated`` of the part and of the parts inside it, by their paths."""
    found = {_mark(path): part["last_updated"]}
    for level in levels[1:2]:
        for item in part.get(level.list_field) or ():
            found |= _stamps(item, levels[1:], (*path, item[level.id_field]))
    return found


def _stand_ins(levels: Sequence[Level], partner: Partner) -> StandIns:
    """Values for required fields that the operator lets this partner leave out; empty for most partners (Q-31)."""
    return stand_ins_of(levels) if partner.accept_incomplete_locations else {}


def _last_updated(value: OcpiObject) -> datetime:
    stamp: datetime = value.last_updated  # type: ignore[attr-defined] # every object that is pushed has it
    return stamp


def _is_missing_stamp(deviation: Deviation) -> bool:
    return deviation.path.endswith("last_updated") and deviation.what == "is missing"


# --- patches -------------------------------------------------------------------------------------------------------


def _completeness(levels: Sequence[Level], partner: Partner, now: datetime) -> Callable[[Level, Json], bool]:
    """A function that says whether a fragment in a patch is a complete part, which may be added (Q-45)."""

    def complete(level: Level, fragment: Json) -> bool:
        inside = _stand_ins(levels[levels.index(level) :], partner)
        try:
            read_value(level.model, fragment, partner.profile, now, stand_ins=inside)
        except InvalidParameters:
            return False
        return True

    return complete


def _without_required_nulls(
    levels: Sequence[Level], patch: Json, profile: Profile, where: str = ""
) -> tuple[Json, tuple[Deviation, ...]]:
    """The patch without nulls for required fields, which mean nothing (Q-21), and the deviations that they are.

    The same for the fragments of inner parts; ``where`` is the path to them, for the deviations.
    """
    model = levels[0].model
    nulls = [name for name, field in model.model_fields.items() if field.is_required() and patch.get(name, "") is None]
    forgiven = [name for name in nulls if name != "last_updated"]
    if forgiven and profile is Profile.STRICT:
        raise InvalidParameters(f"{model.__name__}: {where}{forgiven[0]} is required and cannot be null (TRA-36)")
    fields = {name: value for name, value in patch.items() if name not in nulls}
    deviations = [
        Deviation(path=f"{where}{name}", rule="TRA-36", what="is null in a PATCH and was ignored") for name in forgiven
    ]
    for level in levels[1:2]:
        fragments, below = fields.get(level.list_field), f"{where}{level.list_field}[]."
        if isinstance(fragments, list):
            mended = [
                _without_required_nulls(levels[1:], each, profile, below) if isinstance(each, dict) else (each, ())
                for each in fragments
            ]
            fields |= {level.list_field: [fragment for fragment, _ in mended]}
            deviations += [deviation for _, inner in mended for deviation in inner]
    return fields, tuple(deviations)
