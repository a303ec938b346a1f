"""Strings of a fixed form, in both profiles: coordinates, hours, days, countries, currencies, time zones, parties."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.countries import ALPHA_3_OF
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.rules.receiving import CREATED, REFUSED, Receiving, counted_as, receiving
from tests.specimens import Path, at, complete, named, places, put

OPENING = ("opening_times", "regular_hours", 0)
RESTRICTIONS = ("elements", 0, "restrictions")
POINTS = [path for path, field in places("Location") if field.name == "latitude"]

each_profile = pytest.mark.parametrize("profile", Profile)


def put_at(node: Receiving, path: Path, value: Any, name: str = "Location") -> tuple[int, int]:
    """What a PUT of an object that is complete but for this place is answered."""
    return node.put(name, put(complete(name), path, value)).outcome


# --- coordinates -------------------------------------------------------------------------------------------------


def beside(latitude: Path) -> Path:
    return (*latitude[:-1], "longitude")


@pytest.mark.parametrize("latitude", POINTS, ids=named)
@pytest.mark.parametrize(
    ("north", "east"), [("52.090737", "5.121420"), ("-90.000000", "-180.000000"), ("0.000000", "179.999999")]
)
def test_a_point_with_six_decimals_is_taken(latitude: Path, north: str, east: str) -> None:
    """FMT-12."""
    strict = receiving(Profile.STRICT)

    reply = strict.put("Location", put(put(complete("Location"), latitude, north), beside(latitude), east))

    assert reply.outcome == CREATED
    assert at(strict.held("Location"), latitude[:-1]).items() >= {"latitude": north, "longitude": east}.items()
    assert strict.counted() == set()


@pytest.mark.parametrize("latitude", POINTS, ids=named)
@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("52.1", "52.100000"),
        ("52", "52.000000"),
        ("52.09073749999999", "52.090737"),
        (" 52.090737 ", "52.090737"),
        (52.1, "52.100000"),
        (-7, "-7.000000"),
        (0.00005, "0.000050"),
    ],
)
def test_another_precision_is_refused_in_strict_and_made_six_decimals_in_lenient(
    latitude: Path, given: Any, becomes: str
) -> None:
    """FMT-12, Q-17: numbers too, even those that Python writes with an exponent."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)
    location = put(put(complete("Location"), latitude, given), beside(latitude), given)

    refused, taken = strict.put("Location", location), lenient.put("Location", location)

    assert (refused.outcome, taken.outcome) == (REFUSED, CREATED)
    assert named(latitude) in refused.message
    assert at(lenient.held("Location"), latitude) == becomes
    assert at(lenient.held("Location"), beside(latitude)) == becomes
    assert lenient.counted() >= {("FMT-12", counted_as(latitude)), ("FMT-12", counted_as(beside(latitude)))}


@pytest.mark.parametrize("latitude", POINTS, ids=named)
@pytest.mark.parametrize("given", ["90.000001", "-91.000000", "95", "52,090737", "52°5'26\"N", "N52.1", "5E1"])
def test_a_place_that_is_not_on_earth_is_refused_by_everybody(latitude: Path, given: str) -> None:
    """FMT-12, Q-17."""
    for profile in Profile:
        assert put_at(receiving(profile), latitude, given) == REFUSED
        assert put_at(receiving(profile), beside(latitude), f"1{given}") == REFUSED


@each_profile
def test_a_point_off_africa_is_taken_and_counted(profile: Profile) -> None:
    """FMT-12, Q-17: 0/0 is where coordinates lie that somebody forgot."""
    node = receiving(profile)

    outcome = put_at(node, ("coordinates",), {"latitude": "0.000000", "longitude": "0.000000"})

    assert outcome == CREATED
    assert node.counted() == {("FMT-12", "coordinates")}


# --- hours and days ----------------------------------------------------------------------------------------------

CLOCKS = [
    ("Location", (*OPENING, "period_begin")),
    ("Location", (*OPENING, "period_end")),
    ("Tariff", (*RESTRICTIONS, "start_time")),
    ("Tariff", (*RESTRICTIONS, "end_time")),
]
each_clock = pytest.mark.parametrize(("name", "path"), CLOCKS, ids=lambda part: part if isinstance(part, str) else None)


@each_clock
@pytest.mark.parametrize(("given", "becomes"), [("9:00", "09:00"), ("24:00", "00:00"), ("09:30:00", "09:30")])
def test_a_loose_time_is_refused_in_strict_and_mended_in_lenient(
    name: str, path: Path, given: str, becomes: str
) -> None:
    """FMT-13, Q-44."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    assert put_at(strict, path, given, name) == REFUSED
    assert put_at(lenient, path, given, name) == CREATED
    assert at(lenient.held(name), path) == becomes
    assert ("FMT-13", counted_as(path)) in lenient.counted()


@each_clock
@pytest.mark.parametrize("given", ["24:01", "25:00", "12:60", "noon", "", "-1:00", "9", "\u0660\u0669:00"])
@each_profile
def test_what_is_no_time_is_refused_by_everybody(name: str, path: Path, given: str, profile: Profile) -> None:
    """FMT-13."""
    node = receiving(profile)

    assert put_at(node, path, given, name) == REFUSED
    assert node.held(name) is None


@each_clock
def test_every_minute_of_the_day_is_a_time(name: str, path: Path) -> None:
    """FMT-13."""
    strict = receiving(Profile.STRICT)
    begins_first = put(complete("Location"), OPENING, {"weekday": 7, "period_begin": "00:00", "period_end": "23:59"})
    whole = begins_first if name == "Location" else complete(name)

    minutes = ["00:01", "09:59", "10:00", "19:59", "20:00", "23:58"]

    assert [strict.put(name, put(whole, path, minute)).code for minute in minutes] == [1000] * 6


@pytest.mark.parametrize(("begin", "end"), [("20:00", "08:00"), ("08:00", "08:00"), ("08:00", "00:00")])
def test_hours_that_end_before_they_begin_are_refused_in_strict_and_counted_in_lenient(begin: str, end: str) -> None:
    """FMT-14, Q-44."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)
    hours = {"weekday": 1, "period_begin": begin, "period_end": end}

    assert put_at(strict, OPENING, hours) == REFUSED
    assert put_at(lenient, OPENING, hours) == CREATED
    assert at(lenient.held("Location"), OPENING) == hours
    assert lenient.counted() == {("FMT-14", counted_as(OPENING))}


@pytest.mark.parametrize("field", ["start_date", "end_date"])
@each_profile
def test_a_day_is_year_month_and_day(field: str, profile: Profile) -> None:
    """FMT-22."""
    path = (*RESTRICTIONS, field)

    assert put_at(receiving(profile), path, "2026-02-28", "Tariff") == CREATED
    for wrong in ("2026-2-8", "28.02.2026", "2026-02-30", "2026-13-01", "2026-00-10", "2026-01-01T00:00:00Z", ""):
        assert put_at(receiving(profile), path, wrong, "Tariff") == REFUSED, wrong


# --- countries, currencies, time zones, parties ------------------------------------------------------------------


def test_every_country_is_taken_in_three_letters() -> None:
    """FMT-15."""
    strict = receiving(Profile.STRICT)

    outcomes = {country: put_at(strict, ("country",), country) for country in ALPHA_3_OF.values()}

    assert {country for country, outcome in outcomes.items() if outcome[1] != 1000} == set()
    assert {"NLD", "DEU", "GBR", "USA", "XKX"} & outcomes.keys() >= {"NLD", "DEU", "GBR", "USA"}
    assert len(outcomes) >= 249
    assert strict.counted() == set()


@pytest.mark.parametrize(("given", "becomes"), [("BE", "BEL"), ("be", "BEL"), ("nld", "NLD"), ("GB", "GBR")])
def test_a_country_in_two_letters_or_small_is_refused_in_strict_and_mapped_in_lenient(given: str, becomes: str) -> None:
    """FMT-15, Q-15."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    assert put_at(strict, ("country",), given) == REFUSED
    assert put_at(lenient, ("country",), given) == CREATED
    assert at(lenient.held("Location"), ("country",)) == becomes
    assert lenient.counted() == {("FMT-15", "country")}


@pytest.mark.parametrize("wrong", ["XX", "ZZZ", "Belgium", "", "056"])
@each_profile
def test_a_country_that_does_not_exist_is_refused_by_everybody(wrong: str, profile: Profile) -> None:
    """FMT-15, Q-15."""
    node = receiving(profile)

    assert put_at(node, ("country",), wrong) == REFUSED
    assert node.held("Location") is None


@pytest.mark.parametrize("name", ["Tariff", "Session", "CDR"])
@pytest.mark.parametrize("wrong", ["EURO", "eur", "EU", "", "€€€"])
@each_profile
def test_a_currency_is_three_capital_letters(name: str, wrong: str, profile: Profile) -> None:
    """FMT-16."""
    assert put_at(receiving(profile), ("currency",), wrong, name) == REFUSED
    assert put_at(receiving(profile), ("currency",), "SEK", name) == CREATED


@each_profile
def test_a_time_zone_that_is_no_iana_name_is_taken_and_counted(profile: Profile) -> None:
    """FMT-18."""
    known, unknown = receiving(profile), receiving(profile)

    assert put_at(known, ("time_zone",), "Europe/Amsterdam") == CREATED
    assert known.counted() == set()
    assert put_at(unknown, ("time_zone",), "GMT+1") == CREATED
    assert unknown.counted() == {("FMT-18", "time_zone")}
    for odd in ("../../etc/passwd", "/etc/passwd", "x" * 255, "Europe", "a\\b", "NL\N{SNOWMAN}"):
        assert put_at(unknown, ("time_zone",), odd) == (200, 1000)
    assert put_at(unknown, ("time_zone",), "x" * 256) == REFUSED


@pytest.mark.parametrize("type_", ["gif", "jpeg", "png", "svg"])
def test_an_image_type_has_up_to_four_letters(type_: str) -> None:
    """FMT-21."""
    strict = receiving(Profile.STRICT)

    assert put_at(strict, ("images", 0, "type"), type_) == CREATED
    assert put_at(strict, ("images", 0, "type"), type_.ljust(5, "x")) == REFUSED


@pytest.mark.parametrize(
    "fields",
    [{"country_code": "NLD"}, {"country_code": "N"}, {"country_code": "N1"}, {"party_id": "AB"}, {"party_id": "ABCD"}],
    ids=str,
)
@each_profile
def test_credentials_name_a_country_in_two_and_a_party_in_three(fields: dict[str, str], profile: Profile) -> None:
    """FMT-17: for everybody."""
    node = receiving(profile)
    before = node.partner

    theirs = make.credentials("a-fresh-token", "https://cpo.example/ocpi/cpo/versions", **fields)
    reply = node.pair.to_emsp("PUT", "/ocpi/emsp/2.1.1/credentials", theirs)

    assert reply.outcome == REFUSED
    assert "(FMT-17)" in reply.message
    assert node.partner == before
