"""Drafts: the next state of one of our objects, validated but not written yet, with its changes and its next push.

Pure functions of what the host gave and what is stored. After a conflict, a new draft is made of what is stored then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.objects import StoredObject
from chalicelib.node.owning.timestamps import with_changed_timestamps, with_missing_timestamps
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.pacing import PacedPush, next_push
from chalicelib.ocpi.errors import ClientError, InvalidParameters
from chalicelib.ocpi.module import Level, Module
from chalicelib.ocpi.parts import Change, Json, Path, difference, find_part, with_part
from chalicelib.ocpi.reading import Deviation, Profile, read_value
from chalicelib.ocpi.types import format_date_time


class FinalObject(ClientError):
    """The object may never change again (SES-10, CDR-09)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The next state of an object."""

    module: Module
    key: str
    """The id that it is stored under."""
    before: StoredObject | None
    """What is stored now; None if the object is new."""
    whole: Json
    """The whole object as it will be, even if the host changed a part of it only."""
    changes: tuple[Change, ...]
    """The parts and fields that differ from ``before``."""
    changed_at: datetime
    """The time of the change: now, but never before the last change."""
    warnings: tuple[Deviation, ...]
    """Rules of the spec that the object breaks without being refused, and fields that were dropped as unknown."""

    @property
    def version(self) -> int:
        """The version that it will have."""
        return self.before.version + 1 if self.before else 1

    def announcements(self, paced: PacedPush | None) -> tuple[Announcement, ...]:
        """The announcements for partners: one per change, or one for a paced push.

        Args:
            paced: the push that ``next_push_of`` scheduled, in a module with paced pushes.
        """
        changes = self.changes
        if paced is not None:
            fields = tuple(sorted(paced.fields & self.whole.keys()))
            changes = (Change((), None if paced.is_whole else fields),)
        return tuple(
            Announcement(self.module.identifier, self.key, self.version, change.path, change.fields)
            for change in changes
        )

    def to_stored(self, list_name: str, paced: PacedPush | None) -> StoredObject:
        """The object as it will be stored; ``paced`` goes into its metadata, for the next change to be paced by."""
        return StoredObject(
            id=self.key,
            body=as_bytes(self.whole),
            last_updated=self.changed_at.replace(microsecond=self.changed_at.microsecond // 1000 * 1000),
            version=self.version,
            list=list_name,
            metadata=(dict(self.before.metadata) if self.before else {}) | (paced.note if paced else {}),
            keys=self.module.keys_of(self.whole),
        )


def draft_of(
    module: Module, object_id: str, path: Path, value: Any, stored: StoredObject | None, now: datetime
) -> Draft:
    """A draft of the object with ``value`` as the part at ``path``.

    Args:
        module: the object's module.
        object_id: the id in the URL.
        path: the ids of the part; empty for the whole object.
        value: what the host gave.
        stored: what is stored now, if anything.
        now: the time, with its zone.

    Raises:
        InvalidParameters: ``value`` is not valid, or its id is not the one in the URL.
        FinalObject: the stored object may not change any more.
    """
    levels, level = module.levels, module.level_of(path)
    changed_at = max(now, stored.last_updated) if stored else now
    stamp = format_date_time(changed_at)
    part, warnings = _part(module, level, with_missing_timestamps(value, levels[len(path) :], stamp), changed_at)
    own_id, addressed = part[level.id_field], path[-1] if path else object_id
    if own_id != addressed and (path or module.key_of(own_id) != module.key_of(object_id)):
        raise InvalidParameters(f"{level.model.__name__}.{level.id_field} is not {addressed!r}")
    before = json.loads(stored.body) if stored else None
    known = find_part(before, levels, path) if before else None
    if known is not None:
        part = _with_removed_parts(part, known, levels[len(path) :])
    whole = with_part(before or {}, levels, path, part)
    changes = tuple(_as_sent(module, change) for change in difference(before, whole, levels))
    if before and changes and module.sending.is_final(before):
        raise FinalObject(f"{module.model.__name__} {object_id!r} is final and cannot change any more")
    whole = with_changed_timestamps(whole, before, levels, stamp)
    return Draft(
        module=module,
        key=module.key_of(object_id),
        before=stored,
        whole=whole,
        changes=changes,
        changed_at=changed_at,
        warnings=warnings,
    )


def _part(module: Module, level: Level, value: Any, now: datetime) -> tuple[Json, tuple[Deviation, ...]]:
    """The validated part, and what the spec warns about; a module can refuse rules that others only warn about."""
    reading = read_value(level.model, value, Profile.STRICT, now, unknown="drop")
    for deviation in reading.deviations:
        if deviation.rule in module.sending.enforced_rules:
            raise InvalidParameters(f"{level.model.__name__}: {deviation.path} {deviation.what} ({deviation.rule})")
    return as_json(reading.value), reading.deviations


def _as_sent(module: Module, change: Change) -> Change:
    """The change as it is pushed: the whole part if one of its changed fields is not to be sent by PATCH."""
    return Change(change.path) if module.sending.never_patched.intersection(change.fields or ()) else change


def next_push_of(draft: Draft) -> tuple[PacedPush | None, int | None]:
    """The draft's next paced push, and in how many seconds it is announced; None seconds: it is announced already.

    A paced push tells of all changes of an object since the push before, and there is a minimum pause between two
    pushes of one object (sessions: Q-48). In most modules pushes are not paced: the answer is ``None, 0``, and every
    change is announced at once.
    """
    sending = draft.module.sending
    if not sending.min_pause_s:
        return None, 0
    before = json.loads(draft.before.body) if draft.before else {}
    names = before.keys() | draft.whole.keys()
    fields = frozenset(name for name in names if before.get(name) != draft.whole.get(name))
    is_whole = any(change.fields is None for change in draft.changes)
    last = PacedPush.of(draft.before.metadata) if draft.before else None
    now = draft.changed_at
    change = PacedPush(now, fields - {"last_updated"}, is_whole, since=draft.version, version=draft.version)
    if last and sending.is_final(draft.whole) and last.at > now - timedelta(seconds=sending.min_pause_s):
        # No push follows it, so it has to include the changes of earlier pushes that may still be on their way.
        change = replace(change, is_whole=True)
    paced = next_push(sending, last, change)
    if paced == last:
        return paced, None
    # Queues delay by whole seconds.
    delay_s = max(0, math.ceil((paced.at - now).total_seconds()))
    return replace(paced, at=now + timedelta(seconds=delay_s)), delay_s


def _with_removed_parts(part: Json, known: Json, levels: Sequence[Level]) -> Json:
    """``part`` plus, marked as removed, each part that it no longer lists (LOC-30: an EVSE with status REMOVED).

    Only where the spec has no other way to remove a part.
    """
    inner = levels[1] if len(levels) > 1 else None
    if inner is None or not inner.removal_marker:
        return part
    listed = {item[inner.id_field] for item in part.get(inner.list_field) or ()}
    left_out = [
        item | inner.removal_marker for item in known.get(inner.list_field) or () if item[inner.id_field] not in listed
    ]
    return part | {inner.list_field: [*(part.get(inner.list_field) or ()), *left_out]} if left_out else part
