"""What every URL of ours promises: who may call, with which token, and that all others are strangers to it."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.bootstrap.ports import fresh_token
from chalicelib.bootstrap.routes import route_table
from chalicelib.modules import MODULES
from chalicelib.node.serving.router import Endpoint
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.rules import envelopes
from tests.rules.every import CHANGE, as_read, every_client_owned_module
from tests.rules.filled import caller_of, filled, url_of
from tests.rules.scripted import TOKEN, ScriptedPartner, taken
from tests.rules.test_methods import METHODS
from tests.world import Reply, pair

every_url = pytest.mark.parametrize("endpoint", route_table(), ids=lambda endpoint: endpoint.path)


# --- who may call ------------------------------------------------------------------------------------------------


@every_url
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Token", "Token ", "Token nope", "Bearer {}", "Basic {}", "{}", "Token {} {}", "Token,{}", "Tokén {}"],
)
def test_without_a_token_of_ours_every_url_is_401(endpoint: Endpoint[Any], authorization: str | None) -> None:
    """TRA-03, TRA-04, TRA-05, TRA-10, TRA-11: by every method."""
    nodes = filled()
    call = caller_of(nodes, endpoint)
    given = {} if authorization is None else {"authorization": authorization.format(call.token, call.token)}

    for method in METHODS:
        response = nodes.world.send(Request(method=method, url=f"https://{call.host}{url_of(endpoint)}", headers=given))

        assert (response.status, Reply(response).code) == (401, 2000), method
        assert envelopes.objections(response, nodes.world.clock.now) == []
        assert call.token not in response.body.decode()


@every_url
def test_a_token_opens_its_own_tree_alone(endpoint: Endpoint[Any]) -> None:
    """TRA-04, TRA-06: both are known to us, each on its own connection."""
    nodes = filled()
    right, wrong = caller_of(nodes, endpoint), caller_of(nodes, endpoint)
    wrong = replace(wrong, token=(nodes.to_emsp if right is nodes.to_cpo else nodes.to_cpo).token)

    assert right("GET", url_of(endpoint)).status != 401
    assert wrong("GET", url_of(endpoint)).outcome == (401, 2000)


@pytest.mark.parametrize(
    "spelled",
    ["Token {}", "token {}", "TOKEN {}", "Token   {}", "  Token {}  ", "Token\t{}"],
)
def test_the_token_is_taken_literally_and_its_scheme_in_any_case(spelled: str) -> None:
    """TRA-05, TRA-08, Q-04."""
    nodes = pair()

    reply = nodes.to_cpo("GET", "/ocpi/cpo/versions", headers={"authorization": spelled.format(nodes.to_cpo.token)})

    assert reply.outcome == (200, 1000)


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_token_in_base64_is_taken_as_well(end: str) -> None:
    """TRA-08, Q-03."""
    nodes = pair()
    wrapped = base64.b64encode((nodes.to_cpo.token + end).encode()).decode()

    ours = nodes.to_cpo("GET", "/ocpi/cpo/2.1.1/credentials", headers={"authorization": f"Token {wrapped}"})

    assert ours.outcome == (200, 1000)
    assert ours.data["token"] == nodes.to_cpo.token


@pytest.mark.parametrize("token", ["x" * 65, "with space", "tab\t", "", "é", "nul\x00"], ids=ascii)
def test_a_token_that_is_none_is_refused(token: str) -> None:
    """TRA-07: in POST credentials, which consumes no invitation."""
    nodes = pair()
    invitation = nodes.emsp.company.registrations.invite(Role.CPO)
    call = replace(nodes.to_emsp, token=invitation.token.secret)

    reply = call("POST", "/ocpi/emsp/2.1.1/credentials", make.credentials(token, "https://x.example/versions"))

    assert reply.outcome == (200, 2001)
    assert "token is not 1 to 64 printable characters without spaces (TRA-07)" in reply.message
    assert call("GET", "/ocpi/emsp/versions").outcome == (200, 1000)


def test_tokens_that_we_issue_are_printable_and_differ() -> None:
    """TRA-07."""
    tokens = {fresh_token().secret for _ in range(100)}

    assert len(tokens) == 100
    assert [token for token in tokens if not re.fullmatch(r"[\x21-\x7E]{1,64}", token)] == []


@every_client_owned_module
def test_a_partner_reaches_its_own_objects_alone(module: ModuleID) -> None:
    """TRA-06, TRA-30, TRA-32, SES-06, TAR-05, TOK-03, TOK-07: two owners of objects with one id, each sees its own."""
    nodes = pair()
    other = ScriptedPartner(nodes.world, MODULES[module].owner).register_with(nodes.receiver(module))
    call, ours = nodes.to_receiver(module), nodes.at_receiver(module, "X1")
    theirs = f"/ocpi/{MODULES[module].owner.other}/2.1.1/{module}/NL/ABC/X1"

    mine = make.object_of(module)
    assert call("PUT", ours, mine).outcome == (201, 1000)
    assert other("PUT", theirs, mine | CHANGE[module]).outcome == (201, 1000)

    assert call("GET", ours).data == as_read(module, mine)
    assert other("GET", theirs).data == as_read(module, mine | CHANGE[module])
    for method in ("GET", "PUT", "PATCH"):
        assert other(method, ours, mine).status == 404
        assert call(method, theirs, mine).status == 404


def test_a_partner_reaches_its_own_cdrs_alone() -> None:
    """TRA-06, TRA-32, CDR-06: their URLs name no party, so one URL shows each its own, or nothing."""
    nodes = pair()
    other = ScriptedPartner(nodes.world, Role.CPO).register_with(nodes.emsp)
    url = "/ocpi/emsp/2.1.1/cdrs"

    assert nodes.to_emsp("POST", url, make.cdr("C1", total_cost=1)).outcome == (201, 1000)
    assert other("GET", f"{url}/C1").outcome == (404, 2000)
    assert other("POST", url, make.cdr("C1", total_cost=2)).outcome == (201, 1000)

    assert nodes.to_emsp("GET", f"{url}/C1").data["total_cost"] == 1
    assert other("GET", f"{url}/C1").data["total_cost"] == 2


def test_the_token_that_we_send_is_theirs_and_the_one_that_we_take_is_ours() -> None:
    """TRA-02, TRA-08: never the other way round."""
    nodes = pair()
    partner = ScriptedPartner(nodes.world, endpoints={"tariffs": "https://partner.example/tariffs"}, answer=taken)
    ours = partner.register_with(nodes.cpo)

    nodes.cpo.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    nodes.pump()

    assert partner.asked[-1].headers["authorization"] == f"Token {TOKEN}"
    assert ours("GET", "/ocpi/cpo/versions").status == 200
    assert replace(ours, token=TOKEN)("GET", "/ocpi/cpo/versions").status == 401
