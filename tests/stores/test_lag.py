"""What no emulator does and AWS does: indexes that lag behind, reads that come back half done, throttling."""

from __future__ import annotations

import base64
import random
from collections import Counter
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.outbox import DynamoOutbox
from chalicelib.adapters.dynamodb.table import Retryable, Table
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import OURS
from chalicelib.node.pushing.coalescing import object_key_of
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import OutboxEntry
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import Window
from tests.resources import Stage
from tests.stores.conftest import Calls
from tests.stores.crawling import at, crawl, crawled, drop, fill, ids, make


class LateIndexes:
    """A client whose indexes learn of some objects only at the n-th query."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.unknown_for: Counter[str] = Counter()
        """How many more queries each object stays unknown."""

    def query(self, **request: Any) -> Any:
        answer = self._client.query(**request)
        if "IndexName" in request and "Items" in answer:
            answer["Items"] = [item for item in answer["Items"] if not self.unknown_for[item["id"]["S"]]]
            self.unknown_for -= Counter(dict.fromkeys(self.unknown_for, 1))
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class HalfReads:
    """A client that reads only so many keys at once, and none at all where the plan says so."""

    def __init__(self, client: Any, plan: list[int]) -> None:
        self._client = client
        self._plan = plan

    def batch_get_item(self, RequestItems: Any) -> Any:  # noqa: N803 - AWS's name
        [(table, request)] = RequestItems.items()
        keys, most = request["Keys"], self._plan.pop(0) if self._plan else 100
        if not most:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        answer = self._client.batch_get_item(RequestItems={table: request | {"Keys": keys[:most]}})
        if keys[most:]:
            answer["UnprocessedKeys"] = {table: request | {"Keys": keys[most:]}}
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Remembering:
    """A client whose indexes answer for ever what they answered first."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answer: Any = None

    def query(self, **request: Any) -> Any:
        self._answer = self._answer or self._client.query(**request)
        return self._answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_what_is_due_may_be_shown_late_or_too_long_but_is_given_away_once(stage: Stage) -> None:
    """Q-57: the index still shows what was given away, or is gone; the entry itself decides."""
    news = Announcement(ModuleID.TARIFFS, "T1", 1)
    client = Remembering(stage.clients.dynamodb())
    late, outbox = DynamoOutbox(Table(f"ocpi-{stage.name}-outbox", lambda: client)), DynamoOutbox(stage.table("outbox"))
    outbox.record(
        OutboxEntry(partner_id="p1", announcement=news, reason="timeout", attempts=1, failed_at=at(0), due_at=at(10))
    )
    [due] = late.due("p1", at(10), 10)

    assert late.lease(due, at(100))
    assert late.due("p1", at(10), 10) == [due]
    assert not late.lease(due, at(200))
    outbox.clear("p1", object_key_of(news))
    assert late.due("p1", at(10), 10) == [due]
    assert not late.lease(due, at(200))


@pytest.fixture
def late(stage: Stage) -> LateIndexes:
    return LateIndexes(stage.clients.dynamodb())


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def store(stage: Stage, late: LateIndexes, slept: list[float]) -> DynamoObjectStore:
    return DynamoObjectStore(Table(stage.table("tariffs").name, lambda: late, slept.append))


def test_an_object_that_the_index_does_not_know_yet_cuts_the_page(store: DynamoObjectStore, late: LateIndexes) -> None:
    names = fill(store, 10)
    late.unknown_for["L0004"] = 1

    pages = crawl(store, Window(limit=8))

    assert [ids(page) for page in pages] == [names[:4], names[4:]]
    assert {page.total for page in pages} == {10}


def test_the_first_object_of_a_page_is_waited_for(
    store: DynamoObjectStore, late: LateIndexes, slept: list[float]
) -> None:
    names = fill(store, 10)
    late.unknown_for["L0009"] = 3

    assert ids(store.page("all", Window(offset=9))) == names[9:]
    assert len(slept) == 3


def test_an_object_that_never_turns_up_does_not_stop_a_crawl(
    store: DynamoObjectStore, late: LateIndexes, slept: list[float]
) -> None:
    names = fill(store, 10)
    late.unknown_for |= {"L0004": 1000, "L0005": 1000}

    assert crawled(store, Window(limit=2)) == names[:4] + names[6:]
    assert crawled(store, Window(limit=3)) == names[:4] + names[6:]
    assert sum(slept) < 3

    late.unknown_for |= dict.fromkeys(names, 1000)
    assert crawled(store, Window(limit=3)) == []


def test_an_object_that_moved_stands_where_it_is_now(store: DynamoObjectStore, stage: Stage) -> None:
    fill(store, 4)
    table = stage.table("tariffs")
    before = list(
        table.query(
            IndexName="by_rank",
            KeyConditionExpression="#list = :all",
            ExpressionAttributeNames={"#list": "list"},
            ExpressionAttributeValues={":all": {"S": "all"}},
        )
    )
    drop(store, "L0001")

    class OldIndex:
        """A client whose index still is as it was before."""

        def query(self, **request: Any) -> Any:
            first, last = (int(request["ExpressionAttributeValues"][bound]["N"]) for bound in (":first", ":last"))
            items = [item for item in before if first <= int(item["rank"]["N"]) <= last]
            return {"Items": items, "Count": len(items)}

        def __getattr__(self, name: str) -> Any:
            return getattr(stage.clients.dynamodb(), name)

    waited: list[float] = []
    behind = DynamoObjectStore(Table(table.name, OldIndex, waited.append))

    assert ids(behind.page("all", Window())) == ["L0000", "L0003", "L0002"]
    assert behind.page("all", Window(offset=3)).bodies == ()


def test_removal_waits_until_the_index_knows_the_newest(
    store: DynamoObjectStore, late: LateIndexes, slept: list[float]
) -> None:
    fill(store, 5)
    late.unknown_for["L0004"] = 4

    drop(store, "L0000")

    assert crawled(store, Window()) == ["L0004", "L0001", "L0002", "L0003"]
    assert len(slept) == 4


def test_removal_gives_up_with_a_conflict(store: DynamoObjectStore, late: LateIndexes) -> None:
    fill(store, 5)
    late.unknown_for["L0004"] = 10_000

    with pytest.raises(Conflict):
        drop(store, "L0000")

    assert store.page("all", Window()).total == 5


def test_what_an_index_remembers_of_an_object_is_not_believed(stage: Stage) -> None:
    """It may name an object that has another key by now, or none, or is gone."""
    store = DynamoObjectStore(stage.table("tokens"))
    names = ("stays", "moves", "loses", "goes")
    store.create([make(name, keys={"by_auth_id": "NL-1"}) for name in names])
    client = Remembering(stage.clients.dynamodb())
    late = DynamoObjectStore(Table(stage.table("tokens").name, lambda: client))
    assert {each.stored.id for each in late.find("by_auth_id", "NL-1")} == set(names)

    store.put(OURS, make("moves", version=2, keys={"by_auth_id": "NL-2"}))
    store.put(OURS, make("loses", version=2))
    drop(store, "goes")

    assert [each.stored.id for each in late.find("by_auth_id", "NL-1")] == ["stays"]


def test_what_comes_back_half_done_is_asked_for_again(stage: Stage) -> None:
    slept: list[float] = []
    client = HalfReads(stage.clients.dynamodb(), [7, 7, 0, 1, 0, 0, 50])
    store = DynamoObjectStore(Table(stage.table("tariffs").name, lambda: client, slept.append))
    names = fill(store, 60)

    assert set(store.get_many(OURS, names)) == set(names)
    assert len(slept) == 3


def test_a_table_that_answers_nothing_at_all_is_given_up(stage: Stage) -> None:
    slept: list[float] = []
    client = HalfReads(stage.clients.dynamodb(), [0] * 100)
    store = DynamoObjectStore(Table(stage.table("tariffs").name, lambda: client, slept.append))

    with pytest.raises(Retryable):
        store.get_many(OURS, ["L1"])

    assert sum(slept) < 3


def test_more_than_four_megabytes_are_created_in_several_transactions(stage: Stage, calls: Calls) -> None:
    store = DynamoObjectStore(stage.table("tariffs"))
    # Noise hardly shrinks: each object has some 300 KB when it is stored.
    noise = base64.b64encode(random.Random(7).randbytes(300_000)).decode()  # noqa: S311 - the same noise each time
    made = [make(f"B{number:02}", filler=noise) for number in range(30)]

    store.create(made)

    assert calls.made() == {"GetItem": 4, "TransactWriteItems": 4}
    assert crawled(store, Window(limit=30)) == [one.id for one in made]
