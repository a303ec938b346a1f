"""Many writers at once, on ministack: nothing is lost and nobody gives up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.partners import DynamoPartnerStore
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import OURS, ObjectStore, theirs
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.partners.store import PartyTaken
from chalicelib.ocpi.paging import Window
from chalicelib.ocpi.parties import Party, Role
from tests.resources import Stage
from tests.stores.conftest import Clock
from tests.stores.crawling import crawled, drop, fill, make

THEM = theirs(Party.of("NL", "TNM"))


def at_once(*work: Callable[[], object]) -> list[object]:
    """What each piece of work answers, all of them done at the same time."""
    with ThreadPoolExecutor(len(work)) as pool:
        return [future.result() for future in [pool.submit(piece) for piece in work]]


def creations(store: ObjectStore, names: Iterable[str]) -> list[Callable[[], object]]:
    return [lambda name=name: store.create([make(name)]) for name in names]  # type: ignore[misc]


def test_fifty_creations_at_once_all_get_a_rank(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("locations"))
    names = [f"L{number}" for number in range(50)]

    at_once(*creations(store, names))

    assert sorted(crawled(store, Window(limit=99))) == sorted(names)
    assert store.page("all", Window()).total == 50


def test_fifty_patches_of_one_object_at_once_all_survive(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("locations"))
    store.put(THEM, make("LOC1", list_name=None))

    def patch(number: int) -> None:
        while True:
            stored = store.get(THEM, "LOC1")
            assert stored
            body = json.loads(stored.body) | {f"field{number}": number}
            try:
                store.put(THEM, replace(stored, body=json.dumps(body).encode(), version=stored.version + 1))
            except Conflict:
                continue
            return

    at_once(*[lambda number=number: patch(number) for number in range(50)])

    stored = store.get(THEM, "LOC1")
    assert stored
    assert json.loads(stored.body) == {"id": "LOC1"} | {f"field{number}": number for number in range(50)}
    assert stored.version == 51


def test_creations_and_removals_at_once_keep_ranks_dense(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("tariffs"))
    old = fill(store, 10)
    new = [f"N{number}" for number in range(10)]

    at_once(*creations(store, new), *[lambda name=name: drop(store, name) for name in old[2:8]])

    left = {*new, *old[:2], *old[8:]}
    assert set(crawled(store, Window(limit=99))) == left
    assert [len(store.page("all", Window(offset=offset, limit=1)).bodies) for offset in range(len(left) + 1)] == [
        1
    ] * len(left) + [0]


def test_one_of_two_removals_wins(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("tariffs"))
    fill(store, 3)
    stored = store.get(OURS, "L0000")
    assert stored

    def remove() -> str:
        try:
            store.remove(OURS, stored)
        except Conflict:
            return "conflict"
        return "removed"

    assert sorted(map(str, at_once(remove, remove))) == ["conflict", "removed"]
    assert sorted(crawled(store, Window())) == ["L0001", "L0002"]


def test_one_of_two_equal_creations_wins(stage: Stage) -> None:
    store = DynamoObjectStore(stage.table("tariffs"))

    def create() -> str:
        try:
            store.create([make("T1")])
        except Conflict:
            return "conflict"
        return "created"

    assert sorted(map(str, at_once(create, create, create))) == ["conflict", "conflict", "created"]
    assert crawled(store, Window()) == ["T1"]


def test_one_of_many_registrations_gets_the_party(stage: Stage, clock: Clock) -> None:
    store = DynamoPartnerStore(stage.table("partners"), clock)

    def register(number: int) -> str:
        partner = Partner(id=f"p{number}", our_role=Role.CPO, state=State.REGISTERED, party=Party.of("NL", "TNM"))
        while True:
            try:
                store.save(partner)
            except Conflict:
                continue
            except PartyTaken:
                return "taken"
            return "registered"

    outcomes = at_once(*[lambda number=number: register(number) for number in range(8)])

    assert outcomes.count("registered") == 1
    assert len(store.all()) == 1


def test_counts_from_many_threads_add_up(stage: Stage, clock: Clock) -> None:
    store = DynamoPartnerStore(stage.table("partners"), clock)

    at_once(*[lambda: store.count("p1", {"a": 1, "b": 2})] * 20)

    assert store.counters("p1") == {"a": 20, "b": 40}
