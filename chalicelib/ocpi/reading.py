"""From the bytes a partner sent to a valid object, in one of two profiles, with every leniency written down.

The models say what the spec says. A body is parsed once, and the value is validated as it is; only if that fails, and
only for a lenient partner, the breaches are mended or let pass one by one, so that each has a JSON path and a rule.
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
"""The way to a value: names of fields, and numbers of list elements."""

_MOST_BREACHES_NAMED: Final = 5
_MOST_BREACHES: Final = 10_000
"""Naming and mending each takes time; a location of a thousand connectors that breaks ten rules each still passes."""
_MOST_ROUNDS: Final = 4
"""Mending one breach can uncover another behind it, one nesting level deeper; the spec's objects nest four deep."""


class Profile(StrEnum):
    """How a partner's objects are read: conformance tests use strict, production starts lenient."""

    STRICT = "strict"
    LENIENT = "lenient"

    @property
    def level(self) -> Tolerance:
        """How much this profile lets pass."""
        return Tolerance.STRICT if self is Profile.STRICT else Tolerance.LENIENT


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Deviation:
    """A breach that was let pass: where, which rule, and what it was. Never the value."""

    path: str
    rule: str
    what: str


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """A valid object and what had to be forgiven."""

    value: M
    deviations: tuple[Deviation, ...] = ()


def parse(body: bytes) -> Any:
    """The JSON value in ``body``.

    Raises:
        InvalidJson: not JSON in UTF-8, or nothing at all (TRA-15).
        InvalidParameters: JSON that no honest client sends: a name twice in one object, nesting or numbers without end,
            half a character.
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
    """Which error deep nesting deserves: the parser gave up before it could tell JSON from garbage."""
    brackets = re.sub(rb'"(?:[^"\\]|\\.)*"|[^\[\]{}"]', b"", body)
    opening, closing = brackets.count(b"[") + brackets.count(b"{"), brackets.count(b"]") + brackets.count(b"}")
    if opening != closing:
        return InvalidJson("the body is not JSON")
    return InvalidParameters("the body nests too deeply")


_BUILDING: Final = Lock()


def built(model: type[M]) -> type[M]:
    """The model, ready to read: pydantic builds one at its first use, and wrongly if two threads are the first."""
    if not model.__pydantic_complete__:
        with _BUILDING:
            model.model_rebuild()
    return model


Unknown = Literal["keep", "drop"]
"""What becomes of fields that the spec does not know: kept beside the rest, or dropped and named (TRA-37, Q-22)."""


StandIns = Mapping[tuple[str, ...], Any]
"""What a lenient reader puts where required fields are left out or null, by their paths without indices (Q-31)."""


def read(
    model: type[M], body: bytes, profile: Profile, now: datetime, *, stand_ins: StandIns = MappingProxyType({})
) -> Reading[M]:
    """The object in ``body``; ``now`` stands in where a lenient partner leaves out ``last_updated`` (Q-31).

    Unknown fields are kept.

    Raises:
        InvalidJson: not JSON (TRA-15).
        InvalidParameters: JSON that breaks the spec's rules, each named by its path (TRA-16, TRA-20).
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
        InvalidParameters: it breaks the spec's rules.
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
        # What we filled in ourselves may break a rule, and is no fault of theirs.
        theirs = [each for each in _breaches(model, value, unknown) if each["loc"] not in filled]
        deviations += map(_deviation, theirs)
        mends = {} if profile is Profile.STRICT else _mends(theirs, now, stand_ins)
        if not mends:
            break
        value = _mended(value, mends)
        filled |= {loc for loc in mends if _names(loc) in stand_ins}
    try:
        found = model.model_validate(value, context=profile.level, extra="allow" if unknown == "keep" else "ignore")
    except ValidationError as invalid:
        raise InvalidParameters(_explained(model, invalid.errors(include_url=False))) from None
    if deviations:
        deviations += [_deviation(each) for each in _hidden(found, value) if each["loc"] not in filled]
    return Reading(found, tuple(dict.fromkeys(deviations)))


def _breaches(model: type[OcpiObject], value: Any, unknown: Unknown = "keep") -> list[Any]:
    """Every rule that the value breaks, as far as one can see before the first are mended.

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


def _hidden(found: OcpiObject, value: Json) -> list[Any]:
    """The breaches of the object as a whole that those inside it hid: nobody looks at a whole whose parts are wrong."""
    # Parts that are objects already are not looked into again.
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
"""pydantic's own error types, in the words and rules of this protocol."""


def _rule(breach: Mapping[str, Any]) -> str:
    return (
        str(breach["ctx"]["rule"]) if breach["type"] == "ocpi" else _KNOWN_BREACHES.get(breach["type"], ("TRA-16",))[0]
    )


def _what(breach: Mapping[str, Any]) -> str:
    if breach["type"] == "ocpi":
        return str(breach["ctx"]["text"])
    known = _KNOWN_BREACHES.get(breach["type"])
    return known[1] if known else "is not valid"


def _explained(model: type[OcpiObject], breaches: list[Any]) -> str:
    lines = dict.fromkeys(f"{_path(b['loc'], numbered=True)} {_what(b)} ({_rule(b)})" for b in breaches)
    named = "; ".join(list(lines)[:_MOST_BREACHES_NAMED])
    more = len(lines) - _MOST_BREACHES_NAMED
    return f"{model.__name__}: {named}" + (f"; and {more} more" if more > 0 else "")


def _mends(breaches: list[Any], now: datetime, stand_ins: StandIns) -> dict[Loc, Any]:
    """What to put in the place of each breach that can be mended."""
    return {breach["loc"]: mend for breach in breaches if (mend := _mend(breach, now, stand_ins)) is not None}


def _mended(value: Any, mends: Mapping[Loc, Any]) -> Any:
    """A copy of ``value`` with what mends it."""
    copy = _copied(value)
    for loc, mend in mends.items():
        _put(copy, loc, mend)
    return copy


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _mend(breach: Mapping[str, Any], now: datetime, stand_ins: StandIns) -> Any:
    kind, given = breach["type"], breach["input"]
    if kind == "missing" or given is None:
        stand_in = stand_ins.get(_names(breach["loc"]))
        if stand_in is not None:
            return stand_in
    if kind == "ocpi":
        return breach["ctx"]["mend"]
    if kind == "missing":
        return {"last_updated": format_date_time(now), **_STAND_INS}.get(breach["loc"][-1])
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        # Through Decimal, because Python writes 0.00005 with an exponent.
        return f"{Decimal(str(given)):f}"
    return None


_STAND_INS: Final = {"twentyfourseven": False}
"""Required fields that partners leave out where the others say it all: hours are not around the clock (Q-44)."""


def _names(loc: Loc) -> tuple[str, ...]:
    """The way to a place without the numbers of list elements."""
    return tuple(step for step in loc if isinstance(step, str))


def _put(value: Any, loc: Loc, mend: Any) -> None:
    *steps, last = loc
    for step in steps:
        value = value[step]
    value[last] = mend
