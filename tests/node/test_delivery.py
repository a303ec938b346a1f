"""Proves that a partner is told what is true now, in the smallest request."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.pushing.coalescing import coalesce
from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile, read_value
from tests import make
from tests.node.partner import Partner, partner
from tests.node.pushing import another_value
from tests.world import CLIENT_OWNED

Json = dict[str, Any]

LOCATIONS, SESSIONS = ModuleID.LOCATIONS, ModuleID.SESSIONS


def stamp(there: Partner, *path: str) -> str:
    return str(there.there.cpo.company.own_objects[LOCATIONS].get("LOC1", path)["last_updated"])


# --- the smallest request ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_new_object_is_put_whole_and_valid(module: ModuleID) -> None:
    """LOC-29, TAR-14, TOK-19, SES-12, TRA-19, TRA-09, TRA-02."""
    there = partner(of=module)
    there.there.put_in(module, make.object_of(module, "X1"))

    there.there.pump()

    (request,) = there.asked
    ((method, path, body),) = there.news()
    assert (method, path) == ("PUT", f"{module}/{there.owner.party}/X1")
    assert body == there.own("X1", module)
    assert read_value(MODULES[module].model, body, Profile.STRICT, there.there.world.clock.now).deviations == ()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"].startswith("Token ")


@pytest.mark.parametrize(
    ("path", "patch"),
    [
        ((), {"name": "New", "city": "Gouda"}),
        (("E1",), {"status": "CHARGING"}),
        (("E1",), {"status": "REMOVED", "evse_id": "NL*X"}),
        (("E1", "1"), {"tariff_id": "T2"}),
    ],
)
def test_a_change_is_a_patch_of_the_deepest_part_with_its_changed_fields_and_stamp(
    path: tuple[str, ...], patch: Json
) -> None:
    """LOC-29, LOC-30, TRA-23, Q-30, Q-45."""
    there = partner()
    there.change(path, patch)

    there.there.pump()

    url = "/".join(["locations/DE/CPO/LOC1", *path])
    assert there.news() == [("PATCH", url, patch | {"last_updated": stamp(there, *path)})]
    assert there.held("LOC1") == there.own("LOC1")


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_change_of_one_field_is_a_patch_of_that_field_in_every_module(module: ModuleID) -> None:
    """LOC-29, TAR-14, TOK-19, SES-05, SES-12, TRA-23."""
    there = partner(of=module)
    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()
    there.asked.clear()
    name, value = another_value(module)

    there.owner.company.own_objects[module].patch("X1", (), {name: value})
    there.there.pump()

    stamp_now = there.own("X1", module)["last_updated"]
    assert there.news() == [("PATCH", f"{module}/{there.owner.party}/X1", {name: value, "last_updated": stamp_now})]
    assert there.held("X1", module) == there.own("X1", module)


def test_charging_periods_are_told_by_a_put_because_receivers_merge_them_differently() -> None:
    """Q-48, SES-12: everything else about a session is a PATCH."""
    there = partner(of=SESSIONS)
    there.there.put_in(SESSIONS, make.session("S1"))
    there.there.pump()
    there.asked.clear()
    period = {"start_date_time": make.STAMP, "dimensions": [{"type": "ENERGY", "volume": 2.5}]}

    there.owner.company.own_objects[SESSIONS].patch("S1", (), {"kwh": 2.5, "charging_periods": [period]})
    there.there.pump()

    assert there.news() == [("PUT", "sessions/DE/CPO/S1", there.own("S1", SESSIONS))]
    assert there.held("S1", SESSIONS) == there.own("S1", SESSIONS)


def test_what_lost_a_field_is_put_because_a_patch_cannot_remove() -> None:
    """Q-21, LOC-30: the evse_id may go with the EVSE."""
    there = partner(make.location(evses=[make.evse("E1", evse_id="NL*X"), make.evse("E2")]))
    there.change(("E1",), {"status": "REMOVED", "evse_id": None})

    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E1"]
    assert there.held("LOC1") == there.own("LOC1")


def test_changes_that_wait_together_are_told_once_and_as_they_are_now() -> None:
    """TRA-23, OFF-03: messages are not queued, only that something changed."""
    there = partner()
    for status in ("CHARGING", "BLOCKED", "RESERVED"):
        there.change(("E1",), {"status": status})
    there.change(("E1",), {"floor_level": "-1"})

    there.there.pump()

    current = [{"status": "RESERVED"}, {"floor_level": "-1"}]
    stamped = [fields | {"last_updated": stamp(there, "E1")} for fields in current]
    assert there.news() == [("PATCH", "locations/DE/CPO/LOC1/E1", body) for body in stamped]
    assert there.held("LOC1") == there.own("LOC1")


def test_many_changed_parts_are_one_put_of_the_whole() -> None:
    """TRA-23."""
    there = partner(make.location(evses=[make.evse(f"E{n}") for n in range(20)]))
    for n in range(4):
        there.change((f"E{n}",), {"status": "CHARGING"})
    there.there.pump()
    few = [f"PATCH locations LOC1/E{n}" for n in range(4)]
    assert there.requests() == few

    for n in range(20):
        there.change((f"E{n}",), {"status": "BLOCKED"})
    there.there.pump()

    assert there.requests() == [*few, "PUT locations LOC1"]
    assert there.held("LOC1") == there.own("LOC1")


def news(path: tuple[str, ...] = (), *fields: str, version: int = 1) -> Announcement:
    return Announcement(LOCATIONS, "LOC1", version, path, fields or None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([news((), "a"), news((), "b", "a")], [news((), "a", "b")]),
        ([news(("E1",), "a"), news(("E1",), version=2)], [news(("E1",), version=2)]),
        ([news(("E1",)), news(("E1",), "a")], [news(("E1",))]),
        ([news((), "a", version=3), news((), "b", version=2)], [news((), "a", "b", version=3)]),
        ([news((f"E{n}",), "a", version=9 - n) for n in range(5)], [news(version=9)]),
        ([news(("E1",)), news(("E1", "1"), "a"), news(("E2",), "b")], [news(("E1",)), news(("E2",), "b")]),
        ([news(("E1", "1"), "a"), news()], [news()]),
        ([news(("E1", "1"), "a"), news(("E1",), "b")], [news(("E1", "1"), "a"), news(("E1",), "b")]),
        ([news((f"E{n}",), "a", version=n) for n in range(5)], [news(version=4)]),
        ([], []),
    ],
)
def test_announcements_collapse_to_the_fewest_that_say_the_same(
    given: list[Announcement], expected: list[Announcement]
) -> None:
    """TRA-23."""
    assert coalesce(given) == expected


def test_a_part_that_is_gone_when_its_change_is_delivered_is_not_mentioned() -> None:
    """LOC-29: whoever removed it has announced that."""
    there = partner(make.location(evses=[make.evse("E1", connectors=[make.connector("1"), make.connector("2")])]))
    there.change(("E1", "2"), {"amperage": 16})
    there.there.cpo.company.fan_out.fan_out(*there.there.cpo.queues.announcements.pop())
    own = there.there.cpo.company.own_objects[LOCATIONS]
    own.put("LOC1", ("E1",), make.evse("E1"))

    there.there.cpo.deliver(there.there.cpo.queues.deliveries.pop())
    assert there.requests() == []
    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E1"]
    assert there.held("LOC1") == there.own("LOC1")
