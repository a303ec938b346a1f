"""An own object as it shall become, next to what it was: valid, stamped, with what that changes and whom it tells when.

Pure: a draft is made of what the host gave and what is stored, and is thrown away if somebody else writes first.
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
from chalicelib.node.owning.timestamps import timestamped, with_timestamps
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
    """An object as it shall become."""

    module: Module
    key: str
    before: StoredObject | None
    whole: Json
    changes: tuple[Change, ...]
    moment: datetime
    """Of the change: no earlier than the one before, whatever the clock says."""
    remarks: tuple[Deviation, ...]
    """What the spec only warns about, and fields it does not know."""

    @property
    def version(self) -> int:
        """The version that it will have."""
        return self.before.version + 1 if self.before else 1

    def announcements(self, turn: PacedPush | None) -> tuple[Announcement, ...]:
        """What partners hear of it: each change, or what its turn tells of."""
        changes = self.changes
        if turn is not None:
            fields = tuple(sorted(turn.fields & self.whole.keys()))
            changes = (Change((), None if turn.is_whole else fields),)
        return tuple(
            Announcement(self.module.identifier, self.key, self.version, change.path, change.fields)
            for change in changes
        )

    def to_store(self, list_name: str, turn: PacedPush | None) -> StoredObject:
        """The object as it is written."""
        return StoredObject(
            id=self.key,
            body=as_bytes(self.whole),
            last_updated=self.moment.replace(microsecond=self.moment.microsecond // 1000 * 1000),
            version=self.version,
            list=list_name,
            metadata=(dict(self.before.metadata) if self.before else {}) | (turn.note if turn else {}),
            keys=self.module.keys_of(self.whole),
        )


def draft_of(
    module: Module, object_id: str, path: Path, value: Any, stored: StoredObject | None, now: datetime
) -> Draft:
    """The object with ``value`` as the part at ``path``.

    Raises:
        InvalidParameters: not a valid object, or another id than the one addressed.
        FinalObject: what is stored may not change any more.
    """
    levels, level = module.levels, module.level_of(path)
    moment = max(now, stored.last_updated) if stored else now
    stamp = format_date_time(moment)
    part, remarks = _part(module, level, with_timestamps(value, levels[len(path) :], stamp), moment)
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
    whole = timestamped(whole, before, levels, stamp)
    return Draft(
        module=module,
        key=module.key_of(object_id),
        before=stored,
        whole=whole,
        changes=changes,
        moment=moment,
        remarks=remarks,
    )


def _part(module: Module, level: Level, value: Any, moment: datetime) -> tuple[Json, tuple[Deviation, ...]]:
    reading = read_value(level.model, value, Profile.STRICT, moment, unknown="drop")
    for remark in reading.deviations:
        if remark.rule in module.sending.enforced_rules:
            raise InvalidParameters(f"{level.model.__name__}: {remark.path} {remark.what} ({remark.rule})")
    return as_json(reading.value), reading.deviations


def _as_sent(module: Module, change: Change) -> Change:
    return Change(change.path) if module.sending.never_patched.intersection(change.fields or ()) else change


def push_time_of(draft: Draft) -> tuple[PacedPush | None, int | None]:
    """When the draft is told, and in how many seconds that has to be announced; None where nobody needs to.

    Objects of most modules have no turns: every change is told at once.
    """
    sending = draft.module.sending
    if not sending.min_pause_s:
        return None, 0
    before = json.loads(draft.before.body) if draft.before else {}
    names = before.keys() | draft.whole.keys()
    fields = frozenset(name for name in names if before.get(name) != draft.whole.get(name))
    is_whole = any(change.fields is None for change in draft.changes)
    last = PacedPush.of(draft.before.metadata) if draft.before else None
    change = PacedPush(draft.moment, fields - {"last_updated"}, is_whole, since=draft.version, version=draft.version)
    if last and sending.is_final(draft.whole) and last.at > draft.moment - timedelta(seconds=sending.min_pause_s):
        # Nothing is told after it, so it tells all that may still be on its way.
        change = replace(change, is_whole=True)
    turn = next_push(sending, last, change)
    if turn == last:
        return turn, None
    delay_s = max(0, math.ceil((turn.at - draft.moment).total_seconds()))
    # Queues wait for whole seconds.
    return replace(turn, at=draft.moment + timedelta(seconds=delay_s)), delay_s


def _with_removed_parts(part: Json, known: Json, levels: Sequence[Level]) -> Json:
    """``part`` with the parts it no longer lists marked as removed, where the spec knows no other way (LOC-30)."""
    inner = levels[1] if len(levels) > 1 else None
    if inner is None or not inner.tombstone:
        return part
    listed = {item[inner.id_field] for item in part.get(inner.list_field) or ()}
    left_out = [
        item | inner.tombstone for item in known.get(inner.list_field) or () if item[inner.id_field] not in listed
    ]
    return part | {inner.list_field: [*(part.get(inner.list_field) or ()), *left_out]} if left_out else part
