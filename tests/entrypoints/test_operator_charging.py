"""Proves the host's side of charging: may this driver charge, is this session over, what became of this CDR."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.receiving.quarantine import QuarantineEntry
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import Desks, desks

Json = dict[str, Any]

SESSIONS, CDRS = ModuleID.SESSIONS, ModuleID.CDRS


def with_a_card(**token: Any) -> Desks:
    """A CPO and an eMSP, which has issued the card K1."""
    there = desks()
    there.emsp("PUT", "/tokens/K1", make.token("K1", **token))
    there.pair.pump()
    return there


# --- may this driver charge ----------------------------------------------------------------------------------------


def test_the_host_is_told_whether_a_driver_may_charge_and_why() -> None:
    """TOK-06, SES-13: by the whitelist."""
    there = with_a_card(whitelist="ALWAYS")

    answer = there.cpo("POST", "/authorize", {"uid": "k1", "location_id": "LOC1"})

    assert answer.status == 200
    assert answer.json == {
        "allowed": "ALLOWED",
        "decided_by": "whitelist",
        "reason": "whitelist ALWAYS; the token is valid",
        "auth_method": "WHITELIST",
        "partner": there.emsp_id,
        "token": make.token("K1", whitelist="ALWAYS", last_updated="2026-03-01T12:00:00Z"),
        "info": None,
        "location": None,
    }


def test_the_host_is_told_what_the_emsp_says() -> None:
    """TOK-06, TOK-14, TOK-20: both hosts in one conversation."""
    there = with_a_card(whitelist="NEVER")
    info = {"language": "en", "text": "Please top up"}
    there.emsp("PUT", "/tokens/K1/authorization", {"allowed": "NO_CREDIT", "info": info})
    asked = {"uid": "K1", "type": "RFID", "location_id": "LOC1", "evse_uid": "E1", "connector_id": "1"}

    refused = there.cpo("POST", "/authorize", asked)
    there.emsp("DELETE", "/tokens/K1/authorization")
    let_in = there.cpo("POST", "/authorize", asked)

    assert (refused.status, refused.json["allowed"], refused.json["info"]) == (200, "NO_CREDIT", info)
    assert (let_in.json["allowed"], let_in.json["decided_by"]) == ("ALLOWED", "real-time")
    place = {"location_id": "LOC1", "evse_uids": ["E1"], "connector_ids": ["1"]}
    assert (let_in.json["location"], let_in.json["auth_method"]) == (place, "AUTH_REQUEST")
    assert there.pair.world.traffic[-1].json == place


def test_an_emsp_that_is_down_is_no_error() -> None:
    """TOK-21."""
    there = with_a_card(whitelist="ALLOWED_OFFLINE")
    there.pair.world.down.add("emsp.example")

    answer = there.cpo("POST", "/authorize", {"uid": "K1"})

    assert (answer.status, answer.json["allowed"], answer.json["decided_by"]) == (200, "ALLOWED", "offline")


def test_a_card_of_nobody_is_no_error_either() -> None:
    answer = with_a_card().cpo("POST", "/authorize", {"uid": "K9"})

    assert (answer.status, answer.json["allowed"], answer.json["decided_by"]) == (200, "NOT_ALLOWED", "nobody")
    assert answer.json["partner"] is answer.json["token"] is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the body is a JSON object"),
        ({}, "missing: uid"),
        ({"uid": 5}, "unknown or no text: uid"),
        ({"uid": "x" * 256}, "unknown or no text: uid"),
        ({"uid": "a\nb"}, "unknown or no text: uid"),
        ({"uid": "K1", "token": "x"}, "unknown or no text: token"),
        ({"uid": "K1", "type": "APP_USER"}, "type is OTHER or RFID"),
        ({"uid": "K1", "evse_uid": "E1"}, "an evse_uid its location_id"),
        ({"uid": "K1", "location_id": "LOC1", "connector_id": "1"}, "a connector_id needs its evse_uid"),
        ({"uid": "K1", "location_id": ""}, "location_id is empty"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(body: Any, said: str) -> None:
    there = with_a_card(whitelist="NEVER")
    mark = len(there.pair.world.traffic)

    answer = there.cpo("POST", "/authorize", body)

    assert answer.status == 422
    assert said in answer.error
    assert there.pair.world.since(mark) == []


def test_a_company_that_is_no_cpo_lets_nobody_charge() -> None:
    there = with_a_card()

    answer = there.emsp("POST", "/authorize", {"uid": "K1"})

    assert (answer.status, answer.error) == (404, "this node does not act as cpo, so nobody charges here")


# --- CDRs ----------------------------------------------------------------------------------------------------------


def test_a_cdr_is_put_in_once_and_for_all() -> None:
    """CDR-09, CDR-18: whatever the case of its id."""
    there = desks()
    query = there.named(CDRS)

    created = there.cpo("POST", "/cdrs", make.cdr("C1"), query=query)
    again = there.cpo("POST", "/cdrs", make.cdr("c1") | {"id": "C1"}, query=query)
    changed = there.cpo("POST", "/cdrs", make.cdr("C1", total_cost=9), query=query)
    patched = there.cpo("PATCH", "/cdrs/c1", {"total_cost": 9})

    assert [(each.status, each.json.get("outcome")) for each in (created, again)] == [
        (201, "created"),
        (200, "unchanged"),
    ]
    assert (changed.status, changed.error) == (409, "Cdr 'C1' is final and cannot change any more")
    assert (patched.status, "is final" in patched.error) == (409, True)
    assert there.cpo("GET", "/cdrs/c1").json == created.json["object"] == again.json["object"]


def test_a_list_of_cdrs_is_spoken_of_by_the_ids_that_it_has() -> None:
    """CDR-18, FMT-07."""
    there = desks()
    there.put_in(CDRS, make.cdr("C1"))
    final, twice, new = make.cdr("C1", total_cost=9), make.cdr("Ü" * 36), make.cdr("ü" * 36, colour="red")

    answer = there.put_in(CDRS, [final, new, twice]).json

    assert answer["created"] == 1
    assert [(each["id"], each["error"]) for each in answer["failed"]] == [
        ("C1", "Cdr 'C1' is final and cannot change any more"),
        ("Ü" * 36, f"{'Ü' * 36} stands in the list twice"),
    ]
    assert [warning.split(":")[0] for warning in answer["warnings"]] == ["ü" * 36]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "Cdr.id is missing or no string"),
        ({}, "Cdr.id is missing or no string"),
        ({"id": 7}, "Cdr.id is missing or no string"),
        ({"id": ""}, "id is empty"),
        ({name: value for name, value in make.cdr().items() if name != "total_cost"}, "total_cost is missing"),
        (make.cdr("x" * 37), "longer than 36"),
        (make.cdr("x" * 3000), "longer than 36"),
        (make.cdr("C1", total_time=7200), "CDR-13"),
        (make.cdr("C1", location=make.location(evses=[])), "CDR-15"),
        (make.cdr("C1", charging_periods=[]), "charging_periods is an empty list"),
    ],
)
def test_what_is_no_cdr_is_refused(body: Any, said: str) -> None:
    """CDR-10, CDR-11, CDR-13, CDR-15."""
    there = desks()

    answer = there.cpo("POST", "/cdrs", body, query=there.named(CDRS))

    assert answer.status == 422
    assert said in answer.error
    assert there.cpo("GET", "/cdrs").json == {"items": [], "next": None}


def test_only_a_cpo_has_cdrs_to_post() -> None:
    there = desks()

    posts = there.emsp("POST", "/cdrs", make.cdr("C1"))
    posting = there.emsp("GET", "/cdrs/C1/posting")

    assert {(each.status, each.error) for each in (posts, posting)} == {(404, "this node does not own cdrs")}


def test_the_host_sees_that_its_cdr_is_what_the_emsp_holds() -> None:
    """CDR-05, CDR-21."""
    there = desks()
    there.put_in(CDRS, make.cdr("C/1 ü"))
    assert there.cpo("GET", "/cdrs/C%2F1%20%C3%BC/posting").json["posted_at"] is None

    there.pair.pump()

    answer = there.cpo("GET", "/cdrs/C%2F1%20%C3%BC/posting", query={"fetch": "yes"})
    assert (answer.status, answer.json["is_equal"], answer.json["partner"]) == (200, True, there.emsp_id)
    assert answer.json["url"] == "https://emsp.example/ocpi/emsp/2.1.1/cdrs/C%2F1%20%C3%BC"
    assert there.emsp("GET", f"/partners/{there.cpo_id}/cdrs/C%2F1%20%C3%BC").json == answer.json["theirs"]


@pytest.mark.parametrize("cdr_id", ["ü" * 36, "ABC"])
def test_the_host_finds_a_received_cdr_by_the_id_that_it_has(cdr_id: str) -> None:
    """CDR-18, FMT-07, FMT-08: in any case, and however long its URL would be."""
    there = desks()
    there.put_in(CDRS, make.cdr(cdr_id))
    there.pair.pump()

    for spelled in (cdr_id, cdr_id.swapcase()):
        assert there.emsp("GET", f"/partners/{there.cpo_id}/cdrs/{spelled}").json["id"] == cdr_id


def test_quarantine_is_empty_as_long_as_nothing_is_wrong() -> None:
    """Q-49."""
    there = desks()

    assert there.emsp("GET", f"/partners/{there.cpo_id}/quarantine").json == {"items": [], "after": None}
    assert there.emsp("GET", "/partners/nobody/quarantine").status == 404


# --- sessions ------------------------------------------------------------------------------------------------------


def test_a_session_that_is_over_changes_no_more() -> None:
    """SES-10."""
    there = desks()
    there.put_in(SESSIONS, make.session("S1", status="COMPLETED"))

    answer = there.cpo("PATCH", "/sessions/S1", {"kwh": 9})

    assert (answer.status, answer.error) == (409, "Session 'S1' is final and cannot change any more")
    announced = [one for announcements, _ in there.pair.cpo.queues.announcements for one in announcements]
    assert announced == [Announcement(SESSIONS, "S1", 1)]
    assert there.cpo("PATCH", "/sessions/S1", {"kwh": 1.5}).json["outcome"] == "unchanged"


def test_what_was_too_large_to_be_kept_whole_is_shown_as_far_as_it_goes() -> None:
    there = desks()
    cut = QuarantineEntry(
        partner_id=there.cpo_id,
        module=CDRS,
        id="C1",
        body=b'{"id":"C1","rem',
        reason="too large",
        at=there.emsp.company.world.clock(),
    )
    there.emsp.company.ports.quarantine.record(cut)

    (item,) = there.emsp("GET", f"/partners/{there.cpo_id}/quarantine").json["items"]

    assert (item["id"], item["object"]) == ("C1", '{"id":"C1","rem')
