"""Two registered nodes that hold an object of every module, and a valid URL for each endpoint of theirs."""

from __future__ import annotations

import copy
from typing import Any, Final

from chalicelib.node.serving.router import Endpoint
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.world import Caller, CompanyInWorld, Pair, pair

IDS: Final = {
    ModuleID.LOCATIONS: "L1",
    ModuleID.TOKENS: "K1",
    ModuleID.TARIFFS: "T1",
    ModuleID.SESSIONS: "S1",
    ModuleID.CDRS: "C1",
}
STEPS = {
    "country_code": "DE",
    "party_id": "CPO",
    "location_id": "L1",
    "evse_uid": "E1",
    "connector_id": "1",
    "tariff_id": "T1",
    "session_id": "S1",
    "cdr_id": "C1",
    "token_uid": "K1",
    "command": "START_SESSION",
    "command_id": "c1",
}
OWNERS: Final = {Role.CPO: {"country_code": "NL", "party_id": "MSP"}, Role.EMSP: {}}
"""Whose objects are pushed into a tree: the other one's."""


def url_of(endpoint: Endpoint[Any]) -> str:
    return endpoint.path.format(**STEPS | OWNERS[endpoint.role])


def caller_of(nodes: Pair, endpoint: Endpoint[Any]) -> Caller:
    return nodes.to_cpo if endpoint.role is Role.CPO else nodes.to_emsp


def filled() -> Pair:
    """Two nodes that hold an object of every module each."""
    nodes = pair()
    for module, object_id in IDS.items():
        nodes.put_in(module, make.object_of(module, object_id))
    nodes.pump()
    return nodes


def kept(company: CompanyInWorld) -> Any:
    """Everything that a company has stored, queued, put aside or counted."""
    ports, queues = company.ports, company.queues
    stores = {module: copy.copy(vars(store)["_objects"]) for module, store in ports.stores.items()}
    partners = {name: copy.deepcopy(vars(ports.partners)[name]) for name in ("_partners", "_grants", "_counters")}
    aside = copy.copy(vars(ports.quarantine)["_kept"])
    commands = copy.copy(vars(ports.commands)["_commands"]), copy.deepcopy(vars(ports.command_queues))
    return stores, partners, aside, commands, list(queues.announcements), list(queues.deliveries)
