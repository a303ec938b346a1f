"""Whose time our own objects carry: the host's, as far as it is plausible, until we see a change ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.ocpi.module import Level
from chalicelib.ocpi.parts import Json, difference


def with_missing_timestamps(value: Any, levels: Sequence[Level], now: str) -> Any:
    """``value`` with ``last_updated`` wherever the host left it out."""
    if not isinstance(value, dict):
        return value
    filled = value if value.get("last_updated") else value | {"last_updated": now}
    parts = filled.get(levels[1].list_field) if len(levels) > 1 else None
    if isinstance(parts, list):
        filled = filled | {levels[1].list_field: [with_missing_timestamps(part, levels[1:], now) for part in parts]}
    return filled


def with_changed_timestamps(part: Json, before: Json | None, levels: Sequence[Level], now: str) -> Json:
    """``part`` as of ``now`` where it differs from ``before``, and above; elsewhere as it was (LOC-02), in its place.

    A part that is added counts as changed: its own push has to make its parents newer at the partners, too (LOC-23).
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
        # What is known stays in its place, as it does at the partners who are told of the changes alone.
        places = {part_id: place for place, part_id in enumerate(known)}
        items.sort(key=lambda item: places.get(item[inner.id_field], len(places)))
        part = part | {inner.list_field: items}
    return part | {"last_updated": now}


def _not_ahead(part: Json, levels: Sequence[Level], now: str) -> Json:
    """``part`` with the stamps that the host gave, but none in the future."""
    part = part | {"last_updated": min(part["last_updated"], now)}
    inner = levels[1] if len(levels) > 1 else None
    if inner is not None and inner.list_field in part:
        part |= {inner.list_field: [_not_ahead(item, levels[1:], now) for item in part[inner.list_field]]}
    return part
