"""``keys``: operator keys; written to the table in DynamoDB, because no API can be called before the first key."""

from __future__ import annotations

import hashlib
import secrets

import click

from chalicelib.node.partners.store import OperatorKey, PartnerStore
from cli.options import Options, local_options, pass_options
from cli.output import Failure, say, show_fields, show_json, show_table
from cli.stages import aws_problems, partner_store

PREFIX = "ocpi_"
"""Makes a leaked key recognizable, by people and by secret scanners."""
ID_LENGTH = 12
ROLES = ("help-desk",)

stage_option = click.option("--stage", help="A stage of .chalice/config.json. [default: as OCPI_STAGE etc. say]")


@click.group()
def keys() -> None:
    """Manage operator keys, by which your people and systems use the operator API.

    Example: python -m cli keys list --stage prod
    """


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    type=click.Choice(ROLES),
    multiple=True,
    help="A role of the key; help-desk may unlock connectors.",
)
@stage_option
@local_options
@pass_options
def create(options: Options, name: str, roles: tuple[str, ...], stage: str | None) -> None:
    """Make an operator key.

    It is shown this once; we keep a hash of it. Only a key with the role help-desk unlocks connectors.

    Example: python -m cli keys create billing --stage prod
    """
    with aws_problems(stage):
        key = new_key(partner_store(options, stage), OperatorKey(name, frozenset(roles)))
    if options.as_json:
        show_json({"id": _id(hash_of(key)), "name": name, "roles": sorted(roles), "key": key})
        return
    show_fields({"key": key, "id": _id(hash_of(key))})
    say("Keep the key now, it is not shown again.")


@keys.command(name="list")
@stage_option
@local_options
@pass_options
def list_(options: Options, stage: str | None) -> None:
    """List the keys' ids, names and roles.

    Example: python -m cli keys list --stage prod
    """
    with aws_problems(stage):
        known = partner_store(options, stage).operator_keys()
    found = sorted(((_id(key_hash), key) for key_hash, key in known.items()), key=lambda row: row[1].name.lower())
    if options.as_json:
        show_json({"keys": [{"id": key_id, "name": key.name, "roles": sorted(key.roles)} for key_id, key in found]})
    elif found:
        show_table(("id", "name", "roles"), ((key_id, key.name, ", ".join(sorted(key.roles))) for key_id, key in found))
    else:
        say("No keys yet. Make one: python -m cli keys create NAME" + (f" --stage {stage}" if stage else ""))


@keys.command()
@click.argument("key_id", metavar="ID")
@stage_option
@local_options
@pass_options
def revoke(options: Options, key_id: str, stage: str | None) -> None:
    """Revoke an operator key.

    Example: python -m cli keys revoke 3f2a91c07d5e --stage prod
    """
    with aws_problems(stage):
        store = partner_store(options, stage)
        fits = {key_hash: key.name for key_hash, key in store.operator_keys().items() if _id(key_hash) == key_id}
        if not fits:
            raise Failure(f"There is no key {key_id!r}", "See which there are: python -m cli keys list")
        for key_hash in fits:
            store.remove_operator_key(key_hash)
    if options.as_json:
        show_json({"revoked": [{"id": key_id, "name": name} for name in fits.values()]})
    else:
        say(f"Revoked {key_id} ({', '.join(fits.values())})")


def new_key(store: PartnerStore, operator_key: OperatorKey) -> str:
    """Create an operator key of 256 random bits, and store its hash; the key."""
    key = PREFIX + secrets.token_urlsafe(32)
    store.save_operator_key(hash_of(key), operator_key)
    return key


def hash_of(key: str) -> str:
    """The hash of a key, which is what the node stores."""
    return hashlib.sha256(key.encode()).hexdigest()


def _id(key_hash: str) -> str:
    return key_hash[:ID_LENGTH]
