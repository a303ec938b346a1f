"""``schema``: valid JSON Schema of every object, which says what the spec's tables say."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chalicelib.ocpi.reading import Profile
from cli.schema import OBJECTS, schema_of, schema_of_all
from tests.cli.conftest import Run
from tests.oracle import OBJECTS as TABLES
from tests.oracle import Field
from tests.rules.receiving import CREATED, receiving
from tests.specimens import ROOTS, Path, at, complete, named, own_places, put, without

Json = Any

NAMES = {"EVSE": "Evse", "CDR": "Cdr", "Endpoint": "ListedEndpoint"}
"""Where a class of ours is called otherwise than in the spec."""
PLACES = [(name, path, field) for name in ROOTS for path, field in own_places(name)]

each_object = pytest.mark.parametrize("name", OBJECTS)


@functools.cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(OBJECTS[NAMES.get(name, name)]))


def each(places: list[tuple[str, Path, Field]]) -> pytest.MarkDecorator:
    ids = [f"{name}.{named(path)}" for name, path, _ in places]
    return pytest.mark.parametrize(("name", "path", "field"), places, ids=ids)


# --- the command -------------------------------------------------------------------------------------------------


def test_without_an_object_it_lists_them_with_a_line_each(run: Run) -> None:
    lines = run("schema").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["object", *OBJECTS]
    assert "A finished charging session as it is billed. Spec: mod_cdrs.md 3.1." in "".join(lines)


def test_the_list_in_json_has_a_sentence_for_each(run: Run) -> None:
    found = json.loads(run("schema", "--json").stdout)

    assert list(found) == list(OBJECTS)
    assert [name for name, told in found.items() if not told] == []


@pytest.mark.parametrize("spelled", ["EVSE", "Evse", "evse"])
def test_an_object_is_found_as_the_spec_spells_it(run: Run, spelled: str) -> None:
    assert json.loads(run("schema", spelled).stdout) == schema_of(OBJECTS["Evse"])


def test_all_objects_are_printed_as_one_schema(run: Run) -> None:
    found = json.loads(run("schema", "--all").stdout)

    assert found == schema_of_all()
    assert found["$defs"].keys() == OBJECTS.keys()


def test_an_unknown_object_is_a_problem_with_a_way_on(run: Run) -> None:
    result = run("schema", "Chargepoint")

    assert result.exit_code == 1
    assert "There is no object 'Chargepoint'" in result.stderr
    assert "python -m cli schema" in result.stderr


# --- the schemas -------------------------------------------------------------------------------------------------


def test_there_is_a_schema_for_every_table_of_the_spec() -> None:
    """FMT-10."""
    assert {NAMES.get(name, name) for name in TABLES} == OBJECTS.keys()


@each_object
def test_a_schema_is_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(OBJECTS[name]))


def test_the_schema_of_all_is_valid_and_can_be_referred_into() -> None:
    whole = schema_of_all()
    Draft202012Validator.check_schema(whole)

    token = Draft202012Validator({"$ref": "#/$defs/Token", "$defs": whole["$defs"]})

    assert token.is_valid(complete("Token"))
    assert not token.is_valid(complete("Token") | {"whitelist": "SOMETIMES"})


@each_object
def test_a_schema_cites_the_spec(name: str) -> None:
    description = schema_of(OBJECTS[name])["description"]

    assert re.search(r"Spec: (mod_\w+|credentials|types)\.md \d|Spec: version_information_endpoint\.md", description)


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("Session", ["kWh", "excludes VAT"]),
        ("Cdr", ["kWh", "hours", "excludes VAT"]),
        ("CdrDimension", ["kWh", "hours", "A for"]),
        ("Tariff", ["excluding VAT"]),
        ("PriceComponent", ["kWh", "hour", "excluding VAT", "Wh", "seconds"]),
        ("TariffRestrictions", ["kWh", "kW", "seconds", "local time"]),
        ("Connector", ["in V", "in A"]),
        ("EnergySource", ["percent"]),
        ("EnvironmentalImpact", ["Grams", "per kWh"]),
        ("Image", ["pixels"]),
        ("GeoLocation", ["degrees"]),
    ],
)
def test_a_schema_says_the_units(name: str, units: list[str]) -> None:
    """CDR-14, SES-15, TAR-13: nowhere else can they be told."""
    description = schema_of(OBJECTS[name])["description"]

    assert [unit for unit in units if unit not in description] == []


@pytest.mark.parametrize("name", ROOTS)
def test_a_complete_object_fits_its_schema(name: str) -> None:
    """FMT-10, FMT-11."""
    assert list(validator(name).iter_errors(complete(name))) == []


@each(PLACES)
def test_a_schema_requires_what_a_strict_reader_requires(name: str, path: Path, field: Field) -> None:
    """TRA-20, FMT-10."""
    lacking = without(complete(name), path)

    assert validator(name).is_valid(lacking) is not field.is_required
    is_read = receiving(Profile.STRICT).put(name, lacking).outcome == CREATED
    assert is_read is not field.is_required or field.name == "regular_hours"


@pytest.mark.product
@each(PLACES)
@pytest.mark.parametrize("wrong", [{}, True, "\u20ac" * 1025, -1.5, ["x"]], ids=lambda wrong: repr(wrong)[:8])
def test_what_a_schema_refuses_a_strict_reader_refuses(name: str, path: Path, field: Field, wrong: Json) -> None:
    """FMT-08, FMT-10, FMT-11, FMT-19: of lengths, enums, types and ranges."""
    value = put(complete(name), (*path, 0) if field.is_list else path, wrong)

    if not validator(name).is_valid(value):
        assert receiving(Profile.STRICT).put(name, value).outcome != CREATED


@each([place for place in PLACES if place[2].is_string or place[2].type == "DateTime"])
def test_a_schema_knows_how_long_a_string_may_be(name: str, path: Path, field: Field) -> None:
    """FMT-01, FMT-08, FMT-10: by its length or its pattern."""
    here = (*path, 0) if field.is_list else path
    long = at(complete(name), here) * 1025

    assert validator(name).is_valid(complete(name))
    assert not validator(name).is_valid(put(complete(name), here, long))
