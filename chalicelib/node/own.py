"""Our own objects, as the host puts them in: validated, stamped, announced to partners, then written.

Every change is announced before it is written, so that no crash can lose it. A write that changes no content
changes nothing: no version, no stamp, no push (Q-68).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.ports import MOST_AT_ONCE, OURS, Announcement, ObjectStore, Queues, Stored
from chalicelib.node.receiver import dumped, encoded
from chalicelib.node.sender import EVERYBODY
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.module import Level, Module
from chalicelib.ocpi.parts import Change, Json, Path, difference, find, merged, replaced, touched
from chalicelib.ocpi.reading import Deviation, Profile, read_value
from chalicelib.ocpi.types import format_date_time


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one object that the host put in."""

    outcome: str
    """``created``, ``updated`` or ``unchanged``."""
    body: bytes
    remarks: tuple[Deviation, ...] = ()
    """What the spec only warns about, and fields it does not know."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a list that the host put in; one bad object does not stop the others."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: tuple[tuple[int, str, str], ...] = ()
    """Place in the list, id as far as it is known, and why."""
    remarks: tuple[tuple[str, Deviation], ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    """An object as it shall become, next to what it was."""

    id: str
    before: Stored | None
    whole: Json
    changes: tuple[Change, ...]
    remarks: tuple[Deviation, ...] = field(default=())

    @property
    def version(self) -> int:
        return self.before.version + 1 if self.before else 1


class OwnObjects:
    """The objects of one module that we own."""

    def __init__(
        self, module: Module, store: ObjectStore, queues: Queues, clock: Callable[[], datetime], sleep: Sleep
    ) -> None:
        self.module = module
        self._store = store
        self._queues = queues
        self._clock = clock
        self._sleep = sleep

    def get(self, object_id: str, path: Path = ()) -> Json:
        """The object or part.

        Raises:
            NotFound: there is none.
        """
        stored = self._store.get(OURS, object_id)
        part = find(json.loads(stored.body), self.module.levels, path) if stored else None
        if part is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        return part

    def put(self, object_id: str, path: Path, value: Any) -> Kept:
        """Create or replace the object or part; ``last_updated`` may be left out, the node sets it.

        Raises:
            InvalidParameters: not a valid object, or another id than the one addressed.
            NotFound: the parent of the part is unknown.
        """
        return repeated(lambda: self._put(object_id, path, value), self._sleep)

    def _put(self, object_id: str, path: Path, value: Any) -> Kept:
        stored = self._store.get(OURS, object_id)
        before = json.loads(stored.body) if stored else None
        if path and (before is None or find(before, self.module.levels, path[:-1]) is None):
            raise self.module.not_found(f"we have no such {self.module.level_of(path[:-1]).model.__name__}")
        return self._keep(self._draft(object_id, path, value, stored))

    def patch(self, object_id: str, path: Path, patch: Any) -> Kept:
        """Change the given fields; a null removes an optional one.

        Raises:
            InvalidParameters: not an object, or the result would not be valid.
            NotFound: there is nothing to change.
        """
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object")
        return repeated(lambda: self._patch(object_id, path, patch), self._sleep)

    def _patch(self, object_id: str, path: Path, patch: Json) -> Kept:
        stored = self._store.get(OURS, object_id)
        known = find(json.loads(stored.body), self.module.levels, path) if stored else None
        if stored is None or known is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        whole, skipped = merged(known, patch, self.module.levels[len(path) :], lambda _level, _fragment: True)
        if skipped:
            raise InvalidParameters(f"{skipped[0]} names no id")
        return self._keep(self._draft(object_id, path, whole, stored))

    def delete(self, object_id: str) -> None:
        """Take the object away here and at every partner.

        Raises:
            NotFound: there is none.
        """
        repeated(lambda: self._delete(object_id), self._sleep)

    def _delete(self, object_id: str) -> None:
        stored = self._store.get(OURS, object_id)
        if stored is None:
            raise self.module.not_found(f"we have no such {self.module.model.__name__}")
        gone = Announcement(self.module.identifier, object_id, stored.version + 1, removed=True)
        self._queues.announce([gone])
        self._store.remove(OURS, stored)

    def import_all(self, values: Sequence[Any]) -> Imported:
        """Create or replace a whole list, in transactions of up to 99 new objects; safe to repeat."""
        total = Imported()
        for start in range(0, len(values), MOST_AT_ONCE):
            chunk = values[start : start + MOST_AT_ONCE]
            done = repeated(lambda start=start, chunk=chunk: self._import(start, chunk), self._sleep)  # type: ignore[misc]
            total = Imported(
                total.created + done.created,
                total.updated + done.updated,
                total.unchanged + done.unchanged,
                total.failed + done.failed,
                total.remarks + done.remarks,
            )
        return total

    def _import(self, start: int, values: Sequence[Any]) -> Imported:
        ids = [_id_of(value, self.module.id_field) for value in values]
        known = self._store.get_many(OURS, sorted({object_id for object_id in ids if object_id}))
        drafts: dict[str, _Draft] = {}
        failed: list[tuple[int, str, str]] = []
        for place, (object_id, value) in enumerate(zip(ids, values, strict=True), start):
            try:
                if object_id in drafts:
                    raise InvalidParameters(f"{object_id} stands in the list twice")
                drafts[object_id] = self._draft(object_id, (), value, known.get(object_id))
            except ClientError as broken:
                failed.append((place, object_id, str(broken)))
        changed = [draft for draft in drafts.values() if draft.changes]
        self._write(changed)
        created = sum(draft.before is None for draft in changed)
        return Imported(
            created=created,
            updated=len(changed) - created,
            unchanged=len(drafts) - len(changed),
            failed=tuple(failed),
            remarks=tuple((draft.id, remark) for draft in drafts.values() for remark in draft.remarks),
        )

    # --- drafting and writing -------------------------------------------------------------------------------------

    def _draft(self, object_id: str, path: Path, value: Any, stored: Stored | None) -> _Draft:
        """The object as it will be, valid and stamped, with what that changes.

        Raises:
            InvalidParameters: not a valid object, or another id than the one addressed.
        """
        now, levels = self._clock(), self.module.levels
        level = self.module.level_of(path)
        value = _with_stamps(value, levels[len(path) :], format_date_time(now))
        reading = read_value(level.model, value, Profile.STRICT, now, unknown="drop")
        part, own_id = dumped(reading.value), path[-1] if path else object_id
        if part[level.id_field] != own_id:
            raise InvalidParameters(f"{level.model.__name__}.{level.id_field} is not {own_id!r}")
        before = json.loads(stored.body) if stored else None
        known = find(before, levels, path) if before else None
        if known is not None:
            part = _with_removed_parts(part, known, levels[len(path) :])
        whole = replaced(before or {}, levels, path, part)
        changes = difference(before, whole, levels)
        if before is not None:
            whole = _restamped(whole, before, levels, changes, format_date_time(now))
        else:
            whole |= {"last_updated": format_date_time(now)}
        return _Draft(object_id, stored, whole, changes, reading.deviations)

    def _keep(self, draft: _Draft) -> Kept:
        if not draft.changes and draft.before:
            return Kept("unchanged", draft.before.body, draft.remarks)
        self._write([draft])
        return Kept("updated" if draft.before else "created", encoded(draft.whole), draft.remarks)

    def _write(self, drafts: Sequence[_Draft]) -> None:
        if not drafts:
            return
        self._queues.announce([announced for draft in drafts for announced in self._announcements(draft)])
        self._store.create([self._stored(draft) for draft in drafts if draft.before is None])
        for draft in drafts:
            if draft.before is not None:
                self._store.put(OURS, self._stored(draft))

    def _announcements(self, draft: _Draft) -> list[Announcement]:
        return [
            Announcement(self.module.identifier, draft.id, draft.version, change.path, change.fields)
            for change in draft.changes
        ]

    def _stored(self, draft: _Draft) -> Stored:
        now = self._clock()
        moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
        newest = max(moment, draft.before.last_updated) if draft.before else moment
        return Stored(draft.id, encoded(draft.whole), newest, draft.version, list=EVERYBODY)


def _id_of(value: Any, id_field: str) -> str:
    object_id = value.get(id_field) if isinstance(value, dict) else None
    return object_id if isinstance(object_id, str) and 0 < len(object_id) <= 255 else ""


def _with_stamps(value: Any, levels: Sequence[Level], now: str) -> Any:
    """``value`` with ``last_updated`` wherever the host left it out."""
    if not isinstance(value, dict):
        return value
    stamped = value if value.get("last_updated") else value | {"last_updated": now}
    parts = stamped.get(levels[1].list_field) if len(levels) > 1 else None
    if isinstance(parts, list):
        stamped = stamped | {levels[1].list_field: [_with_stamps(part, levels[1:], now) for part in parts]}
    return stamped


def _with_removed_parts(part: Json, known: Json, levels: Sequence[Level]) -> Json:
    """``part`` with the parts it no longer lists marked as removed, where the spec knows no other way (LOC-30)."""
    inner = levels[1] if len(levels) > 1 else None
    if inner is None or not inner.removed:
        return part
    listed = {item[inner.id_field] for item in part.get(inner.list_field) or ()}
    left_out = [
        item | inner.removed for item in known.get(inner.list_field) or () if item[inner.id_field] not in listed
    ]
    return part | {inner.list_field: [*(part.get(inner.list_field) or ()), *left_out]} if left_out else part


def _restamped(whole: Json, before: Json, levels: Sequence[Level], changes: Sequence[Change], now: str) -> Json:
    """``whole`` stamped now where it changed and above, and as before where it did not (LOC-02)."""
    changed = {change.path for change in changes}
    for path in _paths(whole, levels):
        part, old = find(whole, levels, path), find(before, levels, path)
        if part is None or old is None or path in changed:
            continue
        whole = replaced(whole, levels, path, part | {"last_updated": old["last_updated"]})
    for change in changes:
        part, old = find(whole, levels, change.path), find(before, levels, change.path)
        if part is not None and old is not None:
            stamp = max(now, old["last_updated"])
            whole = replaced(whole, levels, change.path, part | {"last_updated": stamp})
        whole = touched(whole, levels, change.path, now)
    return whole


def _paths(whole: Json, levels: Sequence[Level], above: Path = ()) -> list[Path]:
    inner = levels[1] if len(levels) > 1 else None
    parts = (whole.get(inner.list_field) or ()) if inner else ()
    below = (
        [path for part in parts for path in _paths(part, levels[1:], (*above, part[inner.id_field]))] if inner else []
    )
    return [above, *below]
