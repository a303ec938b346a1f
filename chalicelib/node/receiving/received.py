"""Partners' objects in the store: what was pushed or pulled is compared and merged with what we hold, then written.

A write is announced to the host first, and repeated if somebody else wrote meanwhile (optimistic lock).

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
"""A page may be this old when it is stored: what it says of an object that was deleted meanwhile does not count.

As long as the overlap of two pulls, so that the next one brings an object that was deleted and created again."""

Remarks = tuple[Deviation, ...]
"""What the partner should not have done, to be counted."""

Correction = Callable[[Party, Json | None, Json], Json | None]
"""What an object is after a push, where another module knows better: a CDR, for instance, ends its session. Else None.

Given are its owner, the object before the push (None if it is new), and after it."""


def no_correction(_owner: Party, _before: Json | None, _whole: Json) -> None:
    """None: of most objects no other module knows anything."""


@dataclass(frozen=True, slots=True)
class ReceiveResult:
    """What became of a push."""

    is_new: bool
    """Whether we held no such object or part."""
    remarks: Remarks = ()


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
        """The object as it is stored, its tombstone only if ``deleted``; None if there is none. One call."""
        if not is_storable(at.id):
            return None
        stored = self._store.get(theirs(at.owner), at.id)
        return None if stored is None or (stored.metadata.get("deleted_at") and not deleted) else stored

    def find(self, at: ObjectAddress, qualified: str | None = None) -> StoredObject | None:
        """The object as it is stored; None if there is none, or its qualifier is another one (Q-51).

        Args:
            at: the object.
            qualified: what the caller says of the field that qualifies the id, such as a token's type.
        """
        stored, qualifier = self.get(at), self.module.receiving.qualifier
        if stored and qualifier and qualified and json.loads(stored.body).get(qualifier) != qualified:
            return None
        return stored

    def not_found(self, at: ObjectAddress, *, parent: bool = False) -> NotFound:
        """The error for an object or part, or its ``parent``, that we do not hold."""
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
        """Store an object as if it had been pulled; True if it was new, or newer than what we hold.

        Args:
            partner: its owner.
            body: the object as JSON.
            now: the time.

        Raises:
            ClientError: it is no such object, or cannot be stored.
        """
        (outcome,) = self.receive_all(partner, [parse(body)], now)
        if isinstance(outcome, ClientError):
            raise outcome
        return outcome

    def receive_all(self, partner: Partner, items: Sequence[Any], now: datetime) -> list[Outcome]:
        """Store the objects of a page that are new or newer than what we hold; a broken one hurts no other.

        One call per hundred reads what we hold, one counts what was forgiven, and one writes each object that is new or
        newer. An object that is on the page twice, or that somebody else wrote meanwhile, is read again.

        Args:
            partner: their owner.
            items: JSON values.
            now: the time.

        Returns:
            What became of each, in the same order.
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
        """Store the object if it is new or newer; what was forgiven in it, None if it was not stored."""
        push = read_put(at, item, partner, now)
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

        result = retry_on_conflict(attempt, self._sleep)
        return None if result is None else (*push.deviations, *result.remarks)

    def _pulled(self, partner: Partner, item: Any) -> ObjectAddress:
        if partner.party is None:
            raise InvalidParameters("we do not know whose object this is")
        return ObjectAddress(partner.party, self._id_of(item), (), self.module.levels)

    def _id_of(self, item: Any) -> str:
        object_id = item.get(self.module.id_field) if isinstance(item, dict) else None
        return object_id if isinstance(object_id, str) else ""

    def patch(self, partner: Partner, at: ObjectAddress, patch: Json, now: datetime, qualified: str | None) -> Remarks:
        """Change some fields of the object or part, which must be valid afterwards as a whole.

        Args:
            partner: its owner.
            at: the object or part.
            patch: the fields to change.
            now: the time.
            qualified: as in ``find``.

        Raises:
            NotFound: we hold no such object or part.
            InvalidParameters: the changed object would break a rule.
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
        """Replace the object by a tombstone, which still has its body for objects that refer to it (TAR-03, TAR-16).

        Raises:
            NotFound: we hold no such object.
        """
        retry_on_conflict(lambda: self._delete(partner, at, now), self._sleep)

    def _delete(self, partner: Partner, at: ObjectAddress, now: datetime) -> None:
        stored = self.get(at)
        if stored is None:
            raise self.not_found(at)
        tombstone = StoredObject(
            id=at.id,
            body=stored.body,
            last_updated=stored.last_updated,
            version=stored.version + 1,
            metadata={"deleted_at": format_date_time(now)},
        )
        self._announcer.object(partner, self.module.identifier, at.id, EventKind.REMOVED, tombstone.version)
        self._store.put(theirs(at.owner), tombstone)

    # --- writing -----------------------------------------------------------------------------------------------------

    def _is_stale(
        self, partner: Partner, at: ObjectAddress, stored: StoredObject, known: Json, push: IncomingPart, now: datetime
    ) -> bool:
        """Whether the push is older than what we hold; then it is counted, accepted, and not stored (Q-32)."""
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
        """Write the object with the pushed part in it, announced before if it has changed.

        Args:
            partner: its owner.
            at: the object or part that was pushed.
            stored: the object as it is stored, or its tombstone; None if it is new.
            whole: the object as we hold it; empty if it is new or was deleted.
            push: the part as it shall become.
            now: the time.
        """
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
        metadata, keys = metadata_after(stored, at, push), self.module.keys_of(after)
        new = StoredObject(
            id=at.id, body=as_bytes(after), last_updated=stamp, version=version, metadata=metadata, keys=keys
        )
        is_back = stored is not None and is_gone(stored)
        # What changes no content, such as the same object sent again, is nothing to tell.
        if is_back or difference(whole or None, after, levels):
            kind = EventKind.UPDATED if whole and not is_back else EventKind.CREATED
            self._announcer.object(partner, self.module.identifier, at.id, kind, version, at.path)
        self._store.put(theirs(at.owner), self._with_absent_parts(new, whole, after))
        return remarks

    def _with_absent_parts(self, new: StoredObject, before: Json, after: Json) -> StoredObject:
        """The object with metadata that remembers the parts that it lists no more, though they may not go (Q-29)."""
        lasting = [level for level in self.module.levels[1:2] if level.removal_marker]
        if not lasting:
            return new
        level = lasting[0]
        listed = {part[level.id_field] for part in after.get(level.list_field) or ()}
        absent = {part[level.id_field]: part for part in before.get(level.list_field) or ()}
        absent = {**new.metadata.get("absent", {}), **absent}
        absent = {part_id: part for part_id, part in absent.items() if part_id not in listed}
        metadata = {name: value for name, value in new.metadata.items() if name != "absent"}
        if absent:
            metadata["absent"] = absent
        return replace(new, metadata=metadata)


def _is_past(stored: StoredObject, push: IncomingPart, now: datetime) -> bool:
    """Whether the object was deleted after the page that lists it was written, as far as we can tell."""
    deleted_at = stored.metadata.get("deleted_at")
    if deleted_at is None:
        return False
    gone_since = parse_date_time(deleted_at)
    return push.stamp <= gone_since and now - gone_since < _LONGEST_FETCH
