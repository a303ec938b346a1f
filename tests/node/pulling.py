"""Crawls for tests: a partner whose list is a script, and the worker that goes from page to page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chalicelib.modules import MODULES
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.crawl import Crawler
from chalicelib.node.pulling.schedule import PullSchedule
from chalicelib.node.pulling.state import Pull
from chalicelib.node.receiving.quarantine import QuarantineEntry
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import CompanyInWorld, Pair, World, pair

Json = Any
Answer = Callable[[Request], Response]

LISTED = list(MODULES)
"""Every module has a list that its owner serves."""


def answered(items: Json, link: str | None = None, total: int | None = None, status: int = 200) -> Response:
    """A page in an envelope."""
    headers = {"link": link} if link is not None else {}
    headers |= {"x-total-count": str(total)} if total is not None else {}
    return Response(status, headers, json.dumps({"status_code": 1000, "data": items}).encode())


def following(url: str) -> str:
    """The header that leads to the next page."""
    return f'<{url}>; rel="next"'


def ids(*numbers: int, module: ModuleID = ModuleID.LOCATIONS, **fields: Any) -> list[Json]:
    """Objects with these numbers in their ids."""
    return [make.object_of(module, f"X{number}", **fields) for number in numbers]


@dataclass
class Crawl:
    """A pair whose owner of one module answers its list as the test says; everything else goes on as it does."""

    module: ModuleID = ModuleID.LOCATIONS
    pair: Pair = field(default_factory=pair)
    answers: list[Response | None] = field(default_factory=list)
    """One for each request, the last one for all that follow; None: nobody answers."""
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = self.owner.base_url.removeprefix("https://")
        self._else = self.world.hosts[self.host]
        self.answer: Answer = self._next_answer
        self.world.hosts[self.host] = self._serve

    def _serve(self, request: Request) -> Response:
        if request.method != "GET" or not request.url.startswith(self.pair.list_at_owner(self.module)):
            return self._else(request)
        self.asked.append(request)
        return self.answer(request)

    def _next_answer(self, _request: Request) -> Response:
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if found is None:
            raise Unreachable("GET: no answer")
        return found

    @property
    def world(self) -> World:
        return self.pair.world

    @property
    def owner(self) -> CompanyInWorld:
        return self.pair.owner(self.module)

    @property
    def us(self) -> CompanyInWorld:
        return self.pair.receiver(self.module)

    @property
    def them(self) -> Partner:
        return self.us.partners()[0]

    @property
    def schedule(self) -> PullSchedule:
        return self.us.company.pull_schedule

    @property
    def crawler(self) -> Crawler:
        return self.us.company.crawler

    @property
    def endpoint(self) -> str:
        return self.them.endpoints[self.module]

    @property
    def now(self) -> Pull:
        """How the crawl stands."""
        found = self.us.ports.pulls.get(self.them.id, self.module)
        assert found is not None
        return found

    @property
    def quarantine(self) -> list[QuarantineEntry]:
        return self.us.ports.quarantine.of(self.them.id)

    @property
    def counters(self) -> Mapping[str, int]:
        return self.us.ports.partners.counters(self.them.id)

    @property
    def urls(self) -> list[str]:
        """What was asked for, as it was written."""
        return [f"{each.url}?{urlencode(each.query)}" if each.query else each.url for each in self.asked]

    def holds(self, object_id: str) -> Json:
        """What we hold of the object; None if nothing."""
        return self.us.received(self.module, self.owner.party, MODULES[self.module].key_of(object_id))

    def held(self, numbers: Sequence[int]) -> list[int]:
        """Those of the numbers whose objects we hold."""
        return [number for number in numbers if self.holds(f"X{number}") is not None]

    def run(self, *pages: Response | None, full: bool = False) -> Pull:
        """A crawl from its beginning to its end, over these pages."""
        self.answers = list(pages) or self.answers
        self.schedule.start(self.them, self.module, full=full)
        return self.work()

    def work(self) -> Pull:
        """Work off what is queued, however late it is due; how the crawl stands then."""
        work_off(self.us)
        return self.now


def work_off(company: CompanyInWorld, of: ModuleID | None = None) -> list[int]:
    """Fetch pages until none is to be fetched; the seconds that each message waited, or those of one module's."""
    delays = []
    while company.pull_steps.steps:
        step, delay_s = company.pull_steps.steps.pop(0)
        if of in (None, step.module):
            delays.append(delay_s)
        company.company.crawler.crawl_page(step)
    return delays
