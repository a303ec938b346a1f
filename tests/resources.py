"""Stages of tests, and the resources of the data stack created one by one, where few of them are needed."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from chalicelib.adapters.aws import Clients
from chalicelib.adapters.dynamodb.table import Table
from chalicelib.settings import resource_name

TEMPLATE: Final = Path(__file__).parents[1] / "infra" / "data.yaml"
_OF_A_TABLE: Final = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
_OF_A_QUEUE: Final = ("FifoQueue", "ContentBasedDeduplication", "VisibilityTimeout", "MessageRetentionPeriod")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's YAML; what a function such as ``!Sub`` is given stands for its result."""


def _argument(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


_Loader.add_multi_constructor("!", _argument)


def _defined(kind: str, name: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a kind, by what follows the stage in the name."""
    resources = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)["Resources"].values()  # noqa: S506 - a SafeLoader
    found = [resource["Properties"] for resource in resources if resource["Type"] == kind]
    return {each[name].removeprefix("ocpi-${Stage}-"): each for each in found}


@functools.cache
def _tables() -> dict[str, dict[str, Any]]:
    return _defined("AWS::DynamoDB::Table", "TableName")


@functools.cache
def _queues() -> dict[str, dict[str, Any]]:
    return _defined("AWS::SQS::Queue", "QueueName")


def create_table(client: Any, stage: str, name: str) -> None:
    """The table with its keys and indexes, empty."""
    defined = _tables()[name]
    given = {key: defined[key] for key in _OF_A_TABLE if key in defined}
    client.create_table(TableName=resource_name(name, stage), **given)


def create_queue(client: Any, stage: str, name: str) -> None:
    """The queue, which hands nothing on to its dead letters."""
    defined = _queues()[name]
    given = {key: str(defined[key]).lower() for key in _OF_A_QUEUE if key in defined}
    client.create_queue(QueueName=resource_name(name, stage), Attributes=given)


def create_all(clients: Clients, stage: str) -> None:
    """Every table and queue, and the bus, of a stage."""
    for name in _tables():
        create_table(clients.dynamodb(), stage, name)
    for name in _queues():
        create_queue(clients.sqs(), stage, name)
    clients.events().create_event_bus(Name=f"ocpi-{stage}")


@dataclass(frozen=True)
class Stage:
    """A stage of its own in some AWS: empty tables and queues."""

    name: str
    clients: Clients
    sleep: Callable[[float], None] = time.sleep

    def table(self, name: str) -> Table:
        return Table(resource_name(name, self.name), self.clients.dynamodb, self.sleep)

    def queue(self, name: str) -> str:
        return resource_name(name, self.name)

    @property
    def bus(self) -> str:
        return f"ocpi-{self.name}"


@dataclass(frozen=True)
class LazyStage(Stage):
    """A stage of which a table, a queue or the bus is made when a test asks for it: few tests need all of them."""

    made: set[str] = field(default_factory=set)

    def table(self, name: str) -> Table:
        if self._is_missing(f"table {name}"):
            create_table(self.clients.dynamodb(), self.name, name)
        return super().table(name)

    def queue(self, name: str) -> str:
        if name in _queues() and self._is_missing(f"queue {name}"):
            create_queue(self.clients.sqs(), self.name, name)
        return super().queue(name)

    @property
    def bus(self) -> str:
        if self._is_missing("bus"):
            self.clients.events().create_event_bus(Name=f"ocpi-{self.name}")
        return super().bus

    def _is_missing(self, what: str) -> bool:
        is_missing = what not in self.made
        self.made.add(what)
        return is_missing
