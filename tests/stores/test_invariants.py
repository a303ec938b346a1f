"""What holds after any sequence of events: ranks are dense, totals are right, each object is listed once."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.node.objects import ObjectStore
from chalicelib.ocpi.paging import Window
from tests.memory import MemoryObjectStore
from tests.resources import Stage
from tests.stores.crawling import at, crawl, crawled, drop, fill, ids, make, touch

EVENTS = st.lists(
    st.tuples(st.sampled_from(["create", "create three", "remove", "change"]), st.integers(0, 99)), max_size=12
)
LISTS = count(1)


class Model:
    """What the list should hold: ids by rank, and when each changed last."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        # Names of its own, for a store serves many examples.
        self.list_name = f"list{next(LISTS)}"
        self.names: list[str] = []
        self.changed: dict[str, int] = {}
        self._seconds = count(1)

    def happen(self, event: str, choice: int) -> None:
        second = next(self._seconds)
        if event.startswith("create"):
            new = [f"{self.list_name}-{second}-{number}" for number in range(3 if event == "create three" else 1)]
            self.store.create([make(name, second, list_name=self.list_name) for name in new])
            self.names += new
            self.changed |= dict.fromkeys(new, second)
        elif self.names:
            place = choice % len(self.names)
            if event == "remove":
                drop(self.store, self.names[place])
                self.names[place] = self.names[-1]
                self.names.pop()
            else:
                touch(self.store, self.names[place], second)
                self.changed[self.names[place]] = second

    def check(self, limit: int) -> None:
        """Every way to read the list gives the same objects and the right total."""
        assert crawled(self.store, Window(limit=limit), self.list_name) == self.names
        for offset, name in enumerate(self.names):
            assert ids(self.store.page(self.list_name, Window(offset=offset, limit=1))) == [name]
        for since in (0, 3, 8):
            inside = {name for name in self.names if self.changed[name] >= since}
            pages = crawl(self.store, Window(limit=limit, date_from=at(since)), self.list_name)
            listed = [object_id for page in pages for object_id in ids(page)]
            assert sorted(listed) == sorted(inside)
            assert {page.total for page in pages} == {len(inside)}


def any_sequence(store: ObjectStore, events: list[tuple[str, int]], limit: int) -> None:
    model = Model(store)
    for event, choice in events:
        model.happen(event, choice)
    model.check(limit)


MEMORY = MemoryObjectStore()


@settings(max_examples=60)
@given(events=EVENTS, limit=st.integers(1, 6))
def test_any_sequence_of_events_keeps_a_list_in_memory_whole(events: list[tuple[str, int]], limit: int) -> None:
    any_sequence(MEMORY, events, limit)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, limit=st.integers(1, 6))
@example(events=[("create three", 0), ("remove", 0), ("remove", 1), ("remove", 0), ("create three", 0)], limit=2)
def test_any_sequence_of_events_keeps_a_list_in_dynamodb_whole(
    stage: Stage, events: list[tuple[str, int]], limit: int
) -> None:
    any_sequence(DynamoObjectStore(stage.table("tariffs")), events, limit)


@settings(max_examples=40)
@given(size=st.integers(0, 12), offset=st.integers(0, 14), limit=st.integers(1, 14), since=st.integers(-1, 13))
def test_from_any_offset_a_crawl_gives_the_rest_once(size: int, offset: int, limit: int, since: int) -> None:
    store = MemoryObjectStore()
    names = fill(store, size)

    assert crawled(store, Window(offset=offset, limit=limit)) == names[offset:]
    assert crawled(store, Window(offset=offset, limit=limit, date_from=at(since))) == names[max(since, 0) :][offset:]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 14), limit=st.integers(1, 14), since=st.integers(-1, 13))
def test_from_any_offset_a_crawl_of_dynamodb_gives_the_rest_once(
    stage: Stage, offset: int, limit: int, since: int
) -> None:
    store = DynamoObjectStore(stage.table("tariffs"))
    names = [f"L{number:04}" for number in range(12)]
    if store.page("all", Window()).total == 0:
        fill(store, 12)

    assert crawled(store, Window(offset=offset, limit=limit)) == names[offset:]
    assert crawled(store, Window(offset=offset, limit=limit, date_from=at(since))) == names[max(since, 0) :][offset:]


def test_pages_are_right_where_a_full_last_page_says_that_it_is_the_last(moto_stage: Stage) -> None:
    """So does moto; AWS and ministack say so only on the empty page behind it."""
    store = DynamoObjectStore(moto_stage.table("tariffs"))
    names = fill(store, 12)

    for limit in (1, 4, 5, 11, 12):
        assert crawled(store, Window(limit=limit)) == names
        assert crawled(store, Window(limit=limit, date_from=at(4))) == names[4:]
        assert crawled(store, Window(offset=4, limit=limit, date_from=at(4))) == names[8:]
        assert crawled(store, Window(offset=8, limit=limit, date_from=at(4))) == []


def test_a_thousand_objects_are_crawled_one_by_one_in_memory() -> None:
    store = MemoryObjectStore()
    names = fill(store, 1000)

    assert crawled(store, Window(limit=1)) == names


def test_a_thousand_objects_are_crawled_in_dynamodb(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("locations"))
    names = fill(store, 1000)

    for limit in (7, 100):
        assert crawled(store, Window(limit=limit)) == names
    assert crawled(store, Window(limit=100, date_from=at(1))) == names[1:]
    for offset in (0, 1, 499, 998, 999):
        page = store.page("all", Window(offset=offset, limit=1))
        assert (ids(page), page.total) == ([names[offset]], 1000)
