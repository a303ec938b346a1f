"""Proves what an eMSP makes of the locations that a CPO pushes: EVSEs that go, fragments, nulls, foreign words."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.locations.driver_view import driver_view
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import LATER, counters, metadata, read_as
from tests.world import Caller, Pair, Reply, pair

Json = dict[str, Any]

both_profiles = pytest.mark.parametrize("profile", Profile)
STAMPED = {"last_updated": LATER}
E1, E2 = make.evse("E1"), make.evse("E2")


class Place:
    """A location of the CPO at the eMSP."""

    def __init__(self, there: Pair, *evses: Json) -> None:
        self.there = there
        self.send: Caller = there.to_emsp
        assert self("PUT", "", make.location(evses=list(evses) or None)).outcome == (201, 1000)

    def __call__(self, method: str, path: str, body: Any = None) -> Reply:
        return self.send(method, self.there.at_emsp("locations", "LOC1") + path, body)

    @property
    def held(self) -> Json:
        return dict(self("GET", "").data)

    @property
    def evses(self) -> dict[str, Json]:
        return {evse["uid"]: evse for evse in self.held.get("evses", ())}


def place(*evses: Json, profile: Profile = Profile.LENIENT) -> Place:
    return Place(read_as(pair(), profile), *evses)


# --- parts come and go -------------------------------------------------------------------------------------------


def test_an_evse_is_added_or_replaced_without_touching_its_siblings() -> None:
    """LOC-12."""
    there = place(E1, E2)

    assert there("PUT", "/E3", make.evse("E3")).outcome == (201, 1000)
    assert there("PUT", "/E2", make.evse("E2", status="CHARGING")).outcome == (200, 1000)

    assert there.evses == {"E1": E1, "E2": E2 | {"status": "CHARGING"}, "E3": make.evse("E3")}


def test_a_connector_is_added_or_replaced_within_its_evse() -> None:
    """LOC-13, LOC-08: a connector's id is its own only within its EVSE."""
    there = place(E1, E2)

    assert there("PUT", "/E1/2", make.connector("2")).outcome == (201, 1000)
    assert there("PUT", "/E2/1", make.connector("1", amperage=16)).outcome == (200, 1000)

    assert [connector["id"] for connector in there.evses["E1"]["connectors"]] == ["1", "2"]
    assert there.evses["E1"]["connectors"][0]["amperage"] == 32
    assert there.evses["E2"]["connectors"] == [make.connector("1", amperage=16)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", make.location(evses=[E1, E1])),
        ("/E1", make.evse(connectors=[make.connector("1"), make.connector("1")])),
        ("/E1", make.evse(connectors=[])),
        ("/E1", make.evse(connectors=None)),
        ("", make.location(evses=[make.evse(connectors=[])])),
        ("/E1", make.evse("")),
    ],
)
@both_profiles
def test_ids_are_unique_and_an_evse_has_a_connector(profile: Profile, path: str, body: Json) -> None:
    """LOC-08, LOC-09, TRA-36."""
    there = place(E1, E2, profile=profile)
    before = there.held

    assert there("PUT", path, body).outcome == (200, 2001)

    assert there.held == before


@pytest.mark.parametrize(
    ("path", "patch"), [("/E1", {"connectors": []}), ("", {"evses": [{"uid": "E1", "connectors": []}]})]
)
@both_profiles
def test_a_patch_cannot_take_the_last_connector(profile: Profile, path: str, patch: Json) -> None:
    """LOC-09, TRA-36."""
    there = place(E1, profile=profile)

    assert there("PATCH", path, patch | STAMPED).outcome == (200, 2001)

    assert there.evses == {"E1": E1}


@pytest.mark.parametrize("evses", [None, []])
def test_a_patch_cannot_take_the_evses(evses: Any) -> None:
    """LOC-19: an EVSE goes by its status."""
    there = place(E1)

    assert there("PATCH", "", {"evses": evses} | STAMPED).outcome == (200, 1000)

    assert there.evses == {"E1": E1}


def test_a_removed_evse_stays_retrievable_but_drivers_do_not_see_it() -> None:
    """LOC-19, LOC-20: a location is expired when its last EVSE is removed, and still there."""
    there = place(E1, E2)

    there("PATCH", "/E1", {"status": "REMOVED"} | STAMPED)
    assert there("GET", "/E1").data["status"] == "REMOVED"
    assert [evse["uid"] for evse in (driver_view(there.held, {}) or {})["evses"]] == ["E2"]

    there("PUT", "/E2", E2 | {"status": "REMOVED"} | STAMPED)
    assert driver_view(there.held, {}) is None
    assert there("GET", "").outcome == (200, 1000)


def test_a_location_without_evses_is_accepted_and_not_shown_to_drivers() -> None:
    """LOC-24, LOC-20."""
    there = place()

    assert "evses" not in there.held
    assert driver_view(there.held, {}) is None


@pytest.mark.parametrize("evses", [{}, {"evses": None}, {"evses": []}], ids=str)
def test_a_put_that_does_not_mention_evses_keeps_those_that_we_know(evses: Json) -> None:
    """LOC-24, Q-29, TRA-36: null, [] and omitted are one."""
    there = place(E1, E2)
    bare = {name: value for name, value in make.location(city="Gouda").items() if name != "evses"}

    assert there("PUT", "", bare | evses | STAMPED).outcome == (200, 1000)

    assert there.held["city"] == "Gouda"
    assert there.evses == {"E1": E1, "E2": E2}


def test_an_evse_that_a_put_no_longer_lists_is_absent_until_it_comes_back() -> None:
    """Q-29: hidden from GET, kept inside; connectors are really replaced."""
    there = place(E1, make.evse("E2", connectors=[make.connector("1"), make.connector("2")]))

    there("PUT", "", make.location(evses=[E1], last_updated=LATER))
    assert list(there.evses) == ["E1"]
    assert there("GET", "/E2").outcome == there("PATCH", "/E2", {"status": "CHARGING"}).outcome == (404, 2003)
    assert list(metadata(there.there, ModuleID.LOCATIONS, "LOC1")["absent"]) == ["E2"]

    assert there("PUT", "/E2", make.evse("E2", last_updated=LATER)).outcome == (201, 1000)
    assert "absent" not in metadata(there.there, ModuleID.LOCATIONS, "LOC1")
    assert [connector["id"] for connector in there.evses["E2"]["connectors"]] == ["1"]


# --- fragments ---------------------------------------------------------------------------------------------------


@both_profiles
def test_fragments_in_a_patch_merge_into_the_evses_that_they_name(profile: Profile) -> None:
    """Q-45: with the stamp of the PATCH, unless they have their own."""
    there = place(E1, E2, make.evse("E3"), profile=profile)

    fragments = [{"uid": "E2", "status": "CHARGING"}, {"uid": "E3", "last_updated": "2026-01-05T00:00:00Z"}]
    assert there("PATCH", "", {"evses": fragments} | STAMPED).outcome == (200, 1000)

    assert there.evses == {
        "E1": E1,
        "E2": E2 | {"status": "CHARGING"} | STAMPED,
        "E3": make.evse("E3", last_updated="2026-01-05T00:00:00Z"),
    }


@both_profiles
def test_fragments_of_connectors_merge_through_their_evse(profile: Profile) -> None:
    """Q-45."""
    two = [make.connector("1"), make.connector("2")]
    there = place(make.evse("E1", connectors=two), profile=profile)

    there("PATCH", "", {"evses": [{"uid": "E1", "connectors": [{"id": "2", "tariff_id": "T9"}]}]} | STAMPED)

    assert there.evses["E1"]["connectors"] == [two[0], two[1] | {"tariff_id": "T9"} | STAMPED]
    assert there.evses["E1"]["status"] == "AVAILABLE"


@both_profiles
def test_a_fragment_that_is_a_whole_evse_adds_it(profile: Profile) -> None:
    """Q-45."""
    there = place(E1, profile=profile)

    assert there("PATCH", "", {"evses": [E2]} | STAMPED).outcome == (200, 1000)

    assert there.evses == {"E1": E1, "E2": E2}


@pytest.mark.parametrize(
    ("path", "patch"),
    [
        ("", {"evses": [{"uid": "E9", "status": "CHARGING"}]}),
        ("", {"evses": [{"status": "CHARGING"}]}),
        ("", {"evses": ["E1"]}),
        ("", {"evses": [{"uid": "E1", "connectors": [{"id": "9", "tariff_id": "T9"}]}]}),
        ("/E1", {"connectors": [{"id": "9", "tariff_id": "T9"}]}),
    ],
    ids=str,
)
def test_a_fragment_of_nothing_we_know_is_skipped_and_counted_or_refused(path: str, patch: Json) -> None:
    """Q-45: lenient and strict."""
    lenient, strict = place(E1), place(E1, profile=Profile.STRICT)

    assert lenient("PATCH", path, {"city": "Gouda"} | patch if not path else patch | STAMPED).outcome == (200, 1000)
    assert strict("PATCH", path, patch | STAMPED).outcome == (200, 2001)

    assert lenient.held["city"] == ("Utrecht" if path else "Gouda")
    assert [list(there.evses) for there in (lenient, strict)] == [["E1"], ["E1"]]
    assert lenient.evses["E1"]["connectors"] == strict.evses["E1"]["connectors"] == E1["connectors"]
    assert sum(count for name, count in counters(lenient.there).items() if "Q-45" in name) == 1


# --- nulls -------------------------------------------------------------------------------------------------------


@both_profiles
def test_a_null_in_a_patch_clears_an_optional_field(profile: Profile) -> None:
    """Q-21, TRA-36."""
    there = place(make.evse("E1", floor_level="-1"), profile=profile)

    assert there("PATCH", "/E1", {"floor_level": None} | STAMPED).outcome == (200, 1000)
    assert there("PATCH", "", {"name": None, "charging_when_closed": None} | STAMPED).outcome == (200, 1000)

    assert "floor_level" not in there.evses["E1"]
    assert "name" not in there.held
    assert there.held["charging_when_closed"] is True


@pytest.mark.parametrize(
    ("path", "patch", "null", "where", "applied"),
    [
        ("/E1", {"status": None, "floor_level": "-2"}, "status", "/E1", "floor_level"),
        ("", {"city": None, "name": "-2"}, "city", "", "name"),
        ("", {"evses": [{"uid": "E1", "status": None, "floor_level": "-2"}]}, "evses[].status", "/E1", "floor_level"),
        (
            "/E1",
            {"connectors": [{"id": "1", "voltage": None, "tariff_id": "-2"}]},
            "connectors[].voltage",
            "/E1/1",
            "tariff_id",
        ),
    ],
)
def test_a_null_for_a_required_field_is_ignored_or_refused(
    path: str, patch: Json, null: str, where: str, applied: str
) -> None:
    """Q-21: lenient and strict."""
    lenient, strict = place(E1), place(E1, profile=Profile.STRICT)
    before = strict.held

    assert lenient("PATCH", path, patch | STAMPED).outcome == (200, 1000)
    refused = strict("PATCH", path, patch | STAMPED)

    assert refused.outcome == (200, 2001)
    assert null in refused.message
    assert strict.held == before
    assert lenient("GET", where).data[applied] == "-2"
    assert counters(lenient.there)[f"lenient TRA-36 locations {null} is null in a PATCH and was ignored"] == 1
