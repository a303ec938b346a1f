"""``commands``: send commands to partners' charge points, and see their results."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click
from rich.console import Console

from cli.api import OperatorApi
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import plain, say, show_fields, show_json, show_table
from cli.partners import find_partner

NAMES: Final = ("RESERVE_NOW", "START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR")
COLUMNS: Final = ("id", "at", "side", "command", "stage", "answer", "result", "session_id", "problem")
FAILED_STAGES: Final = ("failed", "refused", "no result", "not done", "no session", "not answered")
POLL_S: Final = 0.25


@click.group()
def commands() -> None:
    """Ask charge points to reserve, start, stop or unlock, and see what became of it.

    Example: python -m cli --node emsp commands list DE/CPO
    """


@commands.command()
@click.argument("partner")
@click.argument("command", type=click.Choice(NAMES, case_sensitive=False))
@click.option("--token", "token_uid", metavar="UID", help="The driver's token, one of our own.")
@click.option("--location", "location_id", metavar="ID", help="Where.")
@click.option("--evse", "evse_uid", metavar="UID", help="Which EVSE; left out, the CPO chooses.")
@click.option("--connector", "connector_id", metavar="ID", help="Which connector to unlock.")
@click.option("--session", "session_id", metavar="ID", help="Which session to stop.")
@click.option("--reservation", "reservation_id", type=int, metavar="N", help="The reservation's number.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=15, show_default=True, help="How long to reserve.")
@click.option("--wait", is_flag=True, help="Follow it to its end, the session that it starts included.")
@node_options
@pass_options
def send(options: Options, /, partner: str, command: str, minutes: int, *, wait: bool, **fields: Any) -> None:
    """Send a command to a partner's charge point.

    UNLOCK_CONNECTOR needs a key with the role help-desk.

    Example: python -m cli --node emsp commands send DE/CPO START_SESSION --token A1B2C3D4 --location ROSENPLATZ --wait
    """
    api = operator_api(options)
    body = {name: value for name, value in fields.items() if value is not None}
    if command == "RESERVE_NOW":
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        body["expiry_date"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
        body.setdefault("reservation_id", int(time.time()) % 2**31)
    sent = api.post("partners", find_partner(api, partner), "commands", command, body=body)
    _show(options, _wait_for_end(api, sent) if wait else sent, shown=wait)


@commands.command(name="list")
@click.argument("partner")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Most lines.")
@click.option("--after", metavar="ID", help="Continue after this one.")
@node_options
@pass_options
def list_(options: Options, partner: str, limit: int, after: str | None) -> None:
    """List the commands to and from a partner, the latest first.

    Example: python -m cli --node emsp commands list DE/CPO
    """
    api = operator_api(options)
    answer = api.get("partners", find_partner(api, partner), "commands", limit=limit, after=after)
    if options.as_json:
        show_json(answer)
        return
    if answer["items"]:
        show_table(COLUMNS, ([item[name] for name in COLUMNS] for item in answer["items"]))
    else:
        say("None")
    if answer["next"]:
        say(f"Continue with --after {answer['next']}")


@commands.command()
@click.argument("command_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Follow it to its end.")
@node_options
@pass_options
def show(options: Options, command_id: str, *, wait: bool) -> None:
    """Show what became of a command.

    Example: python -m cli --node emsp commands show 3f2a91c07d --wait
    """
    api = operator_api(options)
    found = api.get("commands", command_id)
    _show(options, _wait_for_end(api, found) if wait else found, shown=wait)


def _wait_for_end(api: OperatorApi, command: dict[str, Any]) -> dict[str, Any]:
    """The command once it is over; its events are printed as they happen."""
    shown = 0
    with Console(stderr=True).status("") as spinner:
        while True:
            spinner.update(f"{command['command']}: {command['stage']}")
            for event in command["events"][shown:]:
                say(f"{event['at'][11:23]}  {event['what']}")
            shown = len(command["events"])
            if command["is_over"]:
                return command
            time.sleep(POLL_S)
            command = api.get("commands", command["id"])


def _show(options: Options, command: dict[str, Any], *, shown: bool) -> None:
    if options.as_json:
        show_json(command)
    else:
        show_fields({name: command[name] for name in COLUMNS})
        for event in () if shown else command["events"]:
            click.echo(plain(f"  {event['at']}  {event['what']}"))
    if command["stage"] in FAILED_STAGES:
        click.get_current_context().exit(1)
