"""Windows and headers of lists: what a query asks for, and what a page says about its place."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import Page, Window, next_link, page_headers, window_of
from tests.rules.hostile import QUERY_NAMES, QUERY_VALUES

JUNE = datetime(2016, 6, 1, tzinfo=UTC)


def test_nothing_asked_is_the_first_page() -> None:
    """PAG-02, PAG-03, PAG-20: of fifty, or of the cap where that is less."""
    assert window_of({}, 100) == Window(offset=0, limit=50)
    assert window_of({}, 20) == Window(offset=0, limit=20)
    assert window_of({"offset": "", "limit": " ", "date_from": "", "cursor": ""}, 100) == Window(offset=0, limit=50)


@given(st.integers(0, 10**8), st.integers(1, 10**8), st.integers(1, 1000))
def test_a_limit_is_bounded_by_the_cap(offset: int, limit: int, cap: int) -> None:
    """PAG-03, PAG-07, PAG-08."""
    window = window_of({"offset": str(offset), "limit": str(limit)}, cap)

    assert (window.offset, window.limit) == (offset, min(limit, cap))


@pytest.mark.parametrize("name", ["offset", "limit"])
@pytest.mark.parametrize("text", ["-1", "abc", "1.0", "1e3", "+1", "٣", "²", "0x1", "1 2", "NaN", "\x00"], ids=ascii)
def test_what_is_no_place_in_a_list_is_refused(name: str, text: str) -> None:
    """PAG-13."""
    with pytest.raises(InvalidParameters, match=rf"{name} must be a whole number of at least .* \(PAG-13\)"):
        window_of({name: text}, 100)


def test_a_page_of_nothing_is_refused() -> None:
    """PAG-13, Q-09: it would never end."""
    with pytest.raises(InvalidParameters, match="PAG-13"):
        window_of({"limit": "0"}, 100)


@pytest.mark.parametrize("digits", [19, 20, 21, 400, 5000])
def test_a_place_far_behind_everything_is_behind_everything(digits: int) -> None:
    """PAG-12, PAG-13: whatever the store can count to."""
    window = window_of({"offset": "9" * digits, "limit": "9" * digits}, 100)

    assert (window.offset, window.limit) == (10**9, 100)


@pytest.mark.parametrize(
    "text",
    [
        *("2016-06-01T00:00:00Z", "2016-06-01T00:00:00", "2016-06-01t00:00:00z", "2016-06-01 00:00:00.000Z"),
        *("2016-06-01T02:00:00+02:00", "2016-06-01T02:00:00 02:00", "2016-06-01T02:00:00+0200"),
        *(
            "2016-06-01T02:00:00 0200",
            "2016-06-01 02:00:00 02:00",
            "2016-05-31T22:00:00-02:00",
            " 2016-06-01T00:00:00Z ",
        ),
    ],
)
def test_a_date_is_read_in_every_spelling(text: str) -> None:
    """PAG-21, Q-25: also where a plus sign became a space on the way."""
    assert window_of({"date_from": text}, 100).date_from == JUNE
    assert window_of({"date_to": text}, 100).date_to == JUNE


@pytest.mark.parametrize("name", ["date_from", "date_to"])
@pytest.mark.parametrize("text", ["yesterday", "2016-06-01", "1464739200", "2016-13-01T00:00:00Z", "2016-06-01T00:00"])
def test_what_is_no_date_is_refused(name: str, text: str) -> None:
    """PAG-21."""
    with pytest.raises(InvalidParameters, match=rf"{name} is not a .* \(PAG-21\)") as refused:
        window_of({name: text}, 100)

    assert text not in str(refused.value)


@given(st.dictionaries(st.sampled_from(QUERY_NAMES), st.sampled_from(QUERY_VALUES) | st.text()), st.integers(1, 1000))
def test_any_query_is_a_window_or_is_refused(query: dict[str, str], cap: int) -> None:
    """PAG-13, PAG-21: nothing else is ever raised."""
    try:
        window = window_of(query, cap)
    except InvalidParameters:
        return

    assert 0 <= window.offset <= 10**9
    assert 1 <= window.limit <= cap
    assert window.cursor != ""


URL = "https://node.example/ocpi/cpo/2.1.1/locations"


def test_the_last_page_has_no_link() -> None:
    """PAG-06, PAG-07, PAG-09: its limit is the one that was asked for all the same."""
    assert page_headers(Page((b"{}",), 21), Window(offset=20, limit=10), URL, {}) == {
        "x-total-count": "21",
        "x-limit": "10",
    }


@given(
    st.text(),
    st.integers(1, 10**9),
    st.integers(1, 1000),
    st.none() | st.text("abc_-=", min_size=1),
)
def test_a_link_carries_the_filters_and_the_next_place(date: str, offset: int, limit: int, cursor: str | None) -> None:
    """PAG-08, PAG-09, PAG-10, Q-24: one absolute URL, encoded so that it decodes to what was asked."""
    page, window = Page((b"{}",), 10**9, offset, cursor), Window(offset=0, limit=limit)

    link = page_headers(page, window, URL, {"date_from": date, "date_to": "2016-06-01T02:00:00+02:00", "foo": "1"})[
        "link"
    ]

    target, end = link[1:].split(">", 1)
    asked = {"date_from": date} if date else {}
    place = {"offset": str(offset), "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    assert (link[0], end) == ("<", '; rel="next"')
    assert target.isascii()
    assert not set(' "<>+') & set(target)
    assert target.startswith(f"{URL}?")
    assert dict(parse_qsl(urlsplit(target).query)) == asked | {"date_to": "2016-06-01T02:00:00+02:00"} | place


# --- the link of a partner -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "url"),
    [
        ('<https://x/?a=1&b=2>; rel="next"', "https://x/?a=1&b=2"),
        ("<https://x/>; rel='next'", "https://x/"),
        ("<https://x/>;rel=next", "https://x/"),
        ("<https://x/> ; REL = NEXT", "https://x/"),
        ('<?offset=50>; rel="next"', "?offset=50"),
        ('< https://x/ >; rel="next"', "https://x/"),
        ('<https://x/?a=1,2;3>; rel="next"', "https://x/?a=1,2;3"),
        ('<https://x/>; rel="last next"', "https://x/"),
        ('<https://x/>; title="a, <b>; rel=prev"; rel="next"', "https://x/"),
        ('<https://x/1>; rel="prev", <https://x/2>; rel="next", <https://x/9>; rel="last"', "https://x/2"),
        ('<https://x/1>,<https://x/2>;rel="next"', "https://x/2"),
        ("", None),
        ('<https://x/>; rel="prev"', None),
        ('<https://x/>; rel="nextish"', None),
        ('<https://x/>; title="next"', None),
        ('<https://x/>; title="x; rel=next"', None),
        ('<https://x/>; xrel="next"', None),
        ('<https://x/>; rev="next"', None),
        ("<https://x/>", None),
        ('<>; rel="next"', None),
        ('https://x/; rel="next"', None),
        ('<https://x/; rel="next"', None),
    ],
)
def test_the_next_page_is_found_in_its_header(header: str, url: str | None) -> None:
    """PAG-15, Q-24."""
    assert next_link(header) == url


@given(st.text(max_size=300) | st.text("<>;,=\"' relnxt", max_size=300))
def test_no_header_is_too_strange(header: str) -> None:
    """PAG-15."""
    found = next_link(header)

    assert found is None or (found in header and found == found.strip())


@pytest.mark.parametrize("piece", ["<", "<>", "<>;", '<>;"', '<>;a="', "<a>;;", '<a>; rel="prev",', ";a='\""])
def test_no_header_takes_long(piece: str) -> None:
    """PAG-15: what is longer than any honest header is not read to its end."""
    began = time.process_time()

    assert next_link(piece * 100_000) is None
    assert time.process_time() - began < 1


URLS = st.text(st.characters(codec="ascii", exclude_characters="<>\x7f", min_codepoint=33), min_size=1, max_size=40)
NAMES = st.sampled_from(["title", "type", "anchor", "hreflang", "x"])
VALUES = st.text(st.characters(codec="ascii", exclude_characters="\"\\\x7f'", min_codepoint=32), max_size=20)
PARAMETERS = st.lists(st.tuples(NAMES, VALUES), max_size=3).map(
    lambda found: "".join(f'; {name}="{value}"' for name, value in found)
)
OTHERS = st.lists(st.tuples(URLS, st.sampled_from(["prev", "first", "last"]), PARAMETERS), max_size=3)


@given(URLS, OTHERS, OTHERS, PARAMETERS, PARAMETERS, st.sampled_from(['"next"', "'next'", "next", '"Next"']))
def test_the_next_page_is_found_among_others(
    url: str,
    before: list[tuple[str, str, str]],
    behind: list[tuple[str, str, str]],
    ahead: str,
    after: str,
    relation: str,
) -> None:
    """PAG-15, Q-24."""
    others = [[f'<{other}>{more}; rel="{name}"' for other, name, more in links] for links in (before, behind)]

    assert next_link(", ".join([*others[0], f"<{url}>{ahead}; rel={relation}{after}", *others[1]])) == url


@given(st.integers(0, 10**6), st.integers(1, 1000), st.text(max_size=20))
def test_our_own_link_is_understood(offset: int, limit: int, cursor: str) -> None:
    """PAG-15, PAG-06."""
    page = Page((b"{}",), offset + 2, offset + 1, cursor or None)

    headers = page_headers(page, Window(offset=offset, limit=limit), "https://cpo.example/ocpi/cpo/2.1.1/locations", {})

    found = next_link(headers["link"])
    assert found is not None
    query = dict(parse_qsl(urlsplit(found).query, keep_blank_values=True))
    assert query == {"offset": str(offset + 1), "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
