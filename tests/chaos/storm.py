"""Companies in bad weather: hosts change objects, workers work, partners come and go; then it is calm."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.node.pulling.state import PullStep
from chalicelib.node.pushing.messages import Delivery, RetryDue
from tests.chaos.host import Host
from tests.chaos.network import BadNetwork, Faults
from tests.chaos.queues import BadQueues, Message
from tests.chaos.weather import Weather, Worker
from tests.modules.crashing import Died
from tests.node.faults import Broken, run_on
from tests.world import CompanyInWorld, World

_YIELDS = 0.01
_MOST_ROUNDS = 20_000


@dataclass
class Side:
    """A company of ours, and what waits for its workers."""

    company: CompanyInWorld
    queues: BadQueues
    worker: Worker

    def work(self) -> bool:
        """Give a worker one message that is due; False if none is."""
        return self.queues.work(self._do)

    def _do(self, message: Message) -> bool:
        return self.tried(lambda: self._done(message))

    def _done(self, message: Message) -> None:
        node = self.company.company
        match message.work:
            case Delivery():
                node.deliverer.deliver(message.work, is_repeated=message.received > 1)
            case RetryDue():
                node.retries.retry(message.work)
            case PullStep():
                node.crawler.crawl_page(message.work)
            case _:
                node.fan_out.fan_out(message.work, message.attempt, cause=message.id)

    def tried(self, action: Callable[[], object]) -> bool:
        """Whether the worker lived to the end of it."""
        try:
            action()
        except (Broken, Died):
            return False
        return True

    def look(self) -> None:
        """What the schedule does each minute."""
        self.tried(self.company.company.retries.retry_all)

    def pull(self) -> None:
        """What the schedule does each hour."""
        for partner in self.company.partners():
            self.tried(lambda partner=partner: self.company.company.pull_schedule.start_due(partner))  # type: ignore[misc]

    @property
    def next_due(self) -> datetime | None:
        """When there is something to do: at once for what waits in a queue, at a full minute for what a look finds."""
        ports, now = self.company.ports, self.company.world.clock.now
        found = []
        for partner in self.company.partners():
            breaker = ports.breakers.breaker(partner.id)
            waiting = [each.due_at for each in ports.outbox.entries(partner.id)]
            if breaker.needs_probe or (waiting and breaker.blocks(now)):
                found.append(breaker.until)
            elif not breaker.blocks(now):
                found += waiting
        minute = timedelta(minutes=1)
        looks = [max(now, each).replace(second=0, microsecond=0) + minute for each in found if each]
        return min([*looks, *filter(None, [self.queues.next_due])], default=None)


@dataclass
class Storm:
    """Everything that happens, in an order of its own for each seed."""

    world: World
    weather: Weather
    network: BadNetwork
    crashes: float
    """How often a call of ours fails, before or after it has done its work."""
    sides: list[Side] = field(default_factory=list)
    also: list[Callable[[], object]] = field(default_factory=list)
    """What else is done each minute."""
    host: Host | None = None

    @classmethod
    def of(cls, world: World, seed: int, *, crashes: float = 0.0, faults: Faults = Faults()) -> Storm:  # noqa: B008
        """A storm over a world, with this seed."""
        # The node draws its pauses from here.
        random.seed(seed)
        weather = Weather(seed)
        return cls(world, weather, BadNetwork(world, weather, faults), crashes)

    def over(self, company: CompanyInWorld) -> Side:
        """Let the company's node work in this storm from now on."""
        queues = BadQueues(self.world.clock, self.weather)
        worker = Worker(self.weather, self.meanwhile, fails=self.crashes, yields=_YIELDS)
        whole, sending = company.ports, worker.using(queues)
        run_on(
            company,
            stores={module: worker.using(store) for module, store in whole.stores.items()},
            partners=worker.using(whole.partners, "get", "all", "save"),
            outbox=worker.using(whole.outbox),
            breakers=worker.using(whole.breakers),
            pulls=worker.using(whole.pulls),
            quarantine=worker.using(whole.quarantine),
            push_queues=sending,
            pull_queue=sending,
            web=self.network.web(worker),
        )
        company.ports = whole
        self.sides.append(Side(company, queues, worker))
        return self.sides[-1]

    # --- what happens ------------------------------------------------------------------------------------------------

    def rage(self, changes: int) -> None:
        """Let hosts change things while anything may go wrong."""
        assert self.host is not None
        while self.host.changes < changes:
            self.network.turn()
            for _ in range(self.weather.number(1, 3)):
                self._change()
            for _ in range(self.weather.number(0, 6)):
                self.meanwhile()
            self.passes(self._pause_s())

    def _pause_s(self) -> int:
        kind = self.weather.number(0, 99)
        if kind < 80:
            return self.weather.number(1, 10)
        return self.weather.number(10, 120) if kind < 97 else self.weather.number(120, 2400)

    def meanwhile(self) -> None:
        """Somebody does something: mostly a worker of ours."""
        if self.host and self.weather.strikes(0.05):
            self._change()
            return
        self.network.arrive()
        self.weather.one_of(self.sides).work()

    def _change(self) -> None:
        assert self.host is not None
        # Two changes of an object in one second cannot be told from each other.
        self.world.clock.pass_(seconds=1)
        self.host.change()

    def passes(self, seconds: int) -> None:
        """Time passes; each minute some of what is due is done."""
        clock = self.world.clock
        until = clock.now + timedelta(seconds=seconds)
        while clock.now < until:
            left = until - clock.now
            clock.pass_(seconds=min(60.0 - clock.now.second, left.total_seconds()) or 1)
            if clock.now.second == 0:
                self._minute()

    def _minute(self) -> None:
        self.network.arrive()
        for side in self.sides:
            side.look()
        if self.world.clock.now.minute == 0:
            for side in self.sides:
                side.pull()
        for each in self.also:
            each()
        for _ in range(self.weather.number(0, 20)):
            self.weather.one_of(self.sides).work()

    # --- and ends ----------------------------------------------------------------------------------------------------

    def calm(self) -> None:
        """Nothing goes wrong any more: one last change of everything, and then time passes until nothing is due."""
        assert self.host is not None
        self.weather.is_calm = True
        self.network.clear()
        for each in self.also:
            each()
        self.settle()
        self.world.clock.pass_(minutes=2)
        self.host.change_everything()
        self.settle()

    def settle(self) -> None:
        """Let time pass until nothing is due."""
        clock = self.world.clock
        for _ in range(_MOST_ROUNDS):
            self.network.arrive()
            while sum(side.work() for side in self.sides):
                pass
            dues = [self.network.next_due, *(side.next_due for side in self.sides)]
            due = min((each for each in dues if each), default=None)
            if due is None:
                return
            clock.now = max(clock.now, due)
            for side in self.sides:
                side.look()
        raise AssertionError(f"they never come to rest: {due} is still due at {clock.now}")
