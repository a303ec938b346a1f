"""The defects of the spec's examples, which partners have too: what is forgiven, warned of, or cannot be seen."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.rules.receiving import CREATED, REFUSED, receiving
from tests.world import pair

Json = Any
Counted = set[tuple[str, str]]

each_profile = pytest.mark.parametrize("profile", Profile)


def price(component: Json) -> Json:
    return make.tariff("x", elements=[{"price_components": [component]}])


BELGIAN = make.location(country="BE", coordinates={"latitude": "50.846557", "longitude": "4.351697"})
QUOTED = {"type": "TIME", "price": "3.50", "step_size": 60}
WITHOUT_STAMP = {field: value for field, value in make.tariff("x").items() if field != "last_updated"}


@pytest.mark.parametrize(
    ("name", "value", "counted"),
    [
        ("Session", make.session("x", location=BELGIAN), {("FMT-15", "location.country")}),
        ("CDR", make.cdr("x", location=BELGIAN), {("FMT-15", "location.country")}),
        ("Tariff", price(QUOTED), {("FMT-06", "elements[].price_components[].price")}),
        (
            "CDR",
            make.cdr("x", tariffs=[price(QUOTED)]),
            {("FMT-06", "tariffs[].elements[].price_components[].price")},
        ),
        ("Session", make.session("x", kwh="41", total_cost="2.50"), {("FMT-06", "kwh"), ("FMT-06", "total_cost")}),
        ("Tariff", WITHOUT_STAMP, {("TRA-20", "last_updated")}),
        (
            "Location",
            make.location("x", evses=[make.evse(floor_level=-1, physical_reference=3)]),
            {("FMT-07", "evses[].floor_level"), ("FMT-07", "evses[].physical_reference")},
        ),
    ],
    ids=["country", "country in a CDR", "price", "price in a CDR", "amounts", "no last_updated", "floor as a number"],
)
def test_a_common_defect_is_refused_in_strict_and_mended_and_counted_in_lenient(
    name: str, value: Json, counted: Counted
) -> None:
    """FMT-06, FMT-07, FMT-15, TRA-20, Q-15, Q-16, Q-31."""
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    assert strict.put(name, value).outcome == REFUSED
    assert lenient.put(name, value).outcome == CREATED
    assert lenient.counted() == counted
    assert strict.put(name, lenient.held(name)).outcome == CREATED


TWO_EVSES = make.location(evses=[make.evse("E1"), make.evse("E2")])
TWO_CONNECTORS = make.location(evses=[make.evse(connectors=[make.connector("1"), make.connector("2")])])
NO_EVSE = make.location(evses=None)
LATE = [{"start_date_time": "2026-01-01T00:10:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}]
BACKWARDS = [
    {"start_date_time": f"2026-01-01T0{hour}:00:00Z", "dimensions": [{"type": "TIME", "volume": 1}]} for hour in (0, 1)
][::-1]


@each_profile
@pytest.mark.parametrize(
    ("name", "value", "counted"),
    [
        ("Session", make.session("x", location=TWO_EVSES), {("SES-08", "location")}),
        ("Session", make.session("x", location=TWO_CONNECTORS), {("SES-08", "location")}),
        ("Session", make.session("x", location=NO_EVSE), {("SES-08", "location")}),
        ("CDR", make.cdr("x", location=TWO_EVSES), {("CDR-15", "location")}),
        ("CDR", make.cdr("x", location=TWO_CONNECTORS), {("CDR-15", "location")}),
        ("CDR", make.cdr("x", charging_periods=LATE), {("CDR-12", "charging_periods")}),
        ("CDR", make.cdr("x", charging_periods=BACKWARDS), {("CDR-12", "charging_periods")}),
        ("CDR", make.cdr("x", total_time=7200), {("CDR-13", "total_time")}),
        ("CDR", make.cdr("x", total_parking_time=2.5), {("CDR-13", "total_parking_time")}),
        ("CDR", make.cdr("x", total_parking_time=-1), {("CDR-13", "total_parking_time")}),
        (
            "Tariff",
            make.tariff("x", elements=[make.tariff()["elements"][0] | {"restrictions": {"min_power": 32}}]),
            {("TAR-08", "elements")},
        ),
    ],
)
def test_what_is_odd_but_usable_is_taken_and_only_warned_of(
    name: str, value: Json, counted: Counted, profile: Profile
) -> None:
    """SES-08, CDR-12, CDR-13, CDR-15, TAR-08: in seconds or in hours, one connector or more."""
    node = receiving(profile)

    assert node.put(name, value).outcome == CREATED
    assert node.counted() == counted


@each_profile
@pytest.mark.parametrize(
    ("name", "rule", "field", "value"),
    [
        ("Session", "SES-08", "location", TWO_EVSES | {"operator": {"name": "Blue", "website": "www.example.com"}}),
        ("CDR", "CDR-15", "location", TWO_EVSES | {"time_zone": "Middle/Earth"}),
    ],
)
def test_a_warning_inside_a_part_does_not_hide_that_of_the_whole(
    name: str, rule: str, field: str, value: Json, profile: Profile
) -> None:
    """SES-08, CDR-15: both are counted."""
    node = receiving(profile)
    whole = {"Session": make.session, "CDR": make.cdr}[name]("x", location=value)

    assert node.put(name, whole).outcome == CREATED
    assert (rule, field) in node.counted()
    assert len(node.counted()) == 2


@pytest.mark.parametrize(("module", "rule"), [(ModuleID.SESSIONS, "SES-08"), (ModuleID.CDRS, "CDR-15")])
def test_our_host_cannot_hide_two_evses_behind_a_field_that_nobody_knows(module: ModuleID, rule: str) -> None:
    """SES-08, CDR-15: what others are warned of we do not send."""
    nodes = pair()

    with pytest.raises(InvalidParameters, match=rule):
        nodes.put_in(module, make.object_of(module, location=TWO_EVSES | {"colour": "blue"}))

    assert nodes.put_in(module, make.object_of(module, location=make.location(colour="blue"))).outcome == "created"


def test_two_rules_broken_at_one_place_are_both_counted() -> None:
    """FMT-06, CDR-13: the text is mended, and what it says is wrong as well."""
    lenient = receiving(Profile.LENIENT)

    assert lenient.put("CDR", make.cdr("x", total_time="7200")).outcome == CREATED
    assert lenient.counted() == {("FMT-06", "total_time"), ("CDR-13", "total_time")}


# --- what no reader can see --------------------------------------------------------------------------------------


def unseen(profile: Profile, name: str, value: Json) -> tuple[tuple[int, int], Counted]:
    node = receiving(profile)
    return node.put(name, value).outcome, node.counted()


@each_profile
@pytest.mark.parametrize("name", ["Session", "CDR"])
def test_swapped_coordinates_that_lie_on_earth_pass_without_a_warning(name: str, profile: Profile) -> None:
    """Q-17: nothing in them says which is which."""
    swapped = make.location(coordinates={"latitude": "4.351697", "longitude": "50.846557"})
    value = {"Session": make.session, "CDR": make.cdr}[name]("x", location=swapped)

    assert unseen(profile, name, value) == (CREATED, set())


@each_profile
def test_coordinates_whose_swap_leaves_the_earth_are_refused(profile: Profile) -> None:
    """FMT-12, Q-17."""
    swapped = make.location("x", coordinates={"latitude": "103.851959", "longitude": "1.290270"})

    assert unseen(profile, "Location", swapped) == (REFUSED, set())


@each_profile
def test_a_cdr_whose_tariff_is_not_its_connectors_passes_without_a_warning(profile: Profile) -> None:
    """Q-61: the tariffs in the CDR are those that count."""
    connector = make.connector(tariff_id="T8")
    location = make.location(evses=[make.evse(connectors=[connector])])

    assert unseen(profile, "CDR", make.cdr("x", location=location, tariffs=[make.tariff("T9")])) == (CREATED, set())


@each_profile
def test_a_cdr_with_energy_but_no_energy_dimension_passes_without_a_warning(profile: Profile) -> None:
    """Whether the dimensions explain the cost is for whoever calculates it."""
    timed = [{"start_date_time": "2026-01-01T00:00:00Z", "dimensions": [{"type": "TIME", "volume": 2}]}]

    assert unseen(profile, "CDR", make.cdr("x", charging_periods=timed)) == (CREATED, set())


@each_profile
def test_a_last_updated_before_the_end_passes_without_a_warning(profile: Profile) -> None:
    """Nobody can have known by then, yet nothing that we do depends on it."""
    early = "2026-01-01T01:00:00Z"
    session = make.session("x", end_datetime="2026-01-01T02:00:00Z", last_updated=early)

    assert unseen(profile, "CDR", make.cdr("x", last_updated=early)) == (CREATED, set())
    assert unseen(profile, "Session", session) == (CREATED, set())


@each_profile
def test_energy_in_watt_hours_passes_without_a_warning(profile: Profile) -> None:
    """A volume does not say its unit."""
    watt_hours = [{"start_date_time": make.STAMP, "dimensions": [{"type": "ENERGY", "volume": 41000}]}]

    assert unseen(profile, "Session", make.session("x", kwh=41, charging_periods=watt_hours)) == (CREATED, set())


@each_profile
def test_a_pending_session_may_cost_something(profile: Profile) -> None:
    """SES-09: and no cost at all stays apart from a cost of nothing."""
    costs = {cost: make.session("x", status="PENDING", total_cost=cost) for cost in (2.5, 0, None)}
    node = receiving(profile)

    held = {cost: node.held("Session").get("total_cost") for cost, value in costs.items() if node.put("Session", value)}

    assert held == {2.5: 2.5, 0: 0, None: None}
    assert node.counted() == set()


@each_profile
def test_a_step_of_nothing_and_amperes_for_kilowatts_pass_without_a_warning(profile: Profile) -> None:
    """TAR-09: a power does not say its unit."""
    free = {"price_components": [{"type": "FLAT", "price": 0, "step_size": 0}]}
    strong = {"price_components": [QUOTED | {"price": 3.5}], "restrictions": {"min_power": 32}}

    assert unseen(profile, "Tariff", make.tariff("x", elements=[strong, free])) == (CREATED, set())


def test_only_the_ids_of_cdrs_ignore_letter_case() -> None:
    """FMT-07, CDR-18."""
    alike = [module.identifier for module in MODULES.values() if module.key_of("aBc") == module.key_of("AbC")]

    assert alike == [ModuleID.CDRS]
