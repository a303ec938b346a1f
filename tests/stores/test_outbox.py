"""The outbox: one entry per partner and object, which says no less than what still has to be told, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from chalicelib.adapters.dynamodb.breakers import DynamoCircuitBreakerStore
from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitBreakerStore, CircuitState
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import Backlog, DeliveryState, Outbox, OutboxEntry, SentVersion
from chalicelib.ocpi.module import ModuleID
from tests.memory import MemoryCircuitBreakerStore, MemoryOutbox
from tests.resources import Stage
from tests.stores.crawling import at

STATUS = Announcement(ModuleID.LOCATIONS, "LOC/1", 3, ("EVSE1",), ("status",))
WHOLE = Announcement(ModuleID.LOCATIONS, "LOC/1", 5)
LOC1 = object_key_of(WHOLE)


def failure(
    announcement: Announcement,
    second: float = 0,
    partner_id: str = "p1",
    reason: str = "timeout",
    due_at: datetime | None = None,
) -> OutboxEntry:
    return OutboxEntry(
        partner_id=partner_id, announcement=announcement, reason=reason, attempts=1, failed_at=at(second), due_at=due_at
    )


def tariff(object_id: str) -> Announcement:
    return Announcement(ModuleID.TARIFFS, object_id, 1)


def ids(found: list[OutboxEntry]) -> list[str]:
    return [entry.announcement.id for entry in found]


@pytest.mark.parametrize("due_at", [None, at(60)])
@pytest.mark.parametrize(("no_answer", "is_unsure"), [(True, False), (False, True)])
def test_a_failure_is_remembered_as_it_was(
    outbox: Outbox, due_at: datetime | None, no_answer: bool, is_unsure: bool
) -> None:
    failed = replace(failure(STATUS, 1.000001, due_at=due_at), no_answer=no_answer, is_unsure=is_unsure)
    outbox.record(failed)

    assert outbox.entries("p1") == [replace(failed, first_failed_at=at(1.000001))]
    assert outbox.entries("p2") == []


def test_the_same_failure_again_is_counted_on(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, 1, due_at=at(60)))
    again = Announcement(ModuleID.LOCATIONS, "LOC/1", 4, ("EVSE1",), ("status",))
    outbox.record(replace(failure(again, 2, reason="refused"), is_unsure=True))

    [entry] = outbox.entries("p1")

    assert (entry.announcement.version, entry.announcement.fields) == (4, ("status",))
    assert (entry.attempts, entry.reason, entry.failed_at, entry.first_failed_at) == (2, "refused", at(2), at(1))
    assert (entry.due_at, entry.is_unsure) == (None, True)


def test_what_was_not_tried_counts_for_nothing(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, 1))
    outbox.record(replace(failure(STATUS, 2, due_at=at(9)), attempts=0, no_answer=True))

    [entry] = outbox.entries("p1")

    assert (entry.attempts, entry.due_at, entry.no_answer) == (1, at(9), True)


def test_two_failures_that_differ_make_the_whole_object_dirty(outbox: Outbox) -> None:
    for name, others in {
        "other fields": Announcement(ModuleID.LOCATIONS, "X", 4, ("EVSE1",), ("coordinates",)),
        "another part": Announcement(ModuleID.LOCATIONS, "X", 4, ("EVSE2",), ("status",)),
        "the whole": Announcement(ModuleID.LOCATIONS, "X", 4),
    }.items():
        first = Announcement(ModuleID.LOCATIONS, "X", 3, ("EVSE1",), ("status",))
        for both in ((first, others), (others, first)):
            outbox.record(failure(both[0], partner_id=name))
            outbox.record(failure(both[1], partner_id=name))

            [entry] = outbox.entries(name)
            assert entry.announcement == Announcement(ModuleID.LOCATIONS, "X", both[1].version)
            assert entry.attempts == 2
            outbox.clear(name, object_key_of(first))


def test_a_removal_that_failed_stays_a_removal_until_the_object_is_back(outbox: Outbox) -> None:
    outbox.record(failure(STATUS))
    outbox.record(failure(Announcement(ModuleID.LOCATIONS, "LOC/1", 4, removed=True)))
    assert outbox.entries("p1")[0].announcement.removed

    outbox.record(failure(Announcement(ModuleID.LOCATIONS, "LOC/1", 1)))
    assert not outbox.entries("p1")[0].announcement.removed


def test_what_is_settled_is_forgotten(outbox: Outbox) -> None:
    outbox.record(failure(STATUS))
    outbox.record(failure(WHOLE, partner_id="p2"))
    outbox.record(failure(tariff("LOC/1")))

    outbox.clear("p1", LOC1)
    outbox.clear("p3", LOC1)

    assert [entry.announcement.module for entry in outbox.entries("p1")] == [ModuleID.TARIFFS]
    assert len(outbox.entries("p2")) == 1


# --- a partner's entries -------------------------------------------------------------------------------------------


def test_a_partner_s_entries_are_gone_through_by_place_in_pieces(outbox: Outbox) -> None:
    """Q-57."""
    for object_id in "cab":
        outbox.record(failure(tariff(object_id)))
    outbox.record(failure(STATUS))
    outbox.record(failure(tariff("z"), partner_id="p2"))

    assert ids(outbox.entries("p1")) == ["LOC/1", "a", "b", "c"]
    assert ids(outbox.entries("p1", limit=2)) == ["LOC/1", "a"]
    assert ids(outbox.entries("p1", "tariffs/a", 2)) == ["b", "c"]
    assert ids(outbox.entries("p1", "tariffs/c", 2)) == []


def test_what_is_due_comes_longest_waiting_first_and_what_is_given_up_never(outbox: Outbox) -> None:
    """Q-57."""
    for object_id, second in {"b": 20, "a": 30, "c": 10, "later": 31}.items():
        outbox.record(failure(tariff(object_id), due_at=at(second)))
    outbox.record(failure(tariff("given up")))
    outbox.record(failure(tariff("z"), partner_id="p2", due_at=at(0)))

    assert ids(outbox.due("p1", at(30), 10)) == ["c", "b", "a"]
    assert ids(outbox.due("p1", at(30), 2)) == ["c", "b"]
    assert outbox.due("p1", at(9), 2) == []


def test_an_entry_is_given_to_one_who_asks_for_it_and_is_due_again_if_nothing_is_heard(outbox: Outbox) -> None:
    """Q-57: two workers, one try."""
    outbox.record(failure(STATUS, due_at=at(10)))
    [due] = outbox.due("p1", at(10), 10)

    assert outbox.lease(due, at(100))
    assert not outbox.lease(due, at(200))

    assert outbox.due("p1", at(99), 10) == []
    [again] = outbox.due("p1", at(100), 10)
    assert again == replace(due, due_at=at(100))


def test_what_has_changed_or_gone_is_not_given_away(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, due_at=at(10)))
    [due] = outbox.entries("p1")
    outbox.record(failure(STATUS, due_at=at(10)))
    assert not outbox.lease(due, at(100))

    outbox.record(failure(STATUS))
    [given_up] = outbox.entries("p1")
    assert not outbox.lease(given_up, at(100))

    outbox.clear("p1", LOC1)
    assert not outbox.lease(due, at(100))
    assert outbox.entries("p1") == []


def test_the_backlog_counts_by_module(outbox: Outbox) -> None:
    """Q-57: how many objects, since when, and how many of them are given up."""
    outbox.record(failure(tariff("a"), 5, due_at=at(10)))
    outbox.record(failure(tariff("b"), 3, due_at=at(10)))
    outbox.record(failure(tariff("b"), 9))
    outbox.record(failure(STATUS, 7, due_at=at(10)))
    outbox.record_sent("p1", LOC1, [SentVersion(1, (), None)], at(100))

    assert outbox.backlog("p1") == {
        "tariffs": Backlog(objects=2, oldest=at(3), given_up=1),
        "locations": Backlog(objects=1, oldest=at(7), given_up=0),
    }
    assert outbox.backlog("p2") == {}


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_a_ledger_of_nothing_says_that_nothing_is_in_the_way(outbox: Outbox) -> None:
    assert outbox.state("p1", LOC1) == DeliveryState(CircuitBreaker(partner_id="p1"))


def test_what_was_told_ahead_is_remembered_until_it_is_forgotten(outbox: Outbox) -> None:
    """OFF-03."""
    told = (SentVersion(7, ("E1",), ("status", "last_updated")), SentVersion(9, ("E2", "1"), None))
    outbox.record_sent("p1", LOC1, told, at(100))

    assert outbox.state("p1", LOC1).sent == told
    assert outbox.state("p1", (ModuleID.TARIFFS, "LOC/1")).sent == ()
    assert outbox.state("p2", LOC1).sent == ()
    assert outbox.entries("p1") == []

    outbox.record_sent("p1", LOC1, (), at(100))
    assert outbox.state("p1", LOC1).sent == ()


@pytest.mark.parametrize("backend", ["memory", "ministack"])
def test_a_ledger_shows_what_was_missed_beside_the_partner_s_breaker(
    backend: str, request: pytest.FixtureRequest
) -> None:
    """N-42: what one call reads is what was written apart."""
    if backend == "memory":
        in_memory = MemoryCircuitBreakerStore()
        breakers: CircuitBreakerStore = in_memory
        outbox: Outbox = MemoryOutbox(in_memory)
    else:
        table = request.getfixturevalue("stage").table("outbox")
        breakers, outbox = DynamoCircuitBreakerStore(table), DynamoOutbox(table)
    breaker = CircuitBreaker(
        partner_id="p1",
        state=CircuitState.OPEN,
        failures=5,
        pauses=1,
        broken_since=at(1),
        until=at(61),
        problem="HTTP 500",
        token="print",
        version=1,
    )
    breakers.save_breaker(breaker)
    breakers.save_breaker(CircuitBreaker(partner_id="p2", version=1))
    outbox.record(failure(STATUS, due_at=at(10)))

    ledger = outbox.state("p1", LOC1)

    assert ledger == DeliveryState(breaker, outbox.entries("p1")[0])


def test_a_long_reason_is_cut(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, reason="x" * 10_000))

    assert len(outbox.entries("p1")[0].reason) == 500


def test_entries_and_what_was_told_expire(stage: Stage) -> None:
    """What nobody could be told in ninety days is pulled; queues keep nothing for longer than what was told."""
    outbox, table = DynamoOutbox(stage.table("outbox")), stage.table("outbox")
    outbox.record(failure(STATUS, 0))
    outbox.record(failure(STATUS, 60))
    outbox.record_sent("p1", LOC1, [SentVersion(1, (), None)], at(99))

    entry, told = (table.get({"pk": {"S": pk}, "sk": {"S": "locations/LOC/1"}}) for pk in ("p1", "told/p1"))

    assert entry
    assert told
    assert int(entry["expires_at"]["N"]) == at(60 + 90 * 24 * 3600).timestamp()
    assert int(told["expires_at"]["N"]) == at(99).timestamp()


def test_a_backlog_without_end_is_counted_to_a_point(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """N-41: the operator asks for it when most is dirty."""
    for where in ("chalicelib.adapters.dynamodb.outbox", "tests.memory.outbox"):
        monkeypatch.setattr(f"{where}.MOST_COUNTED", 3)
    for number in range(5):
        outbox.record(
            OutboxEntry(
                partner_id="p1",
                announcement=Announcement(ModuleID.TARIFFS, f"T{number}", 1),
                reason="away",
                attempts=1,
                failed_at=at(3),
                due_at=at(9),
            )
        )

    assert outbox.backlog("p1") == {"tariffs": Backlog(objects=3, oldest=at(3), given_up=0)}
