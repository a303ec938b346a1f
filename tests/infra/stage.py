"""A stage as the tests see it: the project's files, the AWS that takes them, and what a deployment left there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from cli import deploy

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
FUNCTIONS = {
    "api_handler": "ocpi-dev",
    "change_worker": "ocpi-dev-change_worker",
    "delivery_worker": "ocpi-dev-delivery_worker",
    "command_result_worker": "ocpi-dev-command_result_worker",
    "command_answer_worker": "ocpi-dev-command_answer_worker",
    "event_worker": "ocpi-dev-event_worker",
    "pull_worker": "ocpi-dev-pull_worker",
    "tend_partners": "ocpi-dev-tend_partners",
    "pull_partners": "ocpi-dev-pull_partners",
    "refresh_endpoints": "ocpi-dev-refresh_endpoints",
}


@dataclass(frozen=True)
class Aws:
    """A moto server, as clients and as the environment of a process know it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        session: Any = boto3.Session("testing", "testing", region_name=REGION)  # its stubs want literal service names
        return session.client(
            service,
            endpoint_url=self.url,
            config=Config(retries={"max_attempts": 1}),
        )

    def run_chalice(self, arguments: Sequence[str], project: Path) -> int:
        """Chalice's command line against this server."""
        script = Path(__file__).with_name("chalice_for_moto.py")
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, cwd=project, env={**os.environ, **self.environment}, check=False).returncode


def copy_project(project: Path, into: Path) -> Path:
    """A copy of what a deployment needs, so that packages and state stay out of the project."""
    leave = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
    for folder in (".chalice", "chalicelib", "infra"):
        shutil.copytree(project / folder, into / folder, ignore=leave)
    for file in ("app.py", "requirements.txt"):
        shutil.copy(project / file, into / file)
    return into


def package_of(project: Path, stage: str, folder: Path) -> dict[str, Any]:
    """The SAM template that Chalice makes of a stage, with its packages beside it in the folder.

    Needs a package index for the dependencies.
    """
    program = "import sys; from chalice.cli import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-c", program, "package", "--stage", stage, str(folder)],
        cwd=project,
        env={**os.environ, "AWS_DEFAULT_REGION": REGION},
        check=True,
    )
    template: dict[str, Any] = json.loads((folder / "sam.json").read_text())
    return template


@dataclass(frozen=True)
class Deployed:
    """What a deployment returned, said and recorded, and what stood in AWS after it."""

    deployment: deploy.Deployment
    said: list[str]
    recorded: list[str]
    state: dict[str, Any]
    functions: dict[str, dict[str, Any]]
    mappings: list[dict[str, Any]]
    apis: list[dict[str, Any]]

    @property
    def api_id(self) -> str:
        return str(self.apis[0]["id"])


def deploy_dev(project: Path, aws: Aws) -> Deployed:
    """Deploy stage dev of a project and look at what is there then."""
    said: list[str] = []
    recorded: list[str] = []
    deployment = deploy.deploy(
        "dev",
        project=project,
        cloudformation=aws.client("cloudformation"),
        record_public_url=recorded.append,
        say=said.append,
        run=aws.run_chalice,
        sleep=lambda _: None,
    )
    functions = aws.client("lambda").list_functions()["Functions"]
    return Deployed(
        deployment=deployment,
        said=said,
        recorded=recorded,
        state=json.loads((project / ".chalice" / "deployed" / "dev.json").read_text()),
        functions={function["FunctionName"]: function for function in functions},
        mappings=aws.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        apis=aws.client("apigateway").get_rest_apis()["items"],
    )
