"""The stores under test: each promise is checked in memory, on moto and on ministack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.adapters.aws import Clients
from chalicelib.adapters.dynamodb.breakers import DynamoCircuitBreakerStore
from chalicelib.adapters.dynamodb.commands import DynamoCommandStore
from chalicelib.adapters.dynamodb.events import DynamoEventFeed
from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
from chalicelib.adapters.dynamodb.partners import DynamoPartnerStore
from chalicelib.adapters.dynamodb.pulls import DynamoPullStore
from chalicelib.adapters.dynamodb.quarantine import DynamoQuarantine
from chalicelib.node.commands import CommandStore
from chalicelib.node.events.announcing import EventFeed
from chalicelib.node.objects import ObjectStore
from chalicelib.node.partners.breaker import CircuitBreakerStore
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling.state import PullStore
from chalicelib.node.pushing.outbox import Outbox
from chalicelib.node.receiving.quarantine import Quarantine
from tests.memory import (
    MemoryCircuitBreakerStore,
    MemoryCommandStore,
    MemoryEventFeed,
    MemoryObjectStore,
    MemoryOutbox,
    MemoryPartnerStore,
    MemoryPullStore,
    MemoryQuarantine,
)
from tests.resources import LazyStage, Stage

BACKENDS = ("memory", "moto", "ministack")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class Calls:
    """Counts the calls that go through a client."""

    def __init__(self, client: Any) -> None:
        self._made: Counter[str] = Counter()
        client.meta.events.register("before-call.*.*", self._count, unique_id="calls")

    def _count(self, model: Any, **_: Any) -> None:
        # A stage makes its tables when they are asked for.
        if model.name != "CreateTable":
            self._made[model.name] += 1

    def made(self) -> dict[str, int]:
        """The calls since the last look."""
        made, self._made = dict(self._made), Counter()
        return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(stage: Stage) -> Iterator[Calls]:
    client = stage.clients.dynamodb()
    yield Calls(client)
    client.meta.events.unregister("before-call.*.*", unique_id="calls")


@pytest.fixture(scope="session")
def _moto_clients(no_real_aws: None) -> Clients:
    """Clients that moto answers: built after it is imported, and kept, for building one takes longer than a test."""
    import moto  # noqa: F401 - hooks into botocore

    return Clients()


@pytest.fixture
def moto_stage(_moto_clients: Clients) -> Iterator[Stage]:
    from moto import mock_aws

    with mock_aws():
        yield LazyStage("moto", _moto_clients)


@pytest.fixture
def stage_of(request: pytest.FixtureRequest) -> Callable[[str], Stage]:
    """The stage on a backend, made only when it is asked for."""
    fixtures = {"moto": "moto_stage", "ministack": "stage"}

    def find(backend: str) -> Stage:
        found: Stage = request.getfixturevalue(fixtures[backend])
        return found

    return find


@pytest.fixture(params=BACKENDS)
def objects(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjectStore()
    return DynamoObjectStore(stage_of(request.param).table("tariffs"))


@pytest.fixture(params=BACKENDS)
def tokens(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> ObjectStore:
    """Objects that are found by ``by_uid`` and ``by_auth_id`` too."""
    if request.param == "memory":
        return MemoryObjectStore()
    return DynamoObjectStore(stage_of(request.param).table("tokens"))


@pytest.fixture(params=BACKENDS)
def quarantine(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> Quarantine:
    if request.param == "memory":
        return MemoryQuarantine()
    return DynamoQuarantine(stage_of(request.param).table("quarantine"))


@pytest.fixture(params=BACKENDS)
def partners(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage], clock: Clock) -> PartnerStore:
    if request.param == "memory":
        return MemoryPartnerStore(clock)
    return DynamoPartnerStore(stage_of(request.param).table("partners"), clock)


@pytest.fixture(params=BACKENDS)
def outbox(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> Outbox:
    if request.param == "memory":
        return MemoryOutbox()
    return DynamoOutbox(stage_of(request.param).table("outbox"))


@pytest.fixture(params=BACKENDS)
def commands(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> CommandStore:
    if request.param == "memory":
        return MemoryCommandStore()
    return DynamoCommandStore(stage_of(request.param).table("commands"))


@pytest.fixture(params=BACKENDS)
def pulls(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> PullStore:
    if request.param == "memory":
        return MemoryPullStore()
    return DynamoPullStore(stage_of(request.param).table("pulls"))


@pytest.fixture(params=BACKENDS)
def feed(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> EventFeed:
    if request.param == "memory":
        return MemoryEventFeed()
    return DynamoEventFeed(stage_of(request.param).table("events"))


@pytest.fixture(params=BACKENDS)
def breakers(request: pytest.FixtureRequest, stage_of: Callable[[str], Stage]) -> CircuitBreakerStore:
    if request.param == "memory":
        return MemoryCircuitBreakerStore()
    return DynamoCircuitBreakerStore(stage_of(request.param).table("outbox"))
