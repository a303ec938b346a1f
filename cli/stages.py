"""``deploy`` and ``docs``, and access to a stage's tables in AWS."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    TokenRetrievalError,
)

from chalicelib.node.partners.store import PartnerStore
from chalicelib.settings import Settings, SettingsError
from cli.nodes import local_node
from cli.options import Options, json_option, pass_options
from cli.output import Failure, say, show_fields, show_json

PROJECT = Path(__file__).parent.parent
"""The folder that holds ``app.py``."""

CREDENTIALS = "Log in first, or say who you are: AWS_PROFILE=NAME python -m cli …"


@click.command()
@click.option("--stage", required=True, help="A stage of .chalice/config.json.")
@click.option("--data-only", is_flag=True, help="Only the tables and queues, such as for chalice local.")
@json_option
@pass_options
def deploy(options: Options, stage: str, *, data_only: bool) -> None:
    """Deploy a stage to AWS, or update it.

    First its tables and queues, then the code; the URLs for partners come last.

    Example: python -m cli deploy --stage prod
    """
    import boto3

    from cli.deploy import DeployError, put_data_stack
    from cli.deploy import deploy as deploy_stage

    try:
        with aws_problems(stage):
            if data_only:
                put_data_stack(boto3.client("cloudformation"), stage, project=PROJECT, say=say)
                return
            done = deploy_stage(
                stage,
                project=PROJECT,
                cloudformation=boto3.client("cloudformation"),
                record_public_url=lambda url: partner_store(Options(), stage).record_public_url(url),
                say=say,
            )
    except DeployError as refused:
        raise Failure(str(refused)) from refused
    urls = {role.value: url for role, url in sorted(done.versions_urls.items())}
    if options.as_json:
        show_json({"api_url": done.api_url, "public_url": done.public_url, "versions_urls": urls})
        return
    show_fields({f"{role} versions URL": url for role, url in urls.items()})
    say(f"Next, a key for your own people: python -m cli keys create NAME --stage {stage}")


@click.group()
def docs() -> None:
    """Print the documents that are generated from the code.

    Example: python -m cli docs routes
    """


@docs.command()
def routes() -> None:
    """Print the table of routes in Markdown.

    Example: python -m cli docs routes > docs/routes.md
    """
    from chalicelib.entrypoints.http import routes_markdown

    click.echo(routes_markdown(), nl=False)


@docs.command()
def support() -> None:
    """Print, in Markdown, the rules of OCPI and the tests that prove them.

    Contradictions between the table of rules and the tests are printed on stderr.

    Example: python -m cli docs support > docs/support.md
    """
    from cli.support import contradictions, proofs_of, rules_of, support_markdown

    for contradiction in contradictions(rules_of(PROJECT), proofs_of(PROJECT)):
        say(contradiction)
    click.echo(support_markdown(PROJECT), nl=False)


@docs.command(name="events")
def events_() -> None:
    """Print the JSON Schema of events.

    Example: python -m cli docs events > docs/events.schema.json
    """
    from chalicelib.entrypoints.operator.event_schema import document

    click.echo(json.dumps(document(), indent=2))


def partner_store(options: Options, stage: str | None) -> PartnerStore:
    """The partners' table of a stage of ``.chalice/config.json``, of a local node, or as the environment says.

    Raises:
        Failure: its settings are missing or wrong.
    """
    from chalicelib.bootstrap.aws import partner_store

    return partner_store(_settings(options, stage))


def _settings(options: Options, stage: str | None) -> Settings:
    from cli.deploy import DeployError, settings_of

    try:
        if stage:
            return settings_of(PROJECT, stage)
        if options.node:
            environment = local_node(options.node)["environment"]
            os.environ.update(environment)  # which is how boto3 learns of the emulator
            return Settings.from_environment(environment)
        return Settings.from_environment()
    except DeployError as wrong:
        raise Failure(str(wrong)) from wrong
    except SettingsError as wrong:
        raise Failure(str(wrong), "Or name a stage with --stage, or a local node with --node.") from wrong


@contextmanager
def aws_problems(stage: str | None = None) -> Iterator[None]:
    """Turns errors of boto3 into a ``Failure`` that says what to do."""
    try:
        yield
    except NoRegionError as missing:
        raise Failure("No AWS region is set", "Give one: AWS_DEFAULT_REGION=eu-central-1 python -m cli …") from missing
    except (NoCredentialsError, ProfileNotFound, TokenRetrievalError) as missing:
        raise Failure(f"AWS does not know who you are: {missing}", CREDENTIALS) from missing
    except EndpointConnectionError as missing:
        raise Failure(str(missing), "Is the network up, and for local nodes: is the runner up? (make run)") from missing
    except ClientError as refused:
        raise Failure(str(refused), _next_step(refused.response["Error"]["Code"], stage or "STAGE")) from refused
    except BotoCoreError as broken:
        raise Failure(str(broken)) from broken


def _next_step(code: str, stage: str) -> str:
    if code == "ResourceNotFoundException":
        return f"Has the stage been deployed? python -m cli deploy --stage {stage}"
    if code in ("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"):
        return CREDENTIALS
    return ""
