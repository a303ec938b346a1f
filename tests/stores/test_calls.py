"""What each operation costs in calls to DynamoDB, for calls are what a request pays for."""

from __future__ import annotations

import pytest

from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
from chalicelib.adapters.dynamodb.partners import DynamoPartnerStore
from chalicelib.node.objects import OURS, theirs
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import OutboxEntry
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import Window
from chalicelib.ocpi.parties import Party, Role
from tests.resources import Stage
from tests.stores.conftest import Calls, Clock
from tests.stores.crawling import at, drop, fill, make, next_window, touch

THEM = theirs(Party.of("NL", "TNM"))
PAGE = {"Query": 1, "BatchGetItem": 1}


@pytest.fixture
def store(stage: Stage) -> DynamoObjectStore:
    return DynamoObjectStore(stage.table("tariffs"))


def test_single_objects_cost_a_call_each(store: DynamoObjectStore, calls: Calls) -> None:
    store.put(THEM, make("T1", list_name=None))
    assert calls.made() == {"UpdateItem": 1}

    store.get(THEM, "T1")
    assert calls.made() == {"GetItem": 1}

    store.remove(THEM, make("T1", list_name=None))
    assert calls.made() == {"DeleteItem": 1}

    store.list_by_owner(THEM, None, 100)
    assert calls.made() == {"Query": 1}


def test_creation_costs_two_calls_for_one_object_as_for_ninety_nine(store: DynamoObjectStore, calls: Calls) -> None:
    store.create([make("T1")])
    assert calls.made() == {"GetItem": 1, "TransactWriteItems": 1}

    fill(store, 99)
    assert calls.made() == {"GetItem": 1, "TransactWriteItems": 1}


def test_a_new_state_of_our_own_costs_one_call_more_than_reading_it(store: DynamoObjectStore, calls: Calls) -> None:
    fill(store, 2)
    calls.made()

    touch(store, "L0000", 10)

    assert calls.made() == {"GetItem": 1, "UpdateItem": 1}


def test_removal_costs_three_calls_and_two_for_the_newest(store: DynamoObjectStore, calls: Calls) -> None:
    fill(store, 3)
    calls.made()

    drop(store, "L0000")
    assert calls.made() == {"GetItem": 1, "BatchGetItem": 1, "Query": 1, "TransactWriteItems": 1}

    drop(store, "L0001")
    assert calls.made() == {"GetItem": 1, "BatchGetItem": 1, "TransactWriteItems": 1}


def test_many_objects_cost_a_call_per_hundred(store: DynamoObjectStore, calls: Calls) -> None:
    names = fill(store, 101)
    calls.made()

    store.get_many(OURS, names[:100])
    assert calls.made() == {"BatchGetItem": 1}

    store.get_many(OURS, names)
    assert calls.made() == {"BatchGetItem": 2}


def test_a_page_costs_two_calls_wherever_it_is(store: DynamoObjectStore, calls: Calls) -> None:
    fill(store, 150)
    calls.made()

    for window in (Window(), Window(offset=100, limit=50), Window(offset=149, limit=99), Window(offset=500)):
        store.page("all", window)
        assert calls.made() == PAGE


def test_a_page_of_a_hundred_costs_a_call_more_for_the_counter(store: DynamoObjectStore, calls: Calls) -> None:
    fill(store, 100)
    calls.made()

    store.page("all", Window(limit=99))
    assert calls.made() == PAGE

    store.page("all", Window(limit=100))
    assert calls.made() == {"Query": 1, "BatchGetItem": 2}


def test_a_delta_that_fits_one_page_costs_two_calls(store: DynamoObjectStore, calls: Calls) -> None:
    fill(store, 50)
    calls.made()

    store.page("all", Window(date_from=at(40)))
    assert calls.made() == PAGE

    store.page("all", Window(limit=100, date_from=at(0)))
    assert calls.made() == PAGE


@pytest.mark.parametrize(
    "window",
    [Window(limit=10, date_from=at(5)), Window(limit=10, date_from=at(0), date_to=at(100))],
    ids=["a part of the list", "dates that cover the list"],
)
def test_a_longer_crawl_pays_once_for_its_total(store: DynamoObjectStore, calls: Calls, window: Window) -> None:
    fill(store, 50)
    calls.made()

    first = store.page("all", window)
    assert calls.made() == {"Query": 4, "BatchGetItem": 1}

    second = next_window(window, first)
    assert second
    store.page("all", second)
    assert calls.made() == PAGE


def test_a_window_that_can_hold_nothing_costs_nothing(store: DynamoObjectStore, calls: Calls) -> None:
    store.page("all", Window(date_from=at(5), date_to=at(5)))

    assert calls.made() == {}


def test_finding_by_another_key_costs_two_calls_and_finding_nothing_one(stage: Stage, calls: Calls) -> None:
    store = DynamoObjectStore(stage.table("tokens"))
    store.create([make(f"K{n}", keys={"by_auth_id": "NL-1"}) for n in range(3)])
    calls.made()

    assert len(store.find("by_auth_id", "NL-1")) == 3
    assert calls.made() == {"Query": 1, "BatchGetItem": 1}

    assert store.find("by_auth_id", "NL-2") == []
    assert calls.made() == {"Query": 1}

    assert store.find("by_auth_id", "") == []
    assert calls.made() == {}


def test_an_admission_costs_two_calls_and_a_tally_one(stage: Stage, calls: Calls, clock: Clock) -> None:
    store = DynamoPartnerStore(stage.table("partners"), clock)
    partner = Partner(id="p1", our_role=Role.CPO, state=State.REGISTERED, party=Party.of("NL", "TNM"))

    store.save(partner, issue=[Grant(token_hash="hash", partner_id="p1", our_role=Role.CPO, kind=GrantKind.CURRENT)])
    assert calls.made() == {"TransactWriteItems": 1}

    assert store.authenticate(Role.CPO, "hash")
    assert calls.made() == {"GetItem": 2}

    assert store.authenticate(Role.CPO, "unknown") is None
    assert calls.made() == {"GetItem": 1}

    store.count("p1", {f"rule {number}": 1 for number in range(100)})
    assert calls.made() == {"UpdateItem": 1}

    store.count("p1", {})
    assert calls.made() == {}


def test_a_first_failure_costs_one_call_and_settling_another(stage: Stage, calls: Calls, clock: Clock) -> None:
    outbox = DynamoOutbox(stage.table("outbox"))
    news = Announcement(ModuleID.TARIFFS, "T1", 1)

    outbox.record(OutboxEntry(partner_id="p1", announcement=news, reason="timeout", attempts=1, failed_at=clock()))
    assert calls.made() == {"UpdateItem": 1}

    outbox.clear("p1", object_key_of(news))
    assert calls.made() == {"DeleteItem": 1}
