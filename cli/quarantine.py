"""``quarantine``: what partners sent and we did not take: it contradicts what they sent before, or is broken."""

from __future__ import annotations

from typing import Any

import click

from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_json, show_table
from cli.partners import find_partner

COLUMNS = ("module", "id", "at", "reason")


@click.group()
def quarantine() -> None:
    """Look at what partners sent and we did not take.

    A second CDR with an id that we have, but with another content, is kept here for 90 days and changes nothing. So is
    what was broken in a list that we pulled.

    Example: python -m cli --node emsp quarantine list DE/CPO
    """


@quarantine.command(name="list")
@click.argument("partner")
@node_options
@pass_options
def list_(options: Options, partner: str) -> None:
    """List what is kept of a partner.

    Example: python -m cli --node emsp quarantine list DE/CPO
    """
    found = _kept(options, partner)
    if options.as_json:
        show_json({"items": found})
    elif found:
        show_table(COLUMNS, ([each[column] for column in COLUMNS] for each in found))
    else:
        say("Nothing")


@quarantine.command()
@click.argument("partner")
@click.argument("module")
@click.argument("object_id", metavar="ID")
@node_options
@pass_options
def show(options: Options, partner: str, module: str, object_id: str) -> None:
    """Show all that is kept under an id: each content that they sent, and why we did not take it.

    Example: python -m cli --node emsp quarantine show DE/CPO cdrs DEMO-1
    """
    # The ids of CDRs differ in more than case.
    wanted = (module, object_id.lower())
    found = [each for each in _kept(options, partner) if (each["module"], each["id"].lower()) == wanted]
    if not found:
        raise Failure(f"Nothing of {module} {object_id!r} is kept", f"See: python -m cli quarantine list {partner}")
    show_json(found)


def _kept(options: Options, partner: str) -> list[dict[str, Any]]:
    api = operator_api(options)
    found: list[dict[str, Any]] = api.get("partners", find_partner(api, partner), "quarantine")["items"]
    return found
