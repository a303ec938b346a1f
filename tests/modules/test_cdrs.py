"""Proves what an eMSP makes of the CDRs that are posted to it: kept once, shown again, never changed."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.entrypoints.desk import desks
from tests.node.faults import at_once
from tests.node.pushing import counters, read_as
from tests.world import Caller, Pair, Reply, pair, register

Json = dict[str, Any]

CDRS = ModuleID.CDRS
ROOT = "/ocpi/emsp/2.1.1/cdrs"

both_profiles = pytest.mark.parametrize("profile", Profile)


def post(there: Pair, cdr: Json) -> Reply:
    return there.to_emsp("POST", ROOT, cdr)


def reader(profile: Profile) -> Pair:
    return read_as(pair(), profile, CDRS)


def another_cpo(there: Pair) -> Caller:
    """Calls the eMSP as a second CPO."""
    other = there.world.company("other.example", Party.of("BE", "TWO"), frozenset({Role.CPO}))
    register(there.emsp, other, Role.CPO)
    token = other.partners()[0].token_we_send
    assert token is not None
    return Caller(there.world, "emsp.example", token.secret)


# --- kept and shown ------------------------------------------------------------------------------------------------


@both_profiles
def test_a_cdr_is_created_at_an_absolute_url_and_shown_there_as_it_was_posted(profile: Profile) -> None:
    """CDR-04, CDR-05, CDR-10."""
    there = reader(profile)
    cdr = make.cdr("C1", tariffs=[make.tariff()], total_parking_time=0.5, remark="Thanks", meter_id="M1")

    reply = post(there, cdr)

    assert (reply.outcome, reply.data) == ((201, 1000), None)
    assert reply.headers["location"] == "https://emsp.example/ocpi/emsp/2.1.1/cdrs/C1"
    shown = there.to_emsp("GET", reply.headers["location"])
    assert shown.outcome == (200, 1000)
    assert shown.data == cdr


@both_profiles
@pytest.mark.parametrize(
    "cdr_id", ["a/b", "a b", "DE*CPO*1", "100%", "a?b#c", "ü" * 36, "🚗" * 36, "x" * 36, "sha256-1", "a+b", "."]
)
def test_an_id_of_any_kind_makes_a_url_that_is_short_enough_and_leads_to_the_cdr(cdr_id: str, profile: Profile) -> None:
    """CDR-04, CDR-05, CDR-18, FMT-08, Q-27, Q-67: at the URL that we name, and below the endpoint by its id."""
    there, cdr = reader(profile), make.cdr(cdr_id)

    url = post(there, cdr).headers["location"]

    assert url.startswith(f"https://emsp.example{ROOT}/")
    assert len(url) <= 255
    assert url.isascii()
    for each in (url, f"{ROOT}/{quote(cdr_id, safe='')}"):
        assert there.to_emsp("GET", each).data == cdr
    again = post(there, cdr)
    assert (again.outcome, again.headers["location"]) == ((200, 1000), url)


def test_an_id_that_is_too_long_is_forgiven_and_its_url_is_not_longer() -> None:
    """CDR-18, FMT-08, FMT-10, Q-18."""
    there, cdr = pair(), make.cdr("x" * 255)

    reply = post(there, cdr)

    assert reply.outcome == (201, 1000)
    assert len(reply.headers["location"]) <= 255
    assert there.to_emsp("GET", reply.headers["location"]).data == cdr
    assert post(there, make.cdr("x" * 254)).outcome == (201, 1000)
    assert post(there, make.cdr("x" * 256)).outcome == (200, 2001)
    assert post(reader(Profile.STRICT), make.cdr("x" * 37)).outcome == (200, 2001)


def test_another_partners_cdr_is_nobodys() -> None:
    """CDR-06, CDR-18: and the same id at another CPO is another CDR."""
    there = pair()
    url = post(there, make.cdr("C1")).headers["location"]
    other = another_cpo(there)

    assert other("GET", url).outcome == (404, 2000)
    assert other("POST", ROOT, make.cdr("C1", total_cost=9)).outcome == (201, 1000)

    assert other("GET", url).data["total_cost"] == 9
    assert there.to_emsp("GET", url).data["total_cost"] == 3.13
    assert there.to_emsp("GET", f"{ROOT}/C2").outcome == (404, 2000)
    assert there.to_emsp("GET", f"{ROOT}/{'x' * 3000}").outcome == (404, 2000)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [ROOT, f"{ROOT}/C1"])
def test_a_cdr_is_not_replaced_changed_or_removed(method: str, path: str) -> None:
    """CDR-07, CDR-08."""
    there = pair()
    post(there, make.cdr("C1"))

    assert there.to_emsp(method, path, make.cdr("C1", total_cost=9)).outcome == (405, 2000)

    assert there.to_emsp("GET", f"{ROOT}/C1").data == make.cdr("C1")


def test_the_collection_is_no_list() -> None:
    """CDR-22."""
    assert pair().to_emsp("GET", ROOT).outcome == (405, 2000)


@both_profiles
@pytest.mark.parametrize(
    "name",
    [
        "id",
        "start_date_time",
        "stop_date_time",
        "auth_id",
        "auth_method",
        "location",
        "currency",
        "charging_periods",
        "total_cost",
        "total_energy",
        "total_time",
    ],
)
def test_a_cdr_without_a_required_field_is_refused(name: str, profile: Profile) -> None:
    """CDR-10, Q-31: no profile makes an exception where money is concerned."""
    there = reader(profile)

    reply = post(there, {field: value for field, value in make.cdr("C1").items() if field != name})

    assert reply.outcome == (200, 2001)
    assert name in reply.message
    assert "location" not in reply.headers
    assert there.to_emsp("GET", f"{ROOT}/C1").status == 404


@both_profiles
def test_empty_periods_and_periods_of_nothing_are_refused(profile: Profile) -> None:
    """CDR-11."""
    there = reader(profile)
    of_nothing = [{"start_date_time": "2026-01-01T00:00:00Z", "dimensions": []}]

    for periods in ([], of_nothing, None):
        reply = post(there, make.cdr("C1", charging_periods=periods))

        assert reply.outcome == (200, 2001)
        assert "charging_periods" in reply.message


@both_profiles
@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (
            "CDR-12",
            {"charging_periods": [make.cdr()["charging_periods"][0] | {"start_date_time": make.STAMP[:-2] + "9Z"}]},
        ),
        ("CDR-13", {"total_time": 3}),
        ("CDR-13", {"total_parking_time": 2.5}),
        ("CDR-13", {"total_parking_time": -1}),
        ("CDR-15", {"location": make.location(evses=[make.evse("E1"), make.evse("E2")])}),
        ("CDR-15", {"location": make.location(evses=[])}),
    ],
)
def test_what_does_not_add_up_is_taken_and_counted(rule: str, wrong: Json, profile: Profile) -> None:
    """CDR-12, CDR-13, CDR-14, CDR-15."""
    there = reader(profile)

    assert post(there, make.cdr("C1", **wrong)).outcome == (201, 1000)

    assert [count for name, count in counters(there, CDRS).items() if f" {rule} " in name] == [1]


# --- posted again --------------------------------------------------------------------------------------------------


@both_profiles
@pytest.mark.parametrize(
    "again",
    [
        {},
        {"last_updated": "2026-01-05T00:00:00Z"},
        {"id": "cDr-A1"},
        {"total_time": 2.0, "remark": None, "tariffs": []},
        {"location": make.location(last_updated="2026-01-05T00:00:00Z")},
        {"location": make.location(charging_when_closed=True)},
    ],
    ids=[
        "word by word",
        "stamped anew",
        "in another case",
        "spelled differently",
        "its place stamped anew",
        "a default spelled out",
    ],
)
def test_a_repeat_is_told_the_same_and_changes_nothing(again: Json, profile: Profile) -> None:
    """CDR-08, CDR-18, FMT-07, Q-49."""
    there = reader(profile)
    first = post(there, make.cdr("CDR-a1"))

    repeat = post(there, make.cdr("CDR-a1") | again)

    assert repeat.outcome == (200, 1000)
    assert repeat.headers["location"] == first.headers["location"]
    assert there.to_emsp("GET", first.headers["location"]).data == make.cdr("CDR-a1")
    assert there.to_emsp("GET", f"{ROOT}/cdr-A1").data == make.cdr("CDR-a1")
    assert there.emsp.ports.quarantine.of(there.emsp.partners()[0].id) == []


@both_profiles
@pytest.mark.parametrize("cdr_id", ["C1", "c1"])
def test_a_contradiction_is_refused_and_kept_for_the_operator(
    cdr_id: str, profile: Profile, caplog: pytest.LogCaptureFixture
) -> None:
    """CDR-08, CDR-09, CDR-18, Q-49."""
    there = desks()
    read_as(there.pair, profile, CDRS)
    post(there.pair, make.cdr("C1"))

    with caplog.at_level(logging.ERROR):
        replies = [post(there.pair, make.cdr(cdr_id, total_cost=99.5)) for _ in range(2)]

    assert [reply.outcome for reply in replies] == [(200, 2001)] * 2
    assert "different content" in replies[0].message
    assert "location" not in replies[0].headers
    assert there.pair.to_emsp("GET", f"{ROOT}/C1").data == make.cdr("C1")
    (item,) = there.emsp("GET", f"/partners/{there.cpo_id}/quarantine").json["items"]
    assert (item["module"], item["id"]) == ("cdrs", cdr_id)
    assert item["object"] == make.cdr(cdr_id, total_cost=99.5)
    assert item["at"] == "2026-03-01T12:00:00Z"
    assert "different content" in item["reason"]
    assert counters(there.pair, CDRS)["cdr_contradicted"] == 2
    assert [cdr_id in record.getMessage() for record in caplog.records] == [True, True]


def test_two_different_contradictions_are_two() -> None:
    """Q-49."""
    there = pair()
    for cost in (3.13, 4, 5, 4):
        post(there, make.cdr("C1", total_cost=cost))

    kept_aside = there.emsp.ports.quarantine.of(there.emsp.partners()[0].id)

    assert len(kept_aside) == 2


def test_of_many_posts_at_once_one_creates_the_cdr() -> None:
    """CDR-08: a second delivery may overtake the first."""
    there = pair()
    replies: list[Reply] = []

    at_once(*(lambda: replies.append(post(there, make.cdr("C1"))) for _ in range(5)))

    assert sorted(reply.status for reply in replies) == [200, 200, 200, 200, 201]
    assert {reply.headers["location"] for reply in replies} == {f"https://emsp.example{ROOT}/C1"}
