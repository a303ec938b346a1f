"""Proves what becomes of the objects that the host puts in: whose time they carry, what changed, what is announced."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.objects import OURS
from chalicelib.node.owning.own_objects import OwnObjects, OwnResult
from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.node.pushing import another_value
from tests.world import CLIENT_OWNED, Clock, pair

Json = dict[str, Any]

every_module = pytest.mark.parametrize("module", MODULES)
every_client_owned = pytest.mark.parametrize("module", CLIENT_OWNED)

OLD = make.STAMP
LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


class Host:
    """The own objects of one module of the company that owns such, and what it announces."""

    def __init__(self, module: ModuleID = LOCATIONS) -> None:
        self.pair = pair()
        self.company = self.pair.owner(module)
        self.module = module
        self.own: OwnObjects = self.company.company.own_objects[module]

    @property
    def clock(self) -> Clock:
        return self.company.world.clock

    @property
    def now(self) -> str:
        return format_date_time(self.clock.now)

    def announced(self) -> list[Announcement]:
        """What was announced since the last look."""
        found = [each for message, _ in self.company.queues.announcements for each in message]
        self.company.queues.announcements.clear()
        return found

    def put(self, value: Json) -> OwnResult:
        """Puts in the object, for the other company where it is for one partner."""
        return self.pair.put_in(self.module, value)

    def stamps(self) -> dict[str, str]:
        """When the location LOC1 and its parts were last updated, by their paths."""
        whole = self.own.get("LOC1")
        found = {"": whole["last_updated"]}
        for evse in whole.get("evses", ()):
            found[evse["uid"]] = evse["last_updated"]
            found |= {f"{evse['uid']}/{each['id']}": each["last_updated"] for each in evse["connectors"]}
        return found


def host(*evses: Json) -> Host:
    """The host of a CPO that has the location LOC1 for a while."""
    found = Host()
    found.own.put("LOC1", (), make.location(evses=list(evses) or [make.evse("E1"), make.evse("E2")]))
    found.announced()
    found.clock.pass_(hours=1)
    return found


# --- whose time ----------------------------------------------------------------------------------------------------


@every_module
def test_an_object_carries_the_time_at_which_we_took_it(module: ModuleID) -> None:
    """LOC-02, PAG-23: a delta pull must not miss what has an old date."""
    there = Host(module)

    there.put(make.object_of(module, "X1", last_updated=OLD))
    key = MODULES[module].key_of("X1")

    stored = there.company.ports.stores[module].get(OURS, key)
    assert stored is not None
    assert there.own.get("X1")["last_updated"] == format_date_time(stored.last_updated) == there.now


def test_its_parts_keep_the_time_that_the_host_gives_until_they_change() -> None:
    """LOC-02."""
    there = Host()
    young = make.evse("E2", last_updated="2026-02-01T00:00:00Z", connectors=[make.connector(last_updated=OLD)])

    there.own.put("LOC1", (), make.location(evses=[make.evse("E1"), young]))

    assert there.stamps() == {"": there.now, "E1": OLD, "E1/1": OLD, "E2": "2026-02-01T00:00:00Z", "E2/1": OLD}


def test_parts_without_a_time_have_ours_and_none_lies_in_the_future() -> None:
    """LOC-07."""
    there = Host()
    bare = {name: value for name, value in make.evse("E1").items() if name != "last_updated"}

    there.own.put("LOC1", (), make.location(evses=[bare, make.evse("E2", last_updated="2099-01-01T00:00:00Z")]))

    assert there.stamps() == {"": there.now, "E1": there.now, "E1/1": OLD, "E2": there.now, "E2/1": OLD}


@pytest.mark.parametrize(
    ("path", "patch", "changed"),
    [
        ((), {"name": "New"}, {""}),
        (("E1",), {"status": "CHARGING"}, {"", "E1"}),
        (("E1", "1"), {"tariff_id": "T2"}, {"", "E1", "E1/1"}),
        ((), {"evses": [{"uid": "E2", "connectors": [{"id": "1", "amperage": 16}]}]}, {"", "E2", "E2/1"}),
        (("E1",), {"connectors": [make.connector("2")]}, {"", "E1", "E1/2"}),
    ],
)
def test_a_change_makes_its_part_and_everything_above_new_and_nothing_else(
    path: tuple[str, ...], patch: Json, changed: set[str]
) -> None:
    """LOC-02: an EVSE's change is its location's, a connector's is both."""
    there = host()

    there.own.patch("LOC1", path, patch)

    stamps = there.stamps()
    assert {name for name, stamp in stamps.items() if stamp == there.now} == changed
    assert {stamp for name, stamp in stamps.items() if name not in changed} == {OLD}


def test_a_part_that_lost_a_field_does_not_hide_what_changed_inside_it() -> None:
    """LOC-02, Q-21: it is told as a whole, and stamped part by part."""
    there = host(make.evse("E1", floor_level="1", connectors=[make.connector("1"), make.connector("2")]))

    there.own.put("LOC1", ("E1",), make.evse("E1", connectors=[make.connector("1"), make.connector("2", amperage=16)]))

    assert there.stamps() == {"": there.now, "E1": there.now, "E1/1": OLD, "E1/2": there.now}
    assert [(each.path, each.fields) for each in there.announced()] == [(("E1",), None)]


@pytest.mark.parametrize("where", ["put of the EVSE", "put of the location", "patch of the location"])
def test_an_evse_that_is_added_is_new_now(where: str) -> None:
    """LOC-02, LOC-23: its push alone has to make the location newer at the partners, too."""
    there, added = host(make.evse("E1")), make.evse("E2", last_updated=OLD)

    if where == "put of the EVSE":
        there.own.put("LOC1", ("E2",), added)
    elif where == "put of the location":
        there.own.put("LOC1", (), make.location(evses=[make.evse("E1"), added]))
    else:
        there.own.patch("LOC1", (), {"evses": [added]})

    assert there.stamps() == {"": there.now, "E1": OLD, "E1/1": OLD, "E2": there.now, "E2/1": OLD}
    assert [(each.path, each.fields) for each in there.announced()] == [(("E2",), None)]


@every_client_owned
def test_time_never_goes_back_although_the_clock_does(module: ModuleID) -> None:
    """LOC-02."""
    there = Host(module)
    there.put(make.object_of(module, "X1"))
    before, (name, value) = there.own.get("X1"), another_value(module)

    there.clock.now = datetime(2025, 1, 1, tzinfo=UTC)
    there.own.patch("X1", (), {name: value, "last_updated": OLD})

    stored = there.company.ports.stores[module].get(OURS, "X1")
    assert stored is not None
    assert there.own.get("X1") == before | {name: value}
    assert format_date_time(stored.last_updated) == before["last_updated"]


def test_what_the_body_says_is_what_a_filtered_list_goes_by() -> None:
    """PAG-18: one look at the clock for both, also at the turn of a second."""
    there = Host(TARIFFS)
    there.clock.now = datetime(2026, 4, 1, 11, 59, 59, 998_000, tzinfo=UTC)

    there.own.put("T1", (), make.tariff("T1"))

    stored = there.company.ports.stores[TARIFFS].get(OURS, "T1")
    assert stored is not None
    assert json.loads(stored.body)["last_updated"] == format_date_time(stored.last_updated) == "2026-04-01T11:59:59Z"


# --- what changed --------------------------------------------------------------------------------------------------


@every_module
def test_a_write_that_changes_nothing_changes_nothing(module: ModuleID) -> None:
    """Q-68: no version, no time, no announcement."""
    there = Host(module)
    value = make.object_of(module, "X1")
    assert there.put(value).outcome == "created"
    key = MODULES[module].key_of("X1")
    stored = there.company.ports.stores[module].get(OURS, key)
    there.announced()
    there.clock.pass_(hours=1)

    again = [
        there.own.put("X1", (), value | {"last_updated": there.now}),
        there.own.patch("X1", (), {}),
        there.own.patch("X1", (), value),
    ]

    assert [kept.outcome for kept in again] == ["unchanged"] * 3
    assert there.company.ports.stores[module].get(OURS, key) == stored
    assert there.company.queues.announcements == []


@pytest.mark.parametrize("fresh", [{"last_updated": "2026-02-25T00:00:00Z"}, {"capabilities": []}, {"evse_id": None}])
def test_a_part_of_which_only_the_time_is_new_has_not_changed(fresh: Json) -> None:
    """Q-68, TRA-36."""
    there = host()

    kept = there.own.put("LOC1", ("E1",), make.evse("E1") | fresh)

    assert kept.outcome == "unchanged"
    assert there.stamps()["E1"] == OLD
    assert there.announced() == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (make.location(name="New", city="Gouda", evses=[make.evse("E1"), make.evse("E2")]), [((), ("city", "name"))]),
        (
            make.location(evses=[make.evse("E1", status="BLOCKED"), make.evse("E2"), make.evse("E3")]),
            [(("E1",), ("status",)), (("E3",), None)],
        ),
        (make.location(evses=[make.evse("E1")]), [(("E2",), ("status",))]),
        (make.location(name=None, evses=[make.evse("E1", status="BLOCKED"), make.evse("E2")]), [((), None)]),
        (make.location(evses=[make.evse("E2"), make.evse("E1")]), []),
    ],
    ids=["fields", "an EVSE changed and one added", "an EVSE left out", "a field left out", "another order"],
)
def test_a_replacement_announces_the_deepest_parts_that_differ(value: Json, expected: Any) -> None:
    """LOC-29, LOC-30, Q-21: PATCH cannot remove a field, so its part is told as a whole."""
    there = host()

    there.own.put("LOC1", (), value)

    assert [(each.path, each.fields) for each in there.announced()] == expected


@pytest.mark.parametrize("evses", [[make.evse("E1")], None])
def test_an_evse_that_the_host_leaves_out_becomes_removed(evses: list[Json] | None) -> None:
    """LOC-30, LOC-19: it does not vanish, and may come back."""
    there = host()

    there.own.put("LOC1", (), make.location(evses=evses))
    statuses = {evse["uid"]: evse["status"] for evse in there.own.get("LOC1")["evses"]}
    assert statuses == {"E1": "AVAILABLE" if evses else "REMOVED", "E2": "REMOVED"}

    there.own.put("LOC1", (), make.location(evses=[make.evse("E1"), make.evse("E2")]))
    assert {evse["status"] for evse in there.own.get("LOC1")["evses"]} == {"AVAILABLE"}


def test_a_connector_that_the_host_leaves_out_is_gone() -> None:
    """Q-29: connectors may be removed; their EVSE is told as a whole."""
    there = host(make.evse("E1", connectors=[make.connector("1"), make.connector("2")]))

    there.own.put("LOC1", ("E1",), make.evse("E1", connectors=[make.connector("2")]))

    assert [each["id"] for each in there.own.get("LOC1", ("E1",))["connectors"]] == ["2"]
    assert [(each.path, each.fields) for each in there.announced()] == [(("E1",), None)]


def test_a_null_in_a_patch_of_the_host_removes_an_optional_field() -> None:
    """Q-21."""
    there = host()

    there.own.patch("LOC1", (), {"name": None})

    assert "name" not in there.own.get("LOC1")
    with pytest.raises(InvalidParameters, match="city"):
        there.own.patch("LOC1", (), {"city": None})


def test_a_day_later_a_delta_pull_finds_the_change_of_a_connector() -> None:
    """LOC-02, PAG-24: and the location whole."""
    there = pair()
    own = there.cpo.company.own_objects[LOCATIONS]
    own.import_all([make.location("LOC1"), make.location("LOC2")])
    there.world.clock.pass_(days=1)
    since = format_date_time(there.world.clock.now - timedelta(minutes=5))

    own.patch("LOC2", ("E1", "1"), {"tariff_id": "T2"})

    page = there.to_cpo("GET", "/ocpi/cpo/2.1.1/locations", query={"date_from": since})
    assert [location["id"] for location in page.data] == ["LOC2"]
    assert page.data[0]["evses"][0]["connectors"][0]["tariff_id"] == "T2"
