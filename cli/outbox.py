"""``outbox``: objects that were not delivered to a partner, and why."""

from __future__ import annotations

import click

from cli.api import OperatorApi
from cli.getting import MODULES
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import say, show_json
from cli.partner_status import entries, show_failures
from cli.partners import find_partner


@click.group()
def outbox() -> None:
    """List the objects that were not delivered to a partner, retry them, or drop them.

    An object that did not arrive is sent as it is then: at its next try, with its next change, or once the partner
    answers again. After twelve tries within eight days, or if they answer that a CDR is wrong, it is given up, and only
    you can retry it.

    Example: python -m cli --node cpo outbox list NL/MSP
    """


@outbox.command(name="list")
@click.argument("partner")
@click.option("--module", type=click.Choice(MODULES), help="Of this module only.")
@node_options
@pass_options
def list_(options: Options, partner: str, module: str | None) -> None:
    """List the objects that were not delivered to a partner yet.

    Example: python -m cli --node cpo outbox list NL/MSP --module cdrs
    """
    api = operator_api(options)
    found = [each for each in entries(api, find_partner(api, partner)) if module in (None, each["module"])]
    if options.as_json:
        show_json({"failures": found})
    elif found:
        show_failures(found)
    else:
        say("Nothing")


@outbox.command()
@click.argument("partner")
@click.argument("module", required=False)
@click.argument("object_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that waits for this partner.")
@node_options
@pass_options
def retry(options: Options, partner: str, module: str | None, object_id: str | None, *, everything: bool) -> None:
    """Retry an object now, or all of them, also those that were given up.

    A CDR that may have arrived is retried a minute after its last try at the earliest: they may still be processing it.

    Example: python -m cli --node cpo outbox retry NL/MSP cdrs CDR-0815
    """
    if everything == bool(object_id):
        raise click.UsageError("give MODULE and ID, or --all")
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    if object_id and module:
        retried = api.post("partners", partner_id, "outbox", module, object_id, "retry", body=None)["retried"]
    else:
        retried = _retry_all(api, partner_id)
    if options.as_json:
        show_json({"retried": retried})
    else:
        say(f"{retried} queued, for as soon as we call them: python -m cli outbox list {partner}")


@outbox.command()
@click.argument("partner")
@click.argument("module")
@click.argument("object_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@node_options
@pass_options
def drop(options: Options, partner: str, module: str, object_id: str, *, yes: bool) -> None:
    """Do not send an object to a partner before it changes again; a CDR is then never sent.

    Example: python -m cli --node cpo outbox drop NL/MSP cdrs CDR-0815 --yes
    """
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    if not yes:
        click.confirm(f"Drop {module} {object_id}, so that {partner} does not get it as it is?", abort=True, err=True)
    answer = api.delete("partners", partner_id, "outbox", module, object_id)
    if options.as_json:
        show_json(answer)
    else:
        say("Dropped")


def _retry_all(api: OperatorApi, partner_id: str) -> int:
    retried, after = 0, None
    while True:
        answer = api.post("partners", partner_id, "outbox", "retry", body=None, after=after)
        retried += int(answer["retried"])
        after = answer.get("after")
        if not after:
            return retried
        say(f"{retried} queued so far")
