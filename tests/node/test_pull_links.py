"""A crawl follows the partner's own links to the end of the list, wherever that is, but never to somebody else."""

from __future__ import annotations

import pytest

from chalicelib.node.pulling.state import MOST_PAGES, PullState
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests.node.pulling import LISTED, Crawl, answered, following, ids

PATH = "/ocpi/cpo/2.1.1/locations"


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ('<https://cpo.example/ocpi/cpo/2.1.1/locations?cursor=a%2Bb>; rel="next"', f"{PATH}?cursor=a%2Bb"),
        ('<https://cpo.example/ocpi/cpo/2.1.1/locations/more/7>; rel="next"', f"{PATH}/more/7"),
        ("<https://cpo.example/ocpi/cpo/2.1.1/locations?c=1>; rel='next'", f"{PATH}?c=1"),
        ("<https://cpo.example/ocpi/cpo/2.1.1/locations?c=1>;rel=next", f"{PATH}?c=1"),
        ('<?offset=2&limit=1>; rel="next"', f"{PATH}?offset=2&limit=1"),
        ('</ocpi/cpo/2.1.1/locations?c=1>; rel="next"', f"{PATH}?c=1"),
        ('<locations?c=1>; rel="next"', f"{PATH}?c=1"),
        ('<https://else.example/>; rel="first", <?c=1>; title="a, b"; rel="next", <?c=9>; rel="last"', f"{PATH}?c=1"),
        ('<http://cpo.example/ocpi/cpo/2.1.1/locations?c=1>; rel="next"', f"{PATH}?c=1"),
        ('<http://10.0.0.7:8080/ocpi/cpo/2.1.1/locations?c=1>; rel="next"', f"{PATH}?c=1"),
        ('<https://internal.example/ocpi/cpo/2.1.1/locations/?c=1>; rel="next"', f"{PATH}/?c=1"),
    ],
)
def test_the_link_is_followed_as_it_was_meant(header: str, asked: str) -> None:
    """PAG-15, Q-24: opaque, relative, in any quotes, one of several, or written by a proxy with its own host."""
    crawl = Crawl()
    mark = len(crawl.world.traffic)

    done = crawl.run(answered(ids(1), header), answered(ids(2)))

    assert (done.state, crawl.urls[1]) == (PullState.DONE, asked)
    assert crawl.held([1, 2]) == [1, 2]
    assert {each.host for each in crawl.world.since(mark)} == {"cpo.example"}


@pytest.mark.parametrize("module", LISTED)
def test_pages_may_be_of_any_size(module: ModuleID) -> None:
    """PAG-15: nothing is computed from what we asked for, and a list that grows needs no new beginning."""
    crawl = Crawl(module)

    done = crawl.run(
        answered(ids(0, module=module), following("?c=a"), 6),
        answered(ids(1, 2, 3, module=module), following("?c=b"), 7),
        answered(ids(4, 5, 6, module=module), None, 7),
    )

    assert (done.state, done.received, done.total) == (PullState.DONE, 7, 7)
    assert [request.query.get("c") for request in crawl.asked] == [None, "a", "b"]
    assert crawl.held(range(7)) == list(range(7))


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/list?c=1",
        "https://cpo.example.evil.example/ocpi/cpo/2.1.1/locations/2",
        "http://cpo.example/other",
        "https://cpo.example:444/other",
        "https://cpo.example@evil.example/other",
        "//evil.example/other",
        "ftp://cpo.example/other",
        "javascript:1",
    ],
)
def test_another_host_never_gets_our_token(link: str) -> None:
    """PAG-15, Q-24: the crawl ends there, with what has come so far."""
    crawl = Crawl()
    met: list[Request] = []

    def greedy(request: Request) -> Response:
        met.append(request)
        return answered(ids(2))

    crawl.world.hosts |= dict.fromkeys(("evil.example", "cpo.example:444", "cpo.example@evil.example"), greedy)
    done = crawl.run(answered(ids(1), following(link)))

    assert done.state is PullState.FAILED
    assert done.problem == "the link to the next page leads to a host that is not theirs"
    assert (met, len(crawl.asked), crawl.held([1])) == ([], 1, [1])


@pytest.mark.parametrize("link", ["//[", "https://[x/list", "http://a]b/"])
def test_a_link_that_is_no_url_ends_the_crawl(link: str) -> None:
    """Q-24: and no message is repeated for it for ever."""
    done = Crawl().run(answered(ids(1), following(link)))

    assert (done.state, done.problem) == (PullState.FAILED, "the link to the next page is no URL")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 40])
def test_pages_that_go_in_circles_end_the_crawl(size: int) -> None:
    """Q-09: however large the circle is, it is not gone round for long."""
    crawl = Crawl()

    def answer(request: Request) -> Response:
        place = int(request.query.get("c", 0))
        return answered(ids(place, len(crawl.asked) % 2), following(f"?c={(place + 1) % size}"))

    crawl.answer = answer

    crawl.schedule.start(crawl.them, crawl.module)
    done = crawl.work()

    assert (done.state, done.problem) == (PullState.FAILED, "the link to the next page leads back")
    assert len(crawl.asked) <= 3 * size + 2


def test_a_link_back_to_the_beginning_ends_the_crawl() -> None:
    """Q-09."""
    crawl = Crawl()

    done = crawl.run(answered(ids(1), following("?c=1")), answered(ids(2), following("?limit=100")))

    assert (done.state, len(crawl.asked)) == (PullState.FAILED, 2)


def test_an_empty_page_with_a_link_ends_the_crawl() -> None:
    """Q-09."""
    done = Crawl().run(answered(ids(1), following("?c=1")), answered([], following("?c=2")))

    assert (done.state, done.problem) == (PullState.FAILED, "an empty page has a next one")
    assert done.since is None


def test_there_is_an_end_to_the_pages_that_we_fetch() -> None:
    """Q-09: as many as we fetch may be had, one more may not."""
    crawl = Crawl()
    crawl.schedule.start(crawl.them, crawl.module)
    crawl.us.pull_steps.steps.clear()
    crawl.us.ports.pulls.save(crawl.now.with_(crawl.world.clock(), page=MOST_PAGES - 2))
    crawl.world.clock.pass_(hours=1)
    crawl.answers = [answered(ids(1), following("?c=1")), answered(ids(2), following("?c=2"))]

    crawl.schedule.start(crawl.them, crawl.module)
    done = crawl.work()

    assert (done.state, done.problem) == (PullState.FAILED, f"more than {MOST_PAGES} pages")
    assert (done.page, len(crawl.asked)) == (MOST_PAGES, 2)


# --- dates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", LISTED)
def test_a_link_that_forgets_the_date_is_followed_and_counted(module: ModuleID) -> None:
    """Q-24: as it is written; in a delta only, for a complete crawl needs no date where none is required."""
    crawl = Crawl(module)
    pages = [
        answered(ids(1, module=module), following("?c=1")),
        answered(ids(2, module=module), following("?c=2")),
        answered(ids(3, module=module)),
    ]

    assert crawl.run(*pages).is_full
    assert "link_without_date_from" not in crawl.counters
    done = crawl.run(*pages)

    assert (done.state, done.is_full) == (PullState.DONE, False)
    assert [request.query.get("c") for request in crawl.asked[3:]] == [None, "1", "2"]
    assert all("date_from" not in request.query for request in crawl.asked[4:])
    assert crawl.counters["link_without_date_from"] == 1


def test_a_link_that_keeps_the_date_is_as_it_should_be() -> None:
    """Q-24, PAG-10."""
    crawl = Crawl()
    crawl.run(answered([]))

    done = crawl.run(answered(ids(1), following("?date_from=2026-01-01T00:00:00Z&offset=1")), answered(ids(2)))

    assert (done.state, done.is_full) == (PullState.DONE, False)
    assert "link_without_date_from" not in crawl.counters


# --- totals --------------------------------------------------------------------------------------------------------


def test_pages_without_links_are_counted_off() -> None:
    """Q-24: where only the total says that there is more."""
    crawl = Crawl()

    done = crawl.run(answered(ids(1, 2), None, 5), answered(ids(3, 4), None, 5), answered(ids(5), None, 5))

    assert (done.state, done.received) == (PullState.DONE, 5)
    assert [request.query for request in crawl.asked] == [
        {"limit": "100"},
        {"limit": "100", "offset": "2"},
        {"limit": "100", "offset": "4"},
    ]


@pytest.mark.parametrize("total", ["x", "-1", "٣", "9" * 5000, ""], ids=ascii)
def test_a_total_that_is_none_is_not_believed(total: str) -> None:
    """PAG-15: the crawl ends all the same."""
    crawl = Crawl()
    first = Response(200, {"x-total-count": total}, answered(ids(1)).body)

    assert crawl.run(first, answered([])).state is PullState.DONE


def shrinking(crawl: Crawl, count: int, gone: list[int], *, links: bool = True) -> None:
    """Lets the owner serve pages of three by offset, and lose the first objects of its list after the first page."""
    listed = list(range(count))

    def answer(request: Request) -> Response:
        start = int(request.query.get("offset", 0))
        page, end = listed[start : start + 3], start + 3
        link = following(f"?offset={end}&limit=3") if links and end < len(listed) else None
        total = len(listed)
        for number in gone if len(crawl.asked) == 1 else []:
            listed.remove(number)
        return answered(ids(*page), link, total)

    crawl.answer = answer


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("count", [5, 6, 7, 12])
@pytest.mark.parametrize("gone", [[0], [0, 2], [0, 1, 2]])
def test_nothing_is_missed_when_the_list_shrinks(count: int, gone: list[int], *, links: bool) -> None:
    """PAG-16: what moved to an earlier page is asked for again."""
    crawl = Crawl()
    shrinking(crawl, count, gone, links=links)

    crawl.schedule.start(crawl.them, crawl.module)
    done = crawl.work()

    assert done.state is PullState.DONE
    assert crawl.held(range(count)) == list(range(count))
    offsets = [int(request.query.get("offset", 0)) for request in crawl.asked]
    assert offsets[:2] == [0, 3]
    assert offsets[2] == 3 - len(gone)


def test_a_list_that_shrinks_behind_opaque_links_is_crawled_again_once() -> None:
    """PAG-16."""
    crawl = Crawl()
    pages = [
        answered(ids(0, 1), following("?c=a"), 5),
        answered(ids(3), following("?c=b"), 4),
        answered(ids(1, 2), following("?c=a"), 4),
        answered(ids(3), following("?c=b"), 3),
        answered(ids(4), None, 3),
    ]

    done = crawl.run(*pages)

    assert done.state is PullState.DONE
    assert [request.query.get("c") for request in crawl.asked] == [None, "a", None, "a", "b"]
    assert crawl.held(range(5)) == list(range(5))
