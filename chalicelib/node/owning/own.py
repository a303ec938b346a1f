"""Our own objects, as the host puts them in: validated, stamped, announced to partners, then written.

Every change is announced before it is written, so that no crash can lose it. A write that changes no content
changes nothing: no version, no stamp, no push (Q-68).
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
from chalicelib.node.objects import MOST_AT_ONCE, OURS, ObjectStore, StoredObject, is_storable
from chalicelib.node.owning.drafts import Draft, draft_of, push_time_of
from chalicelib.node.partners.visibility import list_of
from chalicelib.node.pushing.messages import Announcement, PushQueues
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find_part, merge_patch
from chalicelib.ocpi.reading import Deviation


@dataclass(frozen=True, slots=True)
class OwnResult:
    """What became of one object that the host put in."""

    outcome: str
    """``created``, ``updated`` or ``unchanged``."""
    body: bytes
    remarks: tuple[Deviation, ...] = ()
    """What the spec only warns about, and fields it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What became of a list that the host put in; one bad object does not stop the others."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: tuple[tuple[int, str, str], ...] = ()
    """Place in the list, id as far as it is known, and why."""
    remarks: tuple[tuple[str, Deviation], ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    """One entry of a list that the host put in."""

    place: int
    _: KW_ONLY
    id: str
    """As far as it has one."""
    key: str
    """What it is stored under."""
    value: Any
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class _Planned:
    """A draft, the list it goes to, and when partners hear of it."""

    draft: Draft
    stored: StoredObject
    announcements: tuple[Announcement, ...]
    delay_s: int | None


Addressee = Callable[[Json], Party]
"""Whom an object of a private module is for, by what it says; raises InvalidParameters where it does not."""


class OwnObjects:
    """The objects of one module that we own."""

    def __init__(
        self,
        module: Module,
        store: ObjectStore,
        queues: PushQueues,
        clock: Clock,
        addressee: Addressee,
    ) -> None:
        self.module = module
        self._store = store
        self._queues = queues
        self._clock = clock
        self._addressee = addressee

    def get(self, object_id: str, path: Path = ()) -> Json:
        """The object or part.

        Raises:
            NotFound: there is none.
        """
        part = find_part(json.loads(self.stored(object_id).body), self.module.levels, path)
        if part is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        return part

    def stored(self, object_id: str) -> StoredObject:
        """The object as it lies in the store.

        Raises:
            NotFound: there is none.
        """
        stored = self._found(object_id)
        if stored is None:
            raise self.module.not_found(f"we have no such {self.module.model.__name__}")
        return stored

    def put(self, object_id: str, path: Path, value: Any, party: Party | None = None) -> OwnResult:
        """Create or replace the object or part; ``last_updated`` may be left out, the node sets it.

        Args:
            object_id: the id in the URL.
            path: of the part; empty for the object.
            value: what the host gave.
            party: whom an object of a private module is for, where the host says so outright.

        Raises:
            InvalidParameters: not a valid object, another id than the one addressed, or nobody to send it to.
            NotFound: the parent of the part is unknown.
            FinalObject: the object may not change any more.
        """
        return retry_on_conflict(lambda: self._put(object_id, path, value, party), self._clock.sleep)

    def _put(self, object_id: str, path: Path, value: Any, party: Party | None) -> OwnResult:
        stored = self._found(object_id)
        before = json.loads(stored.body) if stored else None
        if path and (before is None or find_part(before, self.module.levels, path[:-1]) is None):
            raise self.module.not_found(f"we have no such {self.module.level_of(path[:-1]).model.__name__}")
        return self._keep(self._planned(object_id, path, value, stored, party))

    def patch(self, object_id: str, path: Path, patch: Any) -> OwnResult:
        """Change the given fields; a null removes an optional one.

        Raises:
            InvalidParameters: not an object, or the result would not be valid.
            NotFound: there is nothing to change.
            FinalObject: the object may not change any more.
        """
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object")
        return retry_on_conflict(lambda: self._patch(object_id, path, patch), self._clock.sleep)

    def _patch(self, object_id: str, path: Path, patch: Json) -> OwnResult:
        stored = self._found(object_id)
        known = find_part(json.loads(stored.body), self.module.levels, path) if stored else None
        if stored is None or known is None:
            raise self.module.not_found(f"we have no such {self.module.level_of(path).model.__name__}")
        whole, skipped = merge_patch(known, patch, self.module.levels[len(path) :], lambda _level, _fragment: True)
        if skipped:
            raise InvalidParameters(f"{skipped[0]} names no id")
        return self._keep(self._planned(object_id, path, whole, stored, None))

    def set_metadata(self, object_id: str, **aside: Any) -> None:
        """Remember something beside the object, which partners do not see; None forgets it.

        Raises:
            NotFound: there is no such object.
        """

        def attempt() -> None:
            self._store.put(OURS, self.stored(object_id).with_metadata(**aside))

        retry_on_conflict(attempt, self._clock.sleep)

    def delete(self, object_id: str) -> None:
        """Take the object away here and at every partner.

        Raises:
            NotFound: there is none.
        """
        retry_on_conflict(lambda: self._delete(object_id), self._clock.sleep)

    def _delete(self, object_id: str) -> None:
        stored = self.stored(object_id)
        gone = Announcement(self.module.identifier, stored.id, stored.version + 1, removed=True)
        self._queues.announce([gone])
        self._store.remove(OURS, stored)

    def import_all(self, values: Sequence[Any], party: Party | None = None, *, told: bool = True) -> ImportResult:
        """Create or replace a whole list, in transactions of up to 99 new objects; safe to repeat.

        Args:
            values: what the host gave.
            party: as in ``put``.
            told: whether partners hear of it; if not, they find it when they pull.
        """
        ids = [_id_of(value, self.module.id_field) for value in values]
        keys = list(map(self.module.key_of, ids))
        first = {key: place for place, key in reversed(list(enumerate(keys)))}
        items = [
            _Item(place, id=object_id, key=key, value=value, is_repeated=object_id != "" and first[key] != place)
            for place, (object_id, key, value) in enumerate(zip(ids, keys, values, strict=True))
        ]
        total = ImportResult()
        for start in range(0, len(items), MOST_AT_ONCE):
            chunk, outcomes = items[start : start + MOST_AT_ONCE], dict[str, str]()
            done = retry_on_conflict(partial(self._import, chunk, outcomes, party, told=told), self._clock.sleep)
            total = ImportResult(
                created=total.created + done.created,
                updated=total.updated + done.updated,
                unchanged=total.unchanged + done.unchanged,
                failed=total.failed + done.failed,
                remarks=total.remarks + done.remarks,
            )
        return total

    def _import(
        self, items: Sequence[_Item], outcomes: dict[str, str], party: Party | None, *, told: bool
    ) -> ImportResult:
        """What became of these; ``outcomes`` remembers what earlier attempts have written."""
        known = self._store.get_many(OURS, sorted({item.key for item in items if item.id}))
        planned: dict[str, _Planned] = {}
        failed: list[tuple[int, str, str]] = []
        for item in items:
            try:
                if item.is_repeated:
                    raise InvalidParameters(f"{item.id} stands in the list twice")
                planned[item.key] = self._planned(item.id, (), item.value, known.get(item.key), party, told=told)
            except ClientError as broken:
                failed.append((item.place, item.id, str(broken)))
        self._write([plan for plan in planned.values() if plan.draft.changes], outcomes)
        became = [outcomes.get(key, "unchanged") for key in planned]
        names = {item.key: item.id for item in reversed(items)}
        return ImportResult(
            created=became.count("created"),
            updated=became.count("updated"),
            unchanged=became.count("unchanged"),
            failed=tuple(failed),
            remarks=tuple((names[key], remark) for key, plan in planned.items() for remark in plan.draft.remarks),
        )

    def _found(self, object_id: str) -> StoredObject | None:
        return self._store.get(OURS, self.module.key_of(object_id)) if is_storable(object_id) else None

    # --- planning and writing -------------------------------------------------------------------------------------

    def _planned(
        self,
        object_id: str,
        path: Path,
        value: Any,
        stored: StoredObject | None,
        party: Party | None,
        *,
        told: bool = True,
    ) -> _Planned:
        draft = draft_of(self.module, object_id, path, value, stored, self._clock())
        list_name = stored.list if stored else self._list_for(draft.whole, party)
        if stored is not None and party is not None and stored.list != list_of(self.module, party):
            raise InvalidParameters(f"this {self.module.model.__name__} is for another partner already")
        turn, delay_s = push_time_of(draft) if told else (None, None)
        return _Planned(draft, draft.to_store(list_name or "", turn), draft.announcements(turn), delay_s)

    def _list_for(self, whole: Json, party: Party | None) -> str:
        if not self.module.sending.private:
            return list_of(self.module, None)
        return list_of(self.module, party or self._addressee(whole))

    def _keep(self, plan: _Planned) -> OwnResult:
        draft = plan.draft
        if not draft.changes and draft.before:
            return OwnResult("unchanged", draft.before.body, draft.remarks)
        outcomes: dict[str, str] = {}
        self._write([plan], outcomes)
        return OwnResult(outcomes[draft.key], as_bytes(draft.whole), draft.remarks)

    def _write(self, plans: Sequence[_Planned], outcomes: dict[str, str]) -> None:
        """Announce the changes, then write them, and say in ``outcomes`` how far that came."""
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

    def _announce(self, plans: Sequence[_Planned]) -> None:
        for delay_s in sorted({plan.delay_s for plan in plans if plan.delay_s is not None}):
            self._queues.announce(
                [told for plan in plans if plan.delay_s == delay_s for told in plan.announcements], delay_s=delay_s
            )


def _id_of(value: Any, id_field: str) -> str:
    object_id = value.get(id_field) if isinstance(value, dict) else None
    return object_id if isinstance(object_id, str) and is_storable(object_id) else ""
