"""A long list, whose crawl is interrupted at random over and over again, is held whole in the end."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from chalicelib.node.objects import theirs
from chalicelib.node.pulling.state import PullState, PullStep
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.modules.crashing import Died, Fuse
from tests.node.faults import Broken, run_on
from tests.node.pulling import Crawl

COUNT, PAGE = 20_000, 100
SEED = 1
CALLS = {"send": 1, "get_many": 1, "put": 30, "record_seen": 1, "save": 1, "enqueue": 1}
"""What may fail, and how often a page calls it at least."""


@dataclass
class Whims(Fuse):
    """Lets each page fail once, at some call of some kind, before or after its effect; one in four is spared."""

    chance: random.Random = field(default_factory=random.Random)
    kind: str = ""
    failures: Counter[str] = field(default_factory=Counter)

    def next_page(self) -> None:
        self.kind = self.chance.choice(list(CALLS)) if self.chance.random() < 0.75 else ""
        self.at, self.blown = self.chance.randint(1, CALLS.get(self.kind, 1)), None
        self.after, self.error = self.chance.random() < 0.5, self.chance.choice((Broken, Died))
        self.calls.clear()

    def call(self, name: str, action: Any) -> Any:
        if name != self.kind or self.blown:
            return action()
        try:
            return super().call(name, action)
        finally:
            self.failures[name] += bool(self.blown)


@dataclass
class Queue:
    """As SQS: a message stays until its worker succeeds, and some come once more, now or later."""

    chance: random.Random
    steps: list[PullStep] = field(default_factory=list)
    repeats: int = 0

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        self.steps.append(step)

    def work(self, crawl: Crawl, whims: Whims) -> None:
        page = -1
        while self.steps:
            if crawl.now.page != page:
                page = crawl.now.page
                whims.next_page()
            step = self.steps[0]
            try:
                crawl.crawler.crawl_page(step)
            except (Broken, Died):
                continue
            self.steps.remove(step)
            if self.repeats < 20 and self.chance.random() < 0.1:
                self.repeats += 1
                self.steps.insert(self.chance.randint(0, len(self.steps)), step)


def serving(request: Request) -> Response:
    """A page of tariffs, which are small, and the way to the next one."""
    start = int(request.query.get("offset", 0))
    items = [make.tariff(f"T{number:05}") for number in range(start, start + PAGE)]
    headers = {"x-total-count": str(COUNT)}
    if start + PAGE < COUNT:
        headers["link"] = f'<?offset={start + PAGE}&limit={PAGE}>; rel="next"'
    return Response(200, headers, json.dumps({"status_code": 1000, "data": items}).encode())


def test_a_long_list_is_held_whole_whatever_interrupts_its_crawl() -> None:
    """OFF-04, PAG-15, PAG-25, PAG-27: no page is fetched more than twice, and nothing counts as gone."""
    chance = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    crawl, queue, whims = Crawl(ModuleID.TARIFFS), Queue(chance), Whims(0, chance=chance)
    crawl.answer = serving
    ports, owner = crawl.us.ports, theirs(crawl.owner.party)
    store = ports.stores[ModuleID.TARIFFS]
    run_on(
        crawl.us,
        stores={**ports.stores, ModuleID.TARIFFS: whims.around(store, *CALLS)},
        pulls=whims.around(ports.pulls, "save", "record_seen"),
        pull_queue=whims.around(queue, "enqueue"),
        web=whims.around(crawl.world, "send"),
    )
    crawl.schedule.start(crawl.them, crawl.module, full=True)
    crawl.us.ports = ports

    queue.work(crawl, whims)

    assert (crawl.now.state, crawl.now.received, crawl.now.problem) == (PullState.DONE, COUNT, None)
    held = store.get_many(owner, [f"T{number:05}" for number in range(COUNT)])
    assert (len(held), len(store.list_by_owner(owner, None, COUNT + 1))) == (COUNT, COUNT)
    assert {(each.version, len(each.metadata)) for each in held.values()} == {(1, 0)}
    fetched = Counter(request.query.get("offset") for request in crawl.asked)
    assert len(fetched) == COUNT // PAGE
    assert max(fetched.values()) == 2
    assert set(whims.failures) == set(CALLS)
    assert sum(whims.failures.values()) > COUNT // PAGE // 2
    assert queue.repeats == 20
