"""What many tests share: an AWS emulator for the session, stages on it, and that no test meets real AWS."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings

from chalicelib.adapters.aws import Clients
from cli.local import emulator
from cli.local.emulator import Emulator
from tests.resources import TEMPLATE, LazyStage, Stage
from tests.sampling import sample

# The machine may be busy, and a test leaves nothing behind.
settings.register_profile("default", deadline=None, database=None)
settings.register_profile("deep", settings.get_profile("default"), max_examples=1000)
settings.load_profile("default")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sampling")
    group.addoption("--deep", action="store_true", help="run every case of the big products, and more examples")
    group.addoption("--sample-seed", type=int, default=None, help="which cases of the big products run")


def pytest_configure(config: pytest.Config) -> None:
    # The workers of a parallel run are given the option as it is here.
    if config.option.sample_seed is None:
        config.option.sample_seed = datetime.now(UTC).date().toordinal()
    if config.option.deep:
        settings.load_profile("deep")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.option.deep:
        again = f"--sample-seed {config.option.sample_seed}"
        terminalreporter.write_line(f"of big products a sample: again with {again}, all of it with --deep")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [] if config.option.deep else sample(items, config.option.sample_seed)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session", autouse=True)
def no_real_aws() -> Iterator[None]:
    """Credentials that open nothing, so that a client which no test configured fails instead of reaching AWS."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", emulator.REGION)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory, no_real_aws: None) -> Iterator[Emulator]:
    """The emulator; each process of a parallel run starts one for itself."""
    with emulator.running(tmp_path_factory.mktemp("ministack") / "log") as running:
        yield running


@pytest.fixture(scope="session")
def ministack_clients(ministack: Emulator) -> Clients:
    return Clients(endpoint_url=ministack.endpoint)


@pytest.fixture(scope="session")
def _cloudformation(ministack: Emulator) -> Any:
    from botocore.session import get_session

    return get_session().create_client("cloudformation", endpoint_url=ministack.endpoint)


_numbers = itertools.count(1)


@pytest.fixture
def new_stage(ministack_clients: Clients, _cloudformation: Any) -> Callable[[], Stage]:
    """Makes stages on ministack, from the template that a deployment uses."""

    def make() -> Stage:
        name = f"t{next(_numbers)}"
        create_stack(_cloudformation, name)
        return Stage(name, ministack_clients)

    return make


@pytest.fixture
def stage(ministack_clients: Clients) -> Stage:
    """A stage on ministack that makes what a test asks for."""
    return LazyStage(f"t{next(_numbers)}", ministack_clients)


def create_stack(cloudformation: Any, stage: str) -> None:
    """The stage's tables and queues."""
    cloudformation.create_stack(
        StackName=f"ocpi-{stage}",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
    )
    for _ in range(1000):
        status = cloudformation.describe_stacks(StackName=f"ocpi-{stage}")["Stacks"][0]["StackStatus"]
        if status != "CREATE_IN_PROGRESS":
            break
        time.sleep(0.005)
    assert status == "CREATE_COMPLETE"
