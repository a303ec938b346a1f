"""Our own objects, as the host puts them in: validated, stamped, announced to partners, then written.

Every change is announced before it is written, so that no crash can lose it. A write that changes no content
changes nothing: no version, no stamp, no push (Q-68).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.bodies import dumped, encoded
from chalicelib.node.ports import MOST_AT_ONCE, OURS, Announcement, ObjectStore, Queues, Stored, is_storable
from chalicelib.node.sender import EVERYBODY
from chalicelib.node.stamps import stamped, with_stamps
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.module import Level, Module
from chalicelib.ocpi.parts import Change, Json, Path, difference, find, merged, replaced
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
    moment: datetime
    """Of the change: no earlier than the one before, whatever the clock says."""
    remarks: tuple[Deviation, ...] = ()

    @property
    def version(self) -> int:
        return self.before.version + 1 if self.before else 1


@dataclass(frozen=True, slots=True)
class _Item:
    """One entry of a list that the host put in."""

    place: int
    id: str
    value: Any
    is_repeated: bool


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
        stored = self._found(object_id)
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
        stored = self._found(object_id)
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
        stored = self._found(object_id)
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
        stored = self._found(object_id)
        if stored is None:
            raise self.module.not_found(f"we have no such {self.module.model.__name__}")
        gone = Announcement(self.module.identifier, object_id, stored.version + 1, removed=True)
        self._queues.announce([gone])
        self._store.remove(OURS, stored)

    def import_all(self, values: Sequence[Any]) -> Imported:
        """Create or replace a whole list, in transactions of up to 99 new objects; safe to repeat."""
        ids = [_id_of(value, self.module.id_field) for value in values]
        first = {object_id: place for place, object_id in reversed(list(enumerate(ids)))}
        items = [
            _Item(place, object_id, value, is_repeated=object_id != "" and first[object_id] != place)
            for place, (object_id, value) in enumerate(zip(ids, values, strict=True))
        ]
        total = Imported()
        for start in range(0, len(items), MOST_AT_ONCE):
            chunk, outcomes = items[start : start + MOST_AT_ONCE], dict[str, str]()
            done = repeated(lambda chunk=chunk, outcomes=outcomes: self._import(chunk, outcomes), self._sleep)  # type: ignore[misc]
            total = Imported(
                total.created + done.created,
                total.updated + done.updated,
                total.unchanged + done.unchanged,
                total.failed + done.failed,
                total.remarks + done.remarks,
            )
        return total

    def _import(self, items: Sequence[_Item], outcomes: dict[str, str]) -> Imported:
        """What became of these; ``outcomes`` remembers what earlier attempts have written."""
        known = self._store.get_many(OURS, sorted({item.id for item in items if item.id}))
        drafts: dict[str, _Draft] = {}
        failed: list[tuple[int, str, str]] = []
        for item in items:
            try:
                if item.is_repeated:
                    raise InvalidParameters(f"{item.id} stands in the list twice")
                drafts[item.id] = self._draft(item.id, (), item.value, known.get(item.id))
            except ClientError as broken:
                failed.append((item.place, item.id, str(broken)))
        self._write([draft for draft in drafts.values() if draft.changes], outcomes)
        became = [outcomes.get(object_id, "unchanged") for object_id in drafts]
        return Imported(
            created=became.count("created"),
            updated=became.count("updated"),
            unchanged=became.count("unchanged"),
            failed=tuple(failed),
            remarks=tuple((draft.id, remark) for draft in drafts.values() for remark in draft.remarks),
        )

    def _found(self, object_id: str) -> Stored | None:
        return self._store.get(OURS, object_id) if is_storable(object_id) else None

    # --- drafting and writing -------------------------------------------------------------------------------------

    def _draft(self, object_id: str, path: Path, value: Any, stored: Stored | None) -> _Draft:
        """The object as it will be, valid and stamped, with what that changes.

        Raises:
            InvalidParameters: not a valid object, or another id than the one addressed.
        """
        levels, level, moment = self.module.levels, self.module.level_of(path), self._clock()
        moment = max(moment, stored.last_updated) if stored else moment
        now = format_date_time(moment)
        value = with_stamps(value, levels[len(path) :], now)
        reading = read_value(level.model, value, Profile.STRICT, moment, unknown="drop")
        part, own_id = dumped(reading.value), path[-1] if path else object_id
        if part[level.id_field] != own_id:
            raise InvalidParameters(f"{level.model.__name__}.{level.id_field} is not {own_id!r}")
        before = json.loads(stored.body) if stored else None
        known = find(before, levels, path) if before else None
        if known is not None:
            part = _with_removed_parts(part, known, levels[len(path) :])
        whole = replaced(before or {}, levels, path, part)
        changes = difference(before, whole, levels)
        return _Draft(object_id, stored, stamped(whole, before, levels, now), changes, moment, reading.deviations)

    def _keep(self, draft: _Draft) -> Kept:
        if not draft.changes and draft.before:
            return Kept("unchanged", draft.before.body, draft.remarks)
        outcomes: dict[str, str] = {}
        self._write([draft], outcomes)
        return Kept(outcomes[draft.id], encoded(draft.whole), draft.remarks)

    def _write(self, drafts: Sequence[_Draft], outcomes: dict[str, str]) -> None:
        """Announce the changes, then write them, and say in ``outcomes`` how far that came."""
        if not drafts:
            return
        self._queues.announce([announced for draft in drafts for announced in self._announcements(draft)])
        new = [draft for draft in drafts if draft.before is None]
        if new:
            self._store.create([_to_store(draft) for draft in new])
            outcomes |= dict.fromkeys((draft.id for draft in new), "created")
        for draft in drafts:
            if draft.before is not None:
                self._store.put(OURS, _to_store(draft))
                outcomes[draft.id] = "updated"

    def _announcements(self, draft: _Draft) -> list[Announcement]:
        return [
            Announcement(self.module.identifier, draft.id, draft.version, change.path, change.fields)
            for change in draft.changes
        ]


def _to_store(draft: _Draft) -> Stored:
    moment = draft.moment.replace(microsecond=draft.moment.microsecond // 1000 * 1000)
    return Stored(draft.id, encoded(draft.whole), moment, draft.version, list=EVERYBODY)


def _id_of(value: Any, id_field: str) -> str:
    object_id = value.get(id_field) if isinstance(value, dict) else None
    return object_id if isinstance(object_id, str) and is_storable(object_id) else ""


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
