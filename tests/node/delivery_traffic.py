"""Many changes to many partners: a CPO whose queues are worked by threads, as Lambda works those of SQS, and eMSPs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Any

from chalicelib.adapters.sqs.pushes import SqsPushQueues, announcements_in, delivery_in
from chalicelib.bootstrap.ports import Ports
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.fifo import Fifo
from tests.world import Clock, CompanyInWorld, World, register

PATIENCE_S = 30.0
"""After this a test gives up; it asserts nothing about time."""
CHANGES, DELIVERIES = "changes", "deliveries.fifo"


class Sqs:
    """An SQS client that knows our two queues; time runs so much faster than outside."""

    def __init__(self, faster: float = 1) -> None:
        self._faster = faster
        self.changes: SimpleQueue[str | None] = SimpleQueue()
        self.deliveries = Fifo()

    def get_queue_url(self, **asked: Any) -> dict[str, str]:
        return {"QueueUrl": asked["QueueName"]}

    def send_message(self, **sent: Any) -> None:
        if sent["QueueUrl"] == CHANGES:
            later = threading.Timer(sent["DelaySeconds"] / self._faster, self.changes.put, [sent["MessageBody"]])
            later.daemon = True
            later.start()
        else:
            self._put(sent)

    def send_message_batch(self, **sent: Any) -> dict[str, Any]:
        for entry in sent["Entries"]:
            self._put(entry)
        return {}

    def _put(self, entry: dict[str, Any]) -> None:
        self.deliveries.put(entry["MessageGroupId"], entry["MessageDeduplicationId"], entry["MessageBody"])


class Running(Clock):
    """Time that passes by itself, some times as fast as outside."""

    def __init__(self, faster: float) -> None:
        super().__init__()
        self._faster = faster
        self._began = time.perf_counter()

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=(time.perf_counter() - self._began) * self._faster)


@dataclass
class Receiver:
    """A partner's node: it answers as it was told to, and keeps what it gets."""

    answer: Callable[[], Response | None]
    """Called for each request: raises, answers something else, or returns None where all is well."""
    requests: int = 0
    held: dict[str, Any] = field(default_factory=dict)
    """The tariffs, by the end of their URLs."""
    heard_at: dict[tuple[str, int], float] = field(default_factory=dict)
    """When the change of a tariff that has this number was first heard of."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, request: Request) -> Response:
        with self.changed:
            self.requests += 1
        answer = self.answer()
        if answer is None and request.method in ("PUT", "PATCH"):
            self._keep(request.url.rpartition("/")[2], request.method, json.loads(request.body))
        return answer or success(Clock().now, b"[]")

    def _keep(self, tariff: str, method: str, body: Any) -> None:
        with self.changed:
            self.held[tariff] = body if method == "PUT" else {**self.held.get(tariff, {}), **body}
            self.heard_at.setdefault((tariff, number_in(self.held[tariff])), time.perf_counter())
            self.changed.notify_all()

    def wait_for(self, tariffs: dict[str, Any]) -> bool:
        """Whether they hold all of it as it is, before patience ends."""
        with self.changed:
            return self.changed.wait_for(lambda: self.held == tariffs, PATIENCE_S)


class _Busy(CompanyInWorld):
    """A CPO that sends its messages through SQS, and waits where it says that it does."""

    def __init__(self, world: World, faster: float) -> None:
        self.sqs, self._faster = Sqs(faster), faster
        super().__init__(world, "cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}), {})

    def make_ports(self) -> Ports:
        queues = SqsPushQueues(lambda: self.sqs, changes=CHANGES, deliveries=DELIVERIES)
        return replace(
            super().make_ports(), push_queues=queues, sleep=lambda seconds: time.sleep(seconds / self._faster)
        )


class Traffic:
    """The CPO, and what receives at each eMSP."""

    def __init__(self, answers: Sequence[Callable[[], Response | None]], faster: float = 1) -> None:
        """How each of the eMSPs answers; time runs so much faster than outside."""
        self.world = World()
        self.world.clock = Running(faster)
        self._faster = faster
        self.cpo = _Busy(self.world, faster)
        self.world.serve("cpo.example", self.cpo)
        self.receivers = [self._registered(number, answer) for number, answer in enumerate(answers)]
        self.changed_at: dict[tuple[str, int], float] = {}

    def _registered(self, number: int, answer: Callable[[], Response | None]) -> Receiver:
        host = f"emsp{number}.example"
        emsp = self.world.company(host, Party(country_code="NL", party_id=f"E{number:02}"), frozenset({Role.EMSP}))
        register(emsp, self.cpo, Role.CPO)
        receiver = Receiver(answer)
        self.world.hosts[host] = receiver
        return receiver

    def change(self, tariff: str, number: int) -> None:
        """Let the host change a tariff; each change of a tariff has a higher number."""
        self.changed_at[tariff, number] = time.perf_counter()
        url = f"https://cpo.example/{number}"
        self.cpo.company.own_objects[ModuleID.TARIFFS].put(tariff, (), make.tariff(tariff, tariff_alt_url=url))

    def tariffs(self) -> dict[str, Any]:
        """All of the CPO's as they are now."""
        store = self.cpo.ports.stores[ModuleID.TARIFFS]
        ids = list({tariff for tariff, _ in self.changed_at})
        return {name: json.loads(stored.body) for name, stored in store.get_many("ours", ids).items()}

    def delays(self, receiver: Receiver) -> list[float]:
        """Seconds from each change until they heard of it, or of a later one of the same tariff."""
        heard = sorted(receiver.heard_at.items(), key=lambda pair: pair[1])
        return [
            next(at for (other, later), at in heard if other == tariff and later >= number) - changed_at
            for (tariff, number), changed_at in self.changed_at.items()
        ]

    @contextmanager
    def workers(self, deliverers: int) -> Iterator[None]:
        """Both queues worked at until the end of the block: so many messages of deliveries may be under way at once."""
        stop = threading.Event()
        work = [self._spread, *[self._deliver] * deliverers, lambda: self._look(stop)]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            self.cpo.sqs.changes.put(None)
            self.cpo.sqs.deliveries.close()
            for thread in threads:
                thread.join(PATIENCE_S)

    def _spread(self) -> None:
        cause = 0
        while (body := self.cpo.sqs.changes.get()) is not None:
            announcements, attempt = announcements_in(body)
            cause += 1
            self.cpo.company.fan_out.fan_out(announcements, attempt, cause=f"message {cause}")

    def _deliver(self) -> None:
        while (message := self.cpo.sqs.deliveries.next()) is not None:
            lane, body = message
            self.cpo.deliver(delivery_in(body))
            self.cpo.sqs.deliveries.done(lane)

    def _look(self, stop: threading.Event) -> None:
        while not stop.wait(60 / self._faster):
            self.cpo.company.retries.retry_all()


def number_in(tariff: Any) -> int:
    """The number of the last change."""
    return int(tariff["tariff_alt_url"].rpartition("/")[2])
