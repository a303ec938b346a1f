"""``partners``: invite, register, show, change, suspend, rotate tokens, unregister."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import click

from cli.api import OperatorApi
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import Failure, say, show_fields, show_json, show_table
from cli.partner_status import entries, show_failures, show_partner_status

ROLE = click.Choice(["cpo", "emsp"])
LENIENT = re.compile(r"lenient (\S+) (\S+) (\(the whole\)|\S*) (.*)")
"""The name of a counter of deviations: rule, module, path in the object, and what is wrong there."""
DEVIATIONS = ("rule", "module", "path", "what", "count")
MOST_SHOWN = 20
"""Most undelivered objects that ``show`` lists; ``outbox list`` has them all."""
COLUMNS = ("id", "party", "name", "their_role", "state", "breaker", "profile", "backlog", "problem")


@click.group()
def partners() -> None:
    """Invite, register and manage partners.

    PARTNER is a partner's id, party (NL/MSP) or name.

    Example: python -m cli partners list
    """


@partners.command()
@click.option("--role", type=ROLE, required=True, help="What they play towards us.")
@click.option("--name", help="What you call them; without it, what they call themselves.")
@node_options
@pass_options
def invite(options: Options, role: str, name: str | None) -> None:
    """Issue a token with which a partner can register with us.

    Example: python -m cli partners invite --role emsp --name "Blue Mobility"
    """
    invitation = operator_api(options).post("partners", body=_given(role=role, name=name))
    if options.as_json:
        show_json(invitation)
        return
    show_fields(
        {
            "versions URL": invitation["versions_url"],
            "token": invitation["token"],
            "valid until": invitation["expires_at"],
            "partner": invitation["id"],
        }
    )
    say("Hand the URL and the token to the partner. The token is not shown again.")


@partners.command()
@click.argument("versions_url")
@click.option("--token", help="The token that they gave us; asked for when left out.")
@click.option("--role", type=ROLE, required=True, help="What they play towards us.")
@click.option("--name", help="What you call them; without it, what they call themselves.")
@node_options
@pass_options
def register(options: Options, versions_url: str, token: str | None, role: str, name: str | None) -> None:
    """Register with a partner who gave us a URL and a token.

    Example: python -m cli partners register https://partner.example/ocpi/versions --role emsp
    """
    token = token or click.prompt("Token", hide_input=True, err=True)
    body = _given(versions_url=versions_url, token=token, role=role, name=name)
    _show_partner(options, operator_api(options).post("partners", "register", body=body))


@partners.command(name="list")
@node_options
@pass_options
def list_(options: Options) -> None:
    """List all partners, registered or not.

    Example: python -m cli partners list --json
    """
    found = operator_api(options).get("partners")
    if options.as_json:
        show_json(found)
    elif found["partners"]:
        show_table(COLUMNS, ([_cell(partner, column) for column in COLUMNS] for partner in found["partners"]))
    else:
        say("No partners yet. Invite one: python -m cli partners invite --role emsp")


@partners.command()
@click.argument("partner")
@node_options
@pass_options
def show(options: Options, partner: str) -> None:
    """Show a partner: its registration, and by module and direction the last success, what waits and what failed.

    Example: python -m cli partners show NL/MSP
    """
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    found = api.get("partners", partner_id)
    if options.as_json:
        show_json({**found, "failures": list(entries(api, partner_id))})
        return
    failures = list(islice(entries(api, partner_id), MOST_SHOWN))
    _show_partner(options, found)
    show_partner_status(found)
    deviations = _deviations(found)
    if deviations:
        say("\nWhat we let pass:")
        show_table(DEVIATIONS, deviations)
    if failures:
        say("\nNot delivered yet:")
        show_failures(failures)
        if found["backlog"] > len(failures):
            say(f"... and {found['backlog'] - len(failures)} more: python -m cli outbox list {partner}")


@partners.command()
@click.argument("partner")
@node_options
@pass_options
def rotate(options: Options, partner: str) -> None:
    """Rotate the tokens of both sides with a registered partner.

    Example: python -m cli partners rotate NL/MSP
    """
    api = operator_api(options)
    _show_partner(options, api.put("partners", find_partner(api, partner), "credentials"))


@partners.command()
@click.argument("partner")
@node_options
@pass_options
def suspend(options: Options, partner: str) -> None:
    """Suspend the exchange with a partner, in both directions, until it is resumed.

    Their requests are answered 401, and we send them none; the registration and its tokens stay.

    Example: python -m cli partners suspend NL/MSP
    """
    api = operator_api(options)
    _show_partner(options, api.post("partners", find_partner(api, partner), "suspend", body=None))


@partners.command()
@click.argument("partner")
@node_options
@pass_options
def resume(options: Options, partner: str) -> None:
    """Resume the exchange with a partner: send what they missed, and pull their lists.

    Example: python -m cli partners resume NL/MSP
    """
    api = operator_api(options)
    _show_partner(options, api.post("partners", find_partner(api, partner), "resume", body=None))


@partners.command()
@click.argument("partner")
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@node_options
@pass_options
def unregister(options: Options, partner: str, *, yes: bool) -> None:
    """End the connection with a partner, and tell them.

    Example: python -m cli partners unregister NL/MSP --yes
    """
    api = operator_api(options)
    partner_id = find_partner(api, partner)
    if not yes:
        click.confirm(f"Unregister {partner}? To roam again, one side has to invite the other", abort=True, err=True)
    answer = api.delete("partners", partner_id)
    if options.as_json:
        show_json(answer)
    else:
        say(f"Unregistered {partner}")


@partners.command(name="set")
@click.argument("partner")
@click.option(
    "--profile",
    type=click.Choice(["strict", "lenient"]),
    help="How their deviations are treated: refused, or let pass.",
)
@click.option(
    "--accept-incomplete-locations/--refuse-incomplete-locations",
    default=None,
    help="Whether their locations may lack type, postal_code, power_type, voltage and amperage (lenient profile only).",
)
@click.option(
    "--takes-patches/--no-patches",
    default=None,
    help="Whether small changes are sent by PATCH, or by PUT of the changed part.",
)
@click.option("--name", help="What you call them.")
@click.option("--party", help="Who they are, where they do not say it themselves or may become another: NL/MSP.")
@node_options
@pass_options
def set_(
    options: Options,
    partner: str,
    *,
    profile: str | None,
    accept_incomplete_locations: bool | None,
    takes_patches: bool | None,
    name: str | None,
    party: str | None,
) -> None:
    """Change how we treat a partner.

    Example: python -m cli partners set NL/MSP --profile strict
    """
    changes = _given(
        profile=profile,
        accept_incomplete_locations=accept_incomplete_locations,
        takes_patches=takes_patches,
        name=name,
        party=party,
    )
    if not changes:
        raise click.UsageError("nothing to set: see --help for what can be")
    api = operator_api(options)
    _show_partner(options, api.patch("partners", find_partner(api, partner), body=changes))


def find_partner(api: OperatorApi, wanted: str) -> str:
    """The id of the partner with this id, party or name, of the latter in any letter case.

    Raises:
        Failure: there is none, or there are several.
    """
    known = api.get("partners")["partners"]
    if any(partner["id"] == wanted for partner in known):
        return wanted
    fits = [partner for partner in known if wanted.lower() in (_lower(partner, "party"), _lower(partner, "name"))]
    # A party that registered again is preferred to its unregistered predecessor.
    fits = [partner for partner in fits if partner["state"] != "unregistered"] or fits
    if len(fits) == 1:
        return str(fits[0]["id"])
    if fits:
        ids = [f"{partner['id']} ({partner['their_role']}, {partner['state']})" for partner in fits]
        raise Failure(f"Several partners are called {wanted!r}", "Give the id of one of them.", ids)
    raise Failure(f"There is no partner {wanted!r}", "See who there is: python -m cli partners list")


def _cell(partner: Mapping[str, Any], column: str) -> Any:
    if column == "breaker":
        return (partner.get("breaker") or {}).get("state")
    return "suspended" if column == "state" and partner.get("is_suspended") else partner.get(column)


def _lower(partner: Mapping[str, Any], field: str) -> str:
    return (partner.get(field) or "").lower()


def _given(**fields: str | bool | None) -> dict[str, str | bool]:
    return {name: value for name, value in fields.items() if value is not None}


def _show_partner(options: Options, partner: dict[str, Any]) -> None:
    if options.as_json:
        show_json(partner)
        return
    fields = {name.replace("_", " "): value for name, value in partner.items() if not isinstance(value, dict | list)}
    for group in ("endpoints", "tallies"):
        facts = (partner.get(group) or {}).items()
        fields |= {f"{group}: {name}": value for name, value in facts if not LENIENT.fullmatch(name)}
    show_fields(fields)


def _deviations(partner: Mapping[str, Any]) -> list[list[Any]]:
    """The deviations of a partner that we let pass, the most frequent first."""
    found = [
        [*named.groups(), count]
        for name, count in (partner.get("tallies") or {}).items()
        if (named := LENIENT.fullmatch(name))
    ]
    return sorted(found, key=lambda row: (-row[-1], *row[:-1]))
