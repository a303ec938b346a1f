"""Proves that the description of the operator API is valid, complete, and true of what the API takes and answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.entrypoints.operator import api
from chalicelib.entrypoints.operator.openapi import description
from chalicelib.entrypoints.operator.operation import Operation
from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests import strategies as drawn
from tests.entrypoints.desk import desks
from tests.world import PUBLIC

Json = dict[str, Any]

DOCUMENT = description(api.OPERATIONS)


def schema_of(name: str) -> Any:
    """A schema of the document, able to follow its references."""
    return OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_it_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_served_as_it_is() -> None:
    answer = desks().cpo("GET", "/openapi.json")

    assert (answer.status, answer.json) == (200, DOCUMENT)


@pytest.mark.parametrize("operation", api.OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_every_operation_is_described_with_its_parameters_and_body(operation: Operation) -> None:
    found = DOCUMENT["paths"][operation.path][operation.method.lower()]

    assert found["summary"] == operation.summary
    parameters = {(each["in"], each["name"]) for each in found["parameters"]}
    in_path = {("path", name) for name in re.findall(r"{(\w+)}", operation.path)}
    assert parameters == in_path | {("query", name) for name in operation.query}
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    assert body == ({"$ref": f"#/components/schemas/{operation.body_schema}"} if operation.body_schema else None)


def test_nothing_else_is_described() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert described == {(operation.method, operation.path) for operation in api.OPERATIONS}
    assert set(api.paths()) == set(DOCUMENT["paths"])


def test_a_method_that_takes_a_body_says_so() -> None:
    """Rotating tokens is the one PUT that takes none; some POSTs say all with their path."""
    bare = [each.path for each in api.OPERATIONS if each.method in ("PUT", "POST", "PATCH") and not each.body_schema]

    said = [
        "credentials",
        "outbox/retry",
        "outbox/{module}/{id}/retry",
        "pull/{module}",
        "quarantine/{entry}/retry",
        "resume",
        "suspend",
    ]
    assert sorted(bare) == [f"/operator/partners/{{partner}}/{path}" for path in said]


@pytest.mark.parametrize(("name", "query"), [("T1", {"limit": "1", "offset": "0"}), ("T1", {"date_to": "2027-01-01"})])
def test_the_query_parameters_do_what_they_say(name: str, query: dict[str, str]) -> None:
    desk = desks().cpo
    desk("PUT", "/tariffs", [make.tariff(name)])

    answer = desk("GET", "/tariffs", query=query)

    assert answer.status == (200 if "limit" in query else 422)


def without_stamps(module: ModuleID, value: Any) -> Any:
    """The value as a host sends it that leaves the time to the node; copies of other objects keep theirs."""
    if isinstance(value, dict):
        copies = {} if module in PUBLIC else value
        inside = {name: each if name in copies else without_stamps(module, each) for name, each in value.items()}
        return {name: each for name, each in inside.items() if name != "last_updated"}
    return [without_stamps(module, each) for each in value] if isinstance(value, list) else value


def consistent(module: ModuleID, value: Json) -> Json:
    """The value with one connector in use (SES-08, CDR-15), and a CDR with times that agree (CDR-12, CDR-13)."""
    if module in PUBLIC:
        return value
    evse, *_ = value["location"]["evses"]
    place = value["location"] | {"evses": [evse | {"connectors": evse["connectors"][:1]}]}
    if module is ModuleID.SESSIONS:
        return value | {"location": place}
    start = {"start_date_time": "2026-01-01T00:00:00Z"}
    times = start | {"stop_date_time": "2026-01-01T02:00:00Z", "total_time": 2, "total_parking_time": 0.5}
    return value | times | {"location": place, "charging_periods": [value["charging_periods"][0] | start]}


@pytest.mark.parametrize("module", MODULES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_the_node_takes_its_schema_takes(module: ModuleID, data: st.DataObject) -> None:
    """LOC-07, SES-07, CDR-10, TAR-06, TOK-05: nulls and empty lists included, and stamps left out."""
    value = consistent(module, data.draw(drawn.objects(module, st.just("X1"))))
    if data.draw(st.booleans()):
        value = without_stamps(module, value)
    there = desks()

    assert there.put_in(module, value).status == 201

    schema_of(MODULES[module].model.__name__).validate(value)
    schema_of("Object").validate(value)
    schema_of("List").validate([value, there.owner(module)("GET", f"/{module}/X1").json])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("Location", make.location(id="x" * 40)),
        ("Location", make.location(id="")),
        ("Location", make.location(type="CASTLE")),
        ("Location", {"id": "LOC1"}),
        ("Evse", make.evse(connectors=[])),
        ("Connector", make.connector(voltage="230")),
        ("Tariff", make.tariff(currency="euro")),
        ("Tariff", make.tariff(elements=[])),
        ("Session", make.session(kwh="1")),
        ("Session", make.session(status="OVER")),
        ("Cdr", make.cdr(charging_periods=[])),
        ("Cdr", make.cdr(total_cost=None)),
        ("Token", make.token(whitelist="SOMETIMES")),
        ("Token", make.token(uid="")),
        ("Ruling", {"allowed": "MAYBE"}),
        ("Ruling", {"needs_location": "yes"}),
        ("Ruling", {"locations": [{"evse_uids": ["E1"]}]}),
        ("AuthorizeRequest", {"type": "RFID"}),
        ("AuthorizeRequest", {"uid": 5}),
        ("AuthorizeRequest", {"uid": "K1", "type": "APP_USER"}),
        ("List", [{"id": "T1"}]),
        ("Invitation", {"role": "hub"}),
        ("Registration", {"role": "cpo"}),
        ("PartnerChange", {"profile": "generous"}),
        ("PartnerChange", {"accept_incomplete_locations": "yes"}),
    ],
)
def test_what_the_node_refuses_its_schema_refuses(name: str, wrong: Any) -> None:
    """LOC-07, SES-07, CDR-10, CDR-11, TAR-06, TOK-05."""
    assert not schema_of(name).is_valid(wrong)


@pytest.mark.parametrize(("method", "path"), [("GET", "/tariffs/NONE"), ("PUT", "/tariffs/T1"), ("GET", "/x/y/z/v/w")])
def test_every_failure_looks_as_described(method: str, path: str) -> None:
    answer = desks().cpo(method, path, {})

    assert answer.status >= 400
    schema_of("Error").validate(answer.json)
    assert set(answer.json) == {"error", "details"}
