"""What makes two fresh nodes worth looking at: example objects at the CPO, and the two registered with each other."""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib.ocpi.parties import Party, Role
from cli.api import OperatorApi
from cli.output import Failure
from cli.stages import PROJECT

EXAMPLES = PROJECT / "examples"
EXAMPLE_PARTY = "DE*CPO"
ARRIVAL_S = 20.0


def examples(module: str, party: Party) -> list[dict[str, Any]]:
    """The example objects of a module, as if they were this party's."""
    text = (EXAMPLES / f"{module}.json").read_text(encoding="utf-8")
    objects: list[dict[str, Any]] = json.loads(text.replace(EXAMPLE_PARTY, f"{party.country_code}*{party.party_id}"))
    return objects


def load(cpo: OperatorApi, party: Party) -> int:
    """Put the examples into the CPO's node, tariffs first, for locations refer to them; how many locations.

    Raises:
        Failure: the node refused one.
    """
    for module in ("tariffs", "locations"):
        outcome = cpo.put(module, body=(objects := examples(module, party)))
        if outcome["failed"]:
            reasons = [f"{failure['id']}: {failure['error']}" for failure in outcome["failed"]]
            raise Failure(f"The CPO node refused example {module}", "", reasons)
    return len(objects)


def connect(cpo: OperatorApi, emsp: OperatorApi) -> None:
    """Register the two with each other: the CPO invites, the eMSP comes. Nothing happens if they know each other."""
    if any(partner["state"] == "registered" for partner in emsp.get("partners")["partners"]):
        return
    invitation = cpo.post("partners", body={"role": Role.EMSP, "name": "Demo Mobility"})
    request = {"versions_url": invitation["versions_url"], "token": invitation["token"]}
    emsp.post("partners", "register", body={**request, "role": Role.CPO, "name": "Demo Charging"})


def await_locations(emsp: OperatorApi, expected: int) -> bool:
    """Whether that many of the CPO's locations arrive at the eMSP in due time."""
    (cpo,) = (partner for partner in emsp.get("partners")["partners"] if partner["state"] == "registered")
    deadline = time.monotonic() + ARRIVAL_S
    while time.monotonic() < deadline:
        if len(emsp.get("partners", cpo["id"], "locations", limit=expected)["items"]) >= expected:
            return True
        time.sleep(0.1)
    return False
