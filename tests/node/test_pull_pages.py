"""A page is taken as a whole, with few calls, and yet each of its objects as if it had come alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from chalicelib.node.pulling.state import MOST_ON_A_PAGE, PullState
from chalicelib.ocpi.errors import BodyTooLarge
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.modules.crashing import Fuse
from tests.node.faults import Failing, run_on
from tests.node.pulling import LISTED, Crawl, answered, following, ids
from tests.world import CLIENT_OWNED

Json = Any

CALLS = ("get", "get_many", "put", "count")
NEWER = "2026-01-02T00:00:00Z"


def counted(crawl: Crawl) -> Counter[str]:
    """The calls to stores of objects and for counters, from now on."""
    fuse, ports = Fuse(0), crawl.us.ports
    stores = {module: fuse.around(store, *CALLS) for module, store in ports.stores.items()}
    run_on(crawl.us, stores=stores, partners=fuse.around(ports.partners, "count"))
    crawl.run()
    return Counter(fuse.calls)


@pytest.mark.parametrize("module", LISTED)
def test_what_we_hold_of_a_page_is_read_with_one_call_per_hundred(module: ModuleID) -> None:
    """PAG-27: a page on which nothing is new costs no more; CDRs ask for their sessions as well."""
    crawl = Crawl(module)
    crawl.run(answered(ids(*range(250), module=module)))

    assert counted(crawl) == {"get_many": 6 if module is ModuleID.CDRS else 3}
    assert crawl.now.taken == 0


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_what_is_newer_on_a_page_costs_one_call_more(module: ModuleID) -> None:
    """PAG-27: nothing is read again."""
    crawl = Crawl(module)
    crawl.run(answered(ids(*range(50), module=module)))
    crawl.answers = [answered([*ids(*range(48), module=module), *ids(48, 49, module=module, last_updated=NEWER)])]

    calls = counted(crawl)

    # A session that is written is looked for among the CDRs as well, unless it goes on.
    assert calls == {"get_many": 1, "put": 2}
    assert crawl.now.taken == 2


@pytest.mark.parametrize("module", [ModuleID.TARIFFS, ModuleID.CDRS])
def test_what_is_forgiven_on_a_page_is_counted_with_one_call(module: ModuleID) -> None:
    """TRA-20, TRA-39: every single time."""
    crawl, bent = Crawl(module), ids(*range(20), module=module, last_updated="2026-01-01T00:00:00+00:00")
    crawl.answers = [answered([*bent, None])]

    calls = counted(crawl)

    assert calls["count"] == 1
    (counts,) = (crawl.counters[name] for name in crawl.counters if name.startswith("lenient"))
    assert (counts, crawl.now.refused) == (20, 1)


@pytest.mark.parametrize("module", CLIENT_OWNED)
@pytest.mark.parametrize("newest_first", [True, False])
def test_of_two_versions_on_one_page_the_later_one_stays(module: ModuleID, *, newest_first: bool) -> None:
    """PAG-16, PAG-27, Q-32: whichever is listed first, and whether we hold the object or not."""
    for held in ([], ids(1, module=module)):
        crawl = Crawl(module)
        crawl.run(answered(held))
        newer, older = (
            ids(1, module=module, last_updated="2026-01-03T00:00:00Z"),
            ids(1, module=module, last_updated=NEWER),
        )

        done = crawl.run(answered([*newer, *older] if newest_first else [*older, *newer]))

        assert crawl.holds("X1")["last_updated"] == "2026-01-03T00:00:00Z"
        assert (done.received, done.taken) == (2, 1 if newest_first else 2)
        assert "stale_ignored" not in crawl.counters


def test_a_cdr_that_a_page_lists_twice_is_one() -> None:
    """CDR-23, CDR-08: also in another spelling; of two that differ the second is put aside."""
    crawl = Crawl(ModuleID.CDRS)

    done = crawl.run(answered([make.cdr("X1"), make.cdr("x1"), make.cdr("X1", total_cost=99)]))

    assert (done.received, done.taken, done.refused) == (3, 1, 0)
    assert crawl.holds("X1")["total_cost"] == make.cdr()["total_cost"]
    assert len(crawl.quarantine) == 1


def test_each_session_is_ended_by_its_cdr_on_a_page() -> None:
    """Q-47: one that no store can hold so leaves the others, and every CDR is kept."""
    crawl = Crawl(ModuleID.CDRS)
    to_us, at = crawl.pair.to_emsp, crawl.pair.at_receiver
    for number in range(3):
        name = f"X{number}"
        assert to_us("PUT", at(ModuleID.SESSIONS, name), make.session(name)).code == 1000
    ports = crawl.us.ports
    sessions = Failing(ports.stores[ModuleID.SESSIONS], "put", error=BodyTooLarge)
    run_on(crawl.us, stores={**ports.stores, ModuleID.SESSIONS: sessions})

    done = crawl.run(answered(ids(*range(4), module=ModuleID.CDRS)))

    assert (done.state, done.taken, done.refused) == (PullState.DONE, 4, 0)
    held = [crawl.us.received(ModuleID.SESSIONS, crawl.owner.party, f"X{number}") for number in range(3)]
    assert [each["status"] for each in held] == ["ACTIVE", "COMPLETED", "COMPLETED"]
    # The next crawl ends it; what has ended costs those after it nothing but the look.
    crawl.run()
    assert counted(crawl) == {"get_many": 2}


def test_what_was_deleted_is_new_when_a_page_lists_it_long_after() -> None:
    """TAR-16: a page that was under way when it was deleted does not bring it back."""
    crawl = Crawl(ModuleID.TARIFFS)
    page = answered(ids(1, module=ModuleID.TARIFFS))
    crawl.run(page)
    assert crawl.pair.to_emsp("DELETE", crawl.pair.at_receiver(ModuleID.TARIFFS, "X1")).code == 1000
    crawl.world.clock.pass_(minutes=10)

    assert crawl.run(page).taken == 1
    assert crawl.pair.to_emsp("GET", crawl.pair.at_receiver(ModuleID.TARIFFS, "X1")).code == 1000


def test_a_page_without_end_is_not_read() -> None:
    """PAG-15: what was seen on a page has to be remembered; as many as we can remember are taken."""
    crawl, listed = Crawl(ModuleID.TOKENS), ids(1, module=ModuleID.TOKENS)

    assert crawl.run(answered(listed * MOST_ON_A_PAGE)).received == MOST_ON_A_PAGE
    done = crawl.run(answered(listed * (MOST_ON_A_PAGE + 1)))

    assert (done.state, done.received) == (PullState.FAILED, 0)
    assert done.problem == "a page of 10001 objects, and we read at most 10000 on one"


# --- the same page again -------------------------------------------------------------------------------------------


def forgetful(crawl: Crawl, count: int, total: int, *, linked: bool) -> None:
    """Lets the owner serve its first page whatever is asked for."""

    def answer(request: Request) -> Response:
        offset = int(request.query.get("offset", 0)) + count
        link = following(f"?offset={offset}&limit=100") if linked and offset < total else None
        return answered(ids(*range(count)), link, total)

    crawl.answer = answer


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("total", [4, 5, 1000])
def test_a_page_that_is_served_again_ends_the_crawl(total: int, *, linked: bool) -> None:
    """Q-09, Q-24: nobody knows what the others are, so nothing is taken for complete."""
    crawl = Crawl()
    forgetful(crawl, 2, total, linked=linked)

    crawl.schedule.start(crawl.them, crawl.module)
    done = crawl.work()

    assert (done.state, len(crawl.asked)) == (PullState.FAILED, 2)
    assert done.problem == "they serve the same page again, whatever we ask for"
    assert (done.since, crawl.held(range(3))) == (None, [0, 1])


def test_a_page_may_be_asked_for_again() -> None:
    """PAG-15: in the next crawl, after a while without answer, and after a list without any object that has an id."""
    crawl = Crawl()
    nameless = answered([None], following("?c=3"))
    pages = [answered(ids(1), following("?c=1")), None, answered(ids(2), following("?c=2")), nameless]

    for _ in range(2):
        assert crawl.run(*pages, answered([None])).state is PullState.DONE

    assert crawl.held([1, 2]) == [1, 2]


def test_a_page_that_moved_to_the_beginning_is_not_the_same_page_again() -> None:
    """PAG-16, Q-09: all that was listed before it is gone."""
    crawl = Crawl()
    moved = answered(ids(2, 3), None, 2)

    done = crawl.run(answered(ids(0, 1), following("?c=a"), 4), moved, moved)

    assert (done.state, len(crawl.asked)) == (PullState.DONE, 3)
    assert crawl.held(range(4)) == list(range(4))
