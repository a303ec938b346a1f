"""The app as Lambda finds it: packed for this machine, unpacked, and beside it a runtime that brings boto3."""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from cli.deploy import stage_environment
from tests.infra.stage import package_of

ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "arm64"}
BROUGHT_BY_LAMBDA = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")

EVENT = {
    "requestContext": {"resourcePath": "/{proxy+}", "httpMethod": "GET"},
    "pathParameters": {"proxy": "ocpi/nothing"},
    "multiValueQueryStringParameters": None,
    "headers": {"Host": "node.example"},
    "body": None,
    "isBase64Encoded": False,
    "stageVariables": None,
}
"""A request that is answered with 404, and so without AWS."""


@dataclass(frozen=True)
class Unpacked:
    """The folders from which a function imports; what comes with Python follows them."""

    project: Path
    task: Path
    runtime: Path

    def run(self, program: str) -> str:
        """What a program prints that runs as a function of stage dev, without anything else that is installed here."""
        start = f"import sys; sys.path[:0] = {[str(self.task), str(self.runtime)]}; EVENT = {EVENT!r}\n"
        environment = {
            **stage_environment(self.project, "dev"),
            "OCPI_PUBLIC_URL": "https://node.example",
            "AWS_DEFAULT_REGION": "eu-central-1",
            # So that it traces, but sends nothing.
            "LAMBDA_TASK_ROOT": str(self.task),
            "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
        }
        command = [sys.executable, "-I", "-S", "-B", "-c", start + program]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def unpack_here(project: Path) -> Unpacked:
    """Pack stage dev of a copied project for this machine, without a layer, and unpack it beside the project."""
    path = project / ".chalice" / "config.json"
    architecture = ARCHITECTURES[platform.machine()]
    config = json.loads(path.read_text()) | {"lambda_architecture": architecture, "automatic_layer": False}
    path.write_text(json.dumps(config))
    package_of(project, "dev", project.parent / "packed")

    task, runtime = project.parent / "task", project.parent / "runtime"
    with zipfile.ZipFile(project.parent / "packed" / "deployment.zip") as code:
        code.extractall(task)
    runtime.mkdir()
    for name in BROUGHT_BY_LAMBDA:
        found = _installed(name)
        (runtime / found.name).symlink_to(found)
    return Unpacked(project, task, runtime)


def _installed(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
