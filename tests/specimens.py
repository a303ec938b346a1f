"""Objects with every field that the spec's tables know, and the places in them where a test can break one rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tests.oracle import ENUMS, OBJECTS, RANGES, Field, fields

Json = Any
Path = tuple[str | int, ...]
"""The way to a value: names of fields, and 0 for the one element of a list."""

STAMP: Final = "2026-01-01T00:00:00Z"
ROOTS: Final = ("Location", "Tariff", "Session", "CDR", "Token", "AuthorizationInfo")
"""The objects that are sent on their own; every other object of the modules stands inside one of them."""


def example(field: Field) -> Json:
    """A value that keeps every rule for one element of this field."""
    if field.type in OBJECTS:
        return complete(field.type)
    if field.type in ENUMS:
        return ENUMS[field.type][0]
    if field.form:
        return field.form[1]
    if field.is_string:
        return "https://example.com/a" if field.type == "URL" else "x"
    if field.name in RANGES:
        return RANGES[field.name][2]
    return {"DateTime": STAMP, "boolean": False, "number": 1.5}.get(field.type, 7)


def complete(name: str) -> Json:
    """An object with every field of its table, and one element in every list.

    But for a tariff, whose last element must apply always (TAR-08), and a CDR, whose times must agree (CDR-13).
    """
    found = {field.name: example(field) for field in fields(name).values()}
    whole = {field: [value] if fields(name)[field].is_list else value for field, value in found.items()}
    if name == "Tariff":
        whole["elements"].append({"price_components": [complete("PriceComponent")]})
    if name == "CDR":
        whole["stop_date_time"] = "2026-01-01T01:30:00Z"
    return whole


def places(name: str, above: Path = ()) -> Iterator[tuple[Path, Field]]:
    """Every field at every depth of a complete object: the path to its value (a list's is the list), and its row."""
    for field in fields(name).values():
        here = (*above, field.name)
        yield here, field
        if field.type in OBJECTS:
            yield from places(field.type, (*here, 0) if field.is_list else here)


def own_places(name: str) -> list[tuple[Path, Field]]:
    """The places of a complete object, but for those in a Location or Tariff that it holds: these are roots, too."""
    found = list(places(name))
    inner = [path for path, field in found if field.type in ROOTS]
    return [(path, field) for path, field in found if not any(path[: len(root)] == root != path for root in inner)]


def put(value: Json, path: Path, new: Json) -> Json:
    """A copy of ``value`` with ``new`` at ``path``."""
    copy = inner = json.loads(json.dumps(value))
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return copy


def without(value: Json, path: Path) -> Json:
    """A copy of ``value`` that has nothing at ``path``."""
    copy = inner = json.loads(json.dumps(value))
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return copy


def at(value: Json, path: Path) -> Json:
    """What stands at ``path``; None if nothing does."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError):
            return None
    return value


def named(path: Path) -> str:
    """A path as our messages write it, such as ``evses[0].status``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
