"""Proves the host's side of commands: send one, see what became of it, answer one for a charge point."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from chalicelib.entrypoints.operator import api
from chalicelib.entrypoints.operator.openapi import description
from chalicelib.node.partners.store import OperatorKey
from tests import make
from tests.entrypoints.desk import Answer, Desks, desks
from tests.modules.commanding import FIELDS

Json = Any

ANYBODY = "ocpi_a-key-without-roles"


def with_a_driver() -> Desks:
    """A CPO with a location and a session, an eMSP with a card, and a key at the eMSP that is for no help desk."""
    there = desks()
    there.cpo("PUT", "/locations/LOC1", make.location("LOC1"))
    there.emsp("PUT", "/tokens/K1", make.token("K1"))
    there.cpo("PUT", "/sessions/S1", make.session("S1"), query={"partner": there.emsp_id})
    digest = hashlib.sha256(ANYBODY.encode()).hexdigest()
    there.emsp.company.ports.partners.save_operator_key(digest, OperatorKey("anybody", frozenset()))
    there.pair.pump()
    return there


def send(there: Desks, name: str = "START_SESSION", body: Json = None, **how: Any) -> Answer:
    """What the eMSP's host is answered."""
    return there.emsp(
        "POST", f"/partners/{there.cpo_id}/commands/{name}", FIELDS[name] if body is None else body, **how
    )


def asked(there: Desks) -> str:
    return str(there.pair.cpo.command_queues.asked[-1]["command_id"])


# --- sending -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(FIELDS))
def test_a_command_is_sent_and_shown_with_its_answer(name: str) -> None:
    """CMD-01, CMD-02."""
    there = with_a_driver()

    answer = send(there, name)

    assert answer.status == 201
    shown = answer.json
    assert shown == there.emsp("GET", f"/commands/{shown['id']}").json
    assert {
        field: shown[field] for field in ("side", "partner", "command", "stage", "is_over", "answer", "result")
    } == {
        "side": "sent",
        "partner": there.cpo_id,
        "command": name,
        "stage": "accepted",
        "is_over": False,
        "answer": "ACCEPTED",
        "result": None,
    }
    assert shown["request"]["response_url"].endswith(f"/commands/{name}/{shown['id']}")
    assert (shown["at"], shown["deadline"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:02:00Z")
    assert [event["what"] for event in shown["events"]] == ["answered ACCEPTED"]


def test_only_a_help_desk_unlocks_connectors() -> None:
    """CMD-17: the host is told which key it takes, and nothing is sent."""
    there = with_a_driver()
    mark = len(there.pair.world.traffic)

    refused = send(there, "UNLOCK_CONNECTOR", key=f"Bearer {ANYBODY}")

    assert refused.status == 403
    assert refused.error == (
        "UNLOCK_CONNECTOR is for help desks, never for drivers (CMD-17); "
        "create a key for it with: python -m cli keys create NAME --role help-desk"
    )
    assert there.pair.world.since(mark) == []
    assert there.emsp("GET", f"/partners/{there.cpo_id}/commands").json["items"] == []


@pytest.mark.parametrize("name", ["RESERVE_NOW", "START_SESSION", "STOP_SESSION"])
def test_every_key_sends_the_other_commands(name: str) -> None:
    """CMD-17."""
    assert send(with_a_driver(), name, key=f"Bearer {ANYBODY}").status == 201


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("START_SESSION", [], 422, "the body is a JSON object"),
        ("START_SESSION", "ACCEPTED", 422, "the body is a JSON object"),
        ("START_SESSION", {}, 422, "location_id is missing"),
        ("START_SESSION", {"location_id": "LOC1"}, 422, "token is missing"),
        ("START_SESSION", {"location_id": "LOC1", "token_uid": "K9"}, 404, "no such Token"),
        ("START_SESSION", {"location_id": "LOC1", "token_uid": ["K1"]}, 422, "token_uid is not a string"),
        ("START_SESSION", {"location_id": "LOC1", "token": make.token("K1")}, 422, "token_uid"),
        ("START_SESSION", {"location_id": 5, "token_uid": "K1"}, 422, "location_id"),
        ("RESERVE_NOW", FIELDS["RESERVE_NOW"] | {"reservation_id": 1.5}, 422, "reservation_id"),
        ("STOP_SESSION", {"session_id": "S1", "why": "x"}, 422, "STOP_SESSION has no field why"),
        ("CANCEL_RESERVATION", {}, 404, "there is no command 'CANCEL_RESERVATION'"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_and_not_sent(name: str, body: Json, status: int, said: str) -> None:
    """CMD-13, CMD-16."""
    there = with_a_driver()
    mark = len(there.pair.world.traffic)

    answer = send(there, name, body)

    assert (answer.status, said in answer.error) == (status, True), answer.error
    assert there.pair.world.since(mark) == []


def test_a_body_that_is_no_json_is_refused() -> None:
    there = with_a_driver()

    assert there.emsp("POST", f"/partners/{there.cpo_id}/commands/START_SESSION", raw=b"{").status == 400


def test_a_cpo_sends_no_commands_and_nobody_sends_one_to_a_stranger() -> None:
    """CMD-01: commands go from an eMSP to a CPO."""
    there = with_a_driver()

    by_cpo = there.cpo("POST", f"/partners/{there.emsp_id}/commands/START_SESSION", FIELDS["START_SESSION"])
    to_nobody = there.emsp("POST", "/partners/p99/commands/START_SESSION", FIELDS["START_SESSION"])

    assert (by_cpo.status, by_cpo.error) == (422, "commands go from an eMSP to a CPO, and this is none to us")
    assert to_nobody.status == 404


def test_a_cpo_that_is_down_is_shown_as_the_problem() -> None:
    """CMD-19: the command is kept, for it may have been taken nonetheless."""
    there = with_a_driver()
    there.pair.world.down.add("cpo.example")

    shown = send(there).json

    assert (shown["stage"], shown["is_over"], shown["answer"]) == ("failed", True, None)
    assert "connection refused" in shown["problem"]
    assert there.emsp("GET", f"/commands/{shown['id']}").json == shown


# --- what became of it ---------------------------------------------------------------------------------------------


def test_both_hosts_see_the_whole_life() -> None:
    """CMD-04, CMD-06, CMD-18: with the result that the CPO's host says for its charge point."""
    there = with_a_driver()
    command_id = send(there).json["id"]
    there.cpo("POST", f"/commands/{asked(there)}/result", {"result": "ACCEPTED"})
    there.pair.cpo.pump_commands()
    session = make.session("S2", start_datetime="2026-03-01T12:00:30Z")
    there.cpo("PUT", "/sessions/S2", session, query={"partner": there.emsp_id})
    there.pair.pump()

    at_emsp = there.emsp("GET", f"/commands/{command_id}").json
    at_cpo = there.cpo("GET", f"/commands/{asked(there)}").json

    assert (at_emsp["stage"], at_emsp["result"], at_emsp["session_id"]) == ("session", "ACCEPTED", "S2")
    told = ["answered ACCEPTED", "result ACCEPTED", "session S2"]
    assert [event["what"] for event in at_emsp["events"]] == told
    assert (at_cpo["stage"], at_cpo["result"], at_cpo["posting"], at_cpo["side"]) == (
        "answered",
        "ACCEPTED",
        "done",
        "received",
    )
    told = ["ACCEPTED from the operator", "being answered", "answered at the response_url"]
    assert [event["what"] for event in at_cpo["events"]] == told


def test_the_cpo_sees_that_its_answer_did_not_arrive() -> None:
    """CMD-04, Q-57."""
    there = with_a_driver()
    send(there)
    there.pair.world.down.add("emsp.example")

    there.cpo("POST", f"/commands/{asked(there)}/result", {"result": "ACCEPTED"})
    there.pair.cpo.pump_commands()

    shown = there.cpo("GET", f"/commands/{asked(there)}").json
    assert (shown["stage"], shown["posting"], shown["is_over"]) == ("not answered", "failed", True)
    assert "connection refused" in shown["problem"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"result": "FAILED"}, "result is one of NOT_SUPPORTED, REJECTED, ACCEPTED, TIMEOUT, UNKNOWN_SESSION"),
        ({"result": "accepted"}, "result is one of"),
        ({"result": None}, "no text: result"),
        ({}, "missing: result"),
        ({"result": "ACCEPTED", "message": "x"}, "unknown or no text: message"),
        ("ACCEPTED", "the body is a JSON object"),
    ],
)
def test_a_result_that_there_is_not_is_refused(body: Json, said: str) -> None:
    """CMD-03: and the timer still runs."""
    there = with_a_driver()
    send(there)

    answer = there.cpo("POST", f"/commands/{asked(there)}/result", body)

    assert (answer.status, said in answer.error) == (422, True), answer.error
    assert there.cpo("GET", f"/commands/{asked(there)}").json["stage"] == "waiting"


def test_an_emsp_answers_no_command_of_its_own() -> None:
    """CMD-06: the result of what it sent comes from the CPO."""
    there = with_a_driver()
    command_id = send(there).json["id"]

    answer = there.emsp("POST", f"/commands/{command_id}/result", {"result": "ACCEPTED"})

    assert (answer.status, answer.error) == (404, "no partner has sent us such a command")
    assert there.emsp("GET", f"/commands/{command_id}").json["result"] is None


@pytest.mark.parametrize("command_id", ["p999", "x" * 300])
def test_a_command_that_there_is_not_is_not_found(command_id: str) -> None:
    there = with_a_driver()

    shown = there.emsp("GET", f"/commands/{command_id}")
    answered = there.cpo("POST", f"/commands/{command_id}/result", {"result": "ACCEPTED"})

    assert (shown.status, answered.status) == (404, 404)
    assert shown.error == "there is no such command; they are kept for 30 days"


# --- lists ---------------------------------------------------------------------------------------------------------


def test_the_commands_of_a_partner_are_listed_page_by_page_the_latest_first() -> None:
    there = with_a_driver()
    ids = [send(there).json["id"] for _ in range(5)]
    url = f"/partners/{there.cpo_id}/commands"

    pages, query = list[list[str]](), {"limit": "2"}
    while len(pages) < 5:
        page = there.emsp("GET", url, query=query).json
        pages.append([item["id"] for item in page["items"]])
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert pages == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]]]
    assert [item["id"] for item in there.emsp("GET", url).json["items"]] == ids[::-1]
    assert {item["side"] for item in there.cpo("GET", f"/partners/{there.emsp_id}/commands").json["items"]} == {
        "received"
    }


def test_a_list_starts_again_behind_what_there_is_not_and_refuses_what_is_no_number() -> None:
    there = with_a_driver()
    command_id, url = send(there).json["id"], f"/partners/{there.cpo_id}/commands"

    behind_nothing = there.emsp("GET", url, query={"after": "x" * 3000})

    assert [item["id"] for item in behind_nothing.json["items"]] == [command_id]
    assert there.emsp("GET", url, query={"limit": "many"}).status == 422
    assert there.emsp("GET", "/partners/p99/commands").status == 404


def test_the_description_takes_what_the_api_takes_and_shows_the_operations() -> None:
    document = description(api.OPERATIONS)
    request = document["components"]["schemas"]["CommandRequest"]
    validator = OAS31Validator({"$ref": "#/components/schemas/CommandRequest", "components": document["components"]})

    assert all(validator.is_valid(body) for body in FIELDS.values())
    assert set(request["properties"]) == {field for body in FIELDS.values() for field in body}
    assert not validator.is_valid({"reservation_id": "7"})
    assert {path: set(methods) for path, methods in document["paths"].items() if "/commands" in path} == {
        "/operator/partners/{partner}/commands": {"get"},
        "/operator/partners/{partner}/commands/{command}": {"post"},
        "/operator/commands/{id}": {"get"},
        "/operator/commands/{id}/result": {"post"},
    }
