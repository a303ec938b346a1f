"""The project as it is packaged and deployed: a copy of it, Chalice's package of that, and a moto server to take it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from cli.deploy import stage_environment
from tests.infra.stage import REGION, ROOT, Aws, Deployed, deploy_dev


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a deployment needs, so that packages and state stay out of the repository."""
    copy = tmp_path_factory.mktemp("deployment") / "project"
    leave = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
    for folder in (".chalice", "chalicelib", "infra"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=leave)
    for file in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / file, copy / file)
    return copy


@pytest.fixture(scope="session")
def routes(project: Path) -> dict[str, list[str]]:
    """Every path of the app with its methods, read in a process of its own."""
    program = "import json, app; print(json.dumps({path: sorted(found) for path, found in app.app.routes.items()}))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={**os.environ, **stage_environment(project, "dev")},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    assert found, "the app has no routes"
    return found


@pytest.fixture(scope="session")
def package(project: Path) -> dict[str, Any]:
    """The SAM template that Chalice makes of the app for prod. Needs a package index for the dependencies."""
    folder = project.parent / "package"
    program = "import sys; from chalice.cli import main; sys.exit(main())"
    subprocess.run(
        [sys.executable, "-c", program, "package", "--stage", "prod", str(folder)],
        cwd=project,
        env={**os.environ, "AWS_DEFAULT_REGION": REGION},
        check=True,
    )
    template: dict[str, Any] = json.loads((folder / "sam.json").read_text())
    return template


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    """A moto server for the session."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield Aws(f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="session")
def deployed_twice(project: Path, package: dict[str, Any], aws: Aws) -> tuple[Deployed, Deployed]:
    """Dev deployed, and deployed again with nothing changed; the package before it saves downloading twice."""
    return deploy_dev(project, aws), deploy_dev(project, aws)


@pytest.fixture(scope="session")
def deployed(deployed_twice: tuple[Deployed, Deployed]) -> Deployed:
    """Dev as it stands after both."""
    return deployed_twice[1]
