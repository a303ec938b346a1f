"""Proves what a CPO serves to those who pull its locations: the list, and every object at its own URL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.modules.locations.objects import Connector, Evse, Location
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile, read_value
from chalicelib.ocpi.types import OcpiObject, format_date_time
from tests import make
from tests import strategies as drawn
from tests.world import Pair, pair

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS
ROOT = "/ocpi/cpo/2.1.1/locations"


@pytest.fixture
def there() -> Pair:
    """A CPO with two locations."""
    found = pair()
    two = [make.connector("1"), make.connector("2")]
    found.cpo.company.own_objects[LOCATIONS].import_all(
        [make.location("LOC1", evses=[make.evse("E1", connectors=two), make.evse("E2")]), make.location("LOC2")]
    )
    return found


def test_the_list_holds_every_location_whole_and_in_pages(there: Pair) -> None:
    """LOC-01, PAG-01, PAG-24."""
    reply = there.to_cpo("GET", ROOT, query={"limit": "1"})

    assert reply.outcome == (200, 1000)
    assert reply.headers["x-total-count"] == "2"
    assert reply.headers["x-limit"] == "1"
    assert "offset=1" in reply.headers["link"]
    assert [evse["uid"] for evse in reply.data[0]["evses"]] == ["E1", "E2"]


def test_each_depth_has_a_url_of_its_own_and_answers_with_an_object(there: Pair) -> None:
    """LOC-03, TRA-12."""
    location = there.to_cpo("GET", f"{ROOT}/LOC1").data
    evse = there.to_cpo("GET", f"{ROOT}/LOC1/E1").data
    connector = there.to_cpo("GET", f"{ROOT}/LOC1/E1/2").data

    assert location == there.to_cpo("GET", ROOT).data[0]
    assert evse == location["evses"][0]
    assert connector == location["evses"][0]["connectors"][1]


@pytest.mark.parametrize(
    "path",
    ["NONE", "NONE/E1", "LOC1/NONE", "LOC1/NONE/1", "LOC1/E1/NONE", "LOC1/E2/2", "loc1", "LOC1/e1", f"{'x' * 300}"],
)
def test_what_is_not_there_or_stands_under_another_parent_is_404(there: Pair, path: str) -> None:
    """LOC-04, Q-76: connector 2 belongs to E1; ids have a case."""
    assert there.to_cpo("GET", f"{ROOT}/{path}").outcome == (404, 2003)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["", "/LOC1", "/LOC1/E1", "/LOC1/E1/1"])
def test_partners_only_read(there: Pair, path: str, method: str) -> None:
    """LOC-05."""
    reply = there.to_cpo(method, ROOT + path, make.location("LOC1", city="Gouda"))

    assert reply.outcome == (405, 2000)
    assert reply.headers["allow"] == "GET, OPTIONS"
    assert there.to_cpo("GET", f"{ROOT}/LOC1").data["city"] == "Utrecht"


def test_a_change_of_a_part_is_a_change_of_its_location_for_a_delta_pull(there: Pair) -> None:
    """LOC-02, PAG-24."""
    there.world.clock.pass_(days=1)
    since = format_date_time(there.world.clock.now - timedelta(minutes=1))

    there.cpo.company.own_objects[LOCATIONS].patch("LOC2", ("E1", "1"), {"amperage": 16})

    (found,) = there.to_cpo("GET", ROOT, query={"date_from": since}).data
    assert found["id"] == "LOC2"
    assert found["last_updated"] == found["evses"][0]["last_updated"] >= since
    assert found["evses"][0]["connectors"][0]["last_updated"] >= since


def test_a_location_whose_evses_are_all_gone_is_still_there_for_those_who_pull_deltas(there: Pair) -> None:
    """LOC-06, LOC-30: so that they learn it."""
    there.world.clock.pass_(days=1)
    since = format_date_time(there.world.clock.now)

    there.cpo.company.own_objects[LOCATIONS].put("LOC2", (), make.location("LOC2", evses=[]))

    (found,) = there.to_cpo("GET", ROOT, query={"date_from": since}).data
    assert (found["id"], [evse["status"] for evse in found["evses"]]) == ("LOC2", ["REMOVED"])


def test_a_connector_that_is_free_names_a_tariff_that_is_in_our_list(there: Pair) -> None:
    """LOC-10, TAR-09: without a tariff_id nothing is said about the price."""
    free = {"elements": [{"price_components": [{"type": "FLAT", "price": 0.00, "step_size": 0}]}]}
    there.cpo.company.own_objects[TARIFFS].put("FREE", (), make.tariff("FREE", **free))
    there.cpo.company.own_objects[LOCATIONS].patch("LOC1", ("E1", "1"), {"tariff_id": "FREE"})

    connectors = there.to_cpo("GET", f"{ROOT}/LOC1/E1").data["connectors"]

    tariffs = {tariff["id"]: tariff for tariff in there.to_cpo("GET", "/ocpi/cpo/2.1.1/tariffs").data}
    assert [connector.get("tariff_id") for connector in connectors] == ["FREE", None]
    assert tariffs["FREE"]["elements"][0]["price_components"][0]["price"] == 0


@settings(max_examples=50, deadline=None)
@given(value=drawn.locations(st.just("LOC1"), least=1))
def test_whatever_the_host_puts_in_partners_get_valid_objects(value: Json) -> None:
    """LOC-07, LOC-03, Q-20: read as strictly as we can, without a remark."""
    there = pair()
    there.cpo.company.own_objects[LOCATIONS].put("LOC1", (), value)
    evse = value["evses"][0]
    urls: list[tuple[str, type[OcpiObject]]] = [
        (f"{ROOT}/LOC1", Location),
        (f"{ROOT}/LOC1/{evse['uid']}", Evse),
        (f"{ROOT}/LOC1/{evse['uid']}/{evse['connectors'][0]['id']}", Connector),
    ]

    for url, model in urls:
        data = there.to_cpo("GET", url).data
        reading = read_value(model, data, Profile.STRICT, there.world.clock.now)

        assert [deviation for deviation in reading.deviations if deviation.rule != "FMT-09"] == []
        assert drawn.significant(data) == data


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"evses": [make.evse(capabilities=["TELEPORT"])]}, "capabilities[0]"),
        ({"evses": [make.evse(connectors=[make.connector(standard="GBT_AC")])]}, "standard"),
        ({"evses": [make.evse(connectors=[])]}, "connectors"),
        ({"evses": [make.evse("E1"), make.evse("E1")]}, "EVSE uid twice"),
        ({"country": "NL"}, "country"),
        ({"coordinates": {"latitude": "52.1", "longitude": "5.1"}}, "latitude"),
        ({"address": "x" * 46}, "address"),
        ({"id": "OTHER"}, "Location.id"),
    ],
)
def test_the_host_cannot_make_us_send_what_the_spec_does_not_know(there: Pair, wrong: Json, why: str) -> None:
    """LOC-07, LOC-08, LOC-09, Q-20."""
    before = there.to_cpo("GET", f"{ROOT}/LOC1").data

    with pytest.raises(InvalidParameters) as refused:
        there.cpo.company.own_objects[LOCATIONS].put("LOC1", (), make.location("LOC1") | wrong)

    assert why in str(refused.value)
    assert there.to_cpo("GET", f"{ROOT}/LOC1").data == before


def test_an_id_never_changes(there: Pair) -> None:
    """LOC-08: at any depth."""
    own = there.cpo.company.own_objects[LOCATIONS]
    for path, patch in (((), {"id": "L"}), (("E1",), {"uid": "E9"}), (("E1", "1"), {"id": "9"})):
        with pytest.raises(InvalidParameters):
            own.patch("LOC1", path, patch)

    assert [evse["uid"] for evse in own.get("LOC1")["evses"]] == ["E1", "E2"]
