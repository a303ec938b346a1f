"""Two registered nodes that hold a location and a tariff each, and a valid URL for each endpoint of theirs."""

from __future__ import annotations

from chalicelib.node.router import Endpoint
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.world import Caller, Pair, pair

STEPS = {
    "country_code": "DE",
    "party_id": "CPO",
    "location_id": "L1",
    "evse_uid": "E1",
    "connector_id": "1",
    "tariff_id": "T1",
}


def url_of(endpoint: Endpoint) -> str:
    return endpoint.path.format(**STEPS)


def caller_of(nodes: Pair, endpoint: Endpoint) -> Caller:
    return nodes.to_cpo if endpoint.role is Role.CPO else nodes.to_emsp


def filled() -> Pair:
    """Two nodes that hold a location and a tariff each."""
    nodes = pair()
    for module, object_id in ((ModuleID.LOCATIONS, "L1"), (ModuleID.TARIFFS, "T1")):
        nodes.cpo.company.own[module].put(object_id, (), make.object_of(module, object_id))
    nodes.pump()
    return nodes
