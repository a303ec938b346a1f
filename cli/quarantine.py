"""``quarantine``: objects of partners that were refused, because they are invalid or contradict an earlier CDR."""

from __future__ import annotations

from typing import Any

import click

from cli.api import OperatorApi, Refused
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_fields, show_json, show_table
from cli.partners import find_partner

COLUMNS = ("entry", "module", "id", "at", "reason")
REFUSED = ("entry", "module", "id", "reason")
OUTCOMES = ("created", "updated", "known")


@click.group()
def quarantine() -> None:
    """List the objects of partners that were refused, retry them, or drop them.

    A second CDR with an id that we have, but with another content, is kept here for 90 days and changes nothing: it can
    be dropped, but never taken. What was broken in a list that we pulled can be taken once the partner is read more
    leniently.

    Example: python -m cli --node emsp quarantine list DE/CPO
    """


@quarantine.command(name="list")
@click.argument("partner")
@node_options
@pass_options
def list_(options: Options, partner: str) -> None:
    """List the quarantine of a partner.

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
    """Show all entries of an object: each content that they sent, and why it was refused.

    Example: python -m cli --node emsp quarantine show DE/CPO cdrs DEMO-1
    """
    # The ids of CDRs differ in more than case.
    wanted = (module, object_id.lower())
    found = [each for each in _kept(options, partner) if (each["module"], each["id"].lower()) == wanted]
    if not found:
        raise Failure(f"Nothing of {module} {object_id!r} is kept", f"See: python -m cli quarantine list {partner}")
    show_json(found)


@quarantine.command()
@click.argument("partner")
@click.argument("entry", required=False)
@click.option("--all", "everything", is_flag=True, help="All that is kept of this partner.")
@node_options
@pass_options
def retry(options: Options, partner: str, entry: str | None, *, everything: bool) -> None:
    """Retry an entry as if it had been pulled now, with the partner's profile as it is now.

    What is taken leaves the quarantine; known are those of which we hold the same or something newer. What is refused
    again stays, with the new reason; then the exit code is 1.

    Example: python -m cli --node emsp quarantine retry DE/CPO --all
    """
    if everything == (entry is not None):
        raise click.UsageError("name an ENTRY, or give --all")
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    if entry is not None:
        outcome = {"outcome": _retry(api, partner_id, entry)}
        if options.as_json:
            show_json(outcome)
        else:
            show_fields(outcome)
        return
    counts, refused = dict.fromkeys(OUTCOMES, 0), []
    for each in _entries(api, partner_id):
        try:
            counts[_retry(api, partner_id, each["entry"])] += 1
        except Refused as again:
            refused.append({name: each[name] for name in REFUSED} | {"reason": again.message})
    _show_retried(options, counts, refused)


@quarantine.command()
@click.argument("partner")
@click.argument("entry")
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@node_options
@pass_options
def drop(options: Options, partner: str, entry: str, *, yes: bool) -> None:
    """Delete an entry of the quarantine.

    Example: python -m cli --node emsp quarantine drop DE/CPO 3f9a1c27d04b8e55 --yes
    """
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    if not yes:
        click.confirm(f"Drop {entry}? Only {partner} can bring it back", abort=True, err=True)
    answer = api.delete("partners", partner_id, "quarantine", entry)
    if options.as_json:
        show_json(answer)
    else:
        say(f"Dropped {entry}")


def _retry(api: OperatorApi, partner_id: str, entry: str) -> str:
    """Retry an entry; its outcome.

    Raises:
        Refused: it was refused again, and stays.
    """
    return str(api.post("partners", partner_id, "quarantine", entry, "retry", body=None)["outcome"])


def _show_retried(options: Options, counts: dict[str, int], refused: list[dict[str, Any]]) -> None:
    if options.as_json:
        show_json({**counts, "refused": refused})
    else:
        show_fields({**counts, "refused": len(refused)})
        if refused:
            say("\nRefused again:")
            show_table(REFUSED, ([each[column] for column in REFUSED] for each in refused))
    if refused:
        click.get_current_context().exit(1)


def _kept(options: Options, partner: str) -> list[dict[str, Any]]:
    api = operator_api(options)
    return _entries(api, find_partner(api, partner))


def _entries(api: OperatorApi, partner_id: str) -> list[dict[str, Any]]:
    """All entries, by module and id, read before any is retried or dropped."""
    found = api.list_all("partners", partner_id, "quarantine", of="items")
    return sorted(found, key=lambda each: (each["module"], each["id"]))
