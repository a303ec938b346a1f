"""Reads objects from CSV, one per line: cells are converted to the types of the fields, errors name the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any, Final

import click

from chalicelib.modules.tokens.objects import Token
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.reading import Profile, read_value
from chalicelib.ocpi.types import OcpiObject, format_date_time

FLAT: Final[Mapping[str, type[OcpiObject]]] = {"tokens": Token}
"""The modules whose objects have neither lists nor objects in them, and so fit into a line."""

_BOOLEANS: Final = {"true": True, "false": False}
_MOST_FAULTS: Final = 20
"""Most errors in one message; a column that was exported wrongly has one in every line."""


def rows(model: type[OcpiObject], file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """The objects in a CSV file, in UTF-8, between commas or semicolons.

    Raises:
        BadParameter: a line is no such object, and which line.
    """
    faults: list[str] = []
    try:
        # A spreadsheet marks its UTF-8; and line ends inside quotes are part of a cell.
        reader = _reader(io.StringIO(file.read().decode("utf-8-sig"), newline=""))
        _check_names(model, reader.fieldnames or ())
        now = datetime.now(UTC)
        for row in reader:
            try:
                yield _object(model, row, now)
            except ValueError as broken:
                faults.append(f"line {1 + reader.line_num}: {broken}")
                if len(faults) == _MOST_FAULTS:
                    break
    except (UnicodeDecodeError, csv.Error) as broken:
        raise _bad(f"this is not CSV in UTF-8: {broken}") from broken
    if faults:
        raise _bad("\n  ".join(faults))


def _reader(text: IO[str]) -> csv.DictReader[str]:
    names = text.readline()
    comma = ";" if ";" in names and "," not in names else ","
    header = next(csv.reader([names], delimiter=comma), [])
    return csv.DictReader(text, [name.strip() for name in header], delimiter=comma, strict=True)


def _check_names(model: type[OcpiObject], names: Any) -> None:
    unknown = sorted({name for name in names if name not in model.model_fields} | {n for n in names if not n})
    if unknown or len(set(names)) < len(names):
        raise _bad(
            f"line 1: the names of a {model.__name__}'s fields, each once: {', '.join(model.model_fields)}; "
            f"not {', '.join(map(repr, unknown)) or 'one twice'}"
        )


def _object(model: type[OcpiObject], row: Mapping[str | None, Any], now: datetime) -> dict[str, Any]:
    """The object in a row.

    Raises:
        ValueError: it is none, and why.
    """
    if None in row:
        raise ValueError("more cells than line 1 has names")
    found = {str(name): _value(model, str(name), cell) for name, cell in row.items() if cell not in (None, "")}
    try:
        # The node sets the stamp where it is left out.
        read_value(model, {"last_updated": format_date_time(now)} | found, Profile.STRICT, now)
    except ClientError as broken:
        raise ValueError(str(broken)) from broken
    return found


def _value(model: type[OcpiObject], name: str, cell: str) -> Any:
    if model.model_fields[name].annotation is not bool:
        return cell
    if cell.strip().lower() not in _BOOLEANS:
        raise ValueError(f"{name} is neither true nor false")
    return _BOOLEANS[cell.strip().lower()]


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="FILE")
