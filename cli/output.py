"""Prints results on stdout, and everything else on stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

# What partners sent us is shown too, and must not steer the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
WIDE = 10_000
"""A width that no line has: through a pipe no line is wrapped or cut off."""

PROSE = ("name", "problem", "reason", "what")
"""Columns that are wrapped where a terminal is narrow."""


class Failure(click.ClickException):
    """A problem, its details, and what to do next. Exit code 1."""

    def __init__(self, message: str, next_step: str = "", details: Iterable[Any] = ()) -> None:
        super().__init__(message)
        self.next_step = next_step
        self.details = [detail if isinstance(detail, str) else json.dumps(detail) for detail in details]

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to stderr."""
        for line in (f"Error: {self.message}", *(f"  - {detail}" for detail in self.details), self.next_step):
            if line:
                click.echo(plain(line), file=file, err=True)


def plain(text: str) -> str:
    """The text without control characters, except for line breaks and tabs."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def say(line: str) -> None:
    """Print a message on stderr."""
    click.echo(plain(line), err=True)


def show_json(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(plain(json.dumps(value, indent=2, ensure_ascii=False)))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a result as a table; through a pipe each row stays one line."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in PROSE)
    for row in rows:
        table.add_row(*(Text(plain(_cell(value))) for value in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print a result as lines of a name and a value, without empty values."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            click.echo(plain(f"{name:<{width}}  {_cell(value)}"))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
