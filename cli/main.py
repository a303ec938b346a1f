"""The tree of all commands; each is defined in the file that it is imported from."""

from __future__ import annotations

import click

from cli.charging import authorize, cdrs, tokens
from cli.commands import commands
from cli.events import events
from cli.getting import get
from cli.importing import import_
from cli.keys import keys
from cli.local.command import local
from cli.options import node_options
from cli.outbox import outbox
from cli.partners import partners
from cli.pulling import pull, pulls
from cli.quarantine import quarantine
from cli.schema import schema
from cli.stages import deploy, docs


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@node_options
def cli() -> None:
    """Run an OCPI 2.1.1 node and roam with partners.

    Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 not done, 2 asked wrongly.

    Example: python -m cli --node emsp partners list
    """


EVERY = (
    *(local, keys, partners, import_, get, pull, pulls),
    *(authorize, tokens, commands, cdrs, events, outbox, quarantine),
    *(deploy, docs, schema),
)
for command in EVERY:
    cli.add_command(command)
