"""What our node sends when it calls: whole or changed objects, to published URLs, with its token; and how it judges."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import UnableToUseApi
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make, oracle, specimens
from tests.rules.every import CHANGE, SPEC_NAME, every_client_owned_module
from tests.rules.scripted import HOST, TOKEN, ScriptedPartner, frame
from tests.rules.scripted import PARTY as THEM
from tests.world import CompanyInWorld, Pair, World, pair

US = Party.of("DE", "CPO")
ENDPOINTS = {module.value: f"https://{HOST}/receive/{module}" for module in MODULES}


def us(world: World, role: Role = Role.CPO) -> CompanyInWorld:
    return world.company("us.example", US, frozenset({role}))


def told(world: World, role: Role = Role.CPO, **partner: Any) -> tuple[CompanyInWorld, ScriptedPartner]:
    """A node in this role, and a partner that is told about its objects."""
    node, partner_ = us(world, role), ScriptedPartner(world, role.other, **({"endpoints": ENDPOINTS} | partner))
    partner_.register_with(node)
    return node, partner_


def failures(node: CompanyInWorld) -> list[str]:
    return [failure.reason for failure in node.ports.outbox.entries(node.partners()[0].id)]


def told_of_everything() -> Pair:
    """Two nodes that have told each other of an object of each module, and of a change of those that change."""
    nodes = pair()
    for module in MODULES:
        nodes.put_in(module, make.object_of(module))
        nodes.pump()
        if module in CHANGE:
            nodes.owner(module).company.own_objects[module].patch("X1", (), CHANGE[module])
            nodes.pump()
    return nodes


def test_every_request_of_ours_carries_one_token_in_plain() -> None:
    """TRA-02, TRA-08: from the handshake to the pushes of both sides."""
    nodes = told_of_everything()
    nodes.cpo.company.own_objects[ModuleID.TARIFFS].delete("X1")
    nodes.pump()
    nodes.cpo.company.registrations.rotate(nodes.cpo.partners()[0])

    headers = [sent.request.headers.get("authorization", "") for sent in nodes.world.traffic]

    assert {sent.request.method for sent in nodes.world.traffic} == {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert {module for sent in nodes.world.traffic for module in MODULES if f"/{module}" in sent.path} == set(MODULES)
    assert [header for header in headers if not re.fullmatch(r"Token secret-token-number-\d{6}", header)] == []


def test_a_body_of_ours_is_declared_as_json() -> None:
    """TRA-09: on POST, PUT and PATCH of credentials and objects; a GET declares nothing."""
    nodes = told_of_everything()

    sent = [each.request for each in nodes.world.traffic]

    types = {(request.method, request.headers.get("content-type")) for request in sent}
    assert types == {("GET", None), *((method, "application/json") for method in ("POST", "PUT", "PATCH"))}
    assert [request for request in sent if bool(request.body) is (request.method == "GET")] == []


@every_client_owned_module
def test_a_new_object_is_put_whole(module: ModuleID) -> None:
    """TRA-19, LOC-29, SES-07, SES-12, TAR-14, TOK-05, TOK-19: all that the spec requires, nothing it does not know."""
    node, partner = told(World(), MODULES[module].owner)
    name = SPEC_NAME[module]
    whole = specimens.complete(name)

    node.company.own_objects[module].put("x", (), whole | {"foo": 1}, THEM)
    node.pump()

    assert partner.calls[-1] == f"PUT {ENDPOINTS[module]}/DE/CPO/x"
    sent = partner.bodies[-1]
    assert oracle.objections(name, sent) == []
    assert sent == whole | {"last_updated": sent["last_updated"]}


def test_a_cdr_is_posted_whole_to_the_endpoint_itself() -> None:
    """CDR-04, CDR-10, TRA-33: no party and no id in its URL."""
    node, partner = told(World())
    whole = specimens.complete("CDR")

    node.company.own_objects[ModuleID.CDRS].put("x", (), whole | {"foo": 1}, THEM)
    node.pump()

    assert partner.calls[-1] == f"POST {ENDPOINTS[ModuleID.CDRS]}"
    sent = partner.bodies[-1]
    assert oracle.objections("CDR", sent) == []
    assert sent == whole | {"last_updated": sent["last_updated"]}


def test_a_change_is_patched_with_the_changed_fields_alone() -> None:
    """TRA-22, TRA-23: and the stamp (Q-30)."""
    node, partner = told(World())
    node.company.own_objects[ModuleID.LOCATIONS].put("L1", (), make.location("L1"))
    node.pump()
    node.world.clock.pass_(minutes=1)

    node.company.own_objects[ModuleID.LOCATIONS].put("L1", (), make.location("L1", name="New name", city="Breda"))
    node.pump()

    assert partner.calls[-1] == f"PATCH https://{HOST}/receive/locations/DE/CPO/L1"
    assert partner.bodies[-1] == {"name": "New name", "city": "Breda", "last_updated": "2026-03-01T12:01:00Z"}


@every_client_owned_module
def test_a_change_of_any_object_is_patched(module: ModuleID) -> None:
    """TRA-22, TRA-23, LOC-29, SES-12, TAR-14, TOK-19: with what has changed, and neither id nor anything else."""
    node, partner = told(World(), MODULES[module].owner)
    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()
    node.world.clock.pass_(minutes=2)

    node.company.own_objects[module].patch("X1", (), CHANGE[module])
    node.pump()

    assert partner.calls[-1] == f"PATCH {ENDPOINTS[module]}/DE/CPO/X1"
    assert partner.bodies[-1] == CHANGE[module] | {"last_updated": "2026-03-01T12:02:00Z"}


@every_client_owned_module
def test_a_failed_patch_of_an_unknown_object_becomes_a_put(module: ModuleID) -> None:
    """TRA-25, SES-16: they have nothing, so they get all."""
    node, partner = told(
        World(),
        MODULES[module].owner,
        answer=lambda request: frame(status=200 if request.method == "PUT" else 404),
    )
    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()
    partner.asked.clear()

    node.company.own_objects[module].patch("X1", (), CHANGE[module])
    node.pump()

    url = f"{ENDPOINTS[module]}/DE/CPO/X1"
    assert partner.calls == [f"PATCH {url}", f"GET {url}", f"PUT {url}"]
    assert partner.bodies[-1] == node.company.own_objects[module].get("X1")
    assert failures(node) == []


@every_client_owned_module
def test_a_failed_patch_that_arrived_all_the_same_is_not_followed_by_a_put(module: ModuleID) -> None:
    """TRA-25: their GET answers what we would send."""
    world = World()
    node = us(world, MODULES[module].owner)

    def answer(request: Request) -> Response:
        if request.method == "GET":
            return frame(node.company.own_objects[module].get("X1"))
        return frame(code=2000) if request.method == "PATCH" else frame()

    partner = ScriptedPartner(world, MODULES[module].owner.other, endpoints=ENDPOINTS, answer=answer)
    partner.register_with(node)
    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()

    node.company.own_objects[module].patch("X1", (), CHANGE[module])
    node.pump()

    assert [call.split()[0] for call in partner.calls] == ["PUT", "PATCH", "GET"]
    assert failures(node) == []


@pytest.mark.parametrize("code", [1000, 1001, 1999])
@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("module", [ModuleID.TARIFFS, ModuleID.CDRS])
def test_every_1xxx_in_a_2xx_is_success(module: ModuleID, status: int, code: int) -> None:
    """TRA-14, TRA-26."""
    node, _ = told(World(), answer=lambda _: frame(status=status, code=code))

    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()

    assert failures(node) == []


@pytest.mark.parametrize(
    "answer",
    [
        frame(code=2000),
        frame(code=2001, status_message="no"),
        frame(code=3000),
        frame(status=400),
        frame(status=401),
        frame(status=500),
        Response(500, {}, b"<html>"),
        Response(400),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:22]!r}",
)
@pytest.mark.parametrize("module", [ModuleID.TARIFFS, ModuleID.CDRS])
def test_everything_else_is_a_failed_push(module: ModuleID, answer: Response) -> None:
    """TRA-14: HTTP 200 with 2000 or more is a failure too."""
    node, _ = told(World(), answer=lambda _: answer)

    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()

    assert len(failures(node)) == 1
    assert f"HTTP {answer.status}" in failures(node)[0]


def test_the_data_of_a_failure_is_not_read() -> None:
    """TRA-13, TRA-14: it looks like credentials, but the status says that it is none."""
    world = World()
    node = us(world)
    theirs = make.credentials("token-c", f"https://{HOST}/versions")
    ScriptedPartner(world, answer=lambda _: frame(theirs, code=2001, status_message="not now"))

    with pytest.raises(UnableToUseApi, match="HTTP 200 and OCPI status 2001: not now"):
        node.company.registrations.register(f"https://{HOST}/versions", AuthToken("token-a"), Role.EMSP)

    assert node.partners()[0].party is None
    assert node.partners()[0].token_we_send is None


@pytest.mark.parametrize("endpoint", ["https://x.partner.example/a/b", "https://x.partner.example/a/b/", "https://y/"])
@every_client_owned_module
def test_a_push_goes_to_the_published_url_whatever_it_looks_like(module: ModuleID, endpoint: str) -> None:
    """TRA-28, TRA-33, Q-05, Q-27: followed by our own country, party and the encoded id."""
    node, partner = told(World(), MODULES[module].owner, endpoints={module.value: endpoint})
    id_ = "a/b c*d?e#f%g+h:é"

    node.company.own_objects[module].put(id_, (), make.object_of(module, id_), THEM)
    node.pump()

    assert partner.calls[-1] == f"PUT {endpoint.rstrip('/')}/DE/CPO/a%2Fb%20c*d%3Fe%23f%25g%2Bh%3A%C3%A9"
    assert {request.headers["authorization"] for request in partner.asked} == {f"Token {TOKEN}"}


@pytest.mark.parametrize("endpoint", ["https://x.partner.example/a/b", "https://x.partner.example/a/b/", "https://y/"])
def test_a_cdr_goes_to_the_published_url_as_it_is(endpoint: str) -> None:
    """TRA-33, CDR-04: with its slash, if it has one, for nothing is added."""
    node, partner = told(World(), endpoints={"cdrs": endpoint})

    node.company.own_objects[ModuleID.CDRS].put("a/b", (), make.cdr("a/b"), THEM)
    node.pump()

    assert partner.calls == [f"POST {endpoint}"]
    assert {request.headers["authorization"] for request in partner.asked} == {f"Token {TOKEN}"}


@pytest.mark.parametrize("module", MODULES)
def test_a_partner_without_an_endpoint_is_told_nothing(module: ModuleID) -> None:
    """TRA-33, OFF-02: no URL is made up."""
    others = {name: url for name, url in ENDPOINTS.items() if name != module}
    node, partner = told(World(), MODULES[module].owner, endpoints=others)

    node.company.own_objects[module].put("X1", (), make.object_of(module), THEM)
    node.pump()

    assert partner.calls == []
    assert failures(node) == []
