"""Proves how the habits of real CPOs are taken: foreign words, odd numbers, odd ids; and what drivers then see."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.modules.locations.driver_view import driver_view
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import LATER, counters, read_as
from tests.world import Pair, Reply, pair

Json = dict[str, Any]

STAMPED = {"last_updated": LATER}


def put(there: Pair, value: Json) -> Reply:
    return there.to_emsp("PUT", there.at_emsp("locations", value["id"]), value)


def held(there: Pair) -> Json:
    return dict(there.to_emsp("GET", there.at_emsp("locations", "LOC1")).data)


def counted(there: Pair, rule: str) -> int:
    return sum(count for name, count in counters(there).items() if f"lenient {rule} " in name)


def evse_with(**fields: Any) -> Json:
    return make.location(evses=[make.evse(**fields)])


@pytest.mark.parametrize(
    ("value", "rule", "expected"),
    [
        (evse_with(capabilities=["RFID_READER", "TOKEN_GROUP_CAPABLE"]), "FMT-11", "TOKEN_GROUP_CAPABLE"),
        (evse_with(parking_restrictions=["TAXI"]), "FMT-11", "TAXI"),
        (make.location(facilities=["METRO_STATION"]), "FMT-11", "METRO_STATION"),
        (make.location(type="ALONG_MOTORWAY"), "FMT-11", "ALONG_MOTORWAY"),
        (evse_with(connectors=[make.connector(standard="GBT_AC", power_type="AC_2_PHASE")]), "FMT-11", "GBT_AC"),
        (evse_with(status="OUT_OF_SERVICE"), "FMT-11", "UNKNOWN"),
        (make.location(country="nl"), "FMT-15", "NLD"),
        (make.location(coordinates={"latitude": 52.0907, "longitude": "5.12142001"}), "FMT-12", "52.090700"),
        (evse_with(physical_reference=3, floor_level=-1), "FMT-07", "-1"),
        (evse_with(connectors=[make.connector(voltage="230", amperage=32.0)]), "FMT-19", "230"),
        (make.location(address="Long " * 20), "FMT-10", "Long Long"),
        (make.location(last_updated="2026-01-01T01:00:00+01:00"), "FMT-03", "2026-01-01T00:00:00Z"),
    ],
)
def test_what_real_partners_send_is_kept_or_mended_and_counted_or_refused(
    value: Json, rule: str, expected: str
) -> None:
    """Q-20, Q-15, Q-16, Q-17, Q-18, Q-12: lenient takes it, strict does not (LOC-07)."""
    lenient, strict = pair(), read_as(pair(), Profile.STRICT)

    assert put(lenient, value).outcome == (201, 1000)
    assert put(strict, value).outcome == (200, 2001)

    assert expected in str(held(lenient))
    assert counted(lenient, rule) >= 1


@pytest.mark.parametrize("profile", Profile)
def test_fields_that_the_spec_does_not_know_are_kept_and_not_held_against_anybody(profile: Profile) -> None:
    """Q-22, TRA-37."""
    there = read_as(pair(), profile)
    value = make.location(country_code="NL", party_id="CPO", evses=[make.evse(parking={"floor": [1, None]})])

    assert put(there, value).outcome == (201, 1000)

    assert held(there)["party_id"] == "CPO"
    assert not [name for name in counters(there) if name.startswith("lenient")]


def test_an_evse_without_what_its_connector_needs_is_discarded() -> None:
    """LOC-21, Q-31: the shape of the spec's own example of adding an EVSE."""
    for profile in Profile:
        there = read_as(pair(), profile)
        put(there, make.location())
        bare = {"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "tariff_id": "14"}
        evse = {"uid": "E2", "status": "AVAILABLE", "connectors": [bare], "physical_reference": 3, "floor_level": -1}

        reply = there.to_emsp("PUT", there.at_emsp("locations", "LOC1", "E2"), evse)

        assert reply.outcome == (200, 2001)
        assert "connectors[0].voltage" in reply.message
        assert [evse["uid"] for evse in held(there)["evses"]] == ["E1"]


@pytest.mark.parametrize(
    ("path", "patch"),
    [("/E1", {"status": "CHARGING"}), ("/E1/1", {"tariff_id": "15"}), ("", {"name": "Interparking South"})],
)
@pytest.mark.parametrize("profile", Profile)
def test_the_three_patches_of_the_spec_work_although_they_have_no_stamp(
    profile: Profile, path: str, patch: Json
) -> None:
    """LOC-15, Q-30."""
    there = read_as(pair(), profile)
    put(there, make.location())
    url = there.at_emsp("locations", "LOC1") + path
    before = there.to_emsp("GET", url).data

    assert there.to_emsp("PATCH", url, patch).outcome == (200, 1000)

    after = there.to_emsp("GET", url).data
    assert after == before | patch | {"last_updated": after["last_updated"]}


IDS = ["FRNIS*EFR13100*22RGAL1CE*0", "a/b", "a b", "50%", "ä€🚗", "a+b:c", "%2F", "?x=1#y", "..a", "a;b,c"]


@pytest.mark.parametrize("odd", IDS)
def test_ids_of_any_characters_are_addressed_percent_encoded(odd: str) -> None:
    """Q-27, TRA-28: at every depth."""
    there = pair()
    value = make.location(odd, evses=[make.evse(odd, connectors=[make.connector(odd)])])
    step = quote(odd, safe="")

    assert there.to_emsp("PUT", there.at_emsp("locations", step), value).outcome == (201, 1000)
    url = there.at_emsp("locations", step, step, step)
    assert there.to_emsp("PATCH", url, {"amperage": 16} | STAMPED).outcome == (200, 1000)

    assert there.to_emsp("GET", url).data == make.connector(odd, amperage=16) | STAMPED


def test_the_format_of_an_evse_id_is_the_partners_business() -> None:
    """Q-69, CRD-28."""
    there = pair()

    put(there, make.location(evses=[make.evse("E1", evse_id="+49*123*456"), make.evse("E2", evse_id="BEBECE0415")]))

    assert [evse["evse_id"] for evse in held(there)["evses"]] == ["+49*123*456", "BEBECE0415"]


def test_an_evse_whose_uid_stands_under_another_location_too_is_taken() -> None:
    """Q-69: hardware moves."""
    there = pair()

    assert put(there, make.location("LOC1")).outcome == put(there, make.location("LOC2")).outcome == (201, 1000)

    assert [e["uid"] for e in held(there)["evses"]] == ["E1"]


def test_a_schedule_never_changes_the_status() -> None:
    """LOC-27."""
    there = pair()
    past = {"period_begin": "2014-06-24T00:00:00Z", "period_end": "2014-06-25T00:00:00Z", "status": "INOPERATIVE"}
    now = {"period_begin": "2026-02-01T00:00:00Z", "status": "OUTOFORDER"}

    put(there, evse_with(status="AVAILABLE", status_schedule=[past, now]))

    assert [evse["status"] for evse in held(there)["evses"]] == ["AVAILABLE"]
    shown = driver_view(held(there), {})
    assert shown is not None
    assert shown["evses"][0]["status"] == "AVAILABLE"
    assert shown["evses"][0]["status_schedule"] == [past, now]


HOURS = [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]


@pytest.mark.parametrize(
    ("opening_times", "lenient", "strict", "warned"),
    [
        ({"twentyfourseven": True}, 1000, 1000, False),
        ({"twentyfourseven": False, "regular_hours": HOURS}, 1000, 1000, False),
        ({"twentyfourseven": True, "regular_hours": HOURS}, 1000, 1000, True),
        ({"twentyfourseven": False}, 1000, 2001, True),
        ({"regular_hours": HOURS}, 1000, 2001, False),
    ],
)
def test_a_place_is_open_always_or_at_regular_hours(
    opening_times: Json, lenient: int, strict: int, *, warned: bool
) -> None:
    """LOC-25."""
    there, exact = pair(), read_as(pair(), Profile.STRICT)

    codes = [put(each, make.location(opening_times=opening_times)).code for each in (there, exact)]

    assert codes == [lenient, strict]
    assert (counted(there, "LOC-25") == 1) is warned


def test_a_place_where_cars_charge_after_closing_says_so_by_default() -> None:
    """LOC-26, TRA-21."""
    there = pair()
    put(there, make.location(charging_when_closed=False))
    assert held(there)["charging_when_closed"] is False

    put(there, make.location())

    assert held(there)["charging_when_closed"] is True
    assert (driver_view(held(there), {}) or {})["charging_when_closed"] is True


@pytest.mark.parametrize(
    ("own", "expected"), [({}, {"name": "Example Charging"}), ({"operator": {"name": "Acme"}}, {"name": "Acme"})]
)
def test_the_operator_is_the_cpo_unless_the_location_names_another(own: Json, expected: Json) -> None:
    """LOC-28."""
    shown = driver_view(make.location(**own), make.business_details())

    assert shown is not None
    assert shown["operator"] == expected


def test_an_emsp_that_takes_locations_takes_tariffs_too() -> None:
    """LOC-33."""
    there = pair()

    served = {each["identifier"] for each in there.to_emsp("GET", "/ocpi/emsp/2.1.1").data["endpoints"]}

    assert {"locations", "tariffs"} <= served
