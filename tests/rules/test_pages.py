"""Lists in pages, as a partner crawls them over HTTP: each object once, with true totals and links that carry on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.ocpi.module import ModuleID
from tests.rules.every import EVER, every_module
from tests.rules.hostile import QUERY_NAMES, QUERY_VALUES
from tests.rules.lists import CPO, START, asked, changed_at, crawled, ids, listing, named, text
from tests.world import Pair, crawl, next_link, pair

TARIFFS = f"{CPO}/tariffs"


@pytest.fixture(scope="module")
def thousand() -> Pair:
    """A CPO with a thousand tariffs; for tests that only look."""
    return listing(ModuleID.TARIFFS, 1000)


# --- nothing changes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 99, 100])
def test_following_links_gives_each_of_a_thousand_once(thousand: Pair, limit: int) -> None:
    """PAG-01, PAG-04, PAG-05, PAG-06, PAG-07, PAG-09, PAG-11: oldest first."""
    pages = list(crawl(thousand.to_cpo, TARIFFS, {"limit": str(limit)}))

    assert ids(*pages) == named(0, 1000)
    assert len(pages) == -(-1000 // limit)
    assert {page.headers["x-total-count"] for page in pages} == {"1000"}
    assert {page.headers["x-limit"] for page in pages} == {str(limit)}


@every_module
@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_there_is_a_link_until_the_last_page_and_not_beyond(module: ModuleID, count: int, pages: int) -> None:
    """PAG-06, PAG-09: also where the last page is full, or the list empty."""
    nodes = listing(module, count)

    found = list(crawled(nodes, module, {"limit": "10"}))

    assert len(found) == pages
    assert ids(*found, module=module) == named(0, count)
    assert {page.headers["x-total-count"] for page in found} == {str(count)}


def test_without_an_offset_the_list_begins_at_its_beginning(thousand: Pair) -> None:
    """PAG-02, PAG-04, PAG-20."""
    bare, zero = thousand.to_cpo("GET", TARIFFS), thousand.to_cpo("GET", TARIFFS, query={"offset": "0"})
    second = thousand.to_cpo("GET", TARIFFS, query={"offset": "10", "limit": "10"})

    assert ids(bare) == ids(zero) == named(0, 50)
    assert ids(second) == named(10, 20)


@pytest.mark.parametrize("limit", ["101", "2000", "1000000", "9" * 30])
def test_a_limit_above_the_cap_is_the_cap(thousand: Pair, limit: str) -> None:
    """PAG-03, PAG-08: in the header and in the link."""
    reply = thousand.to_cpo("GET", TARIFFS, query={"limit": limit})

    assert ids(reply) == named(0, 100)
    assert reply.headers["x-limit"] == "100"
    assert dict(parse_qsl(urlsplit(next_link(reply)).query))["limit"] == "100"


@pytest.mark.parametrize("offset", [1000, 1001, 10**12])
@pytest.mark.parametrize("dates", [{}, {"date_from": "2026-03-01T01:00:00Z"}])
def test_behind_the_end_there_is_an_empty_page(thousand: Pair, offset: int, dates: dict[str, str]) -> None:
    """PAG-12: with both headers and no link."""
    reply = thousand.to_cpo("GET", TARIFFS, query={"offset": str(offset), "limit": "7", **dates})

    assert (reply.outcome, reply.data) == ((200, 1000), [])
    assert reply.headers["x-total-count"] == ("941" if dates else "1000")
    assert reply.headers["x-limit"] == "7"
    assert "link" not in reply.headers


@pytest.mark.parametrize(
    "query",
    [{"offset": "-1"}, {"offset": "a"}, {"offset": "1.5"}, {"limit": "0"}, {"limit": "-7"}, {"limit": "ten"}],
    ids=str,
)
@every_module
def test_what_is_no_number_is_2001(module: ModuleID, query: dict[str, str]) -> None:
    """PAG-13, Q-09."""
    reply = asked(pair(), module, query)

    assert reply.outcome == (200, 2001)
    assert "(PAG-13)" in reply.message


@every_module
def test_every_list_has_pages(module: ModuleID) -> None:
    """PAG-01, PAG-02, PAG-03, PAG-04, PAG-06, PAG-07, PAG-08, PAG-09, PAG-12: by offset and limit, up to our cap."""
    nodes = listing(module, 4)
    windows = [{}, {"offset": "0"}, {"offset": "1", "limit": "2"}, {"offset": "3"}, {"offset": "4"}, {"limit": "2000"}]

    pages = [asked(nodes, module, window) for window in windows]

    everything = named(0, 4)
    found = [ids(page, module=module) for page in pages]
    assert found == [everything, everything, everything[1:3], everything[3:], [], everything]
    assert [page.headers["x-limit"] for page in pages] == ["50", "50", "2", "50", "50", "100"]
    assert {page.headers["x-total-count"] for page in pages} == {"4"}
    assert ["link" in page.headers for page in pages] == [False, False, True, False, False, False]


@every_module
def test_every_list_can_be_filtered(module: ModuleID) -> None:
    """PAG-06, PAG-18, PAG-21, PAG-22: by last_updated, with a total of what the filter lets pass."""
    nodes = listing(module, 4)
    first, last = (text(changed_at(nodes, name, module)) for name in ("X0001", "X0003"))
    asked_for = [{"date_from": first}, {"date_from": first, "date_to": last}, {"date_from": last, "date_to": first}]

    pages = [asked(nodes, module, window) for window in asked_for]
    refused = [asked(nodes, module, {name: "yesterday"}) for name in ("date_from", "date_to")]

    assert [ids(page, module=module) for page in pages] == [named(1, 4), named(1, 3), []]
    assert [page.headers["x-total-count"] for page in pages] == ["3", "2", "0"]
    assert [page.outcome for page in refused] == [(200, 2001)] * 2
    assert [page for page in refused if "(PAG-21)" not in page.message] == []


# --- filters -----------------------------------------------------------------------------------------------------


@every_module
def test_the_boundary_belongs_to_what_comes_after_it(module: ModuleID) -> None:
    """PAG-18, Q-07: date_from is inside, date_to is not."""
    nodes = listing(module, 3)
    moment = text(changed_at(nodes, "X0001", module))

    assert ids(asked(nodes, module, {"date_from": moment}), module=module) == named(1, 3)
    assert ids(asked(nodes, module, {"date_to": moment}), module=module) == named(0, 1)


@every_module
def test_asking_from_what_an_object_says_finds_the_object(module: ModuleID) -> None:
    """PAG-18: although it says its second only, and was changed later in it."""
    nodes = listing(module, 3)
    stamp = asked(nodes, module).data[1]["last_updated"]

    assert changed_at(nodes, "X0001", module) > datetime.fromisoformat(stamp)
    assert ids(asked(nodes, module, {"date_from": stamp}), module=module) == named(1, 3)


@pytest.mark.parametrize(
    ("since", "until"), [("2026-03-01T02:00:00Z", "2026-03-01T01:00:00Z"), ("2026-03-01T02:00:00Z",) * 2]
)
def test_an_inverted_window_is_empty(thousand: Pair, since: str, until: str) -> None:
    """PAG-22."""
    reply = thousand.to_cpo("GET", TARIFFS, query={"date_from": since, "date_to": until})

    assert (reply.outcome, reply.data) == ((200, 1000), [])
    assert reply.headers["x-total-count"] == "0"
    assert "link" not in reply.headers


@pytest.mark.parametrize("name", ["date_from", "date_to"])
@pytest.mark.parametrize("value", ["yesterday", "2026-03-01", "1772323200", "2026-02-30T00:00:00Z"])
def test_what_is_no_date_is_2001(thousand: Pair, name: str, value: str) -> None:
    """PAG-21: named by parameter and rule, not by value."""
    reply = thousand.to_cpo("GET", TARIFFS, query={name: value})

    assert reply.outcome == (200, 2001)
    assert reply.message.startswith(f"{name} is not a ")
    assert "(PAG-21)" in reply.message
    assert value not in reply.message


@pytest.mark.parametrize("since", ["2026-03-01T05:00:00", "2026-03-01T05:00:00Z", "2026-03-01T07:00:00+02:00"])
def test_the_link_carries_the_filters(thousand: Pair, since: str) -> None:
    """PAG-10, PAG-21: encoded, on our public address; each page then has the same total."""
    pages = list(
        crawl(thousand.to_cpo, TARIFFS, {"date_from": since, "date_to": "2026-03-01T10:00:00Z", "limit": "77"})
    )

    for number, page in enumerate(pages[:-1], 1):
        link = urlsplit(next_link(page))
        query = dict(parse_qsl(link.query))
        assert (link.scheme, link.netloc, link.path) == ("https", "cpo.example", TARIFFS)
        assert (query["date_from"], query["date_to"]) == (since, "2026-03-01T10:00:00Z")
        assert (query["offset"], query["limit"]) == (str(77 * number), "77")
        assert "+" not in link.query
    assert ids(*pages) == named(299, 599)
    assert {page.headers["x-total-count"] for page in pages} == {"300"}


@every_module
def test_the_link_of_every_list_carries_its_filters(module: ModuleID) -> None:
    """PAG-10, PAG-19: else the second page of sessions could not be asked for."""
    nodes = listing(module, 3)

    dates = {**EVER, "date_to": "2030-01-01T00:00:00+02:00"}
    pages = list(crawled(nodes, module, {"limit": "2", **dates}))

    query = dict(parse_qsl(urlsplit(next_link(pages[0])).query))
    assert query.items() >= {**dates, "offset": "2", "limit": "2"}.items()
    assert ids(*pages, module=module) == named(0, 3)


def test_the_second_page_of_sessions_needs_the_date_too() -> None:
    """PAG-19: a link that had lost it would be refused."""
    nodes = listing(ModuleID.SESSIONS, 3)
    link = urlsplit(next_link(asked(nodes, ModuleID.SESSIONS, {"limit": "2"})))
    rest = {name: value for name, value in parse_qsl(link.query) if name != "date_from"}

    reply = nodes.to_cpo("GET", link.path, query=rest)

    assert reply.outcome == (200, 2001)
    assert reply.message == "date_from is required for sessions (PAG-19)"


INSTANTS = st.none() | st.integers(0, 1010 * 60_000).map(lambda passed: START + timedelta(milliseconds=passed))


@settings(max_examples=40, deadline=None)
@given(since=INSTANTS, until=INSTANTS, limit=st.integers(20, 120), plain=st.booleans())
def test_any_window_holds_what_was_changed_in_it(
    thousand: Pair, since: datetime | None, until: datetime | None, limit: int, plain: bool
) -> None:
    """PAG-06, PAG-11, PAG-18: whether the partner follows our links or counts offsets itself."""
    dates = {"date_from": since, "date_to": until}
    query = {name: text(moment) for name, moment in dates.items() if moment} | {"limit": str(limit)}
    offsets = range(0, 1001, min(limit, 100))

    pages = (
        [thousand.to_cpo("GET", TARIFFS, query=query | {"offset": str(offset)}) for offset in offsets]
        if plain
        else [*crawl(thousand.to_cpo, TARIFFS, query)]
    )

    low, high = since or START, until or datetime.max.replace(tzinfo=UTC)
    expected = [name for name in named(0, 1000) if low <= changed_at(thousand, name) < high]
    assert ids(*pages) == expected
    assert {page.headers["x-total-count"] for page in pages} == {str(len(expected))}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(QUERY_NAMES), st.sampled_from(QUERY_VALUES) | st.text(), max_size=4))
def test_any_query_is_answered_with_a_page_or_with_2001(thousand: Pair, query: dict[str, str]) -> None:
    """PAG-13, PAG-21: garbage in place of our cursor too."""
    reply = thousand.to_cpo("GET", TARIFFS, query=query)

    assert reply.outcome in {(200, 1000), (200, 2001)}
    if reply.code == 1000:
        assert len(reply.data) <= int(reply.headers["x-limit"]) <= 100
        assert int(reply.headers["x-total-count"]) <= 1000


def test_a_cursor_of_another_window_is_2001(thousand: Pair) -> None:
    """PAG-10, PAG-13: it does not silently give a page of something else."""
    first = thousand.to_cpo("GET", TARIFFS, query={"date_from": "2026-03-01T05:00:00Z", "limit": "7"})
    cursor = dict(parse_qsl(urlsplit(next_link(first)).query))["cursor"]

    for dates in ({}, {"date_from": "2026-03-02T00:00:00Z"}, {"date_to": "2026-03-01T01:00:00Z"}):
        reply = thousand.to_cpo("GET", TARIFFS, query={"cursor": cursor, "limit": "7", **dates})
        assert reply.outcome == (200, 2001)
        assert cursor not in reply.message
