"""What becomes of a partner's object that reaches us, pushed or pulled: merged with what we hold, and kept.

Rules TRA-21, TRA-22, TRA-26, LOC-14, LOC-23; Q-29, Q-32, Q-68.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.node.bodies import as_bytes
from chalicelib.node.clock import Sleep
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.objects import ObjectStore, StoredObject, is_gone, is_storable, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.receiving.incoming import (
    IncomingPart,
    ObjectAddress,
    capped,
    is_older,
    metadata_after,
    read_patch,
    read_put,
)
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.receiving.outcome import Outcome
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, difference, find_part, touch_ancestors, with_part
from chalicelib.ocpi.reading import Deviation, parse
from chalicelib.ocpi.types import format_date_time, parse_date_time

_LONGEST_FETCH: Final = timedelta(minutes=5)
"""A list may have been written this long before it is kept: what it says of an object that was deleted since is past.
As long as the overlap of two crawls, so that the next one brings what it was wrong about."""

Remarks = tuple[Deviation, ...]

Correction = Callable[[Party, Json | None, Json], Json | None]
"""What an object is after a push, given what it was before, where another module knows better; else None."""


def no_correction(_owner: Party, _before: Json | None, _whole: Json) -> None:
    """Of most objects we know nothing from elsewhere."""


@dataclass(frozen=True, slots=True)
class ReceiveResult:
    """What became of a push."""

    is_new: bool
    remarks: Remarks = ()
    """What the partner should not have done."""


class ReceivedObjects:
    """The partners' objects of one module."""

    def __init__(
        self,
        module: Module,
        store: ObjectStore,
        counters: Counters,
        sleep: Sleep,
        announcer: EventAnnouncer,
        elsewhere: Correction = no_correction,
    ) -> None:
        self.module = module
        self._store = store
        self._counters = counters
        self._sleep = sleep
        self._announcer = announcer
        self._elsewhere = elsewhere

    def get(self, at: ObjectAddress, *, deleted: bool = False) -> StoredObject | None:
        """What we hold of the object, one that was deleted only if asked for."""
        if not is_storable(at.id):
            return None
        stored = self._store.get(theirs(at.owner), at.id)
        return None if stored is None or (stored.metadata.get("deleted_at") and not deleted) else stored

    def find(self, at: ObjectAddress, qualified: str | None = None) -> StoredObject | None:
        """What we hold, unless the caller says that another one is meant (Q-51)."""
        stored, qualifier = self.get(at), self.module.receiving.qualifier
        if stored and qualifier and qualified and json.loads(stored.body).get(qualifier) != qualified:
            return None
        return stored

    def not_found(self, at: ObjectAddress, *, parent: bool = False) -> NotFound:
        """The error for what we do not hold."""
        level = self.module.level_of(at.path[:-1]) if parent else at.level
        return self.module.not_found(f"we have no such {level.model.__name__} of {at.owner}")

    def put(self, partner: Partner, at: ObjectAddress, push: IncomingPart, now: datetime) -> ReceiveResult:
        """Create or replace the object or part.

        Raises:
            NotFound: the parent is unknown (LOC-14).
        """
        return retry_on_conflict(lambda: self._put(partner, at, push, now, self.get(at, deleted=True)), self._sleep)

    def _put(
        self, partner: Partner, at: ObjectAddress, push: IncomingPart, now: datetime, stored: StoredObject | None
    ) -> ReceiveResult:
        whole = None if stored is None or stored.metadata.get("deleted_at") else json.loads(stored.body)
        if at.path and (whole is None or find_part(whole, self.module.levels, at.path[:-1]) is None):
            raise self.not_found(at, parent=True)
        known = None if whole is None else find_part(whole, self.module.levels, at.path)
        if stored is not None and known is not None:
            if self._is_stale(partner, at, stored, known, push, now):
                return ReceiveResult(is_new=False)
            push = push.keeping(at, known)
        return ReceiveResult(known is None, self._write(partner, at, stored, whole or {}, push, now))

    def receive(self, partner: Partner, body: bytes, now: datetime) -> bool:
        """Keep a whole object that was pulled; whether it was new, or newer than what we hold.

        Raises:
            InvalidParameters: it is no such object.
        """
        (outcome,) = self.receive_all(partner, [parse(body)], now)
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    def receive_all(self, partner: Partner, items: Sequence[Any], now: datetime) -> list[Outcome]:
        """Like ``take``, for the objects of a list, of which a broken one hurts no other: what became of each.

        One call per hundred reads what we hold, one counts what was forgiven, and one writes each that is new or newer.
        Only what comes twice is read again, and what somebody else has written meanwhile.
        """
        held, outcomes, forgiven = self._held(partner, items), list[Outcome](), list[Deviation]()
        for item in items:
            try:
                at = self._pulled(partner, item)
                stored = held.pop(at.id) if at.id in held else self.get(at, deleted=True)
                remarks = self._taken(partner, at, stored, item, now)
            except ClientError as broken:
                outcomes.append(broken)
            else:
                outcomes.append(remarks is not None)
                forgiven += remarks or ()
        count_deviations(self._counters, partner.id, self.module.identifier, forgiven)
        return outcomes

    def _held(self, partner: Partner, items: Sequence[Any]) -> dict[str, StoredObject | None]:
        ids = [object_id for item in items if is_storable(object_id := self._id_of(item))]
        found = self._store.get_many(theirs(partner.party), ids) if partner.party else {}
        return {object_id: found.get(object_id) for object_id in ids}

    def _taken(
        self, partner: Partner, at: ObjectAddress, stored: StoredObject | None, item: Any, now: datetime
    ) -> Remarks | None:
        """What was forgiven in what we keep; None where it tells nothing new."""
        push = read_put(at, as_bytes(item), partner, now)
        if stored is not None and not stored.metadata.get("deleted_at"):
            known = json.loads(stored.body)
            push = push.keeping(at, known)
            says_nothing = push.stamped_by_us and not difference(known, push.part, at.levels)
            is_known = (says_nothing or push.part == known) and "absent_since" not in stored.metadata
            if is_known or is_older(push, at, stored, known, now):
                return None
        read = [stored]

        def attempt() -> ReceiveResult | None:
            found = read.pop() if read else self.get(at, deleted=True)
            if found is not None and _is_past(found, push, now):
                return None
            return self._put(partner, at, push, now, found)

        kept = retry_on_conflict(attempt, self._sleep)
        return None if kept is None else (*push.deviations, *kept.remarks)

    def _pulled(self, partner: Partner, item: Any) -> ObjectAddress:
        if partner.party is None:
            raise InvalidParameters("we do not know whose object this is")
        return ObjectAddress(partner.party, self._id_of(item), (), self.module.levels)

    def _id_of(self, item: Any) -> str:
        object_id = item.get(self.module.id_field) if isinstance(item, dict) else None
        return object_id if isinstance(object_id, str) else ""

    def patch(self, partner: Partner, at: ObjectAddress, patch: Json, now: datetime, qualified: str | None) -> Remarks:
        """Change the given fields of the object or part; the merged whole must be valid.

        Raises:
            NotFound: there is nothing to change.
            InvalidParameters: the result would break a rule.
        """
        return retry_on_conflict(lambda: self._patch(partner, at, patch, now, qualified), self._sleep)

    def _patch(self, partner: Partner, at: ObjectAddress, patch: Json, now: datetime, qualified: str | None) -> Remarks:
        stored = self.find(at, qualified)
        whole = None if stored is None else json.loads(stored.body)
        known = None if whole is None else find_part(whole, self.module.levels, at.path)
        if stored is None or known is None:
            raise self.not_found(at)
        if not at.path:
            patch = self.module.receiving.expand_patch(known, patch)
        push = read_patch(at, known, patch, partner, now)
        if self._is_stale(partner, at, stored, known, push, now):
            return ()
        says_nothing = push.stamped_by_us and not difference(known, push.part, at.levels)
        remarks: Remarks = ()
        if not says_nothing and push.part != known:
            remarks = self._write(partner, at, stored, whole or {}, push, now)
        return (*push.deviations, *remarks)

    def delete(self, partner: Partner, at: ObjectAddress, now: datetime) -> None:
        """Take the object away; we keep it aside for objects that still refer to it (TAR-03, TAR-16).

        Raises:
            NotFound: there is no such object.
        """
        retry_on_conflict(lambda: self._delete(partner, at, now), self._sleep)

    def _delete(self, partner: Partner, at: ObjectAddress, now: datetime) -> None:
        stored = self.get(at)
        if stored is None:
            raise self.not_found(at)
        aside = {"deleted_at": format_date_time(now)}
        tombstone = StoredObject(
            id=at.id, body=stored.body, last_updated=stored.last_updated, version=stored.version + 1, metadata=aside
        )
        self._announcer.object(partner, self.module.identifier, at.id, EventKind.REMOVED, tombstone.version)
        self._store.put(theirs(at.owner), tombstone)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _is_stale(
        self, partner: Partner, at: ObjectAddress, stored: StoredObject, known: Json, push: IncomingPart, now: datetime
    ) -> bool:
        """Whether the push is older than what we hold: accepted, not applied, counted (Q-32)."""
        stale = is_older(push, at, stored, known, now)
        if stale:
            self._counters.count(partner.id, {"stale_ignored": 1})
        return stale

    def _write(
        self,
        partner: Partner,
        at: ObjectAddress,
        stored: StoredObject | None,
        whole: Json,
        push: IncomingPart,
        now: datetime,
    ) -> Remarks:
        """Writes what the object is after the push, and says what the partner should not have done."""
        levels = self.module.levels
        after = with_part(whole, levels, at.path, push.part)
        after = touch_ancestors(after, levels, at.path, format_date_time(push.stamp))
        after, remarks = self.module.receiving.reconcile(whole, after) if whole else (after, ())
        if known := self._elsewhere(at.owner, whole or None, after):
            # What we know from elsewhere overtook this push, which is nobody's fault.
            after, remarks = known, ()
        stamp, version = capped(push.stamp, now), stored.version + 1 if stored else 1
        if stored is not None and at.path:
            stamp = max(stamp, stored.last_updated)
        aside, keys = metadata_after(stored, at, push), self.module.keys_of(after)
        new = StoredObject(
            id=at.id, body=as_bytes(after), last_updated=stamp, version=version, metadata=aside, keys=keys
        )
        is_back = stored is not None and is_gone(stored)
        # What changes no content, such as the same object sent again, is nothing to tell.
        if is_back or difference(whole or None, after, levels):
            kind = EventKind.UPDATED if whole and not is_back else EventKind.CREATED
            self._announcer.object(partner, self.module.identifier, at.id, kind, version, at.path)
        self._store.put(theirs(at.owner), self._with_absent_parts(new, whole, after))
        return remarks

    def _with_absent_parts(self, new: StoredObject, before: Json, after: Json) -> StoredObject:
        """Remembers parts that a whole no longer lists although the spec forbids to delete them (Q-29)."""
        lasting = [level for level in self.module.levels[1:2] if level.tombstone]
        if not lasting:
            return new
        level = lasting[0]
        listed = {part[level.id_field] for part in after.get(level.list_field) or ()}
        absent = {part[level.id_field]: part for part in before.get(level.list_field) or ()}
        absent = {**new.metadata.get("absent", {}), **absent}
        absent = {part_id: part for part_id, part in absent.items() if part_id not in listed}
        aside = {name: value for name, value in new.metadata.items() if name != "absent"}
        if absent:
            aside["absent"] = absent
        return replace(new, metadata=aside)


def _is_past(stored: StoredObject, push: IncomingPart, now: datetime) -> bool:
    """Whether the object was deleted after a list with it had been written."""
    deleted_at = stored.metadata.get("deleted_at")
    if deleted_at is None:
        return False
    gone_since = parse_date_time(deleted_at)
    return push.stamp <= gone_since and now - gone_since < _LONGEST_FETCH
