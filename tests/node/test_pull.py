"""A partner's list is crawled whole and held; what is broken in it is put aside, what is known is not written again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.pulling.links import BEGINNING, OVERLAP
from chalicelib.node.pulling.state import PullState
from chalicelib.ocpi.errors import BodyTooLarge
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.modules.crashing import Fuse
from tests.node.faults import Failing, run_on
from tests.node.pulling import LISTED, Crawl, answered, following, ids, work_off
from tests.node.pushing import LATER, another_value
from tests.world import CLIENT_OWNED, Caller, Pair, pair

Json = Any


def two_nodes(module: ModuleID, count: int) -> Pair:
    """A pair whose owner has objects that nobody has told the other of yet."""
    there = pair(page_limit=10)
    for number in range(count):
        there.put_in(module, make.object_of(module, f"X{number}"))
    there.owner(module).queues.announcements.clear()
    return there


@pytest.mark.parametrize("module", LISTED)
def test_a_list_of_several_pages_is_held_whole(module: ModuleID) -> None:
    """PAG-15, OFF-04: in both roles, between two real nodes."""
    there = two_nodes(module, 25)
    us = there.receiver(module)

    us.company.pull_schedule.start(us.partners()[0], module)
    delays = work_off(us)

    done = us.ports.pulls.get(us.partners()[0].id, module)
    assert done is not None
    assert (done.state, done.received, done.taken, done.refused, done.total) == (PullState.DONE, 25, 25, 0, 25)
    assert delays == [0, 0, 0]
    key_of = MODULES[module].key_of
    held = [us.received(module, there.owner(module).party, key_of(f"X{number}")) for number in range(25)]
    assert [value[MODULES[module].id_field] for value in held] == [f"X{number}" for number in range(25)]


def counted_writes(crawl: Crawl) -> Fuse:
    """Lets the writes of all objects be counted."""
    fuse = Fuse(0)
    stores = {module: fuse.around(store, "put") for module, store in crawl.us.ports.stores.items()}
    run_on(crawl.us, stores=stores)
    return fuse


@pytest.mark.parametrize("module", LISTED)
def test_what_is_known_already_is_not_written_again(module: ModuleID) -> None:
    """PAG-27: what comes twice counts once."""
    crawl = Crawl(module)
    page = answered(ids(1, 2, module=module))
    crawl.run(page)
    fuse = counted_writes(crawl)

    done = crawl.run(page)

    assert (done.state, done.received, done.taken) == (PullState.DONE, 2, 0)
    assert fuse.calls == []


def test_what_nobody_stamped_is_written_once() -> None:
    """Q-31: also where the time of the last change is ours, and where EVSEs are not mentioned (Q-29)."""
    crawl = Crawl()
    whole = make.location("X1")
    crawl.run(answered([whole]))
    unstamped = {name: value for name, value in whole.items() if name != "last_updated"}
    unmentioned = {name: value for name, value in whole.items() if name != "evses"}
    fuse = counted_writes(crawl)

    crawl.run(answered([unstamped, unmentioned]))

    assert fuse.calls == []
    assert crawl.holds("X1")["evses"] != []


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_the_newer_of_what_is_pushed_and_what_is_pulled_stays(module: ModuleID) -> None:
    """PAG-27, Q-32: an older version in a list is no stale push."""
    crawl = Crawl(module)
    name, value = another_value(module)
    newer = make.object_of(module, "X1", **{name: value, "last_updated": LATER})
    pushed = crawl.pair.to_receiver(module)("PUT", crawl.pair.at_receiver(module, "X1"), newer)
    assert pushed.code == 1000

    older = crawl.run(answered(ids(1, module=module)))

    assert older.taken == 0
    assert crawl.holds("X1")[name] == value
    assert "stale_ignored" not in crawl.counters
    newest = make.object_of(module, "X1", last_updated="2026-02-05T00:00:00Z")
    assert crawl.run(answered([newest])).taken == 1
    assert crawl.holds("X1")[name] == newest[name]


BROKEN: list[Json] = [
    *(None, 5, "X9", [], {}),
    {"id": 5, "uid": 5},
    {"id": "", "uid": ""},
    {"id": "X" * 300, "uid": "X" * 300},
    {"id": "X9", "uid": "X9", "last_updated": "yesterday"},
]


@pytest.mark.parametrize("module", LISTED)
def test_a_broken_object_costs_itself_alone(module: ModuleID) -> None:
    """TRA-39: on every page the others are kept, each broken one is put aside with its reason, the crawl goes on."""
    crawl = Crawl(module)
    pages = [
        answered([*ids(2 * place, module=module), broken, *ids(2 * place + 1, module=module)], following(f"?p={place}"))
        for place, broken in enumerate(BROKEN)
    ]

    done = crawl.run(*pages, answered(ids(100, module=module)))

    count = 2 * len(BROKEN) + 1
    assert (done.state, done.taken, done.refused) == (PullState.DONE, count, len(BROKEN))
    assert done.received == count + len(BROKEN)
    everything = [*range(2 * len(BROKEN)), 100]
    assert crawl.held(everything) == everything
    assert len(crawl.quarantine) == len(BROKEN)
    assert all(kept.module is module and kept.reason for kept in crawl.quarantine)
    assert {kept.id for kept in crawl.quarantine} == {"", "X9", "X" * 255}


def test_an_object_that_no_store_can_hold_costs_itself_alone() -> None:
    """TRA-39."""
    crawl = Crawl()
    locations = Failing(crawl.us.ports.stores[ModuleID.LOCATIONS], "put", error=BodyTooLarge)
    run_on(crawl.us, stores={**crawl.us.ports.stores, ModuleID.LOCATIONS: locations})

    done = crawl.run(answered(ids(1, 2)))

    assert (done.state, done.taken, done.refused) == (PullState.DONE, 1, 1)
    assert [kept.id for kept in crawl.quarantine] == ["X1"]
    assert crawl.held([1, 2]) == [2]


def test_what_is_forgiven_in_a_list_is_counted() -> None:
    """TRA-20, TRA-39, Q-31: as in a push."""
    crawl = Crawl()
    (unstamped,) = ids(1)
    del unstamped["last_updated"]

    crawl.run(answered([unstamped]))

    assert crawl.counters["lenient TRA-20 locations last_updated is missing"] == 1


# --- CDRs and tokens -----------------------------------------------------------------------------------------------


def test_a_cdr_that_is_posted_and_pulled_is_one() -> None:
    """CDR-23."""
    crawl = Crawl(ModuleID.CDRS)
    posted = make.cdr("X1")
    assert crawl.pair.to_receiver(ModuleID.CDRS)("POST", crawl.pair.at_receiver(ModuleID.CDRS), posted).code == 1000

    done = crawl.run(answered([posted, make.cdr("X2")]))

    assert (done.state, done.received, done.taken) == (PullState.DONE, 2, 1)
    kept = crawl.us.ports.stores[ModuleID.CDRS].list_by_owner(f"theirs/{crawl.owner.party}", None, 10)
    assert [(each.id, each.version) for each in kept] == [("x1", 1), ("x2", 1)]
    assert crawl.quarantine == []


def test_a_cdr_that_contradicts_is_put_aside_once_and_the_crawl_goes_on() -> None:
    """CDR-23, CDR-08, Q-49."""
    crawl = Crawl(ModuleID.CDRS)
    crawl.run(answered([make.cdr("X1")]))
    pages = answered([make.cdr("X1", total_cost=99)], following("?p=2")), answered([make.cdr("X2")])

    crawl.run(*pages)
    done = crawl.run(*pages, full=True)

    assert done.state is PullState.DONE
    assert crawl.holds("X1")["total_cost"] == 3.13
    assert crawl.holds("X2")["id"] == "X2"
    assert [kept.id for kept in crawl.quarantine] == ["X1"]


def test_tokens_that_are_not_listed_any_more_stay() -> None:
    """TOK-22: the others are updated and added."""
    crawl = Crawl(ModuleID.TOKENS)
    crawl.run(answered(ids(1, 2, module=ModuleID.TOKENS)))

    for _ in range(3):
        changed = make.token("X2", issuer="Other", last_updated=LATER)
        assert crawl.run(answered([changed, make.token("X3")]), full=True).is_full

    assert crawl.held([1, 2, 3]) == [1, 2, 3]
    assert crawl.holds("X2")["issuer"] == "Other"
    stored = crawl.us.ports.stores[ModuleID.TOKENS].get(f"theirs/{crawl.owner.party}", "X1")
    assert stored is not None
    assert not stored.metadata


# --- what is asked for ---------------------------------------------------------------------------------------------


def since(moment: Any) -> str:
    """What a delta asks for after a crawl that began then."""
    return format_date_time(moment - timedelta(minutes=5))


def test_a_delta_overlaps_the_last_crawl_that_succeeded() -> None:
    """PAG-27, Q-07: a crawl that fails does not move the beginning of the next."""
    crawl = Crawl()
    first = crawl.run(answered([]))
    assert (first.is_full, crawl.asked[-1].query) == (True, {"limit": "100"})
    crawl.world.clock.pass_(hours=1)

    assert crawl.run(answered([], status=401)).state is PullState.FAILED
    assert crawl.asked[-1].query == {"date_from": since(first.began_at), "limit": "100"}
    crawl.world.clock.pass_(hours=1)

    delta = crawl.run(answered([]))
    assert crawl.asked[-1].query["date_from"] == since(first.began_at)
    assert (delta.is_full, delta.full_at, delta.since) == (False, first.began_at, delta.began_at)
    crawl.world.clock.pass_(hours=1)

    crawl.run(answered([]))
    assert crawl.asked[-1].query["date_from"] == since(delta.began_at)


def test_what_changed_around_the_boundary_is_pulled() -> None:
    """PAG-27: between two real nodes."""
    there = two_nodes(ModuleID.LOCATIONS, 2)
    schedule, cpo = there.emsp.company.pull_schedule, there.emsp.partners()[0]
    schedule.start(cpo, ModuleID.LOCATIONS)
    work_off(there.emsp)
    there.world.clock.pass_(hours=1)
    there.put_in(ModuleID.LOCATIONS, make.location("X1", name="New"))

    schedule.start(cpo, ModuleID.LOCATIONS)
    work_off(there.emsp)

    done = there.emsp.ports.pulls.get(cpo.id, ModuleID.LOCATIONS)
    assert done is not None
    assert (done.is_full, done.taken) == (False, 1)
    assert there.emsp.received(ModuleID.LOCATIONS, there.cpo.party, "X1")["name"] == "New"


def test_sessions_are_always_asked_for_with_a_date() -> None:
    """PAG-19, PAG-27, Q-10: all of them, then those since the last crawl, then all of them again."""
    crawl = Crawl(ModuleID.SESSIONS)

    first = crawl.run(answered([]))
    crawl.run(answered([]))
    again = crawl.run(answered([]), full=True)

    asked = [request.query["date_from"] for request in crawl.asked]
    assert asked == [format_date_time(BEGINNING), since(first.began_at), format_date_time(BEGINNING)]
    assert again.is_full
    assert timedelta(minutes=5) == OVERLAP


def test_a_list_is_asked_for_with_our_token() -> None:
    """TRA-02."""
    crawl = Crawl()

    crawl.run(answered([]))

    to_owner: Caller = crawl.pair.to_owner(ModuleID.LOCATIONS)
    assert [request.headers["authorization"] for request in crawl.asked] == [f"Token {to_owner.token}"]
