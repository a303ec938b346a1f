"""The models say what the spec's tables say, judged by a copy of them that was typed in by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from chalicelib.entrypoints.operator.api import OPERATIONS
from chalicelib.entrypoints.operator.openapi import description
from chalicelib.modules.cdrs import objects as cdrs
from chalicelib.modules.credentials import objects as credentials
from chalicelib.modules.locations import objects as locations
from chalicelib.modules.sessions import objects as sessions
from chalicelib.modules.tariffs import objects as tariffs
from chalicelib.modules.tokens import objects as tokens
from chalicelib.ocpi import types
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.types import Tolerance
from tests.oracle import ENUMS, OBJECTS, Field, fields
from tests.specimens import complete

NAMES = {"EVSE": "Evse", "CDR": "Cdr"}
"""Where a class of ours is called otherwise than in the spec."""
RULEBOOK = Path(__file__).parents[2].parent / "shared" / "docs" / "rulebook.md"

Schema = dict[str, Any]

READ_LOOSELY = {"Version", "VersionDetails", "Endpoint"}
"""What partners publish about themselves is read entry by entry (VER-09)."""

each_object = pytest.mark.parametrize("name", [name for name in OBJECTS if name not in READ_LOOSELY])


def model_of(name: str) -> type[BaseModel]:
    found: type[BaseModel] = next(
        vars(module)[NAMES.get(name, name)]
        for module in (locations, tariffs, cdrs, sessions, tokens, credentials, types)
        if NAMES.get(name, name) in vars(module)
    )
    return found


@each_object
def test_a_model_has_the_fields_of_its_table_in_their_order(name: str) -> None:
    """FMT-10, FMT-11."""
    assert list(model_of(name).model_fields) == list(fields(name))


@each_object
def test_a_model_requires_what_its_table_requires(name: str) -> None:
    """TRA-19, TRA-20, TRA-36."""
    required = {field for field, info in model_of(name).model_fields.items() if info.is_required()}

    assert required == {field.name for field in fields(name).values() if field.is_required}


@each_object
def test_a_model_reads_its_object_straight_from_bytes(name: str) -> None:
    """TRA-16, FMT-10: pedantically, and as it reads the same from parsed JSON."""
    model, whole = model_of(name), complete(name)

    read = model.model_validate_json(json.dumps(whole).encode(), context=Tolerance.PEDANTIC)

    assert read == model.model_validate(whole, context=Tolerance.PEDANTIC)
    assert read.model_dump(mode="json", exclude_none=True) == whole


@pytest.fixture(scope="module")
def published() -> dict[str, Schema]:
    """The schemas that our host is given for the objects of the modules."""
    found: dict[str, Schema] = description(OPERATIONS)["components"]["schemas"]
    return found


PUBLISHED = [
    pytest.param(name, field, id=f"{name}.{field.name}")
    for name in OBJECTS
    if NAMES.get(name, name) in description(OPERATIONS)["components"]["schemas"]
    for field in fields(name).values()
]


@pytest.mark.parametrize(("name", "field"), PUBLISHED)
def test_the_published_schema_says_what_the_table_says(published: dict[str, Schema], name: str, field: Field) -> None:
    """FMT-08, FMT-10, FMT-11, FMT-13, FMT-14, FMT-19, FMT-20."""
    schema = published[NAMES.get(name, name)]
    found = element(schema["properties"][field.name])

    # The node stamps what the host does not.
    assert (field.name in schema.get("required", [])) is (field.is_required and field.name != "last_updated")
    assert is_list(schema["properties"][field.name]) is field.is_list
    if field.type in OBJECTS:
        assert found["$ref"] == f"#/components/schemas/{NAMES.get(field.type, field.type)}"
    elif field.type in ENUMS:
        assert sorted(found["enum"]) == sorted(ENUMS[field.type])
    elif field.form and field.name != "time_zone":
        assert field.name == "country" or re.fullmatch(found["pattern"], field.form[1])
    elif field.is_string:
        assert found["maxLength"] == field.length
    else:
        kinds = {"boolean": "boolean", "number": "number", "DateTime": "string"}
        assert found["type"] == kinds.get(field.type, "integer")


def is_list(schema: Schema) -> bool:
    return any(choice.get("type") == "array" for choice in schema.get("anyOf", [schema]))


def element(schema: Schema) -> Schema:
    """The schema of one value, without null and without the list around it."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    found: Schema = choices[0].get("items", choices[0])
    return found


def test_the_modules_are_those_of_the_spec() -> None:
    """FMT-11, VER-06."""
    assert sorted(ModuleID) == sorted(ENUMS["ModuleID"])


@pytest.mark.skipif(not RULEBOOK.exists(), reason="the rulebook is not part of the project")
def test_the_tables_were_typed_in_without_a_slip() -> None:
    """The oracle itself, against the rulebook's appendices."""
    text = RULEBOOK.read_text()
    printed = dict(re.findall(r"^\*\*(?:[\d.]+ )?(\w+)(?: \w+)?\*\* \([\w.]+\): (.*)$", text, re.MULTILINE))
    printed["VersionDetails"] = printed.pop("Data")
    printed["DisplayText"] = printed["DisplayText"].replace("class", "")

    for name in OBJECTS:
        rows = re.findall(r"`(\w+)` ([\w()]+) \[(.)\]", printed[name])
        assert rows == [(field.name, field.type, field.cardinality) for field in fields(name).values()], name
    for name, values in ENUMS.items():
        assert re.findall(r"`([\w.]+)`", printed[name]) == list(values), name
