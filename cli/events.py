"""``events``: what partners did, as the host is told of it; the last ones, or each as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import click

from chalicelib.node.events.announcing import EventKind
from cli.api import Away, OperatorApi
from cli.getting import MODULES
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import plain, say
from cli.partners import find_partner

LOOK_S: Final = 1.0
AT_A_TIME: Final = 100


@click.command()
@click.option("--follow", is_flag=True, help="Go on with each that comes, until Ctrl-C.")
@click.option("--partner", metavar="PARTNER", help="Only those of one partner: its id, party or name.")
@click.option("--module", type=click.Choice([*MODULES, "commands"]), help="Only those of one module.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only those of one kind.")
@node_options
@pass_options
def events(options: Options, partner: str | None, module: str | None, kind: str | None, *, follow: bool) -> None:
    """Show what partners did lately: the last hundred events, as far as they are asked for.

    An event is shown two seconds after it was published. With --json each is one line of JSON, for scripts.

    Example: python -m cli --node emsp events --follow

    Example: python -m cli --node emsp events --partner DE/CPO --module locations

    Example: python -m cli --node emsp events --follow --kind object.created --json
    """
    api = operator_api(options)
    wanted = {"partner": partner and find_partner(api, partner), "module": module, "kind": kind}
    shown = 0
    try:
        for event in _events(api, follow=follow):
            if all(value in (None, _facts(event)[name]) for name, value in wanted.items()):
                click.echo(plain(json.dumps(event, ensure_ascii=False) if options.as_json else _line(event)))
                shown += 1
    except KeyboardInterrupt:
        # The way to end it.
        return
    if not shown and not options.as_json:
        say("None")


def _events(api: OperatorApi, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The last events, each once; with ``follow`` also those that come."""
    answer, told = api.get("events", limit=AT_A_TIME, latest="yes"), set()
    while True:
        for event in answer["items"]:
            if event["id"] not in told:
                told.add(event["id"])
                yield event
        if not follow:
            return
        if len(answer["items"]) < AT_A_TIME:
            time.sleep(LOOK_S)
        answer = _next(api, answer["next"])


def _next(api: OperatorApi, cursor: str) -> Any:
    """What came behind the cursor; a node that is away, such as for a restart, is waited for."""
    is_told = False
    while True:
        try:
            return api.get("events", limit=AT_A_TIME, after=cursor)
        except Away as away:
            if not is_told:
                say(f"{away.message}. Waiting for it, until Ctrl-C ...")
            is_told = True
            time.sleep(LOOK_S)


def _facts(event: dict[str, Any]) -> dict[str, Any]:
    return {"partner": event["partner"]["id"], "module": event["module"], "kind": event["kind"]}


def _line(event: dict[str, Any]) -> str:
    partner = event["partner"]
    who = partner["party"] or partner["name"] or partner["id"]
    what = "/".join([event["module"], event["object_id"], *event["path"]]) if event["module"] else ""
    return "  ".join([event["at"], f"{event['kind']:<20}", f"{who:<6}", what or event["reason"] or ""]).rstrip()
