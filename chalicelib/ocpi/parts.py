"""Parts of an object, such as an EVSE of a Location: find, replace, patch and compare them, as JSON values.

A path is the ids below the object: ``()`` is the Location, ``("E1",)`` an EVSE, ``("E1", "1")`` a Connector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import Level

Json = dict[str, Any]
Path = tuple[str, ...]


def find_part(whole: Json, levels: Sequence[Level], path: Path) -> Json | None:
    """The part at ``path``; None if there is none."""
    found: Json | None = whole
    for level, part_id in zip(levels[1:], path, strict=False):
        parts = (found or {}).get(level.list_field) or ()
        found = next((part for part in parts if part[level.id_field] == part_id), None)
    return found


def with_part(whole: Json, levels: Sequence[Level], path: Path, part: Json) -> Json:
    """``whole`` with ``part`` at ``path``, added at the end if it is new; its parent must exist."""
    if not path:
        return part
    level = levels[1]
    siblings = list(whole.get(level.list_field) or ())
    place = next((n for n, sibling in enumerate(siblings) if sibling[level.id_field] == path[0]), len(siblings))
    inner = siblings[place] if place < len(siblings) else {}
    siblings[place : place + 1] = [with_part(inner, levels[1:], path[1:], part)]
    return whole | {level.list_field: siblings}


def touch_ancestors(whole: Json, levels: Sequence[Level], path: Path, last_updated: str) -> Json:
    """``whole``, with every ancestor of ``path`` having this ``last_updated`` or a later one (LOC-02, LOC-23)."""
    for depth in range(len(path)):
        ancestor = find_part(whole, levels, path[:depth])
        if ancestor is not None and ancestor["last_updated"] < last_updated:
            whole = with_part(whole, levels, path[:depth], ancestor | {"last_updated": last_updated})
    return whole


IsComplete = Callable[[Level, Json], bool]
"""Whether a part of a patch has every field that it needs to be added as a new part."""


def merge_patch(
    stored: Json, patch: Json, levels: Sequence[Level], is_complete: IsComplete
) -> tuple[Json, tuple[str, ...]]:
    """``stored`` with the patch merged in, and the paths of parts that were skipped.

    A patch may hold fragments of parts, such as ``evses: [{uid, status}]``. Each is merged into the part that it names;
    an unknown part is added if it is complete, else skipped (Q-45). A fragment without ``last_updated`` gets its
    parent's.

    Raises:
        InvalidParameters: two fragments name the same part.
    """
    inner = levels[1] if len(levels) > 1 else None
    if inner is None or inner.list_field not in patch:
        return stored | patch, ()
    fragments = patch[inner.list_field]
    if not isinstance(fragments, list | None) or (fragments == [] and not inner.removal_marker):
        # An empty list replaces parts that may be deleted; validation decides later whether it may be empty (LOC-09).
        return stored | patch, ()
    parts, skipped = _merged_parts(stored, fragments or [], patch.get("last_updated"), levels[1:], is_complete)
    return stored | patch | {inner.list_field: parts}, skipped


def _merged_parts(
    stored: Json, fragments: list[Any], stamp: Any, levels: Sequence[Level], is_complete: IsComplete
) -> tuple[list[Json], tuple[str, ...]]:
    level, skipped = levels[0], []
    parts = _by_id(stored, level)
    named: set[str] = set()
    for fragment in fragments:
        part_id = fragment.get(level.id_field) if isinstance(fragment, dict) else None
        if isinstance(part_id, str) and part_id in named:
            # The first one is not validated yet: nothing can be merged into it.
            raise InvalidParameters(f"{level.list_field}[] names one {level.id_field} twice (LOC-08)")
        named |= {part_id} if isinstance(part_id, str) else set()
        fresh = {"last_updated": stamp} | fragment if stamp and isinstance(fragment, dict) else fragment
        if isinstance(part_id, str) and part_id in parts:
            parts[part_id], below = merge_patch(parts[part_id], fresh, levels, is_complete)
            skipped += [f"{level.list_field}[].{path}" for path in below]
        elif isinstance(part_id, str) and is_complete(level, fresh):
            parts[part_id] = fresh
        else:
            skipped.append(f"{level.list_field}[]")
    return list(parts.values()), tuple(skipped)


@dataclass(frozen=True, slots=True)
class Change:
    """A difference: these fields of the part at ``path``, or the whole part if ``fields`` is None."""

    path: Path
    fields: tuple[str, ...] | None = None


def difference(old: Json | None, new: Json, levels: Sequence[Level]) -> tuple[Change, ...]:
    """The smallest changes that turn ``old`` into ``new``, in the deepest parts; none if only ``last_updated`` differs.

    If a field or part is missing in ``new``, its part has changed as a whole, because PATCH cannot remove (Q-21).
    """
    if old is None:
        return (Change(()),)
    return _difference(old, new, levels, ())


def _difference(old: Json, new: Json, levels: Sequence[Level], path: Path) -> tuple[Change, ...]:
    inner = levels[1] if len(levels) > 1 else None
    ignored = {"last_updated", inner.list_field if inner else ""}
    changed = sorted(name for name in old.keys() | new.keys() if name not in ignored and old.get(name) != new.get(name))
    if any(name not in new for name in changed):
        return (Change(path),)
    own = (Change(path, tuple(changed)),) if changed else ()
    if inner is None:
        return own
    before, after = _by_id(old, inner), _by_id(new, inner)
    if before.keys() - after.keys():
        return (Change(path),)
    below = [
        change
        for part_id, part in after.items()
        for change in (
            _difference(before[part_id], part, levels[1:], (*path, part_id))
            if part_id in before
            else (Change((*path, part_id)),)
        )
    ]
    return (*own, *below)


def _by_id(parent: Mapping[str, Any], level: Level) -> dict[str, Json]:
    return {part[level.id_field]: part for part in parent.get(level.list_field) or ()}
