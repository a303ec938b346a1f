"""The frame around our answers: one envelope for success, refusal and failure, with data where the spec has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.modules import MODULES
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.rules import envelopes
from tests.rules.filled import filled
from tests.world import Pair, Reply, pair

every_module = pytest.mark.parametrize("module", MODULES)


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
    yield (413, 2000), to_emsp("PUT", at("tariffs", "T2"), raw=b" " * (4 * 1024 * 1024 + 1)), nodes


def test_every_answer_is_json_in_an_envelope() -> None:
    """TRA-10, TRA-11, TRA-16, TRA-17, TRA-26, TRA-27, FMT-01."""
    for expected, reply, nodes in answers():
        assert reply.outcome == expected, reply
        assert envelopes.objections(reply.response, nodes.world.clock.now) == [], reply
        assert ("data" in reply.frame) is (reply.code == 1000 and reply.data is not None)


@every_module
def test_data_is_a_list_or_an_object_by_its_cardinality(module: ModuleID) -> None:
    """TRA-12, Q-14: a list even of nothing or of one; what has no data says nothing about it."""
    nodes = pair()
    url = f"/ocpi/cpo/2.1.1/{module}"

    none = nodes.to_cpo("GET", url).data
    nodes.cpo.company.own[module].put("X1", (), make.object_of(module))
    nodes.pump()
    one = nodes.to_cpo("GET", url).data
    single = nodes.to_emsp("GET", nodes.at_emsp(module, "X1")).data
    nothing = nodes.to_emsp("PATCH", nodes.at_emsp(module, "X1"), {}).frame

    assert none == []
    assert [type(element) for element in one] == [dict]
    assert isinstance(single, dict)
    assert "data" not in nothing


class Broken:
    """A store that cannot be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("secret-hostname refused the connection")


@every_module
def test_a_failure_of_ours_is_3000_in_an_envelope(module: ModuleID) -> None:
    """TRA-38: with a reference into the log, and nothing of what went wrong."""
    nodes = pair()
    stores: dict[ModuleID, Any] = dict.fromkeys(MODULES, Broken())
    broken = bootstrap.company(nodes.emsp.settings, replace(nodes.emsp.outside, stores=stores))
    request = Request("GET", nodes.at_emsp(module, "X1"), {"authorization": f"Token {nodes.to_emsp.token}"})

    response = broken.node.handle(request, "https://emsp.example", "the-reference")

    assert (response.status, Reply(response).code) == (200, 3000)
    assert Reply(response).message == "unexpected failure; reference the-reference"
    assert envelopes.objections(response, nodes.world.clock.now) == []
