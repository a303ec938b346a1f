"""``import``: create or replace own objects in bulk; safe to run again, for unchanged objects stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.api import OperatorApi
from cli.getting import MODULES, PRIVATE
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_fields, show_json, show_table
from cli.partners import find_partner
from cli.spreadsheet import FLAT, rows

MOST_OBJECTS = 99
"""Most objects of one request: what the node writes in one transaction."""
MOST_BYTES = 3 * 1024 * 1024
"""Most bytes of one request; Lambda takes 6 MB, with everything around the body."""

COUNTS = ("created", "updated", "unchanged")


@dataclass(slots=True)
class Outcome:
    """The outcome of the objects sent so far."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    failed: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Any] = field(default_factory=list)
    done: int = 0

    def add(self, answer: dict[str, Any], size: int) -> None:
        """Add the answer to a request of ``size`` objects; its failures have indices within that request."""
        for name in COUNTS:
            self.counts[name] += answer.get(name, 0)
        self.failed += [{**failure, "index": failure["index"] + self.done} for failure in answer.get("failed", ())]
        self.warnings += answer.get("warnings", ())
        self.done += size

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {**self.counts, "failed": self.failed, "warnings": self.warnings}


@click.command(name="import")
@click.argument("module", type=click.Choice(MODULES))
@click.argument("file", type=click.File("rb"))
@click.option("--csv", "is_csv", is_flag=True, help="The file is CSV; one whose name ends in .csv is anyway.")
@click.option("--for", "partner", metavar="PARTNER", help="Whose sessions or CDRs these are, if not as auth_id says.")
@click.option(
    "--no-push",
    is_flag=True,
    help="Push nothing to partners; they find the objects with their next pull. For a first load of many objects. An "
    "object that is not pushed now is pushed when it changes; a CDR never changes.",
)
@node_options
@pass_options
def import_(
    options: Options, module: str, file: IO[bytes], *, is_csv: bool, partner: str | None, no_push: bool
) -> None:
    """Put our own objects into the node, in bulk.

    FILE holds a JSON list, or an OCPI answer with one; "-" is stdin. Tokens may come as CSV: a line with the names of
    the fields, then a line per token, true or false where the spec says boolean, nothing where a field is left out.
    What is new or has changed is pushed to partners. Running it again is safe, and continues where it was interrupted.

    Example: python -m cli import tokens examples/tokens.json --node emsp
    """
    if partner and module not in PRIVATE:
        raise click.UsageError(f"--for goes with {' and '.join(PRIVATE)}: everybody gets our {module}")
    objects = _objects(module, file, is_csv=is_csv or getattr(file, "name", "").endswith(".csv"))
    api = operator_api(options)
    query = {"partner": find_partner(api, partner) if partner else None, "push": "no" if no_push else None}
    outcome = Outcome()
    try:
        for _ in _with_progress(module, len(objects), send(api, module, objects, outcome, query)):
            pass
    except Failure as broken:
        raise _stopped(broken, outcome, len(objects)) from broken
    _show(options, outcome)
    if outcome.failed:
        click.get_current_context().exit(1)


def _objects(module: str, file: IO[bytes], *, is_csv: bool) -> list[Any]:
    if not is_csv:
        return read_objects(file)
    if module not in FLAT:
        raise click.UsageError(f"{module} have lists and objects in them, which CSV cannot hold: give JSON")
    return list(rows(FLAT[module], file))


def read_objects(file: IO[bytes]) -> list[Any]:
    """The objects in a file: a JSON list, or an object that holds it as ``data``.

    Raises:
        BadParameter: it is neither.
    """
    try:
        content = json.load(file)
    except ValueError as broken:
        raise click.BadParameter(f"this is not JSON: {broken}", param_hint="FILE") from broken
    objects = content.get("data") if isinstance(content, dict) else content
    if not isinstance(objects, list):
        raise click.BadParameter("neither a JSON list nor an object that holds one as data", param_hint="FILE")
    return objects


def send(
    api: OperatorApi, module: str, objects: Sequence[Any], outcome: Outcome, query: Mapping[str, str | None]
) -> Iterator[int]:
    """Send the objects in chunks; yields the number of objects in each chunk once it is sent."""
    for chunk in chunks(json.dumps(each, separators=(",", ":")).encode() for each in objects):
        outcome.add(api.put_raw(module, body=b"[" + b",".join(chunk) + b"]", **query), len(chunk))
        yield len(chunk)


def chunks(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The bodies in chunks of what one request may hold; one that is too large goes alone, and the node refuses it."""
    chunk: list[bytes] = []
    size = 0
    for body in bodies:
        if chunk and (len(chunk) == MOST_OBJECTS or size + len(body) + 1 > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(body)
        size += len(body) + 1
    if chunk:
        yield chunk


def _with_progress(module: str, total: int, steps: Iterator[int]) -> Iterator[None]:
    console = Console(stderr=True)
    if not console.is_terminal:
        done = 0
        for step in steps:
            # At most a hundred lines, for logs.
            if (done + step) * 100 // total > done * 100 // total:
                say(f"{module}: {done + step} of {total}")
            done += step
            yield
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(module, total=total)
        for step in steps:
            progress.advance(task, step)
            yield


def _stopped(broken: Failure, outcome: Outcome, total: int) -> Failure:
    known = ", ".join(f"{count} {name}" for name, count in outcome.counts.items())
    so_far = f"{outcome.done} of {total} were sent ({known}, {len(outcome.failed)} failed). Import again to go on."
    return Failure(broken.message, "\n".join(filter(None, (so_far, broken.next_step))), broken.details)


def _show(options: Options, outcome: Outcome) -> None:
    if options.as_json:
        show_json(outcome.as_json())
        return
    show_fields({**outcome.counts, "failed": len(outcome.failed)})
    for warning in outcome.warnings:
        say(f"Warning: {warning if isinstance(warning, str) else json.dumps(warning)}")
    if outcome.failed:
        show_table(("number", "id", "reason"), ([f["index"] + 1, f.get("id"), f.get("error")] for f in outcome.failed))
