"""One company of the world: its node on memory stores, and the host's view of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalicelib.bootstrap.company import Company, build_company
from chalicelib.bootstrap.ports import Ports
from chalicelib.modules import MODULES
from chalicelib.node.objects import theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pushing.messages import Delivery, RetryDue
from chalicelib.node.telemetry import Exchange
from chalicelib.ocpi.module import COMMAND_TYPE, ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.settings import Settings
from tests.memory import (
    DelayingPushQueues,
    MemoryCircuitBreakerStore,
    MemoryCommandQueues,
    MemoryCommandStore,
    MemoryEventBus,
    MemoryEventFeed,
    MemoryEventQueue,
    MemoryObjectStore,
    MemoryOutbox,
    MemoryPartnerStore,
    MemoryPullQueue,
    MemoryPullStore,
    MemoryPushQueues,
    MemoryQuarantine,
)

if TYPE_CHECKING:
    from tests.world.network import Json, World


@dataclass
class Recorder:
    """An observer that remembers."""

    exchanges: list[Exchange] = field(default_factory=list)

    def set_context(self, partner_id: str, module: str) -> None:
        """Nothing."""

    def record_exchange(self, exchange: Exchange) -> None:
        """Remembers it."""
        self.exchanges.append(exchange)


class CompanyInWorld:
    """One company: its node on memory stores, and the host's view of it."""

    def __init__(
        self, world: World, host: str, party: Party, roles: frozenset[Role], settings: Mapping[str, Any]
    ) -> None:
        self.world = world
        self.base_url = f"https://{host}"
        self.queues = DelayingPushQueues(world.clock) if world.delaying else MemoryPushQueues()
        world.companies.append(self)
        self.command_queues = MemoryCommandQueues()
        self.pull_steps = MemoryPullQueue()
        self.events = MemoryEventQueue()
        self.bus = MemoryEventBus()
        self.observer = Recorder()
        self.ports = self.make_ports()
        self.settings = Settings(
            **{
                "stage": "test",
                "party": party,
                "name": f"Company {party}",
                "website": None,
                "roles": roles,
                "public_url": self.base_url,
                "open_network": False,
                "page_limit": 100,
                "session_pause_s": 60,
                "commands": frozenset(COMMAND_TYPE),
                "command_timeout_s": 60,
                "required_modules": frozenset(),
                "events": True,
                "log_level": "INFO",
                "console_logs": False,
                **settings,
            }
        )
        self.company: Company = build_company(self.settings, self.ports)

    def make_ports(self) -> Ports:
        """The outside: memory stores, and the world as the web."""
        breakers = MemoryCircuitBreakerStore()
        return Ports(
            stores={module: MemoryObjectStore() for module in MODULES},
            partners=MemoryPartnerStore(self.world.clock),
            push_queues=self.queues,
            outbox=MemoryOutbox(breakers),
            breakers=breakers,
            quarantine=MemoryQuarantine(),
            commands=MemoryCommandStore(),
            command_queues=self.command_queues,
            pulls=MemoryPullStore(),
            pull_queue=self.pull_steps,
            event_queue=self.events,
            event_bus=self.bus,
            event_feed=MemoryEventFeed(),
            web=self.world,
            observer=self.observer,
            now=self.world.clock,
            sleep=lambda _seconds: None,
            fresh_token=self.world.fresh_token,
            fresh_id=self.world.fresh_id,
            fresh_command_id=self.world.fresh_id,
        )

    @property
    def party(self) -> Party:
        return self.settings.party

    def pump(self) -> None:
        """Work the queues off until nothing is left that is due."""
        self.queues.wake()
        while self.queues.announcements or self.queues.deliveries:
            while self.queues.announcements:
                announcements, attempt = self.queues.announcements.pop(0)
                self.company.fan_out.fan_out(announcements, attempt)
            if self.queues.deliveries:
                self.deliver(self.queues.deliveries.pop(0))

    def deliver(self, asked: Delivery | RetryDue) -> None:
        """Do what one message in the deliveries asks for."""
        if isinstance(asked, RetryDue):
            self.company.retries.retry(asked)
        else:
            self.company.deliverer.deliver(asked)

    def look(self) -> None:
        """What the schedule does each minute: look which partners something is due for, and do it."""
        self.company.retries.retry_all()
        self.pump()

    def pump_events(self) -> list[Json]:
        """Publish what is announced; what the host has heard by now."""
        while self.events.messages:
            events, attempt = self.events.messages.pop(0)
            self.company.publisher.publish(events, attempt)
        return list(self.bus.published)

    def pump_commands(self) -> None:
        """Take the results of charge points and the timers that are due, then post what is to be posted."""
        queues, now = self.command_queues, self.world.clock.now
        for each in list(queues.results):
            command = self.ports.commands.get(each[0].command_id)
            if not each[1] or (command and command.deadline <= now):
                queues.results.remove(each)
                self.company.command_results.receive(each[0])
        while queues.answers:
            self.company.command_results.post(queues.answers.pop(0)[0])

    def partners(self) -> list[Partner]:
        return self.ports.partners.all()

    def received(self, module: ModuleID, owner: Party, object_id: str) -> Json:
        """What this company holds of another's object; None if nothing."""
        stored = self.ports.stores[module].get(theirs(owner), object_id)
        return None if stored is None or stored.metadata.get("deleted_at") else json.loads(stored.body)
