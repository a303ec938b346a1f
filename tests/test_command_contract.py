"""What the charge points' back end reads and writes is what ``docs/commands.schema.json`` says, and holds no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.adapters.sqs.commands import UnreadableResult, result_in
from chalicelib.modules.commands.objects import REQUESTS, RESULT
from chalicelib.node.commands import CommandResult
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import Pair, pair

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "commands.schema.json").read_text(encoding="utf-8"))
EXAMPLES = [
    json.loads(found)
    for found in re.findall(r"```json\n(.*?)```", (DOCS / "commands.md").read_text(encoding="utf-8"), re.DOTALL)
]
RESPONSE_URL = "https://emsp.example/answers/1"
KINDS: dict[str, dict[str, Any]] = {
    "RESERVE_NOW": {"token": make.token(), "expiry_date": "2026-06-01T12:00:00Z", "reservation_id": 7},
    "START_SESSION": {"token": make.token()},
    "UNLOCK_CONNECTOR": {"connector_id": "1"},
}


def validator(name: str = "") -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]} if name else SCHEMA)


def message(two: Pair, command: str, **request: Any) -> Mapping[str, Any]:
    """What the back end is told of a command that the eMSP sends."""
    reply = two.to_cpo("POST", f"/ocpi/cpo/2.1.1/commands/{command}", {"response_url": RESPONSE_URL, **request})
    assert reply.data == {"result": "ACCEPTED"}
    return two.cpo.command_queues.asked[-1]


@pytest.fixture
def two() -> Pair:
    """A CPO with a location and a session of the eMSP's driver."""
    found = pair()
    location = make.location("LOC1", evses=[make.evse("E1", connectors=[make.connector("1")])])
    found.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), location)
    session = make.session("S1", status="ACTIVE")
    found.cpo.company.own_objects[ModuleID.SESSIONS].put("S1", (), session, found.emsp.party)
    return found


def every_message(two: Pair) -> list[Mapping[str, Any]]:
    at_evse = {"location_id": "LOC1", "evse_uid": "E1"}
    anywhere = {"location_id": "LOC1"}
    return [
        *(message(two, command, **fields, **at_evse) for command, fields in KINDS.items()),
        *(message(two, command, **KINDS[command], **anywhere) for command in ("RESERVE_NOW", "START_SESSION")),
        message(two, "STOP_SESSION", session_id="S1"),
    ]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["Command"]["properties"]["command"]["enum"]) == set(REQUESTS)
    assert set(SCHEMA["$defs"]["Result"]["properties"]["result"]["enum"]) == set(RESULT)


def test_whatever_is_sent_is_as_the_schema_says_and_the_schema_says_it_all(two: Pair) -> None:
    sent = every_message(two)

    for each in sent:
        validator("Command").validate(each)
        assert each.keys() <= SCHEMA["$defs"]["Command"]["properties"].keys()
    assert {each["command"] for each in sent} == set(REQUESTS)
    assert {name for each in sent for name in each} == SCHEMA["$defs"]["Command"]["properties"].keys()


def test_the_requests_of_the_schema_have_the_fields_of_the_spec() -> None:
    """CMD-10, CMD-13: all but the address of the answer, which is ours to use."""
    for model in REQUESTS.values():
        described = SCHEMA["$defs"][model.__name__]
        optional = {name for name, field in model.model_fields.items() if not field.is_required()}

        assert described["properties"].keys() == model.model_fields.keys()
        assert set(described["required"]) == model.model_fields.keys() - optional - {"response_url"}


def test_no_token_of_ours_is_in_a_message_nor_where_the_result_goes(two: Pair) -> None:
    secrets = {partner.token_we_send.secret for side in (two.cpo, two.emsp) for partner in side.partners()}  # type: ignore[union-attr]
    assert len(secrets) == 2

    text = json.dumps(every_message(two))

    for secret in (*secrets, RESPONSE_URL):
        assert secret not in text


@pytest.mark.parametrize(
    ("wrong", "of"),
    [
        ({"version": 2}, "START_SESSION"),
        ({"command": "EXPLODE"}, "START_SESSION"),
        ({"request": {"location_id": "LOC1"}}, "START_SESSION"),
        ({"evse": None}, "START_SESSION"),
        ({"session": {}}, "START_SESSION"),
        ({"replaces": "c1"}, "START_SESSION"),
        ({"answer_by": "soon"}, "RESERVE_NOW"),
        ({"request": {"location_id": "LOC1", "evse_uid": "E1"}}, "UNLOCK_CONNECTOR"),
    ],
)
def test_the_schema_tells_a_wrong_message(wrong: dict[str, Any], of: str, two: Pair) -> None:
    right = message(two, of, **KINDS[of], location_id="LOC1", evse_uid="E1")
    assert validator("Command").is_valid(right)

    assert not validator("Command").is_valid({**right, **wrong})


def test_the_examples_of_the_document_are_valid() -> None:
    command, result = EXAMPLES

    validator("Command").validate(command)
    validator("Result").validate(result)
    validator().validate(command)


@pytest.mark.parametrize("result", RESULT)
def test_a_result_that_the_schema_allows_is_understood(result: str) -> None:
    sent = {"version": 1, "command_id": "c1", "result": result}
    validator("Result").validate(sent)

    assert result_in(json.dumps(sent)) == CommandResult(command_id="c1", result=result, source="charge point")


@pytest.mark.parametrize(
    "sent",
    [
        {"command_id": "c1", "result": "ACCEPTED"},
        {"version": 2, "command_id": "c1", "result": "ACCEPTED"},
        {"version": 1, "result": "ACCEPTED"},
        {"version": 1, "command_id": 1, "result": "ACCEPTED"},
        {"version": 1, "command_id": "c1", "result": None},
        [],
    ],
)
def test_what_is_no_result_to_the_schema_is_none_to_us(sent: Any) -> None:
    assert not validator("Result").is_valid(sent)

    with pytest.raises(UnreadableResult):
        result_in(json.dumps(sent))
