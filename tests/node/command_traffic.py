"""Many commands at once: a CPO whose queues are worked by threads, as Lambda works those of SQS, and three eMSPs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from chalicelib.bootstrap.ports import Ports
from chalicelib.node.commands import CommandResult
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.fifo import Fifo
from tests.world import Caller, CompanyInWorld, Reply, World, register

PARTIES = (Party.of("NL", "ONE"), Party.of("NL", "TWO"), Party.of("NL", "SIX"))
PATIENCE_S = 30.0
"""After this a test gives up; it asserts nothing about time."""
_CALLERS = 12


class Lanes(Fifo):
    """The queues: charge points that answer when told to, and the lanes in which partners are answered."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        """The commands that their charge points have not answered yet."""
        self.results: SimpleQueue[CommandResult | None] = SimpleQueue()

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        self.asked.append(message["command_id"])

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        """Nothing: these timers end after all that is looked at."""

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        self.put(lane, command_id, command_id)


@dataclass
class Ears:
    """A partner's host, which hears results; ``pause`` is what it does before it answers."""

    pause: Callable[[], object]
    begun: Counter[str] = field(default_factory=Counter)
    heard_at: dict[str, float] = field(default_factory=dict)
    """When the POST at each path was answered."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, request: Request) -> Response:
        with self.changed:
            self.begun[request.url] += 1
        self.pause()
        with self.changed:
            self.heard_at[request.url] = time.perf_counter()
            self.changed.notify_all()
        return Response(200)

    def wait_for(self, count: int) -> bool:
        """Whether so many have been answered, before patience ends."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.heard_at) >= count, PATIENCE_S)


class _Busy(CompanyInWorld):
    lanes: Lanes

    def make_ports(self) -> Ports:
        self.lanes = Lanes()
        return replace(super().make_ports(), command_queues=self.lanes)


class Traffic:
    """The CPO, and the ears of each eMSP by its party."""

    def __init__(self, pauses: Mapping[Party, Callable[[], object]]) -> None:
        self.world = World()
        self.cpo = _Busy(self.world, "cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}), {})
        self.world.serve("cpo.example", self.cpo)
        self.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), make.location("LOC1"))
        self.ears = {party: Ears(pause) for party, pause in pauses.items()}
        self._callers = {party: self._registered(party) for party in pauses}

    def _registered(self, party: Party) -> Caller:
        host = _host(party)
        emsp = self.world.company(host, party, frozenset({Role.EMSP}))
        register(emsp, self.cpo, Role.CPO)
        token = emsp.partners()[0].token_we_send
        assert token
        self.world.hosts[host] = self.ears[party]
        return Caller(self.world, "cpo.example", token.secret)

    def start(self, party: Party, number: int) -> Reply:
        """The synchronous answer to one START_SESSION, whose result goes to ``/results/<number>``."""
        url, token = f"https://{_host(party)}/results/{number}", make.token(f"K{number}")
        body = {"response_url": url, "token": token, "location_id": "LOC1"}
        return self._callers[party]("POST", "/ocpi/cpo/2.1.1/commands/START_SESSION", body)

    def start_all(self, each: int) -> Counter[str]:
        """So many commands from each partner at once; how many had which synchronous answer."""
        asked = [(party, number) for number in range(each) for party in self.ears]
        with ThreadPoolExecutor(_CALLERS) as threads:
            replies = list(threads.map(lambda pair: self.start(*pair), asked))
        return Counter(f"{reply.status} {reply.code} {reply.data['result']}" for reply in replies)

    def charge_points_answer(self) -> float:
        """All of them at this moment, which is returned."""
        now, lanes = time.perf_counter(), self.cpo.lanes
        # SQS delivers at least once.
        for command_id in [*lanes.asked, *lanes.asked[::-1]]:
            lanes.results.put(CommandResult(command_id=command_id, result="ACCEPTED", source="charge point"))
        return now

    @contextmanager
    def workers(self, pollers: int) -> Iterator[None]:
        """Both queues worked at until the end of the block: so many answers may be under way at the same time."""
        work = [self._take_results, *[self._post_answers] * pollers]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.cpo.lanes.results.put(None)
            self.cpo.lanes.close()
            for thread in threads:
                thread.join(PATIENCE_S)

    def _take_results(self) -> None:
        while (result := self.cpo.lanes.results.get()) is not None:
            self.cpo.company.command_results.receive(result)

    def _post_answers(self) -> None:
        while (message := self.cpo.lanes.next()) is not None:
            lane, command_id = message
            self.cpo.company.command_results.post(command_id)
            # Again, as when a worker dies before it says that it is done.
            self.cpo.company.command_results.post(command_id)
            self.cpo.lanes.done(lane)


def _host(party: Party) -> str:
    return f"{party.party_id.lower()}.example"
