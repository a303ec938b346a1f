"""Whatever the host sends to the operator API is answered in JSON by a documented status, and nothing breaks."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.entrypoints.operator import api
from chalicelib.entrypoints.operator.api import OPERATIONS
from chalicelib.modules import MODULES
from chalicelib.node.partners.store import OperatorKey
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.rules.hostile import GARBAGE, requests
from tests.rules.hostile import STEPS as STRANGE_STEPS
from tests.rules.scripted import ScriptedPartner
from tests.rules.strategies import JSON
from tests.world import CompanyInWorld, World

KEY = "Bearer the-operator-key"
DOCUMENTED = {200, 201, 202, 400, 401, 404, 405, 409, 413, 422}
PATHS = sorted({operation.path for operation in OPERATIONS})
WRITES = [(operation.method, operation.path) for operation in OPERATIONS if operation.body_schema]
WRITES_OF_EACH = [
    (method, path, module)
    for method, path in WRITES
    for module in (MODULES if path.endswith(("{module}", "{id}")) else [ModuleID.LOCATIONS])
]
"""With each module that the path is about; parts are those of locations."""


def hosted() -> tuple[CompanyInWorld, dict[str, str]]:
    """A company with both roles, a partner, an object of each module, and a key; and right steps for its URLs."""
    node = World().company("node.example", Party.of("DE", "CPO"))
    endpoints = {module.value: f"https://partner.example/{module}" for module in MODULES}
    call = ScriptedPartner(node.world, Role.CPO, endpoints).register_with(node)
    call("PUT", "/ocpi/emsp/2.1.1/locations/NL/ABC/L1", make.location("L1"))
    call("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("L1"))
    call("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("L1", total_cost=9))
    for module, own in node.company.own_objects.items():
        own.put("L1", (), make.object_of(module, "L1"), Party.of("NL", "ABC"))
    node.ports.partners.save_operator_key(hashlib.sha256(b"the-operator-key").hexdigest(), OperatorKey("test"))
    steps = {"partner": node.partners()[0].id, "module": "locations", "id": "L1", "evse_uid": "E1", "connector_id": "1"}
    (contradiction,) = node.ports.quarantine.of(steps["partner"])
    return node, steps | {"command": "START_SESSION", "entry": contradiction.entry}


def ask(node: CompanyInWorld, method: str, path: str, **request: Any) -> Response:
    headers = {"authorization": KEY} | request.pop("headers", {})
    return api.answer(node.company, Request(method=method, url=path, headers=headers, **request))


def is_documented(response: Response, statuses: set[int]) -> None:
    """JSON of the one form that errors have."""
    found = json.loads(response.body.decode())
    assert response.headers["content-type"] == "application/json"
    assert response.status in statuses
    if response.status >= 400:
        assert found.keys() == {"error", "details"}
        assert isinstance(found["error"], str)
        assert isinstance(found["details"], list)


NODE, STEPS = hosted()


@pytest.mark.parametrize("module", MODULES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_host_asks_is_answered_with_a_documented_status(module: ModuleID, data: st.DataObject) -> None:
    """N-68: 502 where it is the partner that cannot be reached or used."""
    request = data.draw(requests(PATHS, STEPS | {"module": module}, KEY))
    calls_partners = request.url.rstrip("/").endswith(("/register", "/credentials")) or request.method == "DELETE"

    response = api.answer(NODE.company, request)

    is_documented(response, DOCUMENTED | ({502} if calls_partners else set()))


@pytest.mark.product
@pytest.mark.parametrize(("method", "path", "module"), WRITES_OF_EACH)
@pytest.mark.parametrize("body", GARBAGE, ids=lambda body: repr(body[:18]))
def test_garbage_breaks_nothing(method: str, path: str, module: ModuleID, body: bytes) -> None:
    """400 if it is no JSON, 422 if it is no such object; a PATCH of unknown fields alone changes nothing."""
    node, steps = hosted()
    before = {module: own.get("L1") for module, own in node.company.own_objects.items()}

    response = ask(node, method, path.format(**steps | {"module": module}), body=body)

    is_documented(response, {200, 400, 422})
    assert {module: own.get("L1") for module, own in node.company.own_objects.items()} == before
    assert len(node.partners()) == 1


@pytest.mark.parametrize("path", ["/operator/partners", "/operator/partners/register", "/operator/partners/{partner}"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_fields_of_any_kind_are_taken_or_refused(path: str, data: st.DataObject) -> None:
    """422 names what is missing, unknown or no text."""
    values = JSON | st.sampled_from(
        ("cpo", "emsp", "strict", "NL/ABC", "https://[", "https://nowhere.example/v", "x" * 256)
    )
    names = ("role", "name", "token", "versions_url", "profile", "party", "foo")
    body = data.draw(st.dictionaries(st.sampled_from(names), values) | JSON)
    method = "PATCH" if "{partner}" in path else "POST"

    response = ask(NODE, method, path.format(**STEPS), body=json.dumps(body).encode())

    is_documented(response, {200, 201, 422} | ({502} if path.endswith("register") else set()))


@pytest.mark.parametrize("url", ["https://[", "http://", "nowhere", "//x", "ftp://x.example/v", "https://x:99999/", ""])
def test_a_versions_url_that_nobody_can_call_is_422(url: str) -> None:
    """VER-04, FMT-08: and no partner is left behind."""
    node, _ = hosted()
    body = {"role": "cpo", "token": "abc", "versions_url": url}

    response = ask(node, "POST", "/operator/partners/register", body=json.dumps(body).encode())

    assert response.status == 422
    assert len(node.partners()) == 1


@pytest.mark.parametrize("field", ["name", "token", "versions_url"])
@pytest.mark.parametrize("text", ["x" * 256, "x" * 500_000, "a\x00b", "a\nb"], ids=lambda text: ascii(text[:5]))
def test_a_text_that_no_field_can_hold_is_422(field: str, text: str) -> None:
    """FMT-07, FMT-10: before anything is stored."""
    node, _ = hosted()
    body = {"role": "cpo", "token": "abc", "versions_url": "https://x.example/v", field: text}

    response = ask(node, "POST", "/operator/partners/register", body=json.dumps(body).encode())

    assert response.status == 422
    assert len(node.partners()) == 1


@pytest.mark.product
@pytest.mark.parametrize("step", [*STRANGE_STEPS, "x" * 3000, "%F0%9F%98%80" * 300], ids=lambda step: ascii(step[:12]))
@pytest.mark.parametrize("path", [path for path in PATHS if "{" in path])
def test_a_strange_step_is_404(path: str, step: str) -> None:
    """TRA-17: unless it spells something else that exists."""
    for name in STEPS:
        if f"{{{name}}}" in path:
            response = ask(NODE, "GET", path.format(**STEPS | {name: step}))
            is_documented(response, {404, 405} | ({200} if step in ("", "locations") else set()))


@pytest.mark.parametrize("after", ["x" * 2000, "é" * 600, "\x00", "", "L1"])
def test_a_place_to_go_on_from_may_be_anything(after: str) -> None:
    path = "/operator/partners/{partner}/locations".format(**STEPS)

    is_documented(ask(NODE, "GET", path, query={"after": after}), {200, 422})


def test_a_body_of_twenty_megabytes_is_413() -> None:
    """N-68."""
    for method, path in WRITES:
        is_documented(ask(NODE, method, path.format(**STEPS), body=b"[" * (20 * 1024 * 1024)), {413})


NO_KEYS = ["", "Bearer", "Bearer ", "Bearer é", "Token the-operator-key", "Bearer \ud800", "x" * 9999]


@pytest.mark.parametrize("authorization", NO_KEYS, ids=lambda header: ascii(header[:20]))
def test_without_a_key_everything_is_401(authorization: str) -> None:
    """Known paths and unknown ones, by every method."""
    for path in (*PATHS, "/operator/no/such/path/at/all"):
        for method in ("GET", "PUT", "BREW"):
            is_documented(ask(NODE, method, path, headers={"authorization": authorization}), {401})
