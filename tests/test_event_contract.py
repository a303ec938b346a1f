"""What the host is told of is what ``docs/events.schema.json`` says, whatever it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.entrypoints.operator.event_schema import document
from chalicelib.modules import MODULES
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.hearing import heard, push
from tests.world import pair

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "events.schema.json").read_text(encoding="utf-8"))
TEXT = (DOCS / "events.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(found) for found in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]


@pytest.fixture(scope="module")
def news() -> list[dict[str, Any]]:
    """Everything that can be heard, at a node that is both."""
    there = pair()
    for module in MODULES:
        push(there, module, make.object_of(module, "X1"))
    there.to_emsp("PATCH", there.at_emsp("locations", "X1", "E1", "1"), {"amperage": 16})
    there.to_emsp("DELETE", there.at_emsp("tariffs", "X1"))
    there.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), make.location("LOC1"))
    there.emsp.company.own_objects[ModuleID.TOKENS].put("K1", (), make.token("K1"))
    partner = there.emsp.partners()[0]
    asked = {"token_uid": "K1", "location_id": "LOC1"}
    command = there.emsp.company.sent_commands.send(partner, "START_SESSION", asked)
    there.to_emsp("POST", command.response_url, {"result": "ACCEPTED"})
    announcer = EventAnnouncer(there.emsp.events, there.world.clock)
    announcer.partner(partner, EventKind.BROKEN, "no answer")
    announcer.partner(partner, EventKind.RECOVERED)
    there.emsp.company.registrations.unregister(partner)
    return [*heard(there.cpo), *heard(there.emsp)]


def test_the_schema_is_the_one_that_is_published() -> None:
    """``make docs`` writes it."""
    Draft202012Validator.check_schema(SCHEMA)
    assert document() == SCHEMA


def test_whatever_is_told_is_as_the_schema_says_and_the_schema_says_it_all(news: list[dict[str, Any]]) -> None:
    for event in news:
        Draft202012Validator(SCHEMA).validate(event)
        assert event.keys() == SCHEMA["properties"].keys()
        assert event["partner"].keys() == SCHEMA["properties"]["partner"]["properties"].keys()
    assert {event["kind"] for event in news} == set(EventKind)
    assert {event["module"] for event in news} == {*MODULES, ModuleID.COMMANDS, None}


def test_the_examples_of_the_document_are_valid() -> None:
    assert EXAMPLES
    for example in EXAMPLES:
        Draft202012Validator(SCHEMA).validate(example.get("detail", example))


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_is_explained(kind: EventKind) -> None:
    assert f"| `{kind}` |" in TEXT


@pytest.mark.parametrize("field", SCHEMA["properties"])
def test_every_field_is_explained(field: str) -> None:
    assert re.search(rf"^\| .*`{field}`", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "wrong",
    [{"v": 2}, {"kind": "object.changed"}, {"id": "1"}, {"version": 0}, {"path": "E1"}, {"partner": {"id": "p1"}}],
)
def test_the_schema_tells_a_wrong_event(wrong: dict[str, Any], news: list[dict[str, Any]]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(news[-1] | wrong)
