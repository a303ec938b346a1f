"""Proves that no event is lost and none invented, whatever fails: before the write, after it, or while publishing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.conflicts import Conflict
from chalicelib.node.events.announcing import Event, EventAnnouncer, EventKind
from chalicelib.node.partners.partner import State
from chalicelib.node.write_ahead import REQUEUE_DELAYS_S
from chalicelib.ocpi.errors import ServerError
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.memory import MemoryEventQueue
from tests.node.faults import Broken, Failing, at_once, run_on, with_failing_stores
from tests.node.hearing import Json, heard, held, kinds, push, told
from tests.node.pushing import EARLIER, LATER, LATEST
from tests.world import CompanyInWorld, Pair, pair

each_module = pytest.mark.parametrize("module", MODULES)


@pytest.fixture
def there() -> Pair:
    return told(pair())


def sent(there: Pair, module: ModuleID, value: Json) -> int:
    """The status code for a whole object that the owner sends."""
    steps, method = ((), "POST") if module is ModuleID.CDRS else ((value[MODULES[module].id_field],), "PUT")
    return there.to_receiver(module)(method, there.at_receiver(module, *steps), value).code


@each_module
def test_what_cannot_be_announced_is_not_taken_and_the_partner_sends_it_again(there: Pair, module: ModuleID) -> None:
    receiver, value = there.receiver(module), make.object_of(module, "X1")
    run_on(receiver, event_queue=Failing(receiver.events, "announce"))

    assert sent(there, module, value) == 3000
    assert (held(there, module, "X1"), heard(receiver)) == (None, [])
    assert sent(there, module, value) == 1000

    assert kinds(heard(receiver)) == ["object.created"]


def test_a_deletion_that_cannot_be_announced_is_not_taken_either(there: Pair) -> None:
    """TAR-03: it is still there, until the partner sends it again."""
    push(there, ModuleID.TARIFFS, make.object_of(ModuleID.TARIFFS, "X1"))
    url, receiver = there.at_receiver(ModuleID.TARIFFS, "X1"), there.receiver(ModuleID.TARIFFS)
    heard(receiver)
    run_on(receiver, event_queue=Failing(receiver.events, "announce"))

    assert there.to_receiver(ModuleID.TARIFFS)("DELETE", url).code == 3000
    assert held(there, ModuleID.TARIFFS, "X1") is not None
    assert there.to_receiver(ModuleID.TARIFFS)("DELETE", url).code == 1000

    assert kinds(heard(receiver)) == ["object.removed"]


@each_module
def test_what_was_announced_and_never_written_is_not_told(there: Pair, module: ModuleID) -> None:
    receiver = there.receiver(module)
    whole = with_failing_stores(receiver, "put")
    assert sent(there, module, make.object_of(module, "X1")) == 3000
    run_on(receiver, stores=whole.stores)

    assert len(receiver.events.messages) == 1
    assert heard(receiver) == []


@each_module
def test_what_was_announced_before_a_crash_and_sent_again_is_one_event(there: Pair, module: ModuleID) -> None:
    receiver = there.receiver(module)
    whole = with_failing_stores(receiver, "put")
    sent(there, module, make.object_of(module, "X1"))
    run_on(receiver, stores=whole.stores)
    sent(there, module, make.object_of(module, "X1"))

    news = heard(receiver)

    assert set(kinds(news)) == {"object.created"}
    assert len({event["id"] for event in news}) == 1


def test_an_event_that_comes_before_its_write_waits_for_it(there: Pair) -> None:
    """The writer is slower than the worker: it is looked for, put back, and told when it is there."""
    asleep: list[float] = []
    store = there.emsp.ports.stores[ModuleID.TARIFFS]
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    ((announced, attempt),) = there.emsp.events.messages
    there.emsp.events.messages.clear()
    late = {**there.emsp.ports.stores, ModuleID.TARIFFS: Late(store, looks=5)}
    run_on(there.emsp, stores=late, sleep=asleep.append)

    there.emsp.company.publisher.publish(announced, attempt)
    assert there.emsp.bus.published == []
    ((again, attempts),) = there.emsp.events.messages

    assert (again, attempts) == (announced, 1)
    assert asleep == [0.05] * 3
    assert kinds(heard(there.emsp)) == ["object.created"]


def test_an_event_of_a_change_waits_for_that_version_and_not_for_an_earlier_one(there: Pair) -> None:
    """A push that fails leaves the version before, which the host has heard of already."""
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    heard(there.emsp)
    whole = with_failing_stores(there.emsp, "put")
    assert sent(there, ModuleID.TARIFFS, make.tariff("X1", currency="SEK", last_updated=LATER)) == 3000
    run_on(there.emsp, stores=whole.stores)

    assert heard(there.emsp) == []


class Late:
    """A store in which nothing is seen for some looks."""

    def __init__(self, store: Any, looks: int) -> None:
        self._store, self._looks = store, looks

    def get_many(self, owner: str, ids: list[str]) -> Any:
        self._looks -= 1
        return {} if self._looks >= 0 else self._store.get_many(owner, ids)


def test_what_never_appears_is_looked_for_ever_more_rarely_and_then_given_up(there: Pair) -> None:
    delays: list[int] = []
    event = Event(
        kind=EventKind.CREATED,
        partner_id="p1",
        object_id="X1",
        version=1,
        at=there.world.clock(),
        module=ModuleID.TOKENS,
        owner=there.emsp.party,
    )
    run_on(there.cpo, event_queue=Recording(there.cpo.events, delays))
    there.cpo.events.announce([event])

    assert heard(there.cpo) == []
    assert tuple(delays) == REQUEUE_DELAYS_S


class Recording:
    """A queue that remembers how long messages wait."""

    def __init__(self, queue: MemoryEventQueue, delays: list[int]) -> None:
        self._queue, self._delays = queue, delays

    def announce(self, events: Any, /, *, attempt: int = 0, delay_s: int = 0) -> None:
        self._delays.append(delay_s)
        self._queue.announce(events, attempt=attempt)


def test_what_is_late_does_not_hold_up_what_is_there(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    (((there_is,), _),) = there.emsp.events.messages
    there.emsp.events.messages.clear()
    there.emsp.company.publisher.publish([replace(there_is, object_id="X2"), there_is])

    assert [event["object_id"] for event in there.emsp.bus.published] == ["X1"]
    assert [[event.object_id for event in events] for events, _ in there.emsp.events.messages] == [["X2"]]


@pytest.mark.parametrize("broken", ["event_bus", "event_feed", "store"])
def test_what_cannot_be_published_comes_again_and_is_not_lost(there: Pair, broken: str) -> None:
    faults: dict[str, Callable[[], dict[str, Any]]] = {
        "event_bus": lambda: {"event_bus": Failing(there.emsp.bus, "publish")},
        "event_feed": lambda: {"event_feed": Failing(there.emsp.ports.event_feed, "append")},
        "store": lambda: {
            "stores": {m: Failing(s, "get_many") for m, s in there.emsp.ports.stores.items()},
        },
    }
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    run_on(there.emsp, **faults[broken]())
    (message,) = there.emsp.events.messages

    with pytest.raises(Broken):
        there.emsp.pump_events()
    # SQS gives it out again.
    there.emsp.events.messages.append(message)

    assert kinds(heard(there.emsp)) == ["object.created"]


def test_a_message_that_comes_twice_is_the_same_event(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    there.emsp.events.messages *= 2

    first, second = heard(there.emsp)

    assert first == second


def test_two_messages_of_one_event_in_one_batch_are_told_once(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    (((event,), _),) = there.emsp.events.messages
    there.emsp.company.publisher.publish([event, event])

    assert len(there.emsp.bus.published) == 1


def test_every_change_of_many_at_once_is_told(there: Pair) -> None:
    """Writers that meet announce once more; nobody's part is overlooked."""
    evses = [make.evse(f"E{number}") for number in range(4)]
    push(there, ModuleID.LOCATIONS, make.location("X1", evses=evses))

    def patch(uid: str) -> Callable[[], object]:
        url = there.at_receiver(ModuleID.LOCATIONS, "X1", uid)
        return lambda: there.to_emsp("PATCH", url, {"status": "CHARGING", "last_updated": LATEST})

    at_once(*(patch(evse["uid"]) for evse in evses))
    news = heard(there.emsp)

    assert {tuple(event["path"]) for event in news[1:]} == {(evse["uid"],) for evse in evses}
    assert {event["version"] for event in news} == {1, 2, 3, 4, 5}
    assert news[-1]["object"] == held(there, ModuleID.LOCATIONS, "X1")


def test_a_change_that_meets_another_is_announced_with_the_version_that_it_gets(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1", last_updated=EARLIER))
    heard(there.emsp)
    with_failing_stores(there.emsp, "put", error=Conflict)

    push(there, ModuleID.TARIFFS, make.tariff("X1", currency="CHF", last_updated=LATER))

    assert {event["id"] for event in heard(there.emsp)} == {heard_id(there, version=2)}


def heard_id(there: Pair, version: int) -> str:
    partner = there.emsp.partners()[0]
    return Event(
        kind=EventKind.UPDATED,
        partner_id=partner.id,
        object_id="X1",
        version=version,
        at=there.world.clock(),
        module=ModuleID.TARIFFS,
    ).id


def test_a_registration_that_could_not_be_written_is_not_told() -> None:
    """CRD-14: nor later, when somebody else has written that version."""
    there = pair()
    told(there)
    partner = there.cpo.partners()[0]
    EventAnnouncer(there.cpo.events, there.world.clock).partner(
        partner, EventKind.UNREGISTERED, version=partner.version + 1
    )
    there.cpo.company.registrations.update(partner, name="Red")

    assert heard(there.cpo) == []


def test_one_who_left_before_the_worker_looked_was_registered_nonetheless() -> None:
    there = pair()
    there.emsp.company.registrations.unregister(there.emsp.partners()[0])
    assert there.cpo.partners()[0].state is State.UNREGISTERED

    assert kinds(heard(there.cpo)) == ["partner.registered", "partner.unregistered"]


def test_a_registration_that_cannot_be_announced_does_not_come_about() -> None:
    there = pair()
    there.emsp.company.registrations.unregister(there.emsp.partners()[0])
    partner = there.cpo.partners()[0]
    run_on(there.cpo, event_queue=Failing(there.cpo.events, "announce"))
    change = replace(partner, state=State.REGISTERED)

    with pytest.raises(Broken):
        there.cpo.company.registrations._registry.save(partner, lambda _now: change)

    assert there.cpo.partners()[0].state is State.UNREGISTERED


def test_whoever_breaks_and_recovers_is_told_with_the_reason(there: Pair) -> None:
    partner = there.emsp.partners()[0]
    announcer = EventAnnouncer(there.emsp.events, there.world.clock)
    announcer.partner(partner, EventKind.BROKEN, "no answer", 3)
    announcer.partner(partner, EventKind.RECOVERED, version=4)

    broken, recovered = heard(there.emsp)

    assert (broken["kind"], broken["reason"], broken["version"]) == ("partner.broken", "no answer", 3)
    assert (recovered["kind"], recovered["reason"]) == ("partner.recovered", None)
    assert broken["id"] != recovered["id"]


def test_a_partner_that_is_gone_is_told_with_what_is_left(there: Pair) -> None:
    event = Event(
        kind=EventKind.BROKEN,
        partner_id="gone",
        object_id="gone",
        version=1,
        at=there.world.clock(),
        owner=there.cpo.party,
    )
    there.emsp.events.announce([event])

    (broken,) = heard(there.emsp)

    assert broken["partner"] == {"id": "gone", "name": "", "role": None, "party": "DE/CPO"}


# --- the feed's order ----------------------------------------------------------------------------------------------


class Slow:
    """A feed that takes its time."""

    def __init__(self, company: CompanyInWorld, seconds: list[float]) -> None:
        self._company, self._seconds = company, seconds
        self._feed = company.ports.event_feed

    def append(self, detail: Any, now: Any) -> None:
        self._feed.append(detail, now)
        self._company.world.clock.pass_(seconds=self._seconds.pop(0) if self._seconds else 0)


def noted(company: CompanyInWorld) -> list[str]:
    company.world.clock.pass_(hours=1)
    return [each.detail["id"] for each in company.ports.event_feed.latest(company.world.clock.now, 100)]


def test_an_event_that_was_noted_too_slowly_is_noted_again_where_it_is_seen(there: Pair) -> None:
    """Somebody may have read past its first place by then."""
    there.world.clock.pass_(days=8)
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    run_on(there.emsp, event_feed=Slow(there.emsp, [2.5]))
    there.emsp.pump_events()
    run_on(there.emsp, event_feed=there.emsp.company.ports.event_feed._feed)  # type: ignore[attr-defined]

    first, second = noted(there.emsp)

    assert first == second


def test_a_feed_that_stays_slow_lets_the_message_come_again(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1"))
    run_on(there.emsp, event_feed=Slow(there.emsp, [3.0] * 3))
    (message,) = there.emsp.events.messages

    with pytest.raises(ServerError, match="feed"):
        there.emsp.pump_events()
    there.emsp.events.messages.append(message)

    assert kinds(heard(there.emsp)) == ["object.created"]
