"""Deploys a stage to AWS: the data stack, then the functions and the API; returns the URLs for partners."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from chalicelib.ocpi.parties import Role
from chalicelib.settings import Settings, SettingsError, resource_name
from cli import policies

Say = Callable[[str], None]

PLACEHOLDERS = {"OCPI_COUNTRY_CODE": "XX", "OCPI_PARTY_ID": "XXX"}
POLL_S = 2.0

CHALICE_FAILED = """chalice deploy failed; its reason stands above. Deploy again when that is fixed.
A first deployment that fails records nothing of what it has made: if an event source mapping is in the way then,
delete that mapping in the Lambda console."""


class DeployError(Exception):
    """The stage was not deployed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The URLs of a deployed stage."""

    api_url: str
    """The URL of API Gateway; a custom domain points to it."""
    public_url: str
    """``OCPI_PUBLIC_URL``, or the API's own URL."""
    versions_urls: Mapping[Role, str]


def run_chalice(arguments: Sequence[str], project: Path) -> int:
    """Chalice's command line in a process of its own, with this interpreter; its exit code.

    Its output goes to stderr, because stdout is for our own results.
    """
    program = "import sys; from chalice.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", program, *arguments], cwd=project, check=False, stdout=2).returncode


def deploy(
    stage: str,
    *,
    project: Path,
    cloudformation: Any,
    record_public_url: Callable[[str], None],
    say: Say,
    run: Callable[[Sequence[str], Path], int] = run_chalice,
    sleep: Callable[[float], None] = time.sleep,
) -> Deployment:
    """Create or update a stage; doing it again with nothing changed changes nothing.

    Args:
        stage: a stage of ``.chalice/config.json``.
        project: the folder that holds ``app.py``.
        cloudformation: a boto3 client.
        record_public_url: stores the URL where the node finds it.
        say: prints a line about each step.
        run: runs Chalice.
        sleep: waits between two polls of the stack.

    Raises:
        DeployError: the configuration is not ready, or the stack or Chalice failed.
        ClientError: AWS refused a call; botocore's other errors pass through too.
    """
    settings = settings_of(project, stage)
    state = project / ".chalice" / "deployed" / f"{stage}.json"
    for name in policies.write(project, stage):
        say(f"Wrote .chalice/{name}")
    created = put_data_stack(cloudformation, stage, project=project, say=say, sleep=sleep)
    if not created and not state.exists():
        say(f"Careful: {_shown(state)} is missing. If this stage has been deployed before, stop and restore that file,")
        say("or a second API is made and partners keep calling the URL of the first.")

    if run(["deploy", "--stage", stage], project):
        raise DeployError(CHALICE_FAILED)

    api_url = _api_url(state)
    public_url = settings.public_url or api_url
    record_public_url(public_url)
    say(f"Keep {_shown(state)} safe, in a private repository or your CI's store: it is the only record of which API")
    say("belongs to this stage. Deploying without it makes a second API with another URL.")
    return Deployment(
        api_url, public_url, {role: f"{public_url}/ocpi/{role}/versions" for role in sorted(settings.roles)}
    )


def stage_environment(project: Path, stage: str) -> dict[str, str]:
    """The environment variables that Chalice gives a stage's functions.

    Raises:
        DeployError: there is no such stage.
    """
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    if stage not in config["stages"]:
        known = ", ".join(config["stages"])
        raise DeployError(f".chalice/config.json has no stage {stage!r}, only {known}: copy one of them and rename it")
    return {**config.get("environment_variables", {}), **config["stages"][stage].get("environment_variables", {})}


def settings_of(project: Path, stage: str) -> Settings:
    """The stage's settings, checked as far as that goes without AWS.

    Raises:
        DeployError: a variable is missing, wrong or still the example's.
    """
    environment = stage_environment(project, stage)
    where = f"in .chalice/config.json, stage {stage!r}"
    for name, placeholder in PLACEHOLDERS.items():
        if environment.get(name) == placeholder:
            raise DeployError(f"{name} is still {placeholder}: give your own {where}")
    try:
        settings = Settings.from_environment(environment)
    except SettingsError as wrong:
        raise DeployError(f"{wrong} ({where})") from wrong
    if settings.stage != stage:
        raise DeployError(f"OCPI_STAGE is {settings.stage!r}: it names the tables, so give {stage!r} {where}")
    if settings.open_network:
        raise DeployError(f"OCPI_OPEN_NETWORK is yes: that is for local runs, give no {where}")
    return settings


def put_data_stack(
    cloudformation: Any, stage: str, *, project: Path, say: Say, sleep: Callable[[float], None] = time.sleep
) -> bool:
    """Create or update a stage's tables and queues; True if they are new.

    Raises:
        DeployError: the stack failed, and why.
    """
    name = resource_name("data", stage)
    template = (project / "infra" / "data.yaml").read_text(encoding="utf-8")
    before = _describe(cloudformation, name)
    token = f"deploy-{uuid4()}"
    request = {
        "StackName": name,
        "TemplateBody": template,
        "Parameters": _parameters(stage, before),
        "ClientRequestToken": token,
    }
    if before is None:
        say(f"Creating the stack {name}")
        cloudformation.create_stack(**request)
    elif before["StackStatus"].startswith("ROLLBACK_"):
        raise DeployError(f"The stack {name} failed when it was created: delete it and deploy again")
    else:
        try:
            cloudformation.update_stack(**request)
        except ClientError as refused:
            if "No updates are to be performed" not in str(refused):
                raise
            say(f"The stack {name} is up to date")
            return False
        say(f"Updating the stack {name}")
    _follow(cloudformation, name, token, say, sleep)
    return before is None


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as refused:
        if "does not exist" not in str(refused):
            raise
        return None
    return stack


def _parameters(stage: str, before: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The stack's parameters: the stage, and those that were set by hand before, such as a topic for alarms."""
    kept = [given["ParameterKey"] for given in before.get("Parameters", ())] if before else []
    return [
        {"ParameterKey": "Stage", "ParameterValue": stage},
        *({"ParameterKey": key, "UsePreviousValue": True} for key in kept if key != "Stage"),
    ]


def _follow(cloudformation: Any, name: str, token: str, say: Say, sleep: Callable[[float], None]) -> None:
    """Print the events of the stack until it is done.

    Raises:
        DeployError: it failed.
    """
    seen: set[str] = set()
    reasons: list[str] = []
    while True:
        status = (_describe(cloudformation, name) or {})["StackStatus"]
        for event in _events(cloudformation, name, token):
            if event["EventId"] not in seen:
                seen.add(event["EventId"])
                say(f"  {event['ResourceStatus']} {event['LogicalResourceId']}")
                if event["ResourceStatus"].endswith("_FAILED"):
                    reasons.append(
                        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}"
                    )
        if not status.endswith("_IN_PROGRESS"):
            break
        sleep(POLL_S)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployError(f"The stack {name} is {status}. " + "; ".join(reasons))


def _events(cloudformation: Any, name: str, token: str) -> Iterable[dict[str, Any]]:
    """The stack events of our own request, oldest first; there are fewer than a page of 100 between two polls."""
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [event for event in reversed(events) if event.get("ClientRequestToken") == token]


def _api_url(state: Path) -> str:
    for resource in json.loads(state.read_text(encoding="utf-8"))["resources"]:
        if resource["resource_type"] == "rest_api":
            return str(resource["rest_api_url"]).rstrip("/")
    raise DeployError("Chalice deployed no API: app.py has no routes")


def _shown(state: Path) -> str:
    return "/".join(state.parts[-3:])
