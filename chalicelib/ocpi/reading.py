"""Parses and validates what a partner sent, in one of two profiles, and lists each deviation that was let pass.

The models state the rules of the spec. A body is parsed once, and the value is validated. Only if that fails, and only
for a lenient partner, breaches are repaired or let pass one by one; each is listed with its JSON path and the rule.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from chalicelib.ocpi.errors import InvalidJson, InvalidParameters
from chalicelib.ocpi.types import OcpiObject, Tolerance, format_date_time

Json = dict[str, Any]
M = TypeVar("M", bound=OcpiObject)
Loc = tuple[int | str, ...]
"""The location of a value, as pydantic gives it: names of fields, and indices of list elements."""

_MOST_BREACHES_NAMED: Final = 5
_MOST_BREACHES: Final = 10_000
"""Listing and repairing each takes time. A location of 1000 connectors that break ten rules each still passes."""
_MOST_ROUNDS: Final = 4
"""A repair can uncover another breach, one level of nesting deeper; the spec's objects nest four levels deep."""


class Profile(StrEnum):
    """How a partner's objects are read: conformance tests use strict, production starts lenient."""

    STRICT = "strict"
    LENIENT = "lenient"

    @property
    def level(self) -> Tolerance:
        """The validation level of this profile."""
        return Tolerance.STRICT if self is Profile.STRICT else Tolerance.LENIENT


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Deviation:
    """A breach of a rule that was let pass or repaired: its path, the rule, and what is wrong; never the value."""

    path: str
    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """A valid object, and the deviations that were let pass in it."""

    value: M
    deviations: tuple[Deviation, ...] = ()


def parse(body: bytes) -> Any:
    """The JSON value in ``body``.

    Raises:
        InvalidJson: not JSON in UTF-8, or nothing at all (TRA-15).
        InvalidParameters: JSON with a name twice in one object, too deep nesting, too large numbers, or half a
            surrogate pair.
    """
    if not body.strip():
        raise InvalidJson("the body is empty where JSON is required")
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_unique, parse_constant=_not_json, parse_float=_finite_float
        )
    except RecursionError:
        raise _too_deep(body) from None
    except _DuplicateNameError as twice:
        raise InvalidParameters(f"the body names {str(twice)[:40]!r} twice in one object") from None
    except ValueError as broken:
        if "integer string conversion" in str(broken):
            raise InvalidParameters("the body contains a number that is too large (FMT-05)") from None
        raise InvalidJson("the body is not JSON") from None
    try:
        # Stricter than json: no lone surrogates, which UTF-8 cannot carry on, and at most 200 levels of nesting.
        from_json(body)
    except ValueError:
        raise InvalidParameters("the body nests too deeply, or holds half a character (FMT-07)") from None
    return value


class _DuplicateNameError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateNameError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        # It would be sent on as Infinity, which is not JSON.
        raise InvalidParameters("the body contains a number that is too large (FMT-05)")
    return value


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _too_deep(body: bytes) -> Exception:
    """The error for a body that is nested too deeply to be parsed: it may be JSON or not."""
    brackets = re.sub(rb'"(?:[^"\\]|\\.)*"|[^\[\]{}"]', b"", body)
    opening, closing = brackets.count(b"[") + brackets.count(b"{"), brackets.count(b"]") + brackets.count(b"}")
    if opening != closing:
        return InvalidJson("the body is not JSON")
    return InvalidParameters("the body nests too deeply")


_BUILDING: Final = Lock()


def built(model: type[M]) -> type[M]:
    """The model, ready for validation. Pydantic builds it at its first use, which is not safe if two threads do so."""
    if not model.__pydantic_complete__:
        with _BUILDING:
            model.model_rebuild()
    return model


Unknown = Literal["keep", "drop"]
"""How to treat fields that the spec does not know: keep them, or drop them and list a deviation (TRA-37, Q-22)."""


StandIns = Mapping[tuple[str, ...], Any]
"""Values that the lenient profile fills in for required fields that are missing or null, by path (Q-31).

A path has no indices of list elements."""


def read(
    model: type[M], body: bytes, profile: Profile, now: datetime, *, stand_ins: StandIns = MappingProxyType({})
) -> Reading[M]:
    """The object in ``body``, with its unknown fields.

    Where a lenient partner leaves out ``last_updated``, it is ``now`` (Q-31).

    Raises:
        InvalidJson: not JSON (TRA-15).
        InvalidParameters: JSON that breaks rules of the spec, listed by their paths (TRA-16, TRA-20).
    """
    return read_value(model, parse(body), profile, now, stand_ins=stand_ins)


def read_value(
    model: type[M],
    value: Any,
    profile: Profile,
    now: datetime,
    *,
    unknown: Unknown = "keep",
    stand_ins: StandIns = MappingProxyType({}),
) -> Reading[M]:
    """Like ``read``, for a JSON value that is already parsed.

    Raises:
        InvalidParameters: it breaks rules of the spec.
    """
    model = built(model)
    try:
        # Most objects break no rule at all.
        return Reading(_flawless(model, value, unknown))
    except ValidationError:
        pass
    deviations: list[Deviation] = []
    filled: set[Loc] = set()
    for _ in range(_MOST_ROUNDS):
        # Values that we filled in may break a rule themselves, which is no deviation of theirs.
        theirs = [each for each in _breaches(model, value, unknown) if each["loc"] not in filled]
        deviations += map(_deviation, theirs)
        repairs = {} if profile is Profile.STRICT else _repairs(theirs, now, stand_ins)
        if not repairs:
            break
        value = _repaired(value, repairs)
        filled |= {loc for loc in repairs if _field_names(loc) in stand_ins}
    try:
        found = model.model_validate(value, context=profile.level, extra="allow" if unknown == "keep" else "ignore")
    except ValidationError as invalid:
        raise InvalidParameters(_message(model, invalid.errors(include_url=False))) from None
    if deviations:
        deviations += [_deviation(each) for each in _hidden_breaches(found, value) if each["loc"] not in filled]
    return Reading(found, tuple(dict.fromkeys(deviations)))


def _breaches(model: type[OcpiObject], value: Any, unknown: Unknown = "keep") -> list[Any]:
    """Every breach in the value that validation finds in one round; repairs can uncover more.

    Raises:
        InvalidParameters: there are too many.
    """
    try:
        _flawless(model, value, unknown)
    except ValidationError as invalid:
        if invalid.error_count() > _MOST_BREACHES:
            raise InvalidParameters(f"{model.__name__}: breaks more than {_MOST_BREACHES} rules") from None
        return invalid.errors(include_url=False)
    return []


def _flawless(model: type[M], value: Any, unknown: Unknown) -> M:
    return model.model_validate(value, context=Tolerance.PEDANTIC, extra="allow" if unknown == "keep" else "forbid")


def _hidden_breaches(found: OcpiObject, value: Json) -> list[Any]:
    """The breaches of rules about the whole object, which pydantic does not check while a field is wrong."""
    # Fields that are validated objects already are not validated again.
    return _breaches(type(found), value | {name: part for name, part in found if _holds_objects(part)})


def _holds_objects(part: Any) -> bool:
    return isinstance(part[0] if isinstance(part, list) and part else part, OcpiObject)


def _deviation(breach: Mapping[str, Any]) -> Deviation:
    return Deviation(path=_path(breach["loc"], numbered=False), rule=_rule(breach), what=_what(breach))


def _path(loc: Loc, *, numbered: bool) -> str:
    text = "".join(f"[{step if numbered else ''}]" if isinstance(step, int) else f".{str(step)[:40]}" for step in loc)
    return text.lstrip(".") or "(the whole)"


_KNOWN_BREACHES: Final = {
    "missing": ("TRA-20", "is missing"),
    "string_type": ("FMT-07", "is not a string"),
    "bool_type": ("TRA-16", "is not a boolean"),
    "list_type": ("TRA-12", "is not a list"),
    "model_type": ("TRA-12", "is not an object"),
    "too_short": ("TRA-36", "is an empty list"),
    "extra_forbidden": ("TRA-37", "is not a field of this version and was dropped"),
}
"""The rule and the text for pydantic's own error types."""


def _rule(breach: Mapping[str, Any]) -> str:
    return (
        str(breach["ctx"]["rule"]) if breach["type"] == "ocpi" else _KNOWN_BREACHES.get(breach["type"], ("TRA-16",))[0]
    )


def _what(breach: Mapping[str, Any]) -> str:
    if breach["type"] == "ocpi":
        return str(breach["ctx"]["text"])
    known = _KNOWN_BREACHES.get(breach["type"])
    return known[1] if known else "is not valid"


def _message(model: type[OcpiObject], breaches: list[Any]) -> str:
    lines = dict.fromkeys(f"{_path(b['loc'], numbered=True)} {_what(b)} ({_rule(b)})" for b in breaches)
    named = "; ".join(list(lines)[:_MOST_BREACHES_NAMED])
    more = len(lines) - _MOST_BREACHES_NAMED
    return f"{model.__name__}: {named}" + (f"; and {more} more" if more > 0 else "")


def _repairs(breaches: list[Any], now: datetime, stand_ins: StandIns) -> dict[Loc, Any]:
    """The values that replace those of the breaches that can be repaired, by location."""
    return {breach["loc"]: repair for breach in breaches if (repair := _repair(breach, now, stand_ins)) is not None}


def _repaired(value: Any, repairs: Mapping[Loc, Any]) -> Any:
    """A copy of ``value`` with these repairs."""
    copy = _copied(value)
    for loc, repair in repairs.items():
        _set_at(copy, loc, repair)
    return copy


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _repair(breach: Mapping[str, Any], now: datetime, stand_ins: StandIns) -> Any:
    kind, given = breach["type"], breach["input"]
    if kind == "missing" or given is None:
        stand_in = stand_ins.get(_field_names(breach["loc"]))
        if stand_in is not None:
            return stand_in
    if kind == "ocpi":
        return breach["ctx"]["repair"]
    if kind == "missing":
        return {"last_updated": format_date_time(now), **_STAND_INS}.get(breach["loc"][-1])
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        # Through Decimal, because Python writes 0.00005 with an exponent.
        return f"{Decimal(str(given)):f}"
    return None


_STAND_INS: Final = {"twentyfourseven": False}
"""Required fields that partners leave out where their value is clear: hours with regular_hours are not 24/7 (Q-44)."""


def _field_names(loc: Loc) -> tuple[str, ...]:
    """The location without the indices of list elements."""
    return tuple(step for step in loc if isinstance(step, str))


def _set_at(value: Any, loc: Loc, repair: Any) -> None:
    *steps, last = loc
    for step in steps:
        value = value[step]
    value[last] = repair
