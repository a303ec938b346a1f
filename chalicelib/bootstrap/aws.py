"""The ports on AWS: DynamoDB, SQS, EventBridge and the web; nothing connects before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.bootstrap.ports import Ports, utc_now
from chalicelib.modules import MODULES
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.telemetry import NoObserver, Observer
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.adapters.aws import Clients


def on_aws(settings: Settings, observer: Observer, clients: Clients | None = None) -> Ports:
    """The ports on DynamoDB, SQS and the real web; nothing connects before it is used.

    Args:
        settings: name the stage, whose tables, queues and bus these are.
        observer: is told of each exchange with a partner.
        clients: of the process; None makes new ones.
    """
    from chalicelib.adapters.aws import Clients
    from chalicelib.adapters.dynamodb.breakers import DynamoCircuitBreakerStore
    from chalicelib.adapters.dynamodb.commands import DynamoCommandStore
    from chalicelib.adapters.dynamodb.events import DynamoEventFeed
    from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
    from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
    from chalicelib.adapters.dynamodb.partners import DynamoPartnerStore
    from chalicelib.adapters.dynamodb.pulls import DynamoPullStore
    from chalicelib.adapters.dynamodb.quarantine import DynamoQuarantine
    from chalicelib.adapters.dynamodb.table import Table
    from chalicelib.adapters.eventbridge import EventBridgeBus
    from chalicelib.adapters.http.web import HttpWeb as PublicWeb
    from chalicelib.adapters.sqs.commands import SqsCommandQueues
    from chalicelib.adapters.sqs.events import SqsEventQueue
    from chalicelib.adapters.sqs.pulls import SqsPullQueue
    from chalicelib.adapters.sqs.pushes import SqsPushQueues

    clients = clients or Clients()

    def table(name: str) -> Table:
        return Table(settings.table(name), clients.dynamodb)

    return Ports(
        stores={module: DynamoObjectStore(table(module)) for module in MODULES},
        partners=DynamoPartnerStore(table("partners"), utc_now),
        push_queues=SqsPushQueues(
            clients.sqs, changes=settings.queue("changes"), deliveries=settings.queue("deliveries.fifo")
        ),
        outbox=DynamoOutbox(table("outbox")),
        breakers=DynamoCircuitBreakerStore(table("outbox")),
        quarantine=DynamoQuarantine(table("quarantine")),
        commands=DynamoCommandStore(table("commands")),
        pulls=DynamoPullStore(table("pulls")),
        pull_queue=SqsPullQueue(settings.queue("pulls"), clients.sqs),
        event_queue=SqsEventQueue(settings.queue("events"), clients.sqs),
        event_bus=EventBridgeBus(clients.events, bus=settings.bus, source=settings.event_source),
        event_feed=DynamoEventFeed(table("events")),
        command_queues=SqsCommandQueues(
            clients.sqs,
            commands=settings.queue("commands"),
            results=settings.queue("command-results"),
            answers=settings.queue("command-answers.fifo"),
        ),
        web=PublicWeb(open_network=settings.open_network),
        observer=observer,
    )


def partner_store(settings: Settings) -> PartnerStore:
    """Our partners and operator keys on DynamoDB, for the command line, which creates the first key."""
    return on_aws(settings, NoObserver()).partners
