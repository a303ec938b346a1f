"""Every moment, number, flag and place on earth of the spec's tables, in both profiles."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.reading import Profile
from tests.oracle import Field
from tests.rules.receiving import CREATED, REFUSED, counted_as, receiving
from tests.specimens import ROOTS, Path, at, complete, named, own_places, put, without

CLOCK = {("CDR-12", "charging_periods"), ("CDR-13", "total_time"), ("CDR-13", "total_parking_time")}
"""What a CDR is warned of when one of its times or amounts changes and the others do not."""


def each(*types: str) -> pytest.MarkDecorator:
    """Every place of these types."""
    found = [
        pytest.param(name, path, field, id=f"{name}.{named(path)}")
        for name in ROOTS
        for path, field in own_places(name)
        if field.type in types
    ]
    return pytest.mark.parametrize(("name", "path", "field"), found)


# --- DateTime ----------------------------------------------------------------------------------------------------


@each("DateTime")
@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    "given",
    [
        "2018-01-01T01:08:01Z",
        "2018-01-01T01:08:01",
        "2018-01-01T01:08:01.1Z",
        "2018-01-01T01:08:01.123Z",
        "2018-01-01T01:08:01.123456789",
        "2018-01-01t01:08:01z",
        "2018-01-01 01:08:01",
    ],
)
def test_a_moment_is_taken_in_every_spelling_and_given_in_one(
    name: str, path: Path, field: Field, profile: Profile, given: str
) -> None:
    """FMT-01, FMT-02, FMT-04, Q-13."""
    node = receiving(profile)

    reply = node.put(name, put(complete(name), path, given))

    assert reply.outcome == CREATED
    assert at(node.held(name), path) == "2018-01-01T01:08:01Z"
    assert node.counted() - CLOCK == set()


def test_fractions_of_a_second_put_pushes_in_order() -> None:
    """FMT-04, Q-32: to the millisecond, although only the second is given back."""
    strict, tariff = receiving(Profile.STRICT), complete("Tariff")
    strict.put("Tariff", tariff | {"last_updated": "2026-01-01T00:00:00.500Z"})

    older = strict.put("Tariff", tariff | {"last_updated": "2026-01-01T00:00:00.499Z", "currency": "NOK"})
    kept = strict.held("Tariff")
    newer = strict.put("Tariff", tariff | {"last_updated": "2026-01-01T00:00:00.501Z", "currency": "SEK"})

    assert (older.outcome, newer.outcome) == ((200, 1000), (200, 1000))
    assert kept["currency"] == "EUR"
    assert strict.held("Tariff") == tariff | {"last_updated": "2026-01-01T00:00:00Z", "currency": "SEK"}


@each("DateTime")
@pytest.mark.parametrize(
    "given", ["2018-01-01T03:08:01+02:00", "2017-12-31T20:38:01-0430", "2018-01-01T01:08:01+00:00"]
)
def test_an_offset_is_refused_in_strict_and_converted_in_lenient(
    name: str, path: Path, field: Field, given: str
) -> None:
    """FMT-03, Q-12: not even +00:00 is UTC."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    refused = strict.put(name, put(complete(name), path, given))
    taken = lenient.put(name, put(complete(name), path, given))

    assert (refused.outcome, taken.outcome) == (REFUSED, CREATED)
    assert f"{named(path)} has an offset instead of Z (FMT-03)" in refused.message
    assert strict.held(name) is None
    assert at(lenient.held(name), path) == "2018-01-01T01:08:01Z"
    assert lenient.counted() - CLOCK == {("FMT-03", counted_as(path))}


@each("DateTime")
@pytest.mark.parametrize(
    "given",
    ["", "yesterday", "2018-01-01", "2018-02-30T00:00:00Z", "2018-01-01T25:00:00Z", "٢٠١٨-01-01T00:00:00Z", 1514764800],
)
def test_what_is_no_moment_is_refused_by_everybody(name: str, path: Path, field: Field, given: Any) -> None:
    """FMT-01, TRA-16."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, given))

    assert reply.outcome == REFUSED
    assert f"{named(path)} is not a " in reply.message
    assert "(FMT-01)" in reply.message
    assert lenient.held(name) is None


# --- numbers -----------------------------------------------------------------------------------------------------


@each("number")
def test_a_number_has_at_most_four_decimals(name: str, path: Path, field: Field) -> None:
    """FMT-05: a fifth is refused in strict, kept and counted in lenient."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)
    four, five = put(complete(name), path, 99.1234), put(complete(name), path, 99.12345)

    assert strict.put(name, four).outcome == CREATED
    assert at(strict.held(name), path) == 99.1234
    assert strict.put(name, five).outcome == REFUSED
    assert lenient.put(name, five).outcome == CREATED
    assert at(lenient.held(name), path) == 99.12345
    assert lenient.counted() >= {("FMT-05", counted_as(path))}


@each("number")
@pytest.mark.parametrize(("text", "number"), [("2.00", 2.0), ("41", 41), ("0.5", 0.5)])
def test_a_number_in_quotes_is_refused_in_strict_and_coerced_in_lenient(
    name: str, path: Path, field: Field, text: str, number: float
) -> None:
    """FMT-06, Q-16."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    refused = strict.put(name, put(complete(name), path, text))
    taken = lenient.put(name, put(complete(name), path, text))

    assert (refused.outcome, taken.outcome) == (REFUSED, CREATED)
    assert f"{named(path)} is not a number (FMT-06)" in refused.message
    assert at(lenient.held(name), path) == number
    assert not isinstance(at(lenient.held(name), path), str)
    assert ("FMT-06", counted_as(path)) in lenient.counted()


@each("number")
@pytest.mark.parametrize("wrong", ["", "1e3", "two", "1,5", " 2", True, None, {}, 10**12, 1e300])
def test_what_is_no_number_is_refused_by_everybody(name: str, path: Path, field: Field, wrong: Any) -> None:
    """FMT-05, FMT-06: null only where there must be one."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, wrong))

    may_be_left_out = wrong is None and not field.is_required
    assert reply.outcome == (CREATED if may_be_left_out else REFUSED)
    assert (lenient.held(name) is not None) is may_be_left_out


def test_a_number_is_given_without_an_exponent() -> None:
    """FMT-05."""
    lenient = receiving(Profile.LENIENT)
    path = ("elements", 0, "price_components", 0, "price")

    lenient.put("Tariff", put(complete("Tariff"), path, 0.00001))
    answer = lenient.pair.to_emsp("GET", lenient.pair.at_emsp("tariffs", "x"))

    assert b'"price":0.0,' in answer.response.body


@each("int", "int(1)", "int(5)")
@pytest.mark.parametrize("spelled", [float, str])
def test_an_integer_in_other_clothes_is_refused_in_strict_and_coerced_in_lenient(
    name: str, path: Path, field: Field, spelled: Any
) -> None:
    """FMT-14, FMT-19, Q-16: 7.0 and "7"."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    refused = strict.put(name, put(complete(name), path, spelled(7)))
    taken = lenient.put(name, put(complete(name), path, spelled(7)))

    assert (refused.outcome, taken.outcome) == (REFUSED, CREATED)
    assert f"{named(path)} is not an integer (FMT-19)" in refused.message
    assert repr(at(lenient.held(name), path)) == "7"
    assert lenient.counted() == {("FMT-19", counted_as(path))}


@each("int", "int(1)", "int(5)")
@pytest.mark.parametrize("wrong", [6.5, "6.5", True, 2**31, 10**400])
def test_what_is_no_integer_is_refused_by_everybody(name: str, path: Path, field: Field, wrong: Any) -> None:
    """FMT-19."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, wrong))

    assert reply.outcome == REFUSED
    assert named(path) in reply.message
    assert lenient.held(name) is None


HOURS = ("opening_times", "regular_hours", 0)


@pytest.mark.parametrize(
    ("path", "least", "most", "rule"),
    [
        (("images", 0, "width"), 0, 99_999, "FMT-19"),
        (("images", 0, "height"), 0, 99_999, "FMT-19"),
        ((*HOURS, "weekday"), 1, 7, "FMT-14"),
        (("energy_mix", "energy_sources", 0, "percentage"), 0, 100, "FMT-20"),
    ],
    ids=str,
)
def test_a_number_stays_inside_its_range(path: Path, least: int, most: int, rule: str) -> None:
    """FMT-14, FMT-19, FMT-20."""
    strict, lenient, location = receiving(Profile.STRICT), receiving(Profile.LENIENT), complete("Location")

    assert [strict.put("Location", put(location, path, value)).code for value in (least, most)] == [1000, 1000]
    for beyond in (least - 1, most + 1):
        assert strict.put("Location", put(location, path, beyond)).outcome == REFUSED
        reply = lenient.put("Location", put(location, path, beyond))
        assert reply.outcome == REFUSED
        assert f"{named(path)} is not between {least} and {most} ({rule})" in reply.message


@pytest.mark.parametrize("profile", Profile)
def test_an_energy_mix_that_does_not_add_up_is_taken_and_counted(profile: Profile) -> None:
    """FMT-20."""
    node = receiving(profile)
    sources = [{"source": "WIND", "percentage": 60.5}, {"source": "SOLAR", "percentage": 38.5}]

    reply = node.put("Tariff", put(complete("Tariff"), ("energy_mix", "energy_sources"), sources))

    assert reply.outcome == CREATED
    assert node.counted() == {("FMT-20", "energy_mix.energy_sources")}


@each("boolean")
@pytest.mark.parametrize("wrong", ["true", "false", 0, 1, "", []])
def test_only_true_and_false_are_booleans(name: str, path: Path, field: Field, wrong: Any) -> None:
    """TRA-16, Q-16: for everybody."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, wrong))

    assert reply.outcome == REFUSED
    assert f"{named(path)} is not a boolean (TRA-16)" in reply.message
    assert lenient.held(name) is None


def test_hours_may_leave_out_that_they_are_not_around_the_clock() -> None:
    """FMT-13, Q-44: in lenient."""
    without_it = without(complete("Location"), ("opening_times", "twentyfourseven"))
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    assert strict.put("Location", without_it).outcome == REFUSED
    assert lenient.put("Location", without_it).outcome == CREATED
    assert at(lenient.held("Location"), ("opening_times", "twentyfourseven")) is False
    assert lenient.counted() == {("TRA-20", "opening_times.twentyfourseven")}
