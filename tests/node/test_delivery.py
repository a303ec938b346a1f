"""Proves that a partner is told what is true now, in the smallest request, and asked what it has when it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.news import collapsed
from chalicelib.node.ports import Announcement
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile, read_value
from tests import make
from tests.node.partner import Partner, partner, said

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


def change(there: Partner, path: tuple[str, ...], patch: Json, object_id: str = "LOC1") -> None:
    there.there.cpo.company.own[LOCATIONS].patch(object_id, path, patch)


def stamp(there: Partner, *path: str) -> str:
    return str(there.there.cpo.company.own[LOCATIONS].get("LOC1", path)["last_updated"])


# --- the smallest request ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_a_new_object_is_put_whole_and_valid(module: ModuleID) -> None:
    """LOC-29, TAR-14, TRA-19, TRA-09, TRA-02."""
    there = partner()
    there.there.cpo.company.own[module].put("X1", (), make.object_of(module, "X1"))

    there.there.pump()

    (request,) = there.asked
    ((method, path, body),) = there.news()
    assert (method, path) == ("PUT", f"{module}/DE/CPO/X1")
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
    change(there, path, patch)

    there.there.pump()

    url = "/".join(["locations/DE/CPO/LOC1", *path])
    assert there.news() == [("PATCH", url, patch | {"last_updated": stamp(there, *path)})]
    assert there.held("LOC1") == there.own("LOC1")


def test_what_lost_a_field_is_put_because_a_patch_cannot_remove() -> None:
    """Q-21, LOC-30: the evse_id may go with the EVSE."""
    there = partner(make.location(evses=[make.evse("E1", evse_id="NL*X"), make.evse("E2")]))
    change(there, ("E1",), {"status": "REMOVED", "evse_id": None})

    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E1"]
    assert there.held("LOC1") == there.own("LOC1")


def test_changes_that_wait_together_are_told_once_and_as_they_are_now() -> None:
    """TRA-23, OFF-03: messages are not queued, only that something changed."""
    there = partner()
    for status in ("CHARGING", "BLOCKED", "RESERVED"):
        change(there, ("E1",), {"status": status})
    change(there, ("E1",), {"floor_level": "-1"})

    there.there.pump()

    current = {"status": "RESERVED", "floor_level": "-1", "last_updated": stamp(there, "E1")}
    assert there.news() == [("PATCH", "locations/DE/CPO/LOC1/E1", current)]


def test_many_changed_parts_are_one_put_of_the_whole() -> None:
    """TRA-23."""
    there = partner(make.location(evses=[make.evse(f"E{n}") for n in range(6)]))
    for n in range(4):
        change(there, (f"E{n}",), {"status": "CHARGING"})
    there.there.pump()
    assert there.requests() == [f"PATCH locations LOC1/E{n}" for n in range(4)]

    for n in range(5):
        change(there, (f"E{n}",), {"status": "BLOCKED"})
    there.there.pump()

    assert there.requests() == ["PUT locations LOC1"]
    assert there.held("LOC1") == there.own("LOC1")


def news(path: tuple[str, ...] = (), *fields: str, version: int = 1) -> Announcement:
    return Announcement(LOCATIONS, "LOC1", version, path, fields or None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([news((), "a"), news((), "b", "a")], [news((), "a", "b")]),
        ([news(("E1",), "a"), news(("E1",), version=2)], [news(("E1",), version=2)]),
        ([news(("E1",)), news(("E1",), "a")], [news(("E1",))]),
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
    assert collapsed(given) == expected


def test_a_part_that_is_gone_when_its_change_is_delivered_is_not_mentioned() -> None:
    """LOC-29: whoever removed it has announced that."""
    there = partner(make.location(evses=[make.evse("E1", connectors=[make.connector("1"), make.connector("2")])]))
    change(there, ("E1", "2"), {"amperage": 16})
    there.there.cpo.company.push.spread(*there.there.cpo.queues.announcements.pop())
    own = there.there.cpo.company.own[LOCATIONS]
    own.put("LOC1", ("E1",), make.evse("E1"))

    there.there.cpo.company.deliverer.deliver(there.there.cpo.queues.deliveries)
    assert there.requests() == []
    there.there.cpo.queues.deliveries.clear()
    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E1"]
    assert there.held("LOC1") == there.own("LOC1")


# --- after a refusal -----------------------------------------------------------------------------------------------

REFUSALS = [said(404, 2000), said(404, 2003), said(200, 2001), said(200, 2003), said(200, 3000), said(400, 2001)]
REFUSALS += [said(405, 2000), said(409, None), Response(404)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: f"{answer.status} {answer.body[:20]!r}")
@pytest.mark.parametrize("path", [(), ("E1",), ("E1", "1")], ids=len)
def test_a_refused_patch_is_followed_by_a_look_and_a_put_where_they_differ(
    path: tuple[str, ...], refusal: Response
) -> None:
    """TRA-25, LOC-31, TRA-14, Q-76: the same URL each time."""
    there = partner()
    field, value = [("city", "Gouda"), ("status", "CHARGING"), ("amperage", 16)][len(path)]
    change(there, path, {field: value})
    there.will("PATCH", refusal)

    there.there.pump()

    url = "/".join(["locations LOC1", *path])
    assert there.requests() == [f"PATCH {url}", f"GET {url}", f"PUT {url}"]
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_a_refused_patch_of_what_they_have_already_is_left_at_that() -> None:
    """TRA-25: a GET that shows an equal object."""
    there = partner()
    change(there, ("E1",), {"status": "CHARGING"})
    there.will("PATCH", said(200, 2001))
    there.will("GET", said(data=there.there.cpo.company.own[LOCATIONS].get("LOC1", ("E1",))))

    there.there.pump()

    assert there.requests() == ["PATCH locations LOC1/E1", "GET locations LOC1/E1"]
    assert there.backlog == []


@pytest.mark.parametrize("look", [said(405, 2000), said(404, 2000), said(200, None), said(200, 2000), said(200, 1000)])
def test_a_look_that_shows_nothing_is_followed_by_a_put(look: Response) -> None:
    """TRA-25: some partners serve no GET, or none that we can read."""
    there = partner()
    change(there, ("E1",), {"status": "CHARGING"})
    there.will("PATCH", said(200, 2001))
    there.will("GET", look)

    there.there.pump()

    assert there.requests() == ["PATCH locations LOC1/E1", "GET locations LOC1/E1", "PUT locations LOC1/E1"]
    assert there.backlog == []


@pytest.mark.parametrize("missing", [said(404, 2003), said(404, 2000), said(200, 2003)], ids=lambda r: str(r.body))
def test_a_part_whose_parent_they_lack_is_put_with_it(missing: Response) -> None:
    """LOC-14, Q-76: HTTP 404 and OCPI 2003 both mean that it is not there."""
    there = partner()
    there.there.cpo.company.own[LOCATIONS].put("LOC1", ("E2",), make.evse("E2"))
    there.will("PUT", missing)

    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E2", "PUT locations LOC1"]
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


@pytest.mark.parametrize("taken", [said(200, 1000), said(201, 1000), said(200, 1001), said(204, None), said(200, None)])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_any_success_is_one(method: str, taken: Response) -> None:
    """TRA-14, TRA-26, Q-14."""
    there = partner()
    change(there, ("E1",), {"status": "CHARGING"} if method == "PATCH" else {"connectors": [make.connector("2")]})
    if method == "PUT":
        there.there.cpo.company.own[LOCATIONS].put("LOC1", ("E1",), make.evse("E1"))
    there.will(method, taken)

    there.there.pump()

    assert [request.split()[0] for request in there.requests()] == [method]
    assert there.backlog == []


# --- deletion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, said(404, 2000), said(200, 1000), said(204, None)], ids=str)
def test_a_deletion_is_a_delete_and_gone_already_is_fine(answer: Response | None) -> None:
    """TAR-14, TAR-03."""
    there = partner()
    tariffs = there.there.cpo.company.own[TARIFFS]
    tariffs.put("T1", (), make.tariff("T1"))
    there.there.pump()
    there.asked.clear()
    there.will("DELETE", *([answer] if answer else []))

    tariffs.delete("T1")
    there.there.pump()

    assert there.requests() == ["DELETE tariffs T1"]
    assert there.backlog == []


@pytest.mark.parametrize("answer", [said(500, 2000), said(200, 2001), said(405, 2000), said(401, 2000)])
def test_a_deletion_that_is_refused_is_not_forgotten(answer: Response) -> None:
    """TAR-14, TRA-14, Q-57."""
    there = partner()
    tariffs = there.there.cpo.company.own[TARIFFS]
    tariffs.put("T1", (), make.tariff("T1"))
    there.there.pump()
    there.will("DELETE", answer)

    tariffs.delete("T1")
    there.there.pump()

    (failure,) = there.backlog
    assert failure.announcement.removed
    assert f"DELETE was answered with HTTP {answer.status}" in failure.reason


def test_a_tariff_that_is_deleted_before_its_change_is_delivered_is_deleted_there() -> None:
    """TAR-14: and one that was made again is put."""
    there = partner()
    tariffs = there.there.cpo.company.own[TARIFFS]
    tariffs.import_all([make.tariff("T1"), make.tariff("T2")])
    there.there.pump()
    there.asked.clear()

    tariffs.patch("T1", (), {"currency": "CHF"})
    tariffs.delete("T1")
    tariffs.delete("T2")
    tariffs.put("T2", (), make.tariff("T2", currency="CHF"))
    there.there.pump()

    assert there.held("T1", TARIFFS) is None
    assert there.held("T2", TARIFFS) == there.own("T2", TARIFFS)
    assert there.requests() == ["DELETE tariffs T1", "PUT tariffs T2"]
