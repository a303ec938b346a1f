"""Whatever is sent to any URL of ours is answered by the book, and what is refused leaves no trace."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.bootstrap.routes import route_table
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.rules import envelopes
from tests.rules.every import every_module, id_field
from tests.rules.filled import IDS, OWNERS, STEPS, filled, kept
from tests.rules.hostile import AUTHORIZATIONS, CANARY, requests
from tests.rules.hostile import STEPS as STRANGE_STEPS
from tests.world import CLIENT_OWNED, CompanyInWorld, Pair, Reply, pair

DOCUMENTED = {200, 201, 204, 400, 401, 404, 405, 413}
PATHS = {role: [endpoint.path for endpoint in route_table() if endpoint.role is role] for role in Role}
MEGABYTE = 1024 * 1024


class Nodes:
    """Two nodes that are as new before each request."""

    def __init__(self) -> None:
        self.pair: Pair = filled()
        self.before = self._kept()

    def _kept(self) -> Any:
        return kept(self.pair.cpo), kept(self.pair.emsp)

    def ask(self, side: CompanyInWorld, request: Request) -> tuple[Response, bool]:
        """The answer, and whether it changed anything."""
        response = side.company.node.handle(request, side.base_url, "reference")
        changed = self._kept() != self.before
        if changed:
            self.__init__()  # type: ignore[misc]
        return response, changed


NODES = Nodes()


def is_by_the_book(request: Request, response: Response, changed: bool) -> None:
    """TRA-10, TRA-11, TRA-16, TRA-38: a documented answer in the envelope; refused means untouched and not repeated."""
    assert response.status in DOCUMENTED
    if response.status == 204:
        assert (request.method, response.body, changed) == ("OPTIONS", b"", False)
        return
    assert envelopes.objections(response, NODES.pair.world.clock.now) == []
    code = Reply(response).code
    assert code in {1000, 2000, 2001, 2002, 2003} | ({3001, 3002, 3003} if "credentials" in request.url else set())
    assert (response.status in (200, 201)) or code in (2000, 2003)
    if code != 1000:
        assert not changed
        assert CANARY.encode() not in response.body
        assert "data" not in Reply(response).frame


@pytest.mark.parametrize("role", Role)
@settings(max_examples=350, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_asked_is_answered_by_the_book(role: Role, data: st.DataObject) -> None:
    """TRA-03, TRA-10, TRA-11, TRA-15, TRA-16, TRA-17, TRA-18, TRA-37, TRA-38."""
    side, call = (NODES.pair.cpo, NODES.pair.to_cpo) if role is Role.CPO else (NODES.pair.emsp, NODES.pair.to_emsp)
    request = data.draw(requests(PATHS[role], STEPS | OWNERS[role], f"Token {call.token}"))

    response, changed = NODES.ask(side, request)

    is_by_the_book(request, response, changed)


def send(module: ModuleID, method: str, raw: bytes, **request: Any) -> Reply:
    """The answer to these bytes where the module's object is, which must not have changed anything."""
    call, side = NODES.pair.to_receiver(module), NODES.pair.receiver(module)
    steps = () if method == "POST" else (IDS[module],)
    given = {"url": NODES.pair.at_receiver(module, *steps), "headers": {"authorization": f"Token {call.token}"}}
    asked = Request(**({"method": method, **given, "body": raw} | request))
    response, changed = NODES.ask(side, asked)
    assert not changed
    is_by_the_book(asked, response, changed)
    return Reply(response)


def put(raw: bytes, **request: Any) -> Reply:
    """The answer to a PUT of these bytes as a location."""
    return send(ModuleID.LOCATIONS, "PUT", raw, **request)


WAYS = [(module, method) for module in CLIENT_OWNED for method in ("PUT", "PATCH")] + [(ModuleID.CDRS, "POST")]


@pytest.mark.parametrize(("module", "method"), WAYS)
@pytest.mark.parametrize("kind", [b" ", b"[", b"\xff", b'"'])
def test_a_body_of_twenty_megabytes_is_413(module: ModuleID, method: str, kind: bytes) -> None:
    """TRA-10: it is not even parsed."""
    assert send(module, method, kind * (20 * MEGABYTE)).outcome == (413, 2000)


def test_a_body_of_four_megabytes_is_read() -> None:
    """TRA-15, TRA-16: the limit is exact."""
    most = json.dumps(make.location("L1", name=7)).encode().ljust(4 * MEGABYTE)

    assert put(most.replace(b"7,", b"[],")[:-1]).outcome == (200, 2001)
    assert put(most + b" ").outcome == (413, 2000)


@pytest.mark.parametrize("count", [10_001, 100_000])
def test_a_list_without_end_is_refused(count: int) -> None:
    """TRA-16: with a short answer."""
    reply = put(json.dumps(make.location("L1", facilities=["HOTEL"] * count)).encode())

    assert reply.outcome == (200, 2001)
    assert len(reply.response.body) < 700


def test_breaches_without_end_are_not_named_one_by_one() -> None:
    """TRA-16, TRA-38: that would take a partner's megabyte half a minute of ours."""
    evses = [make.evse(f"E{number}", status=7, connectors=[{}]) for number in range(9_000)]

    reply = put(json.dumps(make.location("L1", evses=evses)).encode())

    assert reply.outcome == (200, 2001)
    assert reply.message == "Location: breaks more than 10000 rules"


@pytest.mark.parametrize("authorization", AUTHORIZATIONS, ids=lambda header: ascii(header[:30]))
def test_an_odd_authorization_is_401(authorization: str) -> None:
    """TRA-03: for every method and body, without a trace of it in the answer."""
    assert put(b"{}", headers={"authorization": authorization}).outcome == (401, 2000)


@pytest.mark.parametrize("type_", ["", "text/plain", "application/merge-patch+json", "multipart/form-data", "é"])
def test_the_content_type_is_no_matter(type_: str) -> None:
    """TRA-09, Q-06: the body is what counts."""
    headers = {"authorization": f"Token {NODES.pair.to_emsp.token}", "content-type": type_}

    assert put(b"{", headers=headers).outcome == (400, 2000)
    assert put(b"{}", headers=headers).outcome == (200, 2001)


@pytest.mark.parametrize("step", STRANGE_STEPS, ids=lambda step: ascii(step[:12]))
def test_a_strange_id_is_an_unknown_one(step: str) -> None:
    """TRA-17, Q-27: whatever it decodes to, at every depth of receiver and sender."""
    cpo, emsp = NODES.pair.cpo.company.node, NODES.pair.emsp.company.node
    to_cpo, to_emsp = ({"authorization": f"Token {call.token}"} for call in (NODES.pair.to_cpo, NODES.pair.to_emsp))
    pushed = [f"/{module}/DE/CPO/{step}" for module in ("tariffs", "sessions")]
    pushed += [f"/locations/DE/CPO/{step}/E1", f"/locations/DE/CPO/L1/E1/{step}"]
    pulled = [f"/locations/{step}/E1", f"/locations/L1/{step}/1", f"/locations/L1/E1/{step}x"]

    theirs = [
        emsp.handle(Request(method=method, url=f"/ocpi/emsp/2.1.1{path}", headers=to_emsp, body=b"{}"), "").status
        for method in ("GET", "PATCH")
        for path in pushed
    ]
    tokens = [
        cpo.handle(
            Request(method=method, url=f"/ocpi/cpo/2.1.1/tokens/NL/MSP/{step}", headers=to_cpo, body=b"{}"), ""
        ).status
        for method in ("GET", "PATCH")
    ]
    cdr = emsp.handle(Request(method="GET", url=f"/ocpi/emsp/2.1.1/cdrs/{step}", headers=to_emsp), "").status
    authorized = emsp.handle(
        Request(method="POST", url=f"/ocpi/emsp/2.1.1/tokens/{step}/authorize", headers=to_emsp), ""
    ).status
    ours = [
        cpo.handle(Request(method="GET", url=f"/ocpi/cpo/2.1.1{path}", headers=to_cpo), "").status for path in pulled
    ]

    # Without a last step, and with the slash before it, the URL is the EVSE's, and that of the CDRs their collection.
    assert theirs == [404, 404, 404, 404 if step else 200] * 2
    assert tokens == [404] * 2
    assert cdr == (404 if step else 405)
    assert authorized == 404
    assert ours == [404] * 3


@pytest.mark.parametrize(
    "path", ["/DE/CPO//", "/DE/CPO//E1", "/DE/CPO/L1//1", "/DE//L1", "//CPO/L1", "/DE/CPO/L1/E1//"]
)
def test_an_empty_step_addresses_nothing(path: str) -> None:
    """TRA-17: nothing can be put there."""
    body = json.dumps(make.location("", uid="")).encode()

    assert put(body, url=f"/ocpi/emsp/2.1.1/locations{path}").outcome == (404, 2000)


@pytest.mark.parametrize("object_id", ["a/b", "..", "%", "%zz", "x y", "é😀", "*+;,'", "null", "?#", "a\\b", "FR*1*2"])
@every_module
def test_any_printable_id_goes_in_and_comes_out(module: ModuleID, object_id: str) -> None:
    """Q-27, TRA-28, CDR-04: encoded in the URL, as it is in the body."""
    nodes = pair()
    call, value = nodes.to_receiver(module), make.object_of(module, object_id)
    put_at, read_at = (nodes.at_receiver(module, quote(object_id, safe=safe)) for safe in ("", "*"))

    if module is ModuleID.CDRS:
        created = call("POST", nodes.at_receiver(module), value)
        read_at = created.headers["location"]
    else:
        created = call("PUT", put_at, value)

    assert created.outcome == (201, 1000)
    assert call("GET", read_at).data[id_field(module)] == object_id
    assert call("GET", put_at).data[id_field(module)] == object_id
