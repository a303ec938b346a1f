"""They own the object and push it to us: GET, PUT, PATCH and DELETE, once for every module.

Spec: transport_and_format.md, Client owned object push; rules TRA-19 to TRA-32, LOC-11 to LOC-24, TAR-02 to TAR-05.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.ports import ObjectStore, Stored, theirs
from chalicelib.node.router import Call, Endpoint, Handler, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Level, Module
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find, merged, replaced, touched
from chalicelib.ocpi.reading import Deviation, Profile, Reading, parse, read, read_value
from chalicelib.ocpi.types import OcpiObject, format_date_time

_TOLERATED_SKEW: Final = timedelta(minutes=5)
"""A ``last_updated`` further ahead counts as now when pushes are compared (Q-72)."""


class Tallies(Protocol):
    """Counts what was forgiven; a ``PartnerStore`` does."""

    def tally(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters."""


def dumped(value: OcpiObject) -> Json:
    """The object as the JSON that we store and send: no nulls, no empty lists, stamps to the second."""
    found: Json = value.model_dump(mode="json", exclude_none=True)
    return found


def encoded(value: Json) -> bytes:
    """Canonical bytes: compact, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Addressed:
    """What a receiver's URL addresses: an owner's object, or a part of it."""

    owner: Party
    id: str
    path: Path
    level: Level

    @property
    def own_id(self) -> str:
        """The last segment, which the body must repeat."""
        return self.path[-1] if self.path else self.id


@dataclass(frozen=True, slots=True)
class _Push:
    """A part as it shall become, and how it came."""

    part: Json
    stamp: datetime
    stamped_by_us: bool
    deviations: tuple[Deviation, ...]


class Receiver:
    """The receiver's interface of one module."""

    def __init__(self, module: Module, store: ObjectStore, tallies: Tallies, sleep: Sleep) -> None:
        self._module = module
        self._store = store
        self._tallies = tallies
        self._sleep = sleep

    def endpoints(self) -> Iterable[Endpoint]:
        """The module's URLs in the tree of whoever does not own it, one per depth."""
        role, module = self._module.owner.other, self._module
        root = f"{version_root(role)}/{module.identifier}"
        # The published URL itself addresses no object, but it exists (VER-04).
        yield Endpoint(role, module.identifier, root, {}, interface="receiver")
        path = f"{root}/{{country_code}}/{{party_id}}"
        for depth, level in enumerate(module.levels):
            path += f"/{{{level.url_parameter}}}"
            methods: dict[str, Handler] = {"GET": self.get, "PUT": self.put, "PATCH": self.patch}
            if module.deletable and not depth:
                methods["DELETE"] = self.delete
            yield Endpoint(role, module.identifier, path, methods, interface="receiver")

    def get(self, call: Call) -> Response:
        """What we hold of the object or part (LOC-17, TRA-17).

        Raises:
            NotFound: nothing, or it is not the caller's.
        """
        at = self._addressed(call)
        stored = self._stored(at)
        if stored is None:
            raise self._missing(at)
        if not at.path:
            return success(call.now, stored.body)
        part = find(json.loads(stored.body), self._module.levels, at.path)
        if part is None:
            raise self._missing(at)
        return success(call.now, encoded(part))

    def put(self, call: Call) -> Response:
        """Create or replace the object or part (TRA-19 to TRA-21, TRA-26).

        Raises:
            InvalidJson, InvalidParameters: the body is not such an object, or names another id (TRA-31).
            NotFound: the parent is unknown (LOC-14), or the owner is not the caller.
        """
        at = self._addressed(call)
        reading = read(at.level.model, call.request.body, call.partner.profile, call.now)
        self._same_id(at, dumped(reading.value))
        created = repeated(lambda: self._put(call, at, reading), self._sleep)
        self._count(call, reading.deviations)
        return success(call.now, created=created)

    def _put(self, call: Call, at: Addressed, reading: Reading[OcpiObject]) -> bool:
        stored = self._stored(at, deleted=True)
        whole = None if stored is None or stored.aside.get("deleted_at") else json.loads(stored.body)
        if at.path and (whole is None or find(whole, self._module.levels, at.path[:-1]) is None):
            raise self._missing(at, parent=True)
        known = None if whole is None else find(whole, self._module.levels, at.path)
        push = _Push(dumped(reading.value), _stamp(reading.value), _is_missing(reading), reading.deviations)
        if known is not None and self._is_stale(call, at, stored, known, push):
            return False
        part = push.part if known is None else self._with_unnamed_parts(at, push.part, known)
        self._write(call, at, stored, whole or {}, push, part)
        return known is None

    def _with_unnamed_parts(self, at: Addressed, part: Json, known: Json) -> Json:
        """``part`` with the parts that the owner did not mention at all and may not delete (Q-29)."""
        inner = self._inner(at)
        keeps = inner is not None and inner.removed and inner.list_field not in part and known.get(inner.list_field)
        return part | {inner.list_field: known[inner.list_field]} if inner is not None and keeps else part

    def patch(self, call: Call) -> Response:
        """Change the given fields of the object or part; the merged whole must be valid (TRA-22, TRA-24).

        Raises:
            InvalidJson, InvalidParameters: not a JSON object, or the result would break a rule.
            NotFound: there is nothing to change.
        """
        at = self._addressed(call)
        patch = parse(call.request.body)
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object (TRA-22)")
        deviations = repeated(lambda: self._patch(call, at, patch), self._sleep)
        self._count(call, deviations)
        return success(call.now)

    def _patch(self, call: Call, at: Addressed, patch: Json) -> tuple[Deviation, ...]:
        stored = self._stored(at)
        whole = None if stored is None else json.loads(stored.body)
        known = None if whole is None else find(whole, self._module.levels, at.path)
        if stored is None or known is None:
            raise self._missing(at)
        push = self._merged(call, at, known, patch)
        if self._is_stale(call, at, stored, known, push) or push.part == known:
            return ()
        self._write(call, at, stored, whole or {}, push, push.part)
        return push.deviations

    def _merged(self, call: Call, at: Addressed, known: Json, patch: Json) -> _Push:
        profile, model = call.partner.profile, at.level.model
        fields, forgiven = _without_required_nulls(model, patch, profile)
        stamped_by_us = fields.get("last_updated") is None
        if stamped_by_us:
            fields |= {"last_updated": format_date_time(call.now)}
        depth = len(at.path)
        whole, skipped = merged(known, fields, self._module.levels[depth:], _completeness(profile, call.now))
        self._same_id(at, whole)
        if skipped and profile is Profile.STRICT:
            raise InvalidParameters(f"{model.__name__}: {skipped[0]} is neither known nor complete (Q-45)")
        reading = read_value(model, whole, profile, call.now)
        touched_fields = [d for d in reading.deviations if d.path.split(".")[0].split("[")[0] in fields]
        incomplete = [Deviation(path, "Q-45", "is an incomplete part and was skipped") for path in skipped]
        deviations = (*forgiven, *incomplete, *touched_fields)
        stamp = call.now if stamped_by_us else _stamp(reading.value)
        return _Push(dumped(reading.value), stamp, stamped_by_us, deviations)

    def delete(self, call: Call) -> Response:
        """Take the object away; we keep it aside for objects that still refer to it (TAR-03, TAR-16).

        Raises:
            NotFound: there is no such object.
        """
        at = self._addressed(call)
        repeated(lambda: self._delete(call, at), self._sleep)
        return success(call.now)

    def _delete(self, call: Call, at: Addressed) -> None:
        stored = self._stored(at)
        if stored is None:
            raise self._missing(at)
        aside = {"deleted_at": format_date_time(call.now)}
        tombstone = Stored(at.id, stored.body, stored.last_updated, stored.version + 1, aside=aside)
        self._store.put(theirs(at.owner), tombstone)

    # --- what the four have in common ----------------------------------------------------------------------------

    def _addressed(self, call: Call) -> Addressed:
        """What the URL addresses, if it is the caller's to address (TRA-30)."""
        try:
            owner = Party.of(call.params["country_code"], call.params["party_id"])
        except ValueError:
            owner = None
        if owner is None or owner != call.partner.party:
            raise NotFound("the country_code and party_id in the URL are not yours (TRA-30)")
        ids = [call.params[level.url_parameter] for level in self._module.levels if level.url_parameter in call.params]
        return Addressed(owner, ids[0], tuple(ids[1:]), self._module.level_of(ids[1:]))

    def _inner(self, at: Addressed) -> Level | None:
        below = self._module.levels[len(at.path) + 1 :]
        return below[0] if below else None

    def _stored(self, at: Addressed, *, deleted: bool = False) -> Stored | None:
        if not 0 < len(at.id) <= 255:
            return None
        stored = self._store.get(theirs(at.owner), at.id)
        return None if stored is None or (stored.aside.get("deleted_at") and not deleted) else stored

    def _missing(self, at: Addressed, *, parent: bool = False) -> NotFound:
        level = self._module.level_of(at.path[:-1]) if parent else at.level
        return self._module.not_found(f"we have no such {level.model.__name__} of {at.owner}")

    def _same_id(self, at: Addressed, part: Json) -> None:
        if part[at.level.id_field] != at.own_id:
            raise InvalidParameters(f"{at.level.model.__name__}.{at.level.id_field} is not the id in the URL (TRA-31)")

    def _is_stale(self, call: Call, at: Addressed, stored: Stored | None, known: Json, push: _Push) -> bool:
        """Whether the push is older than what we hold: accepted, not applied, counted (Q-32)."""
        marks = stored.aside.get("stamped_by_us", []) if stored else []
        if stored is None or push.stamped_by_us or "/".join(at.path) in marks:
            return False
        newest = stored.last_updated if not at.path else _moment(known["last_updated"])
        # Parts are stored to the second; a push within that second is no older than they are.
        stale = _capped(push.stamp, call.now) < newest
        if stale:
            self._tallies.tally(call.partner.id, {"stale_ignored": 1})
        return stale

    def _write(self, call: Call, at: Addressed, stored: Stored | None, whole: Json, push: _Push, part: Json) -> None:
        levels = self._module.levels
        after = replaced(whole, levels, at.path, part)
        after = touched(after, levels, at.path, format_date_time(push.stamp))
        stamp = _capped(push.stamp, call.now)
        if stored is not None and at.path:
            stamp = max(stamp, stored.last_updated)
        new = Stored(at.id, encoded(after), stamp, stored.version + 1 if stored else 1, aside=_aside(stored, at, push))
        self._store.put(theirs(at.owner), self._with_absent_parts(new, whole, after))

    def _with_absent_parts(self, new: Stored, before: Json, after: Json) -> Stored:
        """Remembers parts that a whole no longer lists although the spec forbids to delete them (Q-29)."""
        lasting = [level for level in self._module.levels[1:2] if level.removed]
        if not lasting:
            return new
        level = lasting[0]
        listed = {part[level.id_field] for part in after.get(level.list_field) or ()}
        absent = {part[level.id_field]: part for part in before.get(level.list_field) or ()}
        absent = {**new.aside.get("absent", {}), **absent}
        absent = {part_id: part for part_id, part in absent.items() if part_id not in listed}
        aside = {name: value for name, value in new.aside.items() if name != "absent"}
        if absent:
            aside["absent"] = absent
        return Stored(new.id, new.body, new.last_updated, new.version, aside=aside)

    def _count(self, call: Call, deviations: Iterable[Deviation]) -> None:
        counts: dict[str, int] = {}
        for deviation in deviations:
            name = f"lenient {deviation.rule} {self._module.identifier} {deviation.path} {deviation.what}"
            counts[name] = counts.get(name, 0) + 1
        if counts:
            self._tallies.tally(call.partner.id, counts)


def _aside(stored: Stored | None, at: Addressed, push: _Push) -> dict[str, Any]:
    """What we know beside the body after this push: a whole replacement forgets earlier marks."""
    before = dict(stored.aside) if stored else {}
    before.pop("deleted_at", None)
    here = "/".join(at.path)
    marks = {mark for mark in before.pop("stamped_by_us", ()) if mark != here and at.path}
    if push.stamped_by_us:
        marks |= {"/".join(at.path[:depth]) for depth in range(len(at.path) + 1)}
    return before | ({"stamped_by_us": sorted(marks)} if marks else {})


def _completeness(profile: Profile, now: datetime) -> Callable[[Level, Json], bool]:
    def complete(level: Level, fragment: Json) -> bool:
        try:
            read_value(level.model, fragment, profile, now)
        except InvalidParameters:
            return False
        return True

    return complete


def _without_required_nulls(
    model: type[OcpiObject], patch: Json, profile: Profile
) -> tuple[Json, tuple[Deviation, ...]]:
    """The patch without nulls for required fields, which mean nothing (Q-21)."""
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    nulls = [name for name in required if name in patch and patch[name] is None and name != "last_updated"]
    if nulls and profile is Profile.STRICT:
        raise InvalidParameters(f"{model.__name__}: {nulls[0]} is required and cannot be null (TRA-36)")
    kept = {name: value for name, value in patch.items() if name not in nulls}
    return kept, tuple(Deviation(name, "TRA-36", "is null in a PATCH and was ignored") for name in nulls)


def _stamp(value: OcpiObject) -> datetime:
    stamp = value.last_updated  # type: ignore[attr-defined]
    return stamp if isinstance(stamp, datetime) else datetime.max.replace(tzinfo=UTC)


def _is_missing(reading: Reading[Any]) -> bool:
    return any(d.path == "last_updated" and d.what == "is missing" for d in reading.deviations)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _capped(stamp: datetime, now: datetime) -> datetime:
    return stamp if stamp <= now + _TOLERATED_SKEW else now
