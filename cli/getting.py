"""``get``: list or show our own objects, and those that a partner sent us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cli.api import OperatorApi
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_json, show_table
from cli.partners import find_partner

PARTS = (("evses", "uid"), ("connectors", "id"))
"""The list fields of a location and of an EVSE, and the id fields of their parts."""

SUMMARY = {
    "locations": ("id", "name", "city", "country", "evses", "last_updated"),
    "tariffs": ("id", "currency", "elements", "last_updated"),
    "sessions": ("id", "status", "auth_id", "start_datetime", "kwh", "total_cost", "currency", "last_updated"),
    "cdrs": ("id", "auth_id", "start_date_time", "total_energy", "total_time", "total_cost", "currency"),
    "tokens": ("uid", "type", "auth_id", "visual_number", "issuer", "valid", "whitelist", "last_updated"),
}
"""The columns of each module's table; of a list the length is shown."""

MODULES = tuple(SUMMARY)
PRIVATE = ("sessions", "cdrs")
"""Modules whose objects are for one partner each."""


@click.command()
@click.argument("module", type=click.Choice(MODULES))
@click.argument("path", nargs=-1, metavar="[ID [EVSE [CONNECTOR]]]")
@click.option("--partner", help="What this partner (id, party or name) sent us, instead of our own.")
@click.option("--for", "addressee", metavar="PARTNER", help="Our own sessions or CDRs that are for this partner.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Most lines in a list.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Skip this many of our own.")
@click.option(
    "--after", metavar="ID", help="Continue after this id, in a partner's list or in all our sessions or CDRs."
)
@node_options
@pass_options
def get(
    options: Options,
    module: str,
    path: tuple[str, ...],
    partner: str | None,
    addressee: str | None,
    limit: int,
    offset: int,
    after: str | None,
) -> None:
    """List objects, or show one or a part of one.

    Our own sessions and CDRs come by their ids; with --for in the order of their creation.

    Example: python -m cli --node emsp get locations --partner DE/CPO
    """
    if addressee and (partner or module not in PRIVATE):
        raise click.UsageError(f"--for goes with our own {' and '.join(PRIVATE)}")
    if len(path) > (1 + len(PARTS) if module == "locations" else 1):
        raise click.UsageError(f"too many ids for {module}")
    api = operator_api(options)
    where = ("partners", find_partner(api, partner)) if partner else ()
    if path:
        show_json(_received_part(api, (*where, module), path) if partner else api.get(module, *path))
        return
    by_id = partner is not None or (module in PRIVATE and addressee is None)
    query: dict[str, Any] = {"after": after} if by_id else {"offset": offset}
    if addressee:
        query["partner"] = find_partner(api, addressee)
    answer = api.get(*where, module, limit=limit, **query)
    if options.as_json:
        show_json(answer)
    else:
        _show_list(module, answer, offset)


def _received_part(api: OperatorApi, where: Sequence[str], path: Sequence[str]) -> Any:
    """A received object, or a part of it: the operator API has URLs for whole received objects only."""
    found = api.get(*where, path[0])
    for (list_field, id_field), wanted in zip(PARTS, path[1:], strict=False):
        members = found.get(list_field) or []
        found = next((member for member in members if member.get(id_field) == wanted), None)
        if found is None:
            raise Failure(f"It has no {wanted!r} among its {list_field}", "", [m.get(id_field, "") for m in members])
    return found


def _show_list(module: str, answer: dict[str, Any], offset: int) -> None:
    items = answer["items"]
    if items:
        show_table(SUMMARY[module], ([_summary(item.get(name)) for name in SUMMARY[module]] for item in items))
    for object_id, since in answer.get("gone", {}).items():
        say(f"{object_id} is not listed by them any more, since {since}")
    total = answer.get("total")
    if total is not None:
        say(f"{len(items)} of {total}")
        if items and offset + len(items) < total:
            say(f"Continue with --offset {offset + len(items)}")
    elif following := answer.get("next"):
        say(f"Continue with --after {following['after'] if isinstance(following, dict) else following}")
    elif not items:
        say("None")


def _summary(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value
