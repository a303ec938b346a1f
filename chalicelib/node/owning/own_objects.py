"""Reads and writes of our own objects for the host: validated, timestamped, announced for the push, then written.

Every change is announced to the queue ``changes`` before it is written (see ``write_ahead``), so no crash can lose a
push. Writes are idempotent: one that changes no content creates no version, no new ``last_updated`` and no push (Q-68).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

from chalicelib.node.bodies import as_bytes
from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.objects import MOST_PER_CREATE, OURS, ObjectStore, StoredObject, is_storable
from chalicelib.node.owning.drafts import Draft, draft_of, next_push_of
from chalicelib.node.partners.visibility import list_of
from chalicelib.node.pushing.messages import Announcement, PushQueues
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find_part, merge_patch
from chalicelib.ocpi.reading import Deviation


@dataclass(frozen=True, slots=True)
class OwnResult:
    """The result of a PUT or PATCH by the host."""

    outcome: str
    """``created``, ``updated`` or ``unchanged``."""
    body: bytes
    """The whole object as it is stored now, in JSON."""
    warnings: tuple[Deviation, ...] = ()
    """Rules of the spec that the object breaks without being refused, and fields that were dropped as unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """The result of an import: how many objects had each outcome. An invalid object does not stop the others."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: tuple[tuple[int, str, str], ...] = ()
    """Index in the list (from 0), id or an empty text, and the reason."""
    warnings: tuple[tuple[str, Deviation], ...] = ()
    """Object id and what ``OwnResult.warnings`` describes."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One object of an imported list."""

    index: int
    _: KW_ONLY
    id: str
    """Empty if it has none."""
    key: str
    """The id that it is stored under."""
    value: Any
    is_duplicate: bool
    """Whether an earlier item has the same key."""


@dataclass(frozen=True, slots=True)
class _PlannedWrite:
    """A draft, the object to store, and the announcements to send before."""

    draft: Draft
    stored: StoredObject
    announcements: tuple[Announcement, ...]
    delay_s: int | None
    """Seconds after which the announcements are read; None: they are not sent."""


FindAddressee = Callable[[Json], Party]
"""The party that an object of a private module is for, by its content; raises InvalidParameters if it names none."""


class OwnObjects:
    """The objects of one module that we own: what the operator API reads and writes."""

    def __init__(
        self,
        module: Module,
        store: ObjectStore,
        queues: PushQueues,
        clock: Clock,
        addressee: FindAddressee,
    ) -> None:
        self.module = module
        self._store = store
        self._queues = queues
        self._clock = clock
        self._addressee = addressee

    def get(self, object_id: str, path: Path = ()) -> Json:
        """The object as JSON, or the part at ``path``.

        Raises:
            NotFound: there is no such object or part.
        """
        part = find_part(json.loads(self.stored(object_id).body), self.module.levels, path)
        if part is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        return part

    def stored(self, object_id: str) -> StoredObject:
        """The object as it is stored, with its metadata.

        Raises:
            NotFound: there is no such object.
        """
        stored = self._read(object_id)
        if stored is None:
            raise self.module.not_found(f"we have no such {self.module.model.__name__}")
        return stored

    def put(self, object_id: str, path: Path, value: Any, party: Party | None = None) -> OwnResult:
        """Create or replace the object or part. Retries on a conflict.

        Args:
            object_id: the id in the URL.
            path: the ids of the part; empty for the whole object.
            value: the JSON that the host gave; ``last_updated`` is set if it is left out.
            party: the party that an object of a private module is for; if None, found by the object's content.

        Raises:
            InvalidParameters: the value is not valid, its id is not the one in the URL, or it is for nobody.
            NotFound: the object or part that should contain the part does not exist.
            FinalObject: the object may not change any more.
        """
        return retry_on_conflict(lambda: self._put(object_id, path, value, party), self._clock.sleep)

    def _put(self, object_id: str, path: Path, value: Any, party: Party | None) -> OwnResult:
        stored = self._read(object_id)
        before = json.loads(stored.body) if stored else None
        if path and (before is None or find_part(before, self.module.levels, path[:-1]) is None):
            raise self.module.not_found(f"we have no such {self.module.level_of(path[:-1]).model.__name__}")
        return self._save(self._plan(object_id, path, value, stored, party))

    def patch(self, object_id: str, path: Path, patch: Any) -> OwnResult:
        """Change the given fields of the object or part; null removes an optional field. Retries on a conflict.

        Raises:
            InvalidParameters: the patch is not a JSON object, or its result is not valid.
            NotFound: there is no such object or part.
            FinalObject: the object may not change any more.
        """
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object")
        return retry_on_conflict(lambda: self._patch(object_id, path, patch), self._clock.sleep)

    def _patch(self, object_id: str, path: Path, patch: Json) -> OwnResult:
        stored = self._read(object_id)
        known = find_part(json.loads(stored.body), self.module.levels, path) if stored else None
        if stored is None or known is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        whole, skipped = merge_patch(known, patch, self.module.levels[len(path) :], lambda _level, _fragment: True)
        if skipped:
            raise InvalidParameters(f"{skipped[0]} names no id")
        return self._save(self._plan(object_id, path, whole, stored, None))

    def set_metadata(self, object_id: str, **metadata: Any) -> None:
        """Set entries of the object's metadata, which partners do not see; a value of None removes the entry.

        Raises:
            NotFound: there is no such object.
        """

        def attempt() -> None:
            self._store.put(OURS, self.stored(object_id).with_metadata(**metadata))

        retry_on_conflict(attempt, self._clock.sleep)

    def delete(self, object_id: str) -> None:
        """Delete the object here, and announce that partners have to delete it too.

        Raises:
            NotFound: there is no such object.
        """
        retry_on_conflict(lambda: self._delete(object_id), self._clock.sleep)

    def _delete(self, object_id: str) -> None:
        stored = self.stored(object_id)
        removal = Announcement(self.module.identifier, stored.id, stored.version + 1, removed=True)
        self._queues.announce([removal])
        self._store.remove(OURS, stored)

    def import_all(self, values: Sequence[Any], party: Party | None = None, *, push: bool = True) -> ImportResult:
        """Create or replace the objects of a list, in transactions of up to 99 new objects; idempotent.

        Args:
            values: the JSON that the host gave, one object each.
            party: as in ``put``.
            push: whether the changes are pushed; if not, partners get them when they pull.
        """
        ids = [_id_of(value, self.module.id_field) for value in values]
        keys = list(map(self.module.key_of, ids))
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        items = [
            _Item(index, id=object_id, key=key, value=value, is_duplicate=object_id != "" and first[key] != index)
            for index, (object_id, key, value) in enumerate(zip(ids, keys, values, strict=True))
        ]
        total = ImportResult()
        for start in range(0, len(items), MOST_PER_CREATE):
            batch, outcomes = items[start : start + MOST_PER_CREATE], dict[str, str]()
            done = retry_on_conflict(partial(self._import, batch, outcomes, party, push=push), self._clock.sleep)
            total = ImportResult(
                created=total.created + done.created,
                updated=total.updated + done.updated,
                unchanged=total.unchanged + done.unchanged,
                failed=total.failed + done.failed,
                warnings=total.warnings + done.warnings,
            )
        return total

    def _import(
        self, items: Sequence[_Item], outcomes: dict[str, str], party: Party | None, *, push: bool
    ) -> ImportResult:
        """The result of one attempt to write a batch.

        Args:
            items: the batch.
            outcomes: by key, what earlier attempts have written; extended with what this one writes.
            party: as in ``put``.
            push: as in ``import_all``.
        """
        known = self._store.get_many(OURS, sorted({item.key for item in items if item.id}))
        plans: dict[str, _PlannedWrite] = {}
        failed: list[tuple[int, str, str]] = []
        for item in items:
            try:
                if item.is_duplicate:
                    raise InvalidParameters(f"{item.id} stands in the list twice")
                plans[item.key] = self._plan(item.id, (), item.value, known.get(item.key), party, push=push)
            except ClientError as broken:
                failed.append((item.index, item.id, str(broken)))
        self._write([plan for plan in plans.values() if plan.draft.changes], outcomes)
        results = [outcomes.get(key, "unchanged") for key in plans]
        ids = {item.key: item.id for item in reversed(items)}
        return ImportResult(
            created=results.count("created"),
            updated=results.count("updated"),
            unchanged=results.count("unchanged"),
            failed=tuple(failed),
            warnings=tuple((ids[key], warning) for key, plan in plans.items() for warning in plan.draft.warnings),
        )

    def _read(self, object_id: str) -> StoredObject | None:
        return self._store.get(OURS, self.module.key_of(object_id)) if is_storable(object_id) else None

    # --- planning and writing -------------------------------------------------------------------------------------

    def _plan(
        self,
        object_id: str,
        path: Path,
        value: Any,
        stored: StoredObject | None,
        party: Party | None,
        *,
        push: bool = True,
    ) -> _PlannedWrite:
        draft = draft_of(self.module, object_id, path, value, stored, self._clock())
        list_name = stored.list if stored else self._list_for(draft.whole, party)
        if stored is not None and party is not None and stored.list != list_of(self.module, party):
            raise InvalidParameters(f"this {self.module.model.__name__} is for another partner already")
        paced, delay_s = next_push_of(draft) if push else (None, None)
        return _PlannedWrite(draft, draft.to_stored(list_name or "", paced), draft.announcements(paced), delay_s)

    def _list_for(self, whole: Json, party: Party | None) -> str:
        if not self.module.sending.private:
            return list_of(self.module, None)
        return list_of(self.module, party or self._addressee(whole))

    def _save(self, plan: _PlannedWrite) -> OwnResult:
        draft = plan.draft
        if not draft.changes and draft.before:
            return OwnResult("unchanged", draft.before.body, draft.warnings)
        outcomes: dict[str, str] = {}
        self._write([plan], outcomes)
        return OwnResult(outcomes[draft.key], as_bytes(draft.whole), draft.warnings)

    def _write(self, plans: Sequence[_PlannedWrite], outcomes: dict[str, str]) -> None:
        """Announce the changes, then write them; ``outcomes`` gets the outcome of each write, by key."""
        if not plans:
            return
        self._announce(plans)
        for list_name in dict.fromkeys(plan.stored.list for plan in plans if plan.draft.before is None):
            new = [plan for plan in plans if plan.draft.before is None and plan.stored.list == list_name]
            self._store.create([plan.stored for plan in new])
            outcomes |= dict.fromkeys((plan.draft.key for plan in new), "created")
        for plan in plans:
            if plan.draft.before is not None:
                self._store.put(OURS, plan.stored)
                outcomes[plan.draft.key] = "updated"

    def _announce(self, plans: Sequence[_PlannedWrite]) -> None:
        for delay_s in sorted({plan.delay_s for plan in plans if plan.delay_s is not None}):
            self._queues.announce(
                [each for plan in plans if plan.delay_s == delay_s for each in plan.announcements], delay_s=delay_s
            )


def _id_of(value: Any, id_field: str) -> str:
    object_id = value.get(id_field) if isinstance(value, dict) else None
    return object_id if isinstance(object_id, str) and is_storable(object_id) else ""
