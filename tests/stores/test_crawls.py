"""Cursors: what we seal we can open, and nothing else that a client sends gets through."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb.cursors import (
    ChangeCursor,
    RankCursor,
    date_bounds,
    decode_cursor,
    encode_cursor,
    fixed_width,
)
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import Window
from tests.stores.crawling import at

MOMENTS = st.datetimes(min_value=at(0).replace(tzinfo=None)).map(lambda moment: moment.replace(tzinfo=at(0).tzinfo))
IDS = st.text(min_size=1, max_size=255).filter(lambda text: text.isprintable())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=8,
)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def judged(window: Window) -> None:
    """Opens the cursor; anything but a place or an ``InvalidParameters`` fails the test."""
    try:
        place = decode_cursor(window)
    except InvalidParameters:
        return
    assert isinstance(place, RankCursor | ChangeCursor)


@given(moment=MOMENTS, object_id=IDS, total=st.integers(0, 10**9))
def test_a_place_by_change_is_opened_as_it_was_sealed(moment: Any, object_id: str, total: int) -> None:
    place = ChangeCursor(last_updated=fixed_width(moment), id=object_id, total=total)

    assert decode_cursor(Window(date_from=at(0), cursor=encode_cursor(place))) == place


@given(removals=st.integers(0, 10**9), restarts=st.integers(0, 3))
def test_a_place_by_rank_is_opened_as_it_was_sealed(removals: int, restarts: int) -> None:
    place = RankCursor(removals=removals, restarts=restarts)

    assert decode_cursor(Window(cursor=encode_cursor(place))) == place


def test_a_cursor_goes_into_a_link_as_it_is_and_is_short() -> None:
    cursor = encode_cursor(ChangeCursor(last_updated=fixed_width(at(0)), id="ÿ" * 36, total=10**9))

    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) < 200


@given(st.text(max_size=100))
def test_no_text_breaks_the_reading_of_a_cursor(cursor: str) -> None:
    judged(Window(date_from=at(0), cursor=cursor))


@given(JSON)
def test_no_json_breaks_the_reading_of_a_cursor(value: Any) -> None:
    judged(Window(date_from=at(0), cursor=encoded(value)))


@pytest.mark.parametrize(
    "value",
    [
        [],
        [1],
        [-1, 0],
        [True, 0],
        [1.0, 0],
        [10**13, 0],
        ["2026-01-02T00:00:00.000Z", "L1"],
        ["2026-01-02T00:00:00Z", "L1", 1],
        ["2026-01-02T00:00:00.000Z\n", "L1", 1],
        ["٢٠٢٦-01-02T00:00:00.000Z", "L1", 1],
        ["2026-01-02T00:00:00.000Z", "", 1],
        ["2026-01-02T00:00:00.000Z", "x" * 1025, 1],
        ["2026-01-02T00:00:00.000Z", "\ud800", 1],
        ["2026-01-02T00:00:00.000Z", "L1", -1],
        ["2026-01-02T00:00:00.000Z", "L1", True],
        ["2025-01-02T00:00:00.000Z", "L1", 1],
    ],
)
def test_a_forged_cursor_is_refused(value: Any) -> None:
    with pytest.raises(InvalidParameters):
        decode_cursor(Window(date_from=at(0), cursor=encoded(value)))


def test_a_deeply_nested_cursor_is_refused() -> None:
    with pytest.raises(InvalidParameters):
        decode_cursor(Window(cursor=base64.urlsafe_b64encode(b"[" * 100_000).decode()))


@given(MOMENTS, MOMENTS)
def test_texts_sort_as_moments_do(one: Any, other: Any) -> None:
    if one <= other:
        assert fixed_width(one) <= fixed_width(other)
    assert len(fixed_width(one)) == 24


@given(moment=MOMENTS, since=MOMENTS, until=MOMENTS)
def test_bounds_hold_what_lies_in_the_window(moment: Any, since: Any, until: Any) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    span = date_bounds(Window(date_from=since, date_to=until))

    if since <= moment < until:
        assert span
        assert span[0] <= fixed_width(moment) <= span[1]
    if moment >= until and span:
        assert fixed_width(moment) > span[1]
