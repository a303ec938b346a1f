"""Pages: every object once, in order, with the right total, whatever changes during a crawl (PAG-01 to PAG-24)."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat

import pytest

from chalicelib.node.objects import ObjectStore
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import Window
from tests.stores.crawling import at, crawl, crawled, drop, fill, ids, make, next_window, touch

# Not on moto: it walks the whole table for each Query. What differs in its pages is checked among the invariants.
pytestmark = pytest.mark.parametrize("objects", ["memory", "ministack"], indirect=True)


def nothing() -> None:
    """Nothing happens."""


def test_a_page_without_dates_follows_creation(objects: ObjectStore) -> None:
    """PAG-05, PAG-06: whatever has changed since."""
    names = fill(objects, 25)
    touch(objects, "L0003", 100)

    page = objects.page("all", Window(offset=10, limit=10))

    assert ids(page) == names[10:20]
    assert (page.total, page.next_offset) == (25, 20)


def test_following_links_gives_each_object_once(objects: ObjectStore) -> None:
    """PAG-04, PAG-05, PAG-06, PAG-11."""
    names = fill(objects, 25)

    for limit in (1, 5, 7, 24, 25, 26, 99, 100, 150):
        pages = crawl(objects, Window(limit=limit))

        assert [object_id for page in pages for object_id in ids(page)] == names
        assert len(pages) == -(-25 // limit)
        assert {page.total for page in pages} == {25}


def test_pages_of_a_hundred_and_more_are_whole(objects: ObjectStore) -> None:
    names = fill(objects, 110)

    for limit, sizes in ((99, [99, 11]), (100, [100, 10]), (101, [101, 9]), (1000, [110])):
        pages = crawl(objects, Window(limit=limit))

        assert [len(page.bodies) for page in pages] == sizes
        assert [object_id for page in pages for object_id in ids(page)] == names


def test_the_last_page_has_no_next(objects: ObjectStore) -> None:
    """PAG-09: also where it is full."""
    fill(objects, 20)

    page = objects.page("all", Window(offset=10, limit=10))

    assert (page.next_offset, page.next_cursor) == (None, None)


def test_an_offset_past_the_end_gives_an_empty_page(objects: ObjectStore) -> None:
    """PAG-12."""
    fill(objects, 25)

    for total, window in ((25, Window()), (25, Window(date_from=at(0))), (20, Window(date_from=at(3), date_to=at(23)))):
        for offset in (25, 26, 10**9):
            page = objects.page("all", replace(window, offset=offset, limit=10))

            assert (page.bodies, page.total, page.next_offset) == ((), total, None)


def test_an_object_created_during_a_crawl_comes_at_the_end(objects: ObjectStore) -> None:
    """PAG-14."""
    names = fill(objects, 6)

    pages = crawl(objects, Window(limit=4), meanwhile=[lambda: objects.create([make("NEW", 100)])])

    assert [object_id for page in pages for object_id in ids(page)] == [*names, "NEW"]
    assert [page.total for page in pages] == [6, 7]


def test_an_object_removed_during_a_crawl_hides_no_other(objects: ObjectStore) -> None:
    """PAG-11."""
    names = fill(objects, 9)

    seen = crawled(objects, Window(limit=3), meanwhile=[lambda: drop(objects, "L0001")])

    assert set(seen) == set(names)


def test_a_crawl_ends_although_objects_come_and_go(objects: ObjectStore) -> None:
    names = fill(objects, 6)

    def another() -> None:
        drop(objects, "L0000")
        objects.create([make("L0000", 50)])

    seen = crawled(objects, Window(limit=2), meanwhile=repeat(another))

    assert set(names) <= set(seen)


# --- dates -------------------------------------------------------------------------------------------------------


def test_date_from_is_inside_and_date_to_is_not(objects: ObjectStore) -> None:
    """PAG-18."""
    fill(objects, 10)

    assert crawled(objects, Window(date_from=at(4), date_to=at(6))) == ["L0004", "L0005"]
    assert crawled(objects, Window(date_from=at(4.001), date_to=at(6.001))) == ["L0005", "L0006"]


def test_a_window_may_be_open_at_either_end(objects: ObjectStore) -> None:
    """PAG-18."""
    names = fill(objects, 10)

    for limit in (1, 2, 3, 100):
        assert crawled(objects, Window(limit=limit, date_from=at(7))) == names[7:]
        assert crawled(objects, Window(limit=limit, date_to=at(3))) == names[:3]


def test_a_window_that_ends_before_it_begins_is_empty(objects: ObjectStore) -> None:
    """PAG-22: also one that ends where it begins."""
    fill(objects, 10)

    for end in (3, 4):
        page = objects.page("all", Window(date_from=at(4), date_to=at(end)))

        assert (page.bodies, page.total, page.next_offset) == ((), 0, None)


def test_a_window_that_nothing_changed_in_is_empty(objects: ObjectStore) -> None:
    fill(objects, 10)

    for window in (Window(date_from=at(9.5)), Window(date_to=at(0)), Window(date_from=at(4.1), date_to=at(4.9))):
        assert objects.page("all", window).total == 0
        assert crawled(objects, window) == []


def test_a_crawl_with_dates_gives_each_object_once(objects: ObjectStore) -> None:
    """PAG-04, PAG-06, PAG-11, PAG-18."""
    names = fill(objects, 25)

    for limit in (1, 2, 5, 7, 12, 100):
        pages = crawl(objects, Window(limit=limit, date_from=at(5), date_to=at(17)))

        assert [object_id for page in pages for object_id in ids(page)] == names[5:17]
        assert len(pages) == -(-12 // limit)
        assert {page.total for page in pages} == {12}


def test_objects_of_one_moment_are_told_apart(objects: ObjectStore) -> None:
    objects.create([make(f"SAME{number}", 5) for number in range(9)])
    objects.create([make("OLD", 1)])

    seen = crawled(objects, Window(limit=2, date_from=at(5)))

    assert sorted(seen) == [f"SAME{number}" for number in range(9)]


def test_a_client_that_counts_for_itself_gets_the_same_pages(objects: ObjectStore) -> None:
    fill(objects, 12)

    for limit in (2, 3):
        window = Window(limit=limit, date_from=at(2))
        by_link = crawl(objects, window)
        by_count = [objects.page("all", replace(window, offset=offset)) for offset in range(0, 10, limit)]

        assert by_count == by_link


def test_dates_that_cover_the_whole_list_leave_it_in_order_of_creation(objects: ObjectStore) -> None:
    names = fill(objects, 10)
    touch(objects, "L0002", 100)

    for window in (Window(date_from=at(0)), Window(date_from=at(-1), date_to=at(101)), Window(date_to=at(100.001))):
        for limit in (4, 100):
            assert crawled(objects, replace(window, limit=limit)) == names


def test_a_page_that_holds_all_that_changed_is_in_order_of_creation(objects: ObjectStore) -> None:
    fill(objects, 10)
    touch(objects, "L0002", 100)

    assert crawled(objects, Window(date_from=at(7))) == ["L0002", "L0007", "L0008", "L0009"]


def test_a_longer_crawl_of_changes_begins_with_the_oldest(objects: ObjectStore) -> None:
    fill(objects, 10)
    touch(objects, "L0002", 100)

    assert crawled(objects, Window(limit=2, date_from=at(7))) == ["L0007", "L0008", "L0009", "L0002"]


@pytest.mark.parametrize("since", [None, 0, 3])
def test_an_object_that_changes_during_a_crawl_is_not_missed(objects: ObjectStore, since: int | None) -> None:
    names = fill(objects, 10)

    for page in range(3):
        happenings = [nothing] * page + [
            lambda page=page: touch(objects, "L0004", 100 + page),
            lambda page=page: touch(objects, "L0008", 200 + page),
        ]
        seen = crawled(objects, Window(limit=2, date_from=None if since is None else at(since)), meanwhile=happenings)

        assert set(seen) >= set(names[since or 0 :])


@pytest.mark.parametrize("since", [0, 3])
def test_an_object_that_is_created_during_a_crawl_with_dates_is_not_missed(objects: ObjectStore, since: int) -> None:
    names = fill(objects, 10)

    happenings = [lambda: objects.create([make("NEW", 100)])]
    seen = crawled(objects, Window(limit=2, date_from=at(since)), meanwhile=happenings)

    assert seen == [*names[since:], "NEW"]


def test_a_crawl_stays_in_its_order_when_an_object_leaves_its_window(objects: ObjectStore) -> None:
    names = fill(objects, 10)

    window = Window(limit=3, date_from=at(0), date_to=at(50))
    seen = crawled(objects, window, meanwhile=[lambda: touch(objects, "L0001", 100)])

    assert seen == names


def test_a_crawl_stays_in_its_order_when_its_window_comes_to_cover_the_list(objects: ObjectStore) -> None:
    names = fill(objects, 10)

    seen = crawled(objects, Window(limit=3, date_from=at(1)), meanwhile=[lambda: touch(objects, "L0000", 100)])

    assert seen == [*names[1:], "L0000"]


def test_an_object_that_is_removed_during_a_crawl_of_changes_ends_nothing(objects: ObjectStore) -> None:
    names = fill(objects, 10)

    def clear() -> None:
        for name in names[3:7]:
            drop(objects, name)

    seen = crawled(objects, Window(limit=2, date_from=at(1)), meanwhile=[clear])

    assert set(names[7:]) < set(seen)


def test_changes_far_down_the_list_are_counted_and_found(objects: ObjectStore) -> None:
    names = fill(objects, 120)
    window = Window(offset=60, limit=40, date_from=at(10))

    page = objects.page("all", window)
    assert ids(page) == names[70:110]
    assert page.total == 110

    following = next_window(window, page)
    assert following
    assert ids(objects.page("all", following)) == names[110:]


# --- bounds ------------------------------------------------------------------------------------------------------


def test_a_page_is_bounded_by_bytes(objects: ObjectStore) -> None:
    objects.create([make(f"BIG{number}", number, filler="x" * 1_500_000) for number in range(5)])

    for window in (Window(), Window(date_from=at(0)), Window(date_to=at(5))):
        pages = crawl(objects, window)
        assert [ids(page) for page in pages] == [["BIG0", "BIG1"], ["BIG2", "BIG3"], ["BIG4"]]
        assert {page.total for page in pages} == {5}

    pages = crawl(objects, Window(date_from=at(1)))
    assert [ids(page) for page in pages] == [["BIG1", "BIG2"], ["BIG3", "BIG4"]]
    assert {page.total for page in pages} == {4}


def test_an_object_larger_than_a_page_comes_alone(objects: ObjectStore) -> None:
    objects.create([make("SMALL"), make("HUGE", filler="x" * 5_000_000), make("LAST")])

    assert [ids(page) for page in crawl(objects, Window())] == [["SMALL"], ["HUGE"], ["LAST"]]


# --- cursors -----------------------------------------------------------------------------------------------------


def test_a_cursor_of_other_dates_is_refused(objects: ObjectStore) -> None:
    fill(objects, 10)
    window = Window(limit=2, date_from=at(3))
    cursor = objects.page("all", window).next_cursor

    for other in (Window(cursor=cursor), Window(date_from=at(8), cursor=cursor), Window(date_to=at(2), cursor=cursor)):
        with pytest.raises(InvalidParameters):
            objects.page("all", other)


def test_a_cursor_that_is_not_ours_is_refused(objects: ObjectStore) -> None:
    with pytest.raises(InvalidParameters):
        objects.page("all", Window(date_from=at(3), cursor="bm90aGluZw"))
