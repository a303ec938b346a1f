"""The basic types of the spec as pydantic annotations, each with its rule, and with its repair where there is one.

Validation has three levels:

- ``PEDANTIC``: every breach is an error. This is how breaches are found.
- ``STRICT``: breaches that are only warnings pass.
- ``LENIENT``: breaches that real partners commit pass too, as they are or repaired.

Spec: types.md; rules FMT-01 to FMT-22.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Tolerance(IntEnum):
    """The level of a validation, passed as its context: how much it lets pass."""

    PEDANTIC = 0
    STRICT = 1
    LENIENT = 2


def breach(rule: str, text: str, *, repair: Any = None) -> PydanticCustomError:
    """The error for a broken rule; in the lenient profile ``repair`` replaces the value, unless it is None."""
    return PydanticCustomError("ocpi", "{text} ({rule})", {"text": text, "rule": rule, "repair": repair})


def tolerated(info: ValidationInfo, since: Tolerance) -> bool:
    """Whether the level of this validation is ``since`` or more lenient."""
    return (info.context or Tolerance.PEDANTIC) >= since


class OcpiObject(BaseModel):
    """An object of the spec: frozen and strictly typed; callers decide whether unknown fields are kept (TRA-37).

    Empty optional fields are None, and so are empty ``*`` lists: null, ``[]`` and omitted are one (TRA-36).
    """

    # Unknown fields that were kept are written out only by a model that allows them.
    model_config = ConfigDict(strict=True, extra="allow", frozen=True, defer_build=True)


# --- strings -----------------------------------------------------------------------------------------------------


class _Annotation:
    """A pydantic annotation that checks a value after its own type."""

    def check(self, value: Any, info: ValidationInfo) -> Any:
        """The value, if it keeps the rule."""
        raise NotImplementedError

    def schema(self) -> JsonSchemaValue:
        """What the annotation adds to the JSON Schema."""
        return {}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | self.schema()


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_PROSE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MARKUP = re.compile(r"<[A-Za-z/!]")


@dataclass(frozen=True, kw_only=True)
class Text(_Annotation):
    """A string of at most ``limit`` characters, or ``lenient`` in the lenient profile (FMT-10, Q-18).

    Non-ASCII text is accepted (Q-19), control characters are not; only ``prose`` may have line breaks and tabs, and
    is checked for markup (FMT-09).
    """

    limit: int
    lenient: int = 255
    prose: bool = False
    least: int = 0
    """Fewest characters: 1 for an id, which becomes a segment of a URL."""

    def check(self, value: str, info: ValidationInfo) -> str:
        """The value, if it keeps the rule."""
        if (_CONTROL_IN_PROSE if self.prose else _CONTROL).search(value):
            raise breach("FMT-07", "contains a control character")
        if _CONTROL.search(value) and not tolerated(info, Tolerance.STRICT):
            raise breach("FMT-07", "contains line breaks or tabs")
        if self.prose and _MARKUP.search(value) and not tolerated(info, Tolerance.STRICT):
            raise breach("FMT-09", "contains markup")
        if len(value) < self.least:
            raise breach("FMT-10", "is empty")
        if len(value) > self.limit and not (tolerated(info, Tolerance.LENIENT) and len(value) <= self.lenient):
            raise breach("FMT-10", f"is longer than {self.limit} characters")
        return value

    def schema(self) -> JsonSchemaValue:
        """What this adds to the JSON Schema."""
        return {"maxLength": self.limit} | ({"minLength": self.least} if self.least else {})


@dataclass(frozen=True)
class OneOf(_Annotation):
    """One of the enum's values in exact case (FMT-11); in the lenient profile ``fallback`` replaces an unknown one.

    Without ``fallback`` an unknown value is kept there, and ignored by our code (Q-20), unless ``refuse_unknown``.
    """

    values: tuple[str, ...]
    fallback: str | None = None
    refuse_unknown: bool = False

    def check(self, value: str, info: ValidationInfo) -> str:
        """The value, if it keeps the rule."""
        if value in self.values:
            return value
        keep = self.fallback is None and not self.refuse_unknown
        if keep and tolerated(info, Tolerance.LENIENT) and 0 < len(value) <= 255 and not _CONTROL.search(value):
            return value
        raise breach("FMT-11", "is not a value of this enum", repair=self.fallback)

    def schema(self) -> JsonSchemaValue:
        """What this adds to the JSON Schema."""
        return {"enum": list(self.values)}


@dataclass(frozen=True, kw_only=True)
class Matches(_Annotation):
    """A string of this pattern; ``repair`` turns similar ones into it in the lenient profile, or returns None."""

    pattern: str
    rule: str
    form: str
    repair: Callable[[str], str | None] | None = None

    def check(self, value: str, _info: ValidationInfo) -> str:
        """The value, if it keeps the rule."""
        if re.fullmatch(self.pattern, value):
            return value
        raise breach(self.rule, f"is not {self.form}", repair=self.repair(value) if self.repair else None)

    def schema(self) -> JsonSchemaValue:
        """What this adds to the JSON Schema."""
        return {"pattern": f"^{self.pattern}$"}


_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


@dataclass(frozen=True)
class _Url(_Annotation):
    def check(self, value: str, info: ValidationInfo) -> str:
        """The value, if it keeps the rule."""
        if len(value) > 255 and not (tolerated(info, Tolerance.LENIENT) and len(value) <= 1024):
            raise breach("FMT-08", "is a URL longer than 255 characters")
        if _CONTROL.search(value):
            raise breach("FMT-07", "contains a control character")
        # Only a warning: networks publish "www.example.com", and nothing of ours follows these links.
        if not _URL.fullmatch(value) and not tolerated(info, Tolerance.STRICT):
            raise breach("FMT-08", "is not an absolute http(s) URL")
        return value

    def schema(self) -> JsonSchemaValue:
        """What this adds to the JSON Schema."""
        return {"maxLength": 255, "format": "uri"}


Url = Annotated[str, _Url()]
"""An absolute http(s) URL of at most 255 characters. Spec: types.md 1.6."""


# --- dates and times ---------------------------------------------------------------------------------------------

_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?\s*([Zz]|[+-]\d{2}:?\d{2})?",
    re.ASCII,
)


def parse_date_time(text: str, *, offsets: bool = True) -> datetime:
    """The instant in UTC, to the millisecond; text without Z or offset is UTC (FMT-02, FMT-04).

    Raises:
        ValueError: not a DateTime, or it has an offset while ``offsets`` is False (FMT-03).
    """
    match = _DATE_TIME.fullmatch(text)
    if not match:
        raise ValueError("is not a DateTime such as 2015-06-29T20:39:09Z")
    day, clock, fraction, zone = match.groups()
    if zone not in (None, "Z", "z") and not offsets:
        raise ValueError("has an offset instead of Z")
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:3].ljust(3, '0')}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as broken:
        raise ValueError("is not a date that exists") from broken
    if moment.year < 1970:
        raise ValueError("lies before 1970")
    return moment


def format_date_time(moment: datetime) -> str:
    """``YYYY-MM-DDThh:mm:ssZ``, the only form that we send (FMT-01); fractions of seconds are cut off."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _date_time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise breach("FMT-01", "is not a DateTime string")
    try:
        return parse_date_time(value, offsets=False)
    except ValueError as broken:
        raise breach(_date_time_rule(broken), str(broken), repair=_without_offset(value)) from None


def _date_time_rule(broken: ValueError) -> str:
    return "FMT-03" if "offset" in str(broken) else "FMT-01"


def _without_offset(value: str) -> str | None:
    try:
        return format_date_time(parse_date_time(value))
    except ValueError:
        return None


DateTime = Annotated[
    datetime,
    BeforeValidator(_date_time),
    PlainSerializer(format_date_time, return_type=str),
    Field(json_schema_extra={"maxLength": 25}),
]
"""An instant in UTC, kept to the millisecond and sent to the second. Spec: types.md 1.2."""


def _clock_time(value: str) -> str | None:
    match = re.fullmatch(r"(\d{1,2}):(\d{2})(?::\d{2})?", value, re.ASCII)
    if not match or int(match[1]) > 24 or int(match[2]) > 59 or (match[1] == "24" and match[2] != "00"):
        return None
    return "00:00" if match[1] == "24" else f"{int(match[1]):02}:{match[2]}"


ClockTime = Annotated[
    str,
    Matches(pattern=r"([0-1][0-9]|2[0-3]):[0-5][0-9]", rule="FMT-13", form="a time such as 08:30", repair=_clock_time),
]
"""``HH:MM`` in 24 hours. The lenient profile takes ``9:00`` too, and ``24:00``, which becomes ``00:00`` (Q-44)."""


def _existing(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise breach("FMT-22", "is not a date that exists") from None
    return value


Day = Annotated[
    str,
    Matches(pattern=r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", rule="FMT-22", form="a YYYY-MM-DD date"),
    AfterValidator(_existing),
]


# --- numbers -----------------------------------------------------------------------------------------------------

_LARGEST: Final = 10**12


def any_number(value: Any) -> int | float | None:
    """The number in a text such as ``"2.00"``, which the lenient profile takes; None for anything else (FMT-06)."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", value, re.ASCII):
        return float(value) if "." in value else int(value)
    return None


def whole_number(value: Any) -> int | None:
    """The integer in ``"230"`` or ``230.0``, which the lenient profile takes; None for anything else (FMT-19)."""
    number = any_number(value) if isinstance(value, str) else value
    if not isinstance(number, int | float) or not abs(number) < _LARGEST or number != int(number):
        return None
    return int(number)


def _number(value: Any, info: ValidationInfo) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise breach("FMT-06", "is not a number", repair=any_number(value))
    if not abs(value) < _LARGEST:
        raise breach("FMT-05", "is too large a number")
    if round(value, 4) != value and not tolerated(info, Tolerance.LENIENT):
        raise breach("FMT-05", "has more than 4 decimals")
    # Below 0.0001 Python would write an exponent.
    return value if isinstance(value, int) else round(value, 6 if abs(value) >= 0.0001 else 4)


def _int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise breach("FMT-19", "is not an integer", repair=None if isinstance(value, bool) else whole_number(value))
    if not abs(value) < 2**31:
        raise breach("FMT-19", "is too large an integer")
    return value


Number = Annotated[int | float, PlainValidator(_number, json_schema_input_type=float)]
"""A JSON number with at most 4 decimals; integers stay integers. Spec: types.md 1.4."""

Int = Annotated[int, PlainValidator(_int, json_schema_input_type=int)]
"""A JSON integer."""


@dataclass(frozen=True, kw_only=True)
class Between(_Annotation):
    """A number from ``low`` to ``high``, both included."""

    low: int
    high: int
    rule: str = "FMT-19"

    def check(self, value: float, _info: ValidationInfo) -> float:
        """The value, if it keeps the rule."""
        if not self.low <= value <= self.high:
            raise breach(self.rule, f"is not between {self.low} and {self.high}")
        return value

    def schema(self) -> JsonSchemaValue:
        """What this adds to the JSON Schema."""
        return {"minimum": self.low, "maximum": self.high}


# --- cardinality -------------------------------------------------------------------------------------------------

T = TypeVar("T")


def _empty_is_none(value: Any) -> Any:
    return None if value == [] else value


OptionalList = Annotated[Annotated[list[T], Field(max_length=10_000)] | None, BeforeValidator(_empty_is_none)]
"""Cardinality ``*``, zero or more: null, ``[]`` and omitted are equal, and read as None."""

NonEmptyList = Annotated[list[T], Field(min_length=1, max_length=10_000)]
"""Cardinality ``+``, one or more."""


# --- text in a language ------------------------------------------------------------------------------------------


def _language(value: str) -> str | None:
    match = re.fullmatch(r"([A-Za-z]{2})[-_].*", value[:35])
    return match[1] if match else None


Language = Annotated[
    str, Matches(pattern=r"[A-Za-z]{2}", rule="FMT-09", form="a two-letter language", repair=_language)
]


class DisplayText(OcpiObject):
    """A text for people in one language. Spec: types.md 1.3."""

    language: Language
    text: Annotated[str, Text(limit=512, lenient=1024, prose=True)]
