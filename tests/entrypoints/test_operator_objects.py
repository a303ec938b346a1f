"""Proves how the host puts its own objects in through the operator API, and reads those that partners sent."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import Desks, desks
from tests.node.pushing import kept

Json = dict[str, Any]

every_module = pytest.mark.parametrize("module", MODULES)

OTHER: dict[str, Json] = {
    "locations": {"city": "Gouda"},
    "sessions": {"kwh": 2.25},
    "tariffs": {"currency": "CHF"},
    "tokens": {"issuer": "Other Mobility"},
}
"""For each module whose objects change another value of a required field."""

every_module_that_changes = pytest.mark.parametrize("module", [module for module in MODULES if module in OTHER])


# --- our own -------------------------------------------------------------------------------------------------------


@every_module_that_changes
def test_an_object_is_put_read_changed_and_found_unchanged(module: ModuleID) -> None:
    """LOC-29, SES-12, TAR-14, TOK-19, Q-68."""
    there = desks()
    desk, url = there.owner(module), f"/{module}/X1"
    value = make.object_of(module, "X1")

    created = there.put_in(module, value)
    changed = desk("PATCH", url, OTHER[module])
    again = desk("PUT", url, value | OTHER[module])

    assert [(each.status, each.json["outcome"]) for each in (created, changed, again)] == [
        (201, "created"),
        (200, "updated"),
        (200, "unchanged"),
    ]
    assert created.json["warnings"] == []
    assert created.json["object"]["last_updated"] == "2026-03-01T12:00:00Z"
    assert desk("GET", url).json == changed.json["object"] == again.json["object"]
    shown, stamp = desk("GET", url).json, {"last_updated": "2026-03-01T12:00:00Z"}
    assert shown == shown | kept(value) | OTHER[module] | stamp


def test_parts_of_a_location_have_urls_of_their_own() -> None:
    """LOC-03, LOC-12, LOC-13."""
    desk = desks().cpo
    desk("PUT", "/locations/LOC1", make.location())

    added = desk("PUT", "/locations/LOC1/a%2Fb", make.evse("a/b"))
    changed = desk("PATCH", "/locations/LOC1/a%2Fb/1", {"tariff_id": "T1"})

    assert [added.status, changed.status] == [200, 200]
    assert desk("GET", "/locations/LOC1/a%2Fb/1").json["tariff_id"] == "T1"
    assert desk("GET", "/locations/LOC1/a%2Fb").json["uid"] == "a/b"
    assert [evse["uid"] for evse in changed.json["object"]["evses"]] == ["E1", "a/b"]
    assert desk("PUT", "/locations/NONE/E1", make.evse("E1")).error == "we have no such Location"
    assert desk("PUT", "/locations/LOC1/NONE/1", make.connector()).error == "we have no such Evse"


def test_what_the_spec_only_warns_about_and_does_not_know_is_said() -> None:
    """Q-22, FMT-18, TAR-08."""
    desk = desks().cpo
    elements = [{"price_components": [{"type": "TIME", "price": 2, "step_size": 1}], "restrictions": {"min_kwh": 1}}]

    location = desk("PUT", "/locations/LOC1", make.location(time_zone="Mars/Olympus", colour="red"))
    tariff = desk("PUT", "/tariffs/T1", make.tariff("T1", elements=elements))

    assert sorted(location.json["warnings"]) == [
        "colour is not a field of this version and was dropped (TRA-37)",
        "time_zone is not an IANA time zone (FMT-18)",
    ]
    (warning,) = tariff.json["warnings"]
    assert warning.startswith("elements ends with an element that has restrictions")
    assert warning.endswith("(TAR-08)")


def test_a_tariff_is_deleted_here_and_at_the_partners() -> None:
    """TAR-14."""
    there = desks()
    there.cpo("PUT", "/tariffs/T1", make.tariff("T1"))
    there.pair.pump()
    assert there.emsp("GET", f"/partners/{there.cpo_id}/tariffs/T1").status == 200

    assert there.cpo("DELETE", "/tariffs/T1").json == {"outcome": "deleted"}
    there.pair.pump()

    assert there.cpo("GET", "/tariffs/T1").status == 404
    assert there.emsp("GET", f"/partners/{there.cpo_id}/tariffs/T1").status == 404
    assert there.emsp("GET", f"/partners/{there.cpo_id}/tariffs").json == {"items": [], "gone": {}, "next": None}


@every_module_that_changes
def test_a_list_with_bad_objects_in_it_is_taken_as_far_as_it_is_good(module: ModuleID) -> None:
    """LOC-29, TAR-14, TOK-19."""
    there, id_field = desks(), MODULES[module].id_field
    there.put_in(module, make.object_of(module, "X1"))
    there.put_in(module, make.object_of(module, "X2"))
    values: list[Any] = [
        make.object_of(module, "X2") | OTHER[module],
        make.object_of(module, "X9") | {next(iter(OTHER[module])): None},
        make.object_of(module, "X1"),
        None,
        make.object_of(module, "X3", colour="red"),
        make.object_of(module, "X3"),
    ]

    answer = there.put_in(module, values)

    assert answer.status == 200
    failed, warnings = answer.json.pop("failed"), answer.json["warnings"]
    counts = {name: answer.json[name] for name in ("created", "updated", "unchanged")}
    assert counts == {"created": 1, "updated": 1, "unchanged": 1}
    assert warnings == ["X3: colour is not a field of this version and was dropped (TRA-37)"]
    assert [(each["index"], each["id"]) for each in answer.json["failed"]] == [(1, "X9"), (3, ""), (5, "X3")]
    assert next(iter(OTHER[module])) in failed[0]["error"]
    assert failed[2]["error"] == "X3 stands in the list twice"
    listed = there.owner(module)("GET", f"/{module}", query=there.named(module)).json["items"]
    assert [item[id_field] for item in listed] == ["X1", "X2", "X3"]


def test_an_empty_list_is_fine() -> None:
    answer = desks().cpo("PUT", "/tariffs", [])

    assert answer.json == {"created": 0, "updated": 0, "unchanged": 0, "failed": [], "warnings": []}


@every_module
def test_our_own_objects_come_in_pages(module: ModuleID) -> None:
    there = desks()
    there.put_in(module, [make.object_of(module, f"X{n}") for n in (4, 2, 0, 1, 3)])

    seen: list[str] = []
    query: dict[str, str] = {"limit": "2"} | there.named(module)
    while True:
        page = there.owner(module)("GET", f"/{module}", query=query).json
        assert page["total"] == 5
        seen += [item[MODULES[module].id_field] for item in page["items"]]
        if page["next"] is None:
            break
        query["offset"] = str(page["next"]["offset"])

    assert seen == ["X4", "X2", "X0", "X1", "X3"]
    assert query == {"limit": "2", "offset": "4"} | there.named(module)


def test_our_own_objects_can_be_filtered_by_the_time_of_their_change() -> None:
    """PAG-18."""
    there = desks()
    there.cpo("PUT", "/tariffs", [make.tariff(f"T{n}") for n in range(3)])
    there.pair.world.clock.pass_(days=1)
    there.cpo("PATCH", "/tariffs/T1", {"currency": "CHF"})

    def ids(**query: str) -> list[str]:
        page = there.cpo("GET", "/tariffs", query=query).json
        assert page["total"] == len(page["items"])
        return [item["id"] for item in page["items"]]

    assert ids(date_from="2026-03-02T00:00:00Z") == ["T1"]
    assert ids(date_to="2026-03-02T00:00:00Z") == ["T0", "T2"]
    assert ids(date_from="2026-03-02T00:00:00Z", date_to="2026-03-02T00:00:00Z") == []


@every_module
def test_a_company_of_the_other_role_has_nothing_of_its_own_here(module: ModuleID) -> None:
    desk = desks().other(module)

    answer = desk("PUT", f"/{module}/X1", make.object_of(module, "X1"))

    assert (answer.status, answer.error) == (404, f"this node does not own {module}")
    assert desk("GET", f"/{module}").status == desk("PUT", f"/{module}", []).status == 404
    assert desk("PATCH", f"/{module}/X1", {}).status == desk("GET", f"/{module}/X1").status == 404


# --- what partners sent --------------------------------------------------------------------------------------------


def received(count: int = 5) -> Desks:
    """An eMSP that a CPO has sent some locations."""
    there = desks()
    for n in range(count):
        url = there.pair.at_emsp("locations", f"LOC{n}")
        assert there.pair.to_emsp("PUT", url, make.location(f"LOC{n}")).status == 201
    return there


def test_received_objects_come_in_pages_of_at_most_a_hundred() -> None:
    there = received(101)
    url = f"/partners/{there.cpo_id}/locations"

    first = there.emsp("GET", url).json
    rest = there.emsp("GET", url, query={"after": first["next"]}).json

    assert (len(first["items"]), first["next"]) == (100, first["items"][-1]["id"])
    assert (len(rest["items"]), rest["next"]) == (1, None)
    ids = {item["id"] for item in [*first["items"], *rest["items"]]}
    assert ids == {f"LOC{n}" for n in range(101)}


@pytest.mark.parametrize("limit", ["1", "2", "5"])
def test_the_limit_of_a_page_of_received_objects_is_kept(limit: str) -> None:
    there = received()
    seen, query = [], {"limit": limit}

    for _ in range(7):
        page = there.emsp("GET", f"/partners/{there.cpo_id}/locations", query=query).json
        assert len(page["items"]) <= int(limit)
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert seen == [f"LOC{n}" for n in range(5)]
    assert page["next"] is None
    assert there.emsp("GET", f"/partners/{there.cpo_id}/locations", query={"limit": "x"}).status == 422


def test_a_received_object_is_shown_as_it_was_sent() -> None:
    """LOC-17."""
    there = received()
    url = f"/partners/{there.cpo_id}/locations"

    assert there.emsp("GET", f"{url}/LOC3").json == make.location("LOC3") | {"charging_when_closed": True}
    assert there.emsp("GET", f"{url}/{'x' * 3000}").status == 404
    assert there.emsp("GET", f"{url}/NONE").error == "this partner has sent us no locations 'NONE'"


def test_drivers_see_the_places_that_still_exist_and_who_runs_them() -> None:
    """LOC-19, LOC-20, LOC-26, LOC-28."""
    there = received(3)
    tell = there.pair.to_emsp
    tell("PATCH", there.pair.at_emsp("locations", "LOC0", "E1"), {"status": "REMOVED"})
    tell("PUT", there.pair.at_emsp("locations", "LOC1", "E2"), make.evse("E2", status="REMOVED"))
    tell("PATCH", there.pair.at_emsp("locations", "LOC2"), {"operator": {"name": "Acme"}})
    url, drivers = f"/partners/{there.cpo_id}/locations", {"view": "drivers"}

    shown = there.emsp("GET", url, query=drivers).json["items"]

    assert [(each["id"], [evse["uid"] for evse in each["evses"]]) for each in shown] == [
        ("LOC1", ["E1"]),
        ("LOC2", ["E1"]),
    ]
    assert [each["operator"]["name"] for each in shown] == ["Company DE/CPO", "Acme"]
    assert [each["charging_when_closed"] for each in shown] == [True, True]
    assert there.emsp("GET", f"{url}/LOC0", query=drivers).status == 404
    assert there.emsp("GET", f"{url}/LOC1", query=drivers).json == shown[0]
    assert there.emsp("GET", f"{url}/LOC0").json["evses"][0]["status"] == "REMOVED"
    assert len(there.emsp("GET", url).json["items"]) == 3


def test_a_partner_that_has_not_registered_has_sent_nothing() -> None:
    desk = desks().cpo
    invited = desk("POST", "/partners", {"role": "emsp"}).json["id"]

    assert desk("GET", f"/partners/{invited}/locations").json == {"items": [], "gone": {}, "next": None}
    assert desk("GET", f"/partners/{invited}/locations/LOC1").status == 404
