"""The companies of a conversation with DynamoDB tables and SQS queues of their own, on the emulator."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.adapters.dynamodb.breakers import DynamoCircuitBreakerStore
from chalicelib.adapters.dynamodb.commands import DynamoCommandStore
from chalicelib.adapters.dynamodb.events import DynamoEventFeed
from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
from chalicelib.adapters.dynamodb.partners import DynamoPartnerStore
from chalicelib.adapters.dynamodb.pulls import DynamoPullStore
from chalicelib.adapters.dynamodb.quarantine import DynamoQuarantine
from chalicelib.adapters.eventbridge import EventBridgeBus
from chalicelib.adapters.sqs.commands import SqsCommandQueues, answer_in, result_in
from chalicelib.adapters.sqs.events import SqsEventQueue, events_in
from chalicelib.adapters.sqs.pulls import SqsPullQueue, step_in
from chalicelib.adapters.sqs.pushes import SqsPushQueues, announcements_in, delivery_in
from chalicelib.bootstrap.ports import Ports
from chalicelib.modules import MODULES
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.ocpi.parties import Party, Role
from tests.resources import Stage
from tests.world import Caller, CompanyInWorld, Pair, World, register


class CompanyOnAws(CompanyInWorld):
    """A company whose stores and queues are a stage of the emulator."""

    def __init__(
        self, stage: Stage, world: World, host: str, party: Party, roles: frozenset[Role], settings: Mapping[str, Any]
    ) -> None:
        self.stage = stage
        super().__init__(world, host, party, roles, settings)

    def make_ports(self) -> Ports:
        """The outside: DynamoDB and SQS, and the world as the web."""
        stage = self.stage
        return replace(
            super().make_ports(),
            stores={module: DynamoObjectStore(stage.table(module)) for module in MODULES},
            partners=DynamoPartnerStore(stage.table("partners"), self.world.clock),
            push_queues=SqsPushQueues(
                stage.clients.sqs, changes=stage.queue("changes"), deliveries=stage.queue("deliveries.fifo")
            ),
            outbox=DynamoOutbox(stage.table("outbox")),
            breakers=DynamoCircuitBreakerStore(stage.table("outbox")),
            quarantine=DynamoQuarantine(stage.table("quarantine")),
            commands=DynamoCommandStore(stage.table("commands")),
            command_queues=SqsCommandQueues(
                stage.clients.sqs,
                commands=stage.queue("commands"),
                results=stage.queue("command-results"),
                answers=stage.queue("command-answers.fifo"),
            ),
            pulls=DynamoPullStore(stage.table("pulls")),
            pull_queue=SqsPullQueue(stage.queue("pulls"), stage.clients.sqs),
            event_queue=SqsEventQueue(stage.queue("events"), stage.clients.sqs),
            event_bus=EventBridgeBus(stage.clients.events, bus=stage.bus, source="ocpi.test"),
            event_feed=DynamoEventFeed(stage.table("events")),
            sleep=time.sleep,
        )

    def pump(self) -> None:
        """Work the queues off as Lambda would, until nothing is left; timers that are set go on waiting."""
        works = (self._spread, self._deliver, self._take_results, self._post_results, self.pull_on, self._publish)
        # A sum asks all of them, where any() would stop at the first.
        while sum(work() for work in works):
            pass

    def pull_on(self) -> bool:
        """Fetch the pages whose turn it is; whether there were any."""
        steps = self._take("pulls")
        for message in steps:
            self.company.crawler.crawl_page(step_in(message["Body"]))
            self._done("pulls", message)
        return bool(steps)

    def _publish(self) -> bool:
        messages = self._take("events")
        for message in messages:
            self.company.publisher.publish(*events_in(message["Body"]))
            self._done("events", message)
        return bool(messages)

    def asked(self) -> list[Mapping[str, Any]]:
        """What the charge points' back end takes from its queue."""
        messages = self._take("commands")
        for message in messages:
            self._done("commands", message)
        return [json.loads(message["Body"]) for message in messages]

    def _spread(self) -> bool:
        changes = self._take("changes")
        for message in changes:
            announcements, attempt = announcements_in(message["Body"])
            self.company.fan_out.fan_out(announcements, attempt, message["MessageId"])
            self._done("changes", message)
        return bool(changes)

    def _deliver(self) -> bool:
        deliveries = self._take("deliveries.fifo")
        for message in deliveries:
            asked = delivery_in(message["Body"])
            if isinstance(asked, RetryDue):
                self.company.retries.retry(asked)
            else:
                self.company.deliverer.deliver(asked)
            self._done("deliveries.fifo", message)
        return bool(deliveries)

    def _take_results(self) -> bool:
        results = self._take("command-results")
        for message in results:
            self.company.command_results.receive(result_in(message["Body"]))
            self._done("command-results", message)
        return bool(results)

    def _post_results(self) -> bool:
        answers = self._take("command-answers.fifo")
        for message in answers:
            self.company.command_results.post(answer_in(message["Body"]))
            self._done("command-answers.fifo", message)
        return bool(answers)

    def _take(self, queue: str) -> list[dict[str, Any]]:
        sqs = self.stage.clients.sqs()
        found = sqs.receive_message(QueueUrl=self._url(queue), MaxNumberOfMessages=10, WaitTimeSeconds=0)
        return list(found.get("Messages", []))

    def _done(self, queue: str, message: dict[str, Any]) -> None:
        self.stage.clients.sqs().delete_message(QueueUrl=self._url(queue), ReceiptHandle=message["ReceiptHandle"])

    def _url(self, queue: str) -> str:
        return str(self.stage.clients.sqs().get_queue_url(QueueName=self.stage.queue(queue))["QueueUrl"])


def pair_on_aws(cpo_stage: Stage, emsp_stage: Stage) -> Pair:
    """Two registered companies on AWS, the network between them as in ``World``."""
    world = World()
    companies = []
    for stage, host, party, role in (
        (cpo_stage, "cpo.example", Party.of("DE", "CPO"), Role.CPO),
        (emsp_stage, "emsp.example", Party.of("NL", "MSP"), Role.EMSP),
    ):
        company = CompanyOnAws(stage, world, host, party, frozenset({role}), {})
        world.serve(host, company)
        companies.append(company)
    cpo, emsp = companies
    register(emsp, cpo, Role.CPO)
    to_emsp, to_cpo = (company.partners()[0].token_we_send for company in companies)
    assert to_emsp is not None
    assert to_cpo is not None
    return Pair(
        world, cpo, emsp, Caller(world, "cpo.example", to_cpo.secret), Caller(world, "emsp.example", to_emsp.secret)
    )


class CallCount:
    """The calls that a stage's DynamoDB client makes while this is open."""

    def __init__(self, stage: Stage) -> None:
        self._client = stage.clients.dynamodb()
        self.made: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        self._client.meta.events.register("before-call.*.*", self._count, unique_id="call-count")
        return self.made

    def __exit__(self, *_: object) -> None:
        self._client.meta.events.unregister("before-call.*.*", unique_id="call-count")

    def _count(self, model: Any, **_: Any) -> None:
        self.made[model.name] += 1
