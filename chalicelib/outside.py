"""What a node needs from the outside, put together: on AWS; tests and benchmarks put together their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.modules import MODULES
from chalicelib.node.attempts import Sleep
from chalicelib.node.breaker import BreakerStore
from chalicelib.node.commands import CommandQueues, CommandStore
from chalicelib.node.events import EventBus, EventQueue, Journal
from chalicelib.node.outbox import Outbox
from chalicelib.node.ports import ObjectStore, PartnerStore, Queues, Web
from chalicelib.node.pulls import PullQueue, PullStore
from chalicelib.node.quarantine import Quarantine
from chalicelib.node.telemetry import Observer, Silence
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID
from chalicelib.settings import Settings


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def fresh_token() -> AuthToken:
    """A token of 256 random bits, in 43 characters."""
    return AuthToken(secrets.token_urlsafe(32))


def fresh_id() -> str:
    """An id for a partner: short enough to type, too long to guess twice."""
    return secrets.token_hex(5)


def fresh_command_id() -> str:
    """An id for a command: it is part of a URL, and of many within a month no two may be alike."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports, fulfilled: what differs between AWS, a local run and a test."""

    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    queues: Queues
    outbox: Outbox
    breakers: BreakerStore
    quarantine: Quarantine
    commands: CommandStore
    command_queues: CommandQueues
    pulls: PullStore
    pull_queue: PullQueue
    event_queue: EventQueue
    event_bus: EventBus
    journal: Journal
    web: Web
    observer: Observer = field(default_factory=Silence)
    clock: Callable[[], datetime] = utc_now
    sleep: Sleep = time.sleep
    fresh_token: Callable[[], AuthToken] = fresh_token
    fresh_id: Callable[[], str] = fresh_id
    fresh_command_id: Callable[[], str] = fresh_command_id


def on_aws(settings: Settings, observer: Observer) -> Outside:
    """The ports on DynamoDB, SQS and the real web; nothing connects before it is used."""
    from chalicelib.adapters.aws import Clients
    from chalicelib.adapters.dynamodb import Table
    from chalicelib.adapters.dynamodb_breakers import DynamoBreakers
    from chalicelib.adapters.dynamodb_commands import DynamoCommands
    from chalicelib.adapters.dynamodb_events import DynamoJournal
    from chalicelib.adapters.dynamodb_objects import DynamoObjects
    from chalicelib.adapters.dynamodb_outbox import DynamoOutbox
    from chalicelib.adapters.dynamodb_partners import DynamoPartners
    from chalicelib.adapters.dynamodb_pulls import DynamoPulls
    from chalicelib.adapters.dynamodb_quarantine import DynamoQuarantine
    from chalicelib.adapters.eventbridge import EventBridge
    from chalicelib.adapters.http import Web as PublicWeb
    from chalicelib.adapters.sqs import SqsQueues
    from chalicelib.adapters.sqs_commands import SqsCommandQueues
    from chalicelib.adapters.sqs_events import SqsEvents
    from chalicelib.adapters.sqs_pulls import SqsPulls

    clients = Clients()

    def table(name: str) -> Table:
        return Table(settings.table(name), clients.dynamodb)

    return Outside(
        stores={module: DynamoObjects(table(module)) for module in MODULES},
        partners=DynamoPartners(table("partners"), utc_now),
        queues=SqsQueues(settings.queue("changes"), settings.queue("deliveries.fifo"), clients.sqs),
        outbox=DynamoOutbox(table("outbox")),
        breakers=DynamoBreakers(table("outbox")),
        quarantine=DynamoQuarantine(table("quarantine")),
        commands=DynamoCommands(table("commands")),
        pulls=DynamoPulls(table("pulls")),
        pull_queue=SqsPulls(settings.queue("pulls"), clients.sqs),
        event_queue=SqsEvents(settings.queue("events"), clients.sqs),
        event_bus=EventBridge(settings.bus, settings.event_source, clients.events),
        journal=DynamoJournal(table("events")),
        command_queues=SqsCommandQueues(
            settings.queue("commands"),
            settings.queue("command-results"),
            settings.queue("command-answers.fifo"),
            clients.sqs,
        ),
        web=PublicWeb(open_network=settings.open_network),
        observer=observer,
    )


def partner_store(settings: Settings) -> PartnerStore:
    """Our partners and operator keys on DynamoDB; the command line uses it to create the first key."""
    return on_aws(settings, Silence()).partners
