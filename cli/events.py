"""``events``: the feed of events about partners; the last ones, or each as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

import click

from chalicelib.node.events.announcing import EventKind
from cli.api import OperatorApi, Unavailable
from cli.getting import MODULES
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import plain, say
from cli.partners import find_partner

POLL_S: Final = 1.0
AT_A_TIME: Final = 100


@click.command()
@click.option("--follow", is_flag=True, help="Also show new ones as they come, until Ctrl-C.")
@click.option("--partner", metavar="PARTNER", help="Only those of one partner: its id, party or name.")
@click.option("--module", type=click.Choice([*MODULES, "commands"]), help="Only those of one module.")
@click.option("--kind", type=click.Choice([kind.value for kind in EventKind]), help="Only those of one kind.")
@node_options
@pass_options
def events(options: Options, partner: str | None, module: str | None, kind: str | None, *, follow: bool) -> None:
    """Show the last hundred events about partners, or those of them that the options select.

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
        # Ctrl-C is the way to end it.
        return
    if not shown and not options.as_json:
        say("None")


def _events(api: OperatorApi, *, follow: bool) -> Iterator[dict[str, Any]]:
    """The last events, each once; with ``follow`` also new ones as they come."""
    answer, seen = api.get("events", limit=AT_A_TIME, latest="yes"), set()
    while True:
        for event in answer["items"]:
            if event["id"] not in seen:
                seen.add(event["id"])
                yield event
        if not follow:
            return
        if len(answer["items"]) < AT_A_TIME:
            time.sleep(POLL_S)
        answer = _next(api, answer["next"])


def _next(api: OperatorApi, cursor: str) -> Any:
    """The answer with the events after the cursor; waits for a node that is unavailable, such as during a restart."""
    is_reported = False
    while True:
        try:
            return api.get("events", limit=AT_A_TIME, after=cursor)
        except Unavailable as unavailable:
            if not is_reported:
                say(f"{unavailable.message}. Waiting for it, until Ctrl-C ...")
            is_reported = True
            time.sleep(POLL_S)


def _facts(event: dict[str, Any]) -> dict[str, Any]:
    return {"partner": event["partner"]["id"], "module": event["module"], "kind": event["kind"]}


def _line(event: dict[str, Any]) -> str:
    partner = event["partner"]
    who = partner["party"] or partner["name"] or partner["id"]
    what = "/".join([event["module"], event["object_id"], *event["path"]]) if event["module"] else ""
    return "  ".join([event["at"], f"{event['kind']:<20}", f"{who:<6}", what or event["reason"] or ""]).rstrip()
