"""Moments and numbers: what is read is what was meant, and what is written is one form only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ocpi.types import any_number, format_date_time, parse_date_time, whole_number

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def to_the_millisecond(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(MOMENTS)
def test_what_is_written_has_one_form(moment: datetime) -> None:
    """FMT-01: and reads back as the second that it was."""
    text = format_date_time(moment)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    assert len(text) == 20
    assert parse_date_time(text) == moment.replace(microsecond=0)


@given(MOMENTS, OFFSETS)
def test_what_is_written_is_utc_wherever_it_was_measured(moment: datetime, zone: timezone) -> None:
    """FMT-01, FMT-03."""
    assert format_date_time(moment.astimezone(zone)) == format_date_time(moment)


@given(MOMENTS, st.integers(0, 9), st.sampled_from("Tt "), st.sampled_from(["", "Z", "z", " Z"]))
def test_every_spelling_is_read_to_the_millisecond(moment: datetime, digits: int, separator: str, zone: str) -> None:
    """FMT-02, FMT-04, Q-13: with up to nine digits of a second, which no rounding carries into the next."""
    fraction = f".{moment.microsecond:06}999"[: digits + 1] if digits else ""
    text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S").zfill(19) + fraction + zone

    kept = int(f"{fraction[1:4]:0<3}") * 1000
    assert parse_date_time(text, offsets=False) == moment.replace(microsecond=kept)


@given(MOMENTS, OFFSETS, st.booleans())
def test_an_offset_is_converted_or_refused(moment: datetime, zone: timezone, colon: bool) -> None:
    """FMT-03, Q-12."""
    text = moment.astimezone(zone).isoformat(timespec="milliseconds")
    text = text if colon else text[:-3] + text[-2:]

    assert parse_date_time(text) == to_the_millisecond(moment)
    with pytest.raises(ValueError, match="has an offset instead of Z"):
        parse_date_time(text, offsets=False)


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?", fullmatch=True))
def test_any_text_is_a_moment_in_utc_or_no_moment(text: str) -> None:
    """FMT-01: nothing else is ever raised."""
    try:
        moment = parse_date_time(text)
    except ValueError:
        return

    assert moment.tzinfo is UTC
    assert moment.year >= 1970


@given(st.decimals(min_value=-(10**11), max_value=10**11, places=6).map(str))
def test_a_decimal_in_quotes_is_that_number(text: str) -> None:
    """FMT-06, Q-16."""
    assert any_number(text) == float(text)


@given(
    st.text() | st.sampled_from(["1e3", "+1", ".5", "5.", "0x1", "1_000", " 1", "1\n", "٣", "NaN", "Infinity", "--1"])
)
def test_what_is_not_digits_is_no_number(text: str) -> None:
    """FMT-06."""
    assert (any_number(text) is not None) is bool(re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", text))


@given(st.integers(-(10**11), 10**11))
def test_a_whole_number_is_one_in_every_clothing(number: int) -> None:
    """FMT-19."""
    assert [whole_number(each) for each in (number, float(number), str(number), f"{number}.0")] == [number] * 4
    assert [whole_number(each) for each in (number + 0.5, f"{number}.5")] == [None, None]


@pytest.mark.parametrize("value", [None, True, [], {}, "x", float("inf"), float("nan"), 10**12, 1e300])
def test_what_is_no_whole_number_is_none(value: object) -> None:
    """FMT-19."""
    assert whole_number(value) in (None, 1)
    assert whole_number(value) is None or value is True
