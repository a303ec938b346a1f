"""Whatever goes into our node, what leaves it keeps the spec's tables, as a hand-made copy of them has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.modules import MODULES
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from tests import oracle, specimens
from tests.rules.every import SPEC_NAME, every_module
from tests.rules.filled import filled
from tests.rules.strategies import sloppy
from tests.world import Pair, pair

Json = Any

each_tree = pytest.mark.parametrize("role", ["cpo", "emsp"])


def put_in(nodes: Pair, module: ModuleID, value: Json) -> None:
    nodes.owner(module).company.own_objects[module].put("x", (), value, nodes.receiver(module).party)


def listed(nodes: Pair, module: ModuleID) -> list[Json]:
    """What the partner finds in the list."""
    since = "?date_from=2015-01-01T00:00:00Z"
    found: list[Json] = nodes.to_owner(module)("GET", nodes.list_at_owner(module) + since).data
    return found


def seen(nodes: Pair, module: ModuleID) -> list[Json]:
    """The object ``x`` as the partner gets to see it: by its push, in the list, and singly where there is a URL."""
    nodes.pump()
    sent = [traffic for traffic in nodes.world.traffic if traffic.request.method in ("PUT", "POST")]
    assert f"/{module}" in sent[-1].path
    found = [sent[-1].json, *listed(nodes, module)]
    assert len(found) == 2
    if MODULES[module].single_objects:
        found.append(nodes.to_cpo("GET", f"/ocpi/cpo/2.1.1/{module}/x").data)
    return found


@every_module
def test_a_complete_object_leaves_as_it_came(module: ModuleID) -> None:
    """FMT-01, FMT-05, FMT-08, FMT-10, FMT-11, FMT-12, FMT-15, FMT-19, PAG-26: in list, push and single GET."""
    nodes, whole = pair(), specimens.complete(SPEC_NAME[module])

    put_in(nodes, module, whole)

    for found in seen(nodes, module):
        assert oracle.objections(SPEC_NAME[module], found) == []
        assert found | {"last_updated": whole["last_updated"]} == whole


@every_module
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_we_take_from_our_host_leaves_by_the_tables(module: ModuleID, data: st.DataObject) -> None:
    """FMT-01, FMT-05, FMT-10, FMT-11, FMT-12, LOC-07, PAG-26: or we do not take it."""
    nodes, given_ = pair(), data.draw(sloppy(SPEC_NAME[module]))

    try:
        put_in(nodes, module, given_)
    except InvalidParameters:
        assert listed(nodes, module) == []
        return

    for found in seen(nodes, module):
        assert oracle.objections(SPEC_NAME[module], found) == []


@each_tree
def test_versions_details_and_credentials_keep_the_tables(role: str) -> None:
    """FMT-08, FMT-17, VER-02, VER-03: their URLs included."""
    nodes = filled()
    call = nodes.to_cpo if role == "cpo" else nodes.to_emsp

    versions = call("GET", f"/ocpi/{role}/versions").data
    details = call("GET", versions[0]["url"]).data
    credentials = call("GET", f"/ocpi/{role}/2.1.1/credentials").data

    assert [oracle.objections("Version", version) for version in versions] == [[]]
    assert oracle.objections("VersionDetails", details) == []
    assert oracle.objections("Credentials", credentials) == []
    urls = [endpoint["url"] for endpoint in details["endpoints"]]
    assert {endpoint["identifier"] for endpoint in details["endpoints"]} == {"credentials", "commands", *MODULES}
    assert [url for url in urls if not url.startswith(f"https://{call.host}/ocpi/{role}/2.1.1/")] == []


def test_the_credentials_that_we_send_keep_the_tables() -> None:
    """FMT-08, FMT-17, TRA-07: in POST, PUT, and both answers."""
    nodes = pair()
    nodes.cpo.company.registrations.rotate(nodes.cpo.partners()[0])

    exchanged = [sent for sent in nodes.world.traffic if sent.path.endswith("/credentials")]
    sent = [traffic.json for traffic in exchanged]

    assert [traffic.request.method for traffic in exchanged] == ["POST", "PUT"]
    assert [oracle.objections("Credentials", credentials) for credentials in sent] == [[], []]
    assert {(one["country_code"], one["party_id"]) for one in sent} == {("NL", "MSP"), ("DE", "CPO")}
