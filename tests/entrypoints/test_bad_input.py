"""Bad input through the real app on DynamoDB: what the node answers by itself is what Chalice hands over."""

from __future__ import annotations

import json
import random
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from chalicelib.bootstrap.company import Company
from chalicelib.bootstrap.ports import utc_now
from chalicelib.bootstrap.routes import route_table
from chalicelib.node.objects import theirs
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.conftest import Answer, Call
from tests.rules import envelopes
from tests.rules.filled import STEPS
from tests.rules.hostile import requests

PARTY = Party.of("DE", "CPO")
TOKEN = AuthToken("the-token-of-a-registered-partner")
PATHS = [endpoint.path for endpoint in route_table() if endpoint.role is Role.EMSP]
LOCATION = "/ocpi/emsp/2.1.1/locations/DE/CPO/L1"


@pytest.fixture
def registered(company: Company) -> Company:
    """The node with a CPO as its partner."""
    grant = Grant(token_hash=TOKEN.hash, partner_id="p1", our_role=Role.EMSP, kind=GrantKind.CURRENT)
    partner = Partner(
        id="p1", our_role=Role.EMSP, state=State.REGISTERED, party=PARTY, token_we_send=TOKEN, issued=(TOKEN.hash,)
    )
    company.ports.partners.save(partner, issue=[grant])
    return company


def framed(answer: Answer) -> list[str]:
    """What is wrong with the frame of an answer."""
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    return envelopes.objections(Response(answer.status, headers, answer.body.encode()), utc_now())


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_is_asked_is_answered_by_the_book(call: Call, registered: Company, data: st.DataObject) -> None:
    """TRA-03, TRA-10, TRA-11, TRA-15 to TRA-18, TRA-38: neither Chalice nor DynamoDB has a word of its own."""
    request = data.draw(requests(PATHS, STEPS, f"Token {TOKEN.secret}"))
    path = f"/{request.url.lstrip('/')}"
    # What is addressed to the host's own API is answered in its own form.
    assume(path.split("/")[1] != "operator")
    query = urlencode({name: value.encode(errors="replace") for name, value in request.query.items()})

    answer = call(request.method, f"{path}?{query}", headers=dict(request.headers), body=request.body)

    assert answer.status in {200, 201, 204, 400, 401, 404, 405, 413}
    if request.method not in ("HEAD", "OPTIONS"):
        assert framed(answer) == []
        assert answer.json["status_code"] in {1000, 2000, 2001, 2003, 3001}


def test_an_object_that_no_item_can_hold_is_413(call: Call, registered: Company) -> None:
    """TRA-10, TRA-38: DynamoDB keeps 400 KB; what does not compress into that is refused and not stored."""
    noise = random.Random(1).randbytes(600_000).hex()  # noqa: S311 - to be incompressible
    texts = [{"language": "en", "text": noise[start : start + 512]} for start in range(0, len(noise), 512)]

    answer = call("PUT", LOCATION, token=TOKEN.secret, body=json.dumps(make.location("L1", directions=texts)))

    assert (answer.status, answer.json["status_code"]) == (413, 2000)
    assert framed(answer) == []
    assert registered.ports.stores[ModuleID.LOCATIONS].get(theirs(PARTY), "L1") is None


def test_a_large_object_that_compresses_is_kept(call: Call, registered: Company) -> None:
    """TRA-16: three megabytes of EVSEs that resemble each other."""
    whole = make.location("L1", evses=[make.evse(f"E{number}") for number in range(9_999)])

    answer = call("PUT", LOCATION, token=TOKEN.secret, body=json.dumps(whole))

    assert (answer.status, answer.json["status_code"]) == (201, 1000)
    stored = registered.ports.stores[ModuleID.LOCATIONS].get(theirs(PARTY), "L1")
    assert stored
    assert len(json.loads(stored.body)["evses"]) == 9_999
