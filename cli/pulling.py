"""``pull`` and ``pulls``: crawl a partner's list now, and show the progress of all crawls."""

from __future__ import annotations

import time
from typing import Any, Final

import click
from rich.console import Console

from cli.api import OperatorApi
from cli.getting import MODULES
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_fields, show_json, show_table
from cli.partners import find_partner

COLUMNS: Final = ("module", "state", "pages", "received", "taken", "refused", "completed", "full", "problem")
POLL_S: Final = 0.25


@click.command()
@click.argument("partner")
@click.argument("module", type=click.Choice(MODULES))
@click.option("--full", is_flag=True, help="Everything, not only what changed since the last time.")
@click.option("--wait", is_flag=True, help="Follow it to its end.")
@node_options
@pass_options
def pull(options: Options, partner: str, module: str, *, full: bool, wait: bool) -> None:
    """Fetch a partner's list now, page by page.

    The node does so by itself every hour. What is refused stands in the quarantine.

    Example: python -m cli --node emsp pull DE/CPO locations --full --wait
    """
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    begun = api.post("partners", partner_id, "pull", module, body=None, full="yes" if full else None)
    if full and not begun["is_full"]:
        raise Failure(f"A crawl of what changed in {module} is at work", f"Try again when it is done: {_look(partner)}")
    found = _wait_for_end(api, partner_id, begun) if wait else begun
    if options.as_json:
        show_json(found)
    else:
        show_fields(_line(found))
        if found["refused"]:
            say(f"What was refused, and why: python -m cli quarantine list {partner}")
    if found["state"] == "failed":
        click.get_current_context().exit(1)
    if not wait and not options.as_json:
        say(f"How far it is: {_look(partner)}")


@click.command()
@click.argument("partner")
@node_options
@pass_options
def pulls(options: Options, partner: str) -> None:
    """Show the progress of the crawls of a partner's lists.

    Taken are the objects that were new or newer than ours, refused those that are in the quarantine.

    Example: python -m cli --node emsp pulls DE/CPO
    """
    api = operator_api(options)
    found = api.get("partners", find_partner(api, partner), "pulls")["pulls"]
    if options.as_json:
        show_json(found)
    elif found:
        show_table(COLUMNS, (list(_line(each).values()) for each in found))
    else:
        say("None")


def _wait_for_end(api: OperatorApi, partner_id: str, begun: dict[str, Any]) -> dict[str, Any]:
    """The crawl once it is over; its progress is shown meanwhile."""
    found = begun
    with Console(stderr=True).status("") as spinner:
        while found["state"] == "running":
            of = "" if found["total"] is None else f" of {found['total']}"
            trouble = f": {found['problem']}" if found["problem"] else ""
            spinner.update(f"{found['module']}: {found['received']}{of}{trouble}")
            time.sleep(POLL_S)
            found = next(
                each for each in api.get("partners", partner_id, "pulls")["pulls"] if each["module"] == begun["module"]
            )
    return found


def _line(pull: dict[str, Any]) -> dict[str, Any]:
    named = pull | {"completed": pull["completed_at"], "full": pull["full_at"]}
    return {name: named[name] for name in COLUMNS}


def _look(partner: str) -> str:
    return f"python -m cli pulls {partner}"
