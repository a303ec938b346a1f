"""Demo data for two fresh nodes: example objects at both, and their registration with each other."""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib.ocpi.parties import Party, Role
from cli.api import OperatorApi
from cli.output import Failure
from cli.stages import PROJECT

EXAMPLES = PROJECT / "examples"
EXAMPLE_PARTIES = {"tariffs": "DE*CPO", "locations": "DE*CPO", "tokens": "NL-MSP"}
"""The party of each module's examples, as written in their ids."""
LOADED = {Role.CPO: ("tariffs", "locations"), Role.EMSP: ("tokens",)}
"""Tariffs first, for locations refer to them."""
ARRIVAL_S = 20.0


def examples(module: str, party: Party) -> list[dict[str, Any]]:
    """The example objects of a module, as if they were this party's."""
    text, written = (EXAMPLES / f"{module}.json").read_text(encoding="utf-8"), EXAMPLE_PARTIES[module]
    objects: list[dict[str, Any]] = json.loads(
        text.replace(written, f"{party.country_code}{written[2]}{party.party_id}")
    )
    return objects


def load(api: OperatorApi, role: Role, party: Party) -> dict[str, int]:
    """Import a role's examples into its node; the number of objects by module.

    Raises:
        Failure: the node refused one.
    """
    loaded = {}
    for module in LOADED[role]:
        outcome = api.put(module, body=(objects := examples(module, party)))
        if outcome["failed"]:
            reasons = [f"{failure['id']}: {failure['error']}" for failure in outcome["failed"]]
            raise Failure(f"The {role} node refused example {module}", "", reasons)
        loaded[module] = len(objects)
    return loaded


def connect(cpo: OperatorApi, emsp: OperatorApi) -> None:
    """Register the two nodes: the CPO invites, the eMSP registers. Does nothing if they are registered already."""
    if any(partner["state"] == "registered" for partner in emsp.get("partners")["partners"]):
        return
    invitation = cpo.post("partners", body={"role": Role.EMSP, "name": "Demo Mobility"})
    request = {"versions_url": invitation["versions_url"], "token": invitation["token"]}
    emsp.post("partners", "register", body={**request, "role": Role.CPO, "name": "Demo Charging"})


def has_arrived(receiver: OperatorApi, module: str, expected: int) -> bool:
    """Whether so many objects of the other node arrive within ``ARRIVAL_S`` seconds."""
    (other,) = (partner for partner in receiver.get("partners")["partners"] if partner["state"] == "registered")
    deadline = time.monotonic() + ARRIVAL_S
    while time.monotonic() < deadline:
        if len(receiver.get("partners", other["id"], module, limit=expected)["items"]) >= expected:
            return True
        time.sleep(0.1)
    return False
