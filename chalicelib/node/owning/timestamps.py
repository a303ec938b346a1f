"""``last_updated`` of our own objects and of their parts.

A new object keeps the timestamps that the host gave, unless they are in the future. Later, what changes gets our time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.ocpi.module import Level
from chalicelib.ocpi.parts import Json, difference


def with_missing_timestamps(value: Any, levels: Sequence[Level], now: str) -> Any:
    """``value`` with ``last_updated`` set to ``now`` in it and in its parts wherever the host left it out.

    Args:
        value: what the host gave; not validated yet.
        levels: the value's level, then those of its parts.
        now: a DateTime as the spec writes it.
    """
    if not isinstance(value, dict):
        return value
    filled = value if value.get("last_updated") else value | {"last_updated": now}
    parts = filled.get(levels[1].list_field) if len(levels) > 1 else None
    if isinstance(parts, list):
        filled = filled | {levels[1].list_field: [with_missing_timestamps(part, levels[1:], now) for part in parts]}
    return filled


def with_changed_timestamps(part: Json, before: Json | None, levels: Sequence[Level], now: str) -> Json:
    """``part`` with ``last_updated`` set to ``now`` in every changed part, and in the parts that contain it (LOC-02).

    Unchanged parts keep their timestamp and their position in the list. An added part counts as changed: its push has
    to make the parts that contain it newer at the partners, too (LOC-23).

    Args:
        part: the new state.
        before: the stored state; None if it is new.
        levels: the level of ``part``, then those of its parts.
        now: a DateTime as the spec writes it.
    """
    if before is None:
        return _not_ahead(part, levels, now) | {"last_updated": now}
    if not difference(before, part, levels):
        return before
    inner = levels[1] if len(levels) > 1 else None
    if inner is not None and inner.list_field in part:
        known = {item[inner.id_field]: item for item in before.get(inner.list_field) or ()}
        items = [
            with_changed_timestamps(item, known.get(item[inner.id_field]), levels[1:], now)
            for item in part[inner.list_field]
        ]
        # Partners get the changed parts alone, so they keep the order that they know; we keep the same one.
        positions = {part_id: position for position, part_id in enumerate(known)}
        items.sort(key=lambda item: positions.get(item[inner.id_field], len(positions)))
        part = part | {inner.list_field: items}
    return part | {"last_updated": now}


def _not_ahead(part: Json, levels: Sequence[Level], now: str) -> Json:
    """``part`` with the host's timestamps, those in the future replaced by ``now``."""
    part = part | {"last_updated": min(part["last_updated"], now)}
    inner = levels[1] if len(levels) > 1 else None
    if inner is not None and inner.list_field in part:
        part |= {inner.list_field: [_not_ahead(item, levels[1:], now) for item in part[inner.list_field]]}
    return part
