"""Proves that who refuses a change is asked what they have, and that a deletion is one until they know it."""

from __future__ import annotations

import pytest

from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.partner import partner, said

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS

TAKEN = [said(200, 1000), said(201, 1000), said(200, 1001)]
TAKEN += [Response(204), Response(200, {}, b" \n"), Response(200, {}, b"{}"), Response(201, {}, b'{"data": []}')]

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
    there.change(path, {field: value})
    there.will("PATCH", refusal)

    there.there.pump()

    url = "/".join(["locations LOC1", *path])
    assert there.requests() == [f"PATCH {url}", f"GET {url}", f"PUT {url}"]
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_a_refused_patch_of_what_they_have_already_is_left_at_that() -> None:
    """TRA-25: a GET that shows an equal object."""
    there = partner()
    there.change(("E1",), {"status": "CHARGING"})
    there.will("PATCH", said(200, 2001))
    there.will("GET", said(data=there.there.cpo.company.own_objects[LOCATIONS].get("LOC1", ("E1",))))

    there.there.pump()

    assert there.requests() == ["PATCH locations LOC1/E1", "GET locations LOC1/E1"]
    assert there.backlog == []


@pytest.mark.parametrize("look", [said(405, 2000), said(404, 2000), said(200, None), said(200, 2000), said(200, 1000)])
def test_a_look_that_shows_nothing_is_followed_by_a_put(look: Response) -> None:
    """TRA-25: some partners serve no GET, or none that we can read."""
    there = partner()
    there.change(("E1",), {"status": "CHARGING"})
    there.will("PATCH", said(200, 2001))
    there.will("GET", look)

    there.there.pump()

    assert there.requests() == ["PATCH locations LOC1/E1", "GET locations LOC1/E1", "PUT locations LOC1/E1"]
    assert there.backlog == []


@pytest.mark.parametrize("missing", [said(404, 2003), said(404, 2000), said(200, 2003)], ids=lambda r: str(r.body))
def test_a_part_whose_parent_they_lack_is_put_with_it(missing: Response) -> None:
    """LOC-14, Q-76: HTTP 404 and OCPI 2003 both mean that it is not there."""
    there = partner()
    there.there.cpo.company.own_objects[LOCATIONS].put("LOC1", ("E2",), make.evse("E2"))
    there.will("PUT", missing)

    there.there.pump()

    assert there.requests() == ["PUT locations LOC1/E2", "PUT locations LOC1"]
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_any_success_is_one(method: str, taken: Response) -> None:
    """TRA-14, TRA-26, Q-14."""
    there = partner()
    there.change(("E1",), {"status": "CHARGING"} if method == "PATCH" else {"connectors": [make.connector("2")]})
    if method == "PUT":
        there.there.cpo.company.own_objects[LOCATIONS].put("LOC1", ("E1",), make.evse("E1"))
    there.will(method, taken)

    there.there.pump()

    assert [request.split()[0] for request in there.requests()] == [method]
    assert there.backlog == []


@pytest.mark.parametrize("page", [b"<html>", b"OK", b"\xff", b'{"status_code": 1000'])
def test_a_page_that_is_no_json_says_nothing_about_the_push(page: bytes) -> None:
    """Q-14, Q-57: something in front of the partner's node answers so; what was sent counts as not taken."""
    there = partner()
    there.there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    there.will("PUT", Response(200, {}, page))

    there.there.pump()

    assert there.requests() == ["PUT tariffs T1"]
    assert there.backlog[0].reason == "PUT was answered with HTTP 200, no OCPI envelope"


# --- deletion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, said(404, 2000), said(200, 1000), Response(204)], ids=str)
def test_a_deletion_is_a_delete_and_gone_already_is_fine(answer: Response | None) -> None:
    """TAR-14, TAR-03."""
    there = partner()
    tariffs = there.there.cpo.company.own_objects[TARIFFS]
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
    tariffs = there.there.cpo.company.own_objects[TARIFFS]
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
    tariffs = there.there.cpo.company.own_objects[TARIFFS]
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
