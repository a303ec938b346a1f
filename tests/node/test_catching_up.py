"""Proves how a partner that was away gets what it missed: each object once, in pieces, whoever dies meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState
from chalicelib.node.partners.partner import State
from chalicelib.node.pushing.messages import Delivery, RetryDue
from chalicelib.node.pushing.outbox import LEASE
from chalicelib.node.pushing.retries import MOST_REQUEUED
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.modules.crashing import Died, Fuse
from tests.node.faults import run_on
from tests.node.partner import Partner, partner, said
from tests.world import CLIENT_OWNED

CDRS, LOCATIONS, TARIFFS = ModuleID.CDRS, ModuleID.LOCATIONS, ModuleID.TARIFFS


def away(count: int) -> Partner:
    """A partner that is not called, and has missed so many tariffs."""
    there = partner()
    there.there.world.down.add("emsp.example")
    there.owner.company.own_objects[TARIFFS].import_all([make.tariff(f"T{n:03}") for n in range(count)])
    there.there.pump()
    there.there.world.down.clear()
    there.asked.clear()
    assert len(there.backlog) == count
    return there


def back(there: Partner) -> None:
    """The next probe goes well."""
    there.there.world.clock.pass_(minutes=2)
    there.owner.company.retries.retry_all()


def worked_off(there: Partner) -> tuple[list[int], int]:
    """Works the queue off: how many deliveries each message that sends them has sent, and the most that waited."""
    queues, sent, most = there.owner.queues, [], 0
    while queues.deliveries:
        asked = queues.deliveries.pop(0)
        waited = len(queues.deliveries)
        there.owner.deliver(asked)
        if isinstance(asked, RetryDue) and asked.after is not None:
            sent.append(sum(isinstance(each, Delivery) for each in queues.deliveries[waited:]))
        most = max(most, len(queues.deliveries))
    return sent, most


@pytest.mark.parametrize(
    ("count", "pieces"),
    [(5, [5]), (MOST_REQUEUED, [MOST_REQUEUED, 0]), (2 * MOST_REQUEUED + 50, [MOST_REQUEUED, MOST_REQUEUED, 50])],
)
def test_what_was_missed_is_queued_again_in_pieces(count: int, pieces: list[int]) -> None:
    """N-42, Q-57: the next piece is sent for behind the one before."""
    there = away(count)
    back(there)

    sent, most = worked_off(there)

    assert sent == pieces
    assert most <= MOST_REQUEUED + 2
    assert sorted(there.requests()) == [f"PUT tariffs T{n:03}" for n in range(count)]
    assert there.backlog == []


def test_what_is_due_is_queued_in_pieces_too() -> None:
    """Q-57: here they were only slow, and five failures in a row were not seen."""
    there = away(MOST_REQUEUED + 20)
    breakers = there.owner.ports.breakers
    known = breakers.breaker(there.owner.partners()[0].id)
    breakers.save_breaker(CircuitBreaker(partner_id=known.partner_id, version=known.version + 1))
    there.there.world.clock.pass_(hours=1)

    there.owner.look()

    assert sorted(there.requests()) == [f"PUT tariffs T{n:03}" for n in range(MOST_REQUEUED + 20)]
    assert there.backlog == []


def test_what_is_queued_already_is_not_queued_again_until_nothing_was_heard_of_it() -> None:
    """Q-57: the schedule looks each minute, and a message may get lost with its worker."""
    there = partner()
    there.will("PUT", said(200, 2000))
    there.there.put_in(TARIFFS, make.tariff("T1"))
    there.there.pump()
    there.there.world.clock.pass_(minutes=1)
    queues = there.owner.queues

    def looked() -> int:
        there.owner.company.retries.retry_all()
        for tend in [queues.deliveries.pop() for _ in list(queues.deliveries)]:
            there.owner.deliver(tend)
        lost, queues.deliveries = queues.deliveries, []
        return len(lost)

    assert looked() == 1
    assert looked() == 0
    there.there.world.clock.now += LEASE
    assert looked() == 1


def test_what_they_refused_waits_for_its_own_time_when_they_are_back() -> None:
    """Q-57: nobody was away from that."""
    there = partner()
    there.will("PUT", *[said(200, 2001)] * 4)
    there.there.put_in(TARIFFS, make.tariff("refused"))
    there.there.pump()
    for _ in range(3):
        there.there.world.clock.pass_(hours=2)
        there.owner.look()
    due = there.backlog[0].due_at
    there.there.world.down.add("emsp.example")
    for n in range(5):
        there.there.put_in(TARIFFS, make.tariff(f"T{n}"))
    there.there.pump()
    there.there.world.down.clear()
    there.asked.clear()

    there.there.world.clock.pass_(minutes=2)
    there.owner.look()

    assert sorted(there.requests()) == [f"PUT tariffs T{n}" for n in range(5)]
    assert [(missed.announcement.id, missed.due_at) for missed in there.backlog] == [("refused", due)]


# --- who is not called ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [*CLIENT_OWNED, CDRS])
def test_who_is_suspended_is_sent_nothing_and_told_all_of_it_afterwards(module: ModuleID) -> None:
    """N-03, OFF-03, Q-57: neither probes nor what was due before; then what is true, once."""
    there = partner(of=module)
    registrations, known = there.owner.company.registrations, there.owner.partners()[0]
    registrations.update(known, is_suspended=True)
    mark = len(there.there.world.traffic)

    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()
    for _ in range(10):
        there.there.world.clock.pass_(hours=5)
        there.owner.look()
    assert there.there.world.since(mark) == []
    (missed,) = there.backlog
    assert (missed.reason, missed.attempts, missed.no_answer) == ("suspended", 0, True)

    registrations.update(there.owner.partners()[0], is_suspended=False)
    there.owner.look()

    assert len(there.asked) == 1
    key = MODULES[module].key_of("X1")
    assert there.held(key, module) == there.own(key, module)
    assert there.backlog == []


def test_who_is_no_longer_registered_is_neither_probed_nor_told() -> None:
    """N-42, CRD-17."""
    there = away(6)
    known = there.owner.partners()[0]
    there.owner.ports.partners.save(known.with_changes(state=State.UNREGISTERED))
    mark = len(there.there.world.traffic)

    there.there.world.clock.pass_(days=1)
    there.owner.look()
    there.owner.deliver(Delivery(known.id, there.backlog[0].announcement, there.backlog[0].attempts))

    assert there.there.world.since(mark) == []


# --- whoever dies --------------------------------------------------------------------------------------------------

CALLS = {
    "outbox": ("state", "record", "lease", "clear", "record_sent"),
    "breakers": ("save_breaker",),
    "push_queues": ("deliver", "retry"),
}


class Counting:
    """The partner's host, which counts the CDRs that it is posted and takes whatever comes."""

    def __init__(self, there: Partner) -> None:
        self.posted: Counter[str] = Counter()
        self._real, there.real = there.real, self

    def __call__(self, request: Request) -> Response:
        if request.method == "POST" and "/cdrs" in request.url:
            self.posted[json.loads(request.body)["id"]] += 1
        return self._real(request)


def work(there: Partner) -> None:
    """The workers as SQS has them: a message comes again until one of them succeeds."""
    queues, company = there.owner.queues, there.owner.company
    while queues.announcements or queues.deliveries:
        if queues.announcements:
            announced = queues.announcements.pop(0)
            _until_done(lambda _times, announced=announced: company.fan_out.fan_out(*announced))
        else:
            asked = queues.deliveries.pop(0)
            _until_done(lambda times, asked=asked: _deliver(there, asked, times))


def _deliver(there: Partner, asked: Delivery | RetryDue, times: int) -> None:
    if isinstance(asked, RetryDue):
        there.owner.company.retries.retry(asked)
    else:
        there.owner.company.deliverer.deliver(asked, is_repeated=times > 0)


def _until_done(attempt: Any) -> None:
    for times in range(3):
        try:
            attempt(times)
        except Died:
            continue
        return


def story(fuse: Fuse) -> tuple[Partner, Counting]:
    """An outage, and what happens on both sides of it; whatever fails fails once."""
    there = partner()
    host, world, own = Counting(there), there.there.world, there.owner.company.own_objects
    whole = there.owner.ports
    ports: dict[str, Any] = {name: fuse.around(getattr(whole, name), *calls) for name, calls in CALLS.items()}
    ports["stores"] = {name: fuse.around(store, "get", "put", "get_many") for name, store in whole.stores.items()}
    ports["partners"] = fuse.around(whole.partners, "get")
    run_on(there.owner, **ports, web=fuse.around(world, "send"))

    def things_happen(number: int) -> None:
        own[LOCATIONS].patch("LOC1", ("E1",), {"floor_level": str(number)})
        own[LOCATIONS].patch("LOC1", (), {"postal_code": str(number)})
        own[TARIFFS].put("T1", (), make.tariff("T1", tariff_alt_url=f"https://cpo.example/{number}"))
        own[CDRS].put(f"C{number}", (), make.cdr(f"C{number}"), there.there.emsp.party)
        own[TARIFFS].put("T2", (), make.tariff("T2"))
        own[TARIFFS].delete("T2")
        work(there)

    things_happen(1)
    world.down.add("emsp.example")
    things_happen(2)
    world.down.clear()
    for _ in range(3):
        world.clock.now += timedelta(hours=1)
        _until_done(lambda _times: there.owner.company.retries.retry_all())
        work(there)
    return there, host


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whoever_dies_wherever_everything_arrives_and_each_cdr_once(after: bool) -> None:
    """OFF-03, Q-57, CDR-20, N-42: at any call to a store, a queue or the partner, before or after its effect."""
    at, names = 0, set()
    while True:
        at += 1
        fuse = Fuse(at, after=after, error=Died)
        there, host = story(fuse)
        if fuse.blown is None:
            break
        names.add(fuse.blown)

        where = f"call {at}: {fuse.blown}"
        assert there.held("LOC1") == there.own("LOC1"), where
        assert there.held("T1", TARIFFS) == there.own("T1", TARIFFS), where
        assert there.held("T2", TARIFFS) is None, where
        assert all(there.held(f"c{n}", CDRS) for n in (1, 2)), where
        assert host.posted == {"C1": 1, "C2": 1}, where
        assert there.backlog == [], where
        assert there.owner.ports.breakers.breaker(there.owner.partners()[0].id).state is CircuitState.CLOSED, where
    assert names >= {"get", "put", "state", "record", "lease", "clear", "save_breaker", "deliver", "retry", "send"}
