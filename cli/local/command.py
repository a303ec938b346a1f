"""``local``: run two nodes on this machine, and restart those that have stopped."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from chalicelib.ocpi.parties import Party, Role
from cli.local.plan import FAULTS
from cli.nodes import NODES_FILE, operator_api
from cli.options import NODES, Options
from cli.output import Failure, say

PORT = click.IntRange(1, 65_535)
RESTART_S = 40.0


class PartyType(click.ParamType[Party]):
    """A party such as ``DE/CPO``."""

    name = "party"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Party:
        """The party, from two ids with a slash between them."""
        if isinstance(value, Party):
            return value
        country_code, _, party_id = str(value).partition("/")
        try:
            return Party.of(country_code, party_id)
        except ValueError as wrong:
            self.fail(f"{value!r}: {wrong}", param, ctx)


class Faults(click.ParamType[frozenset[str]]):
    """Faults of charge points, such as ``slow,rejecting``; ``healthy`` means none."""

    name = "faults"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """The set of faults."""
        faults = frozenset(word.strip() for word in str(value).split(",")) - {"healthy"}
        if faults - set(FAULTS):
            self.fail(f"{value!r}: give healthy, or some of {', '.join(FAULTS)}", param, ctx)
        return faults


@click.group(invoke_without_command=True)
@click.option("--bare", is_flag=True, help="Empty and unregistered: no demo objects, no partners.")
@click.option("--cpo-port", type=PORT, default=8100, show_default=True, help="Where the CPO's node listens.")
@click.option("--emsp-port", type=PORT, default=8200, show_default=True, help="Where the eMSP's node listens.")
@click.option("--cpo-party", type=PartyType(), default="DE/CPO", show_default=True, help="Who the CPO is.")
@click.option("--emsp-party", type=PartyType(), default="NL/MSP", show_default=True, help="Who the eMSP is.")
@click.option(
    "--charge-points",
    "faults",
    type=Faults(),
    metavar="healthy|FAULT,...",
    help=f"Faults of the CPO's simulated charge points: {', '.join(FAULTS)}. [default: healthy; with --bare, none]",
)
@click.option("--no-charge-points", is_flag=True, help="No simulated charge points: the queue of commands is yours.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the data here when stopped; else every run starts afresh.",
)
@click.option("--logs/--no-logs", default=None, help="Show the nodes' logs here. [default: on a terminal]")
@click.pass_context
def local(
    context: click.Context,
    cpo_port: int,
    emsp_port: int,
    cpo_party: Party,
    emsp_party: Party,
    faults: frozenset[str] | None,
    state_dir: Path | None,
    *,
    bare: bool,
    no_charge_points: bool,
    logs: bool | None,
) -> None:
    """Run a CPO and an eMSP on this machine.

    They run on an AWS emulator until Ctrl-C. Where they are is written to .local/nodes.json,
    which the other commands read.

    Example: python -m cli local --bare --cpo-port 9100 --emsp-port 9200
    """
    if context.invoked_subcommand:
        return
    if faults is not None and no_charge_points:
        raise click.UsageError("give --charge-points or --no-charge-points, not both")
    from cli.local.plan import NodePlan
    from cli.local.runner import RunOptions, run

    plans = (NodePlan(Role.CPO, cpo_party, cpo_port), NodePlan(Role.EMSP, emsp_party, emsp_port))
    if faults is None and not bare and not no_charge_points:
        faults = frozenset()
    run(RunOptions(plans, bare, state_dir, sys.stderr.isatty() if logs is None else logs, faults), say)


@local.command()
def restart() -> None:
    """Start the nodes that have stopped.

    A runner has to be up in this folder.

    Example: python -m cli local restart
    """
    from cli.local.runner import RESTART_FILE

    if not NODES_FILE.exists():
        raise Failure("No runner is up in this folder", "Start one: python -m cli local")
    RESTART_FILE.touch()
    deadline = time.monotonic() + RESTART_S
    while RESTART_FILE.exists():
        if time.monotonic() > deadline:
            RESTART_FILE.unlink(missing_ok=True)
            raise Failure("The runner does not react", "Start it again: python -m cli local")
        time.sleep(0.1)
    for role in NODES:
        operator_api(Options(node=role)).get()
    say("Both nodes are up.")
