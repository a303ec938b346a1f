"""The project as it is packaged and deployed: a copy of it, Chalice's package of that, and a moto server to take it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from cli.deploy import stage_environment
from tests.infra.stage import ROOT, Aws, Deployed, copy_project, deploy_dev, package_of


# First, because xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process of a parallel run has all of these tests, so that packages are made once."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("infra"))
            # The first of them package and deploy.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that packages and state stay out of the repository."""
    return copy_project(ROOT, tmp_path_factory.mktemp("deployment") / "project")


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
    """The SAM template that Chalice makes of the app for prod, in the folder ``package`` beside the project."""
    return package_of(project, "prod", project.parent / "package")


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
