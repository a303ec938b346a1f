"""Which methods each interface defines, and that all others are 405, as section 12 of the rulebook has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bootstrap.routes import route_table
from chalicelib.modules import MODULES
from chalicelib.node.serving.router import Endpoint
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.rules import envelopes
from tests.rules.filled import IDS, caller_of, filled, kept, url_of
from tests.world import pair

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "PROPFIND", "BREW")

# Section 12 turned round: what each interface does define.
DEFINED = {
    "/ocpi/cpo/versions": {"GET"},
    "/ocpi/cpo/2.1.1": {"GET"},
    "/ocpi/cpo/2.1.1/credentials": {"GET", "POST", "PUT", "DELETE"},
    "/ocpi/cpo/2.1.1/locations": {"GET"},
    "/ocpi/cpo/2.1.1/locations/{location_id}": {"GET"},
    "/ocpi/cpo/2.1.1/locations/{location_id}/{evse_uid}": {"GET"},
    "/ocpi/cpo/2.1.1/locations/{location_id}/{evse_uid}/{connector_id}": {"GET"},
    "/ocpi/cpo/2.1.1/sessions": {"GET"},
    "/ocpi/cpo/2.1.1/cdrs": {"GET"},
    "/ocpi/cpo/2.1.1/tariffs": {"GET"},
    "/ocpi/cpo/2.1.1/tokens": set(),
    "/ocpi/cpo/2.1.1/tokens/{country_code}/{party_id}/{token_uid}": {"GET", "PUT", "PATCH"},
    "/ocpi/cpo/2.1.1/commands": set(),
    "/ocpi/cpo/2.1.1/commands/{command}": {"POST"},
    "/ocpi/emsp/versions": {"GET"},
    "/ocpi/emsp/2.1.1": {"GET"},
    "/ocpi/emsp/2.1.1/credentials": {"GET", "POST", "PUT", "DELETE"},
    "/ocpi/emsp/2.1.1/locations": set(),
    "/ocpi/emsp/2.1.1/locations/{country_code}/{party_id}/{location_id}": {"GET", "PUT", "PATCH"},
    "/ocpi/emsp/2.1.1/locations/{country_code}/{party_id}/{location_id}/{evse_uid}": {"GET", "PUT", "PATCH"},
    "/ocpi/emsp/2.1.1/locations/{country_code}/{party_id}/{location_id}/{evse_uid}/{connector_id}": {
        "GET",
        "PUT",
        "PATCH",
    },
    "/ocpi/emsp/2.1.1/sessions": set(),
    "/ocpi/emsp/2.1.1/sessions/{country_code}/{party_id}/{session_id}": {"GET", "PUT", "PATCH"},
    "/ocpi/emsp/2.1.1/cdrs": {"POST"},
    "/ocpi/emsp/2.1.1/cdrs/{cdr_id}": {"GET"},
    "/ocpi/emsp/2.1.1/tariffs": set(),
    "/ocpi/emsp/2.1.1/tariffs/{country_code}/{party_id}/{tariff_id}": {"GET", "PUT", "PATCH", "DELETE"},
    "/ocpi/emsp/2.1.1/tokens": {"GET"},
    "/ocpi/emsp/2.1.1/tokens/{token_uid}/authorize": {"POST"},
    "/ocpi/emsp/2.1.1/commands": set(),
    "/ocpi/emsp/2.1.1/commands/{command}/{command_id}": {"POST"},
}
NOT_APPLICABLE = {
    # As it stands in section 12: tree and module, and the methods that are 405 at every URL of theirs.
    ("cpo", "locations"): "POST PUT PATCH DELETE",
    ("cpo", "sessions"): "POST PUT PATCH DELETE",
    ("cpo", "cdrs"): "POST PUT PATCH DELETE",
    ("cpo", "tariffs"): "POST PUT PATCH DELETE",
    ("emsp", "locations"): "POST DELETE",
    ("emsp", "sessions"): "POST DELETE",
    ("emsp", "cdrs"): "PUT PATCH DELETE",
    ("emsp", "tariffs"): "POST",
    ("cpo", "tokens"): "POST DELETE",
    ("emsp", "tokens"): "PUT PATCH DELETE",
    ("cpo", "commands"): "GET PUT PATCH DELETE",
    ("emsp", "commands"): "GET PUT PATCH DELETE",
    ("cpo", "credentials"): "PATCH",
    ("emsp", "credentials"): "PATCH",
    ("cpo", "versions"): "POST PUT PATCH DELETE",
    ("emsp", "versions"): "POST PUT PATCH DELETE",
}
ROUTES = route_table()
every_url = pytest.mark.parametrize("endpoint", ROUTES, ids=lambda endpoint: endpoint.path)


def not_applicable() -> Iterator[tuple[Endpoint[Any], str]]:
    for endpoint in ROUTES:
        for method in NOT_APPLICABLE[endpoint.role, endpoint.module].split():
            yield endpoint, method


def test_the_table_of_methods_covers_every_url() -> None:
    """TRA-18, TRA-34: and every URL below a tree's version carries it."""
    urls = {endpoint.path for endpoint in ROUTES}

    assert urls == DEFINED.keys()
    assert {(endpoint.role.value, endpoint.module) for endpoint in ROUTES} == NOT_APPLICABLE.keys()
    assert {url for url in urls if "/2.1.1" not in url} == {"/ocpi/cpo/versions", "/ocpi/emsp/versions"}


@pytest.mark.parametrize(("endpoint", "method"), list(not_applicable()), ids=lambda part: getattr(part, "path", part))
def test_a_method_that_is_not_applicable_is_405(endpoint: Endpoint[Any], method: str) -> None:
    """TRA-18, TRA-29, CRD-18, LOC-05, LOC-18, SES-03, SES-04, SES-11, CDR-03, CDR-07, CDR-08, TAR-01, TAR-02, TOK-01.

    TOK-02, TOK-10, CMD-15: at every depth, also with a body that is an object of the right kind; nothing has changed.
    """
    nodes = filled()
    call, url = caller_of(nodes, endpoint), url_of(endpoint)
    before = kept(nodes.cpo), kept(nodes.emsp)
    body = make.object_of(endpoint.module, url.rsplit("/", 1)[1]) if endpoint.module in MODULES else {}

    reply = call(method, url, body)

    assert reply.outcome == (405, 2000)
    assert method not in reply.headers["allow"].split(", ")
    assert (kept(nodes.cpo), kept(nodes.emsp)) == before


@pytest.mark.parametrize("module", [ModuleID.SESSIONS, ModuleID.CDRS, ModuleID.TARIFFS, ModuleID.TOKENS])
@pytest.mark.parametrize("method", METHODS)
def test_single_objects_of_the_owner_have_no_url(module: ModuleID, method: str) -> None:
    """SES-03, CDR-03, TAR-01, TRA-17: the spec defines them for locations alone."""
    nodes = filled()

    reply = nodes.to_owner(module)(method, f"{nodes.list_at_owner(module)}/{IDS[module]}")

    assert reply.outcome == (404, 2000)


def test_the_collection_of_cdrs_is_posted_to_and_not_read() -> None:
    """CDR-22, CDR-04: each is read at its own URL."""
    nodes = filled()

    collection = nodes.to_emsp("GET", "/ocpi/emsp/2.1.1/cdrs")

    assert collection.outcome == (405, 2000)
    assert collection.headers["allow"] == "POST, OPTIONS"
    assert nodes.to_emsp("GET", "/ocpi/emsp/2.1.1/cdrs/C1").outcome == (200, 1000)


@every_url
def test_a_method_that_the_spec_does_not_define_is_405(endpoint: Endpoint[Any]) -> None:
    """TRA-18, TRA-29, TRA-10: with Allow, and without looking at the body."""
    nodes = filled()
    call = caller_of(nodes, endpoint)

    for method in set(METHODS) - DEFINED[endpoint.path]:
        reply = call(method, url_of(endpoint), raw=b"{")
        assert reply.outcome == (405, 2000), method
        assert set(reply.headers["allow"].split(", ")) == DEFINED[endpoint.path] | {"OPTIONS"}
        assert envelopes.objections(reply.response, nodes.world.clock.now) == []


@pytest.mark.parametrize(
    ("endpoint", "method"),
    [(endpoint, method) for endpoint in ROUTES for method in sorted(DEFINED[endpoint.path])],
    ids=lambda part: getattr(part, "path", part),
)
def test_a_method_that_the_spec_defines_is_not_405(endpoint: Endpoint[Any], method: str) -> None:
    """TRA-18: but credentials refuse by state, too: who is registered does not register again (CRD-08)."""
    nodes = filled()

    reply = caller_of(nodes, endpoint)(method, url_of(endpoint))

    assert (reply.status == 405) is ((endpoint.module, method) == ("credentials", "POST"))


@every_url
@pytest.mark.parametrize("token", [True, False])
def test_options_says_what_is_allowed(endpoint: Endpoint[Any], token: bool) -> None:
    """TRA-18, Q-26."""
    nodes = pair()
    call = caller_of(nodes, endpoint) if token else replace(caller_of(nodes, endpoint), token="none")

    answer = call("OPTIONS", url_of(endpoint)).response

    assert (answer.status, answer.body) == (204, b"")
    assert set(answer.headers["allow"].split(", ")) == DEFINED[endpoint.path] | {"OPTIONS"}
