"""``authorize``, ``tokens`` and ``cdrs``: may a driver charge, rulings about own tokens, delivery of CDRs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import click

from chalicelib.modules.tokens.objects import ALLOWED, TOKEN_TYPE
from cli.nodes import operator_api
from cli.options import Options, node_options, pass_options
from cli.output import say, show_fields, show_json
from cli.partners import find_partner


@click.command()
@click.argument("uid")
@click.option("--type", "token_type", type=click.Choice(tuple(TOKEN_TYPE)), help="Only a token of this type.")
@click.option("--location", metavar="ID", help="Where the driver stands: one of our locations.")
@click.option("--evse", metavar="UID", help="The EVSE at that location.")
@click.option("--connector", metavar="ID", help="The connector of that EVSE.")
@node_options
@pass_options
def authorize(
    options: Options,
    uid: str,
    token_type: str | None,
    location: str | None,
    evse: str | None,
    connector: str | None,
) -> None:
    """Ask whether a driver may charge here, as a charge point operator.

    UID is what the charge point has read. Its whitelist decides, or its eMSP does in real time. The exit code is 1
    when the driver may not charge.

    Example: python -m cli authorize 04A1B2C3D4E5F0 --location ROSENPLATZ --evse 101-1
    """
    if (evse and not location) or (connector and not evse):
        raise click.UsageError("--connector needs --evse, and --evse needs --location")
    asked = {"uid": uid, "type": token_type, "location_id": location, "evse_uid": evse, "connector_id": connector}
    verdict = operator_api(options).post(
        "authorize", body={name: value for name, value in asked.items() if value is not None}
    )
    if options.as_json:
        show_json(verdict)
    else:
        _show_verdict(verdict)
    if verdict["allowed"] != "ALLOWED":
        click.get_current_context().exit(1)


def _show_verdict(verdict: Mapping[str, Any]) -> None:
    token = verdict.get("token") or {}
    show_fields(
        {
            "allowed": verdict["allowed"],
            "decided by": verdict["decided_by"],
            "reason": verdict["reason"],
            "auth method": verdict.get("auth_method"),
            "partner": verdict.get("partner"),
            "token": " ".join(str(token[name]) for name in ("type", "uid", "auth_id") if name in token),
            "driver reads": (verdict.get("info") or {}).get("text"),
            "good at": json.dumps(verdict["location"]) if verdict.get("location") else None,
        }
    )


@click.group()
def tokens() -> None:
    """Rule about our own tokens, as an eMSP.

    Without a ruling a CPO that asks is answered by whether the token is valid.

    Example: python -m cli --node emsp tokens ruling 04A1B2C3D4E5F0
    """


@tokens.command()
@click.argument("uid")
@click.option("--allowed", type=click.Choice(tuple(ALLOWED)), help="The answer, whether the token is valid or not.")
@click.option("--info", metavar="LANGUAGE:TEXT", help="What the driver reads, such as en:Top up.")
@click.option("--needs-location", is_flag=True, help="Whoever asks has to say where the driver stands.")
@click.option(
    "--location", "locations", metavar="ID[/EVSE]", multiple=True, help="Good only there; more than once for several."
)
@node_options
@pass_options
def rule(
    options: Options, uid: str, *, allowed: str | None, info: str | None, needs_location: bool, locations: Sequence[str]
) -> None:
    """Say what CPOs are answered about a token; replaces the ruling before.

    Example: python -m cli --node emsp tokens rule 0427D90B3E6180 --allowed NO_CREDIT --info "en:Top up, please"
    """
    ruling: dict[str, Any] = {"needs_location": True} if needs_location else {}
    if allowed:
        ruling["allowed"] = allowed
    if info:
        ruling["info"] = _display_text(info)
    if locations:
        ruling["locations"] = _references(locations)
    if not ruling:
        raise click.UsageError("nothing is ruled: see --help for what can be; `tokens unrule` ends a ruling")
    show_json(operator_api(options).put("tokens", uid, "authorization", body=ruling))


def _display_text(info: str) -> dict[str, str]:
    language, colon, text = info.partition(":")
    if not colon or not language or not text:
        raise click.UsageError("--info is a language and a text, such as en:Top up")
    return {"language": language, "text": text.strip()}


def _references(places: Sequence[str]) -> list[dict[str, Any]]:
    """LocationReferences of places written as ``ID`` or ``ID/EVSE``; without an EVSE the whole location is meant."""
    evses: dict[str, list[str]] = {}
    whole = {place for place in places if "/" not in place}
    for place in places:
        location, _, evse = place.partition("/")
        evses.setdefault(location, []).extend([evse] if evse and location not in whole else [])
    return [{"location_id": each} | ({"evse_uids": found} if found else {}) for each, found in evses.items()]


@tokens.command()
@click.argument("uid")
@node_options
@pass_options
def ruling(options: Options, uid: str) -> None:
    """Show what is ruled about a token.

    Example: python -m cli --node emsp tokens ruling 04A1B2C3D4E5F0
    """
    show_json(operator_api(options).get("tokens", uid, "authorization"))


@tokens.command()
@click.argument("uid")
@node_options
@pass_options
def unrule(options: Options, uid: str) -> None:
    """Let a token's validity decide again.

    Example: python -m cli --node emsp tokens unrule 04A1B2C3D4E5F0
    """
    answer = operator_api(options).delete("tokens", uid, "authorization")
    if options.as_json:
        show_json(answer)
    else:
        say(f"Whether {uid} is valid decides again")


@click.group()
def cdrs() -> None:
    """Send CDRs to the eMSPs whose drivers charged, and see whether they arrived.

    Example: python -m cli cdrs posting DEMO-1 --fetch
    """


@cdrs.command()
@click.argument("file", type=click.File("rb"))
@click.option("--for", "partner", metavar="PARTNER", help="Whose it is, if its auth_id does not say it.")
@node_options
@pass_options
def post(options: Options, file: IO[bytes], partner: str | None) -> None:
    """Put in one CDR, once and for all: a CDR never changes.

    FILE holds one CDR in JSON; "-" is stdin. Without --for it goes to the eMSP that sent us a token of its auth_id.

    Example: python -m cli cdrs post examples/cdr.json --for NL/MSP
    """
    try:
        cdr = json.load(file)
    except ValueError as broken:
        raise click.BadParameter(f"this is not JSON: {broken}", param_hint="FILE") from broken
    api = operator_api(options)
    answer = api.post("cdrs", body=cdr, partner=find_partner(api, partner) if partner else None)
    if options.as_json:
        show_json(answer)
        return
    show_fields({"outcome": answer["outcome"], "id": answer["object"]["id"]})
    for warning in answer["warnings"]:
        say(f"Warning: {warning}")


@cdrs.command()
@click.argument("cdr_id", metavar="ID")
@click.option("--fetch", is_flag=True, help="Ask the partner for it too, and compare.")
@node_options
@pass_options
def posting(options: Options, cdr_id: str, *, fetch: bool) -> None:
    """Show whether a CDR has arrived, and where the partner keeps it.

    Example: python -m cli cdrs posting DEMO-1 --fetch
    """
    answer = operator_api(options).get("cdrs", cdr_id, "posting", fetch="yes" if fetch else None)
    if options.as_json:
        show_json(answer)
        return
    show_fields({name.replace("_", " "): value for name, value in answer.items() if name != "theirs"})
    if not answer["posted_at"]:
        say(f"Not posted; what waits, or was refused: python -m cli outbox list {answer.get('party') or 'PARTNER'}")
    if answer["posted_at"] and not answer.get("url"):
        say("The partner took it and gave no URL for it.")
    if "theirs" in answer:
        show_json(answer["theirs"])
    if not answer.get("is_equal", True):
        raise click.exceptions.Exit(1)
