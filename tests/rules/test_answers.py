"""The frame around our answers: one envelope for success, refusal and failure, with data where the spec has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from chalicelib.bootstrap.company import build_company
from chalicelib.modules import MODULES
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.rules import envelopes
from tests.rules.every import CHANGE, EVER, every_client_owned_module, every_module
from tests.rules.filled import filled
from tests.rules.lists import asked
from tests.world import Pair, Reply, pair


def answers() -> Iterator[tuple[tuple[int, int], Reply, Pair]]:
    """One answer of each kind, and what it should be."""
    nodes = filled()
    at, to_cpo, to_emsp = nodes.at_emsp, nodes.to_cpo, nodes.to_emsp
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/versions"), nodes
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/2.1.1"), nodes
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/2.1.1/credentials"), nodes
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/2.1.1/locations"), nodes
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/2.1.1/locations/L1/E1/1"), nodes
    yield (201, 1000), to_emsp("PUT", at("tariffs", "T2"), make.tariff("T2")), nodes
    yield (200, 1000), to_emsp("PUT", at("tariffs", "T2"), make.tariff("T2")), nodes
    yield (200, 1000), to_emsp("PATCH", at("tariffs", "T2"), {"currency": "SEK"}), nodes
    yield (200, 1000), to_emsp("DELETE", at("tariffs", "T2")), nodes
    yield (200, 2001), to_emsp("PUT", at("tariffs", "T2"), {}), nodes
    yield (400, 2000), to_emsp("PUT", at("tariffs", "T2"), raw=b"{"), nodes
    yield (404, 2000), to_emsp("GET", at("tariffs", "T2")), nodes
    yield (404, 2003), to_emsp("GET", at("locations", "L2")), nodes
    yield (404, 2000), to_emsp("GET", "/ocpi/no/such/place"), nodes
    yield (200, 1000), to_cpo("GET", "/ocpi/cpo/2.1.1/sessions", query=EVER), nodes
    yield (200, 2001), to_cpo("GET", "/ocpi/cpo/2.1.1/sessions"), nodes
    yield (201, 1000), to_emsp("PUT", at("sessions", "S2"), make.session("S2")), nodes
    yield (200, 1000), to_emsp("PATCH", at("sessions", "S2"), {"total_cost": 0.60}), nodes
    yield (201, 1000), to_emsp("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("C2")), nodes
    yield (200, 1000), to_emsp("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("C2")), nodes
    yield (200, 2001), to_emsp("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("C2", total_cost=9)), nodes
    yield (200, 1000), to_emsp("GET", "/ocpi/emsp/2.1.1/cdrs/C2"), nodes
    yield (404, 2000), to_emsp("GET", "/ocpi/emsp/2.1.1/cdrs/C3"), nodes
    yield (200, 1000), to_emsp("POST", "/ocpi/emsp/2.1.1/tokens/K1/authorize"), nodes
    yield (404, 2000), to_emsp("POST", "/ocpi/emsp/2.1.1/tokens/K2/authorize"), nodes
    yield (200, 2003), to_emsp("POST", "/ocpi/emsp/2.1.1/tokens/K1/authorize", {"location_id": "L9"}), nodes
    yield (405, 2000), to_emsp("DELETE", "/ocpi/emsp/2.1.1/cdrs/C2"), nodes
    yield (413, 2000), to_emsp("PUT", at("tariffs", "T2"), raw=b" " * (4 * 1024 * 1024 + 1)), nodes


def test_every_answer_is_json_in_an_envelope() -> None:
    """TRA-10, TRA-11, TRA-16, TRA-17, TRA-26, TRA-27, FMT-01, CDR-04, CDR-08, TOK-14, TOK-16, TOK-17."""
    for expected, reply, nodes in answers():
        assert reply.outcome == expected, reply
        assert envelopes.objections(reply.response, nodes.world.clock.now) == [], reply
        assert ("data" in reply.frame) is (reply.code == 1000 and reply.data is not None)


@every_module
def test_data_is_a_list_or_an_object_by_its_cardinality(module: ModuleID) -> None:
    """TRA-12, Q-14: a list even of nothing or of one."""
    nodes = pair()

    none = asked(nodes, module).data
    nodes.put_in(module, make.object_of(module))
    nodes.pump()
    one = asked(nodes, module).data
    single = nodes.to_receiver(module)("GET", nodes.at_receiver(module, "X1")).data

    assert none == []
    assert [type(element) for element in one] == [dict]
    assert isinstance(single, dict)


@every_client_owned_module
def test_what_has_no_data_says_nothing_about_it(module: ModuleID) -> None:
    """TRA-12, Q-14: to PUT and PATCH of a new object, a known one, and of nothing."""
    nodes = pair()
    call, url = nodes.to_receiver(module), nodes.at_receiver(module, "X1")

    answers = [call("PUT", url, make.object_of(module)) for _ in range(2)]
    answers += [call("PATCH", url, CHANGE[module]), call("PATCH", url, {})]

    assert [answer.outcome for answer in answers] == [(201, 1000), (200, 1000), (200, 1000), (200, 1000)]
    assert [answer for answer in answers if "data" in answer.frame] == []


def test_the_answer_to_a_posted_cdr_has_no_data() -> None:
    """TRA-12, Q-14: new or known; where it is stands in a header."""
    nodes = pair()

    answers = [nodes.to_emsp("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("X1")) for _ in range(2)]

    assert [answer.outcome for answer in answers] == [(201, 1000), (200, 1000)]
    assert [answer for answer in answers if "data" in answer.frame] == []
    assert {answer.headers["location"] for answer in answers} == {"https://emsp.example/ocpi/emsp/2.1.1/cdrs/X1"}


class Broken:
    """A store that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("secret-hostname refused the connection")


@every_module
def test_a_failure_of_ours_is_3000_in_an_envelope(module: ModuleID) -> None:
    """TRA-38: with a reference into the log, and nothing of what went wrong."""
    nodes = pair()
    side, call = nodes.receiver(module), nodes.to_receiver(module)
    stores: dict[ModuleID, Any] = dict.fromkeys(MODULES, Broken())
    broken = build_company(side.settings, replace(side.ports, stores=stores))
    request = Request(
        method="GET", url=nodes.at_receiver(module, "X1"), headers={"authorization": f"Token {call.token}"}
    )

    response = broken.node.handle(request, side.base_url, "the-reference")

    assert (response.status, Reply(response).code) == (200, 3000)
    assert Reply(response).message == "unexpected failure; reference the-reference"
    assert envelopes.objections(response, nodes.world.clock.now) == []
