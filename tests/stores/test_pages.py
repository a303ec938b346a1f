"""Pages: every object once, in order, with the right total, whatever changes while a client crawls (PAG-01 to PAG-24)."""

from __future__ import annotations

from datetime import timedelta
from itertools import repeat

import pytest

from chalicelib.node.ports import ObjectStore
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import Window
from tests.stores.crawling import at, crawl, crawled, drop, fill, ids, make, next_window, touch


def test_a_page_without_dates_follows_creation(objects: ObjectStore) -> None:
    names = fill(objects, 25)
    touch(objects, "L0003", 100)

    page = objects.page("all", Window(offset=10, limit=10))

    assert ids(page) == names[10:20]
    assert (page.total, page.next_offset) == (25, 20)


@pytest.mark.parametrize("limit", [1, 5, 7, 24, 25, 26, 99, 100, 150])
def test_following_links_gives_each_object_once(objects: ObjectStore, limit: int) -> None:
    names = fill(objects, 25)

    pages = crawl(objects, Window(limit=limit))

    assert [object_id for page in pages for object_id in ids(page)] == names
    assert len(pages) == -(-25 // limit)
    assert {page.total for page in pages} == {25}


def test_pages_of_a_hundred_and_more_are_whole(objects: ObjectStore) -> None:
    names = fill(objects, 220)

    assert [len(page.bodies) for page in crawl(objects, Window(limit=100))] == [100, 100, 20]
    assert crawled(objects, Window(limit=210)) == names


def test_the_last_page_has_no_next(objects: ObjectStore) -> None:
    fill(objects, 20)

    page = objects.page("all", Window(offset=10, limit=10))

    assert (page.next_offset, page.next_cursor) == (None, None)


@pytest.mark.parametrize("offset", [25, 26, 10**9])
@pytest.mark.parametrize("dates", [{}, {"date_from": at(0)}, {"date_from": at(3), "date_to": at(1000)}])
def test_an_offset_past_the_end_gives_an_empty_page(objects: ObjectStore, offset: int, dates: dict[str, object]) -> None:
    fill(objects, 25)

    page = objects.page("all", Window(offset=offset, limit=10, **dates))  # type: ignore[arg-type]

    assert page.bodies == ()
    assert page.next_offset is None
    assert page.total == len(crawled(objects, Window(**dates)))  # type: ignore[arg-type]


def test_an_object_created_during_a_crawl_comes_at_the_end(objects: ObjectStore) -> None:
    names = fill(objects, 6)

    pages = crawl(objects, Window(limit=4), meanwhile=[lambda: objects.create([make("NEW", 100)])])

    assert [object_id for page in pages for object_id in ids(page)] == [*names, "NEW"]
    assert [page.total for page in pages] == [6, 7]


def test_an_object_removed_during_a_crawl_hides_no_other(objects: ObjectStore) -> None:
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
    fill(objects, 10)

    assert crawled(objects, Window(date_from=at(4), date_to=at(6))) == ["L0004", "L0005"]
    assert crawled(objects, Window(date_from=at(4.001), date_to=at(6.001))) == ["L0005", "L0006"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_window_may_be_open_at_either_end(objects: ObjectStore, limit: int) -> None:
    names = fill(objects, 10)

    assert crawled(objects, Window(limit=limit, date_from=at(7))) == names[7:]
    assert crawled(objects, Window(limit=limit, date_to=at(3))) == names[:3]


@pytest.mark.parametrize("to", [3, 4])
def test_a_window_that_ends_before_it_begins_is_empty(objects: ObjectStore, to: int) -> None:
    fill(objects, 10)

    page = objects.page("all", Window(date_from=at(4), date_to=at(to)))

    assert (page.bodies, page.total, page.next_offset) == ((), 0, None)


@pytest.mark.parametrize("limit", [1, 2, 5, 7, 12, 100])
def test_a_crawl_with_dates_gives_each_object_once(objects: ObjectStore, limit: int) -> None:
    names = fill(objects, 25)

    pages = crawl(objects, Window(limit=limit, date_from=at(5), date_to=at(17)))

    assert [object_id for page in pages for object_id in ids(page)] == names[5:17]
    assert len(pages) == -(-12 // limit)
    assert {page.total for page in pages} == {12}


def test_objects_of_one_moment_are_told_apart(objects: ObjectStore) -> None:
    objects.create([make(f"SAME{number}", 5) for number in range(9)])
    objects.create([make("OLD", 1)])

    seen = crawled(objects, Window(limit=2, date_from=at(5)))

    assert sorted(seen) == [f"SAME{number}" for number in range(9)]


@pytest.mark.parametrize("limit", [2, 3])
def test_a_client_that_counts_for_itself_gets_the_same_pages(objects: ObjectStore, limit: int) -> None:
    fill(objects, 12)
    window = Window(limit=limit, date_from=at(2))

    by_link = [(page.bodies, page.total) for page in crawl(objects, window)]
    by_count = [
        (page.bodies, page.total)
        for offset in range(0, 10, limit)
        for page in [objects.page("all", Window(offset, limit, date_from=at(2)))]
    ]

    assert by_count == by_link


@pytest.mark.parametrize("limit", [4, 100])
@pytest.mark.parametrize(
    "dates",
    [
        {"date_from": at(0)},
        {"date_from": at(-1), "date_to": at(101)},
        {"date_to": at(100) + timedelta(milliseconds=1)},
    ],
)
def test_dates_that_cover_the_whole_list_leave_it_in_order_of_creation(
    objects: ObjectStore, limit: int, dates: dict[str, object]
) -> None:
    names = fill(objects, 10)
    touch(objects, "L0002", 100)

    assert crawled(objects, Window(limit=limit, **dates)) == names  # type: ignore[arg-type]


def test_a_page_that_holds_all_that_changed_is_in_order_of_creation(objects: ObjectStore) -> None:
    fill(objects, 10)
    touch(objects, "L0002", 100)

    assert crawled(objects, Window(date_from=at(7))) == ["L0002", "L0007", "L0008", "L0009"]


def test_a_longer_crawl_of_changes_begins_with_the_oldest(objects: ObjectStore) -> None:
    fill(objects, 10)
    touch(objects, "L0002", 100)

    assert crawled(objects, Window(limit=2, date_from=at(7))) == ["L0007", "L0008", "L0009", "L0002"]


@pytest.mark.parametrize("since", [0, 3])
@pytest.mark.parametrize("page", range(3))
def test_an_object_that_changes_during_a_crawl_is_not_missed(objects: ObjectStore, since: int, page: int) -> None:
    names = fill(objects, 10)
    happenings = [lambda: None] * page + [lambda: touch(objects, "L0004", 100), lambda: touch(objects, "L0008", 101)]

    seen = crawled(objects, Window(limit=2, date_from=at(since)), meanwhile=happenings)

    assert set(seen) == set(names[since:])


@pytest.mark.parametrize("since", [0, 3])
def test_an_object_that_is_created_during_a_crawl_is_not_missed(objects: ObjectStore, since: int) -> None:
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

    happenings = [lambda: [drop(objects, name) for name in names[3:7]] and None]
    seen = crawled(objects, Window(limit=2, date_from=at(1)), meanwhile=happenings)

    assert set(names[7:]) < set(seen)


def test_changes_far_down_the_list_are_counted_and_found(objects: ObjectStore) -> None:
    names = fill(objects, 300)

    window = Window(offset=150, limit=100, date_from=at(10))

    page = objects.page("all", window)
    assert ids(page) == names[160:260]
    assert page.total == 290
    following = next_window(window, page)
    assert following
    assert ids(objects.page("all", following)) == names[260:]


# --- bounds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dates", [{}, {"date_from": at(0)}, {"date_from": at(1)}])
def test_a_page_is_bounded_by_bytes(objects: ObjectStore, dates: dict[str, object]) -> None:
    objects.create([make(f"BIG{number}", number, size=1_500_000) for number in range(5)])

    pages = crawl(objects, Window(limit=50, **dates))  # type: ignore[arg-type]

    expected = [f"BIG{number}" for number in range(5)][1 if dates.get("date_from") == at(1) else 0 :]
    assert [object_id for page in pages for object_id in ids(page)] == expected
    assert [len(page.bodies) for page in pages] == [2] * (len(expected) // 2) + [1] * (len(expected) % 2)
    assert {page.total for page in pages} == {len(expected)}


def test_an_object_larger_than_a_page_comes_alone(objects: ObjectStore) -> None:
    objects.create([make("SMALL"), make("HUGE", size=5_000_000), make("LAST")])

    assert [ids(page) for page in crawl(objects, Window())] == [["SMALL"], ["HUGE"], ["LAST"]]


# --- cursors -----------------------------------------------------------------------------------------------------


def test_a_cursor_of_other_dates_is_refused(objects: ObjectStore) -> None:
    fill(objects, 10)
    window = Window(limit=2, date_from=at(3))
    cursor = objects.page("all", window).next_cursor

    for other in (Window(cursor=cursor), Window(date_from=at(8), cursor=cursor), Window(date_to=at(2), cursor=cursor)):
        with pytest.raises(InvalidParameters):
            objects.page("all", other)


@pytest.mark.parametrize("cursor", ["x", "bm90aGluZw", "W10", "WzFd", "é", "=", "WyIiLCIiLDFd"])
def test_a_cursor_that_is_not_ours_is_refused(objects: ObjectStore, cursor: str) -> None:
    with pytest.raises(InvalidParameters):
        objects.page("all", Window(date_from=at(3), cursor=cursor))
