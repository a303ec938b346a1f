"""A driver of an eMSP charges at a CPO, from the two companies' first contact to the bill, on the nodes of `make run`.

    make run ARGS=--bare                          # in one terminal
    .venv/bin/python examples/roaming_story.py    # in another

It speaks to the two operator APIs, as the companies' own back ends would; the nodes speak OCPI to each other.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

Json = dict[str, Any]
Say = Callable[[str], None]

NODES = Path(".local") / "nodes.json"
PATIENCE_S = 30.0
PRICE = 0.42


class StoryBroken(Exception):
    """A node did something else than the story says."""


@dataclass(frozen=True)
class Node:
    """One company's node, as its back end reaches it."""

    url: str
    key: str

    def call(self, method: str, path: str, body: object = None) -> Any:
        """What the operator API answers.

        Raises:
            StoryBroken: the node refused.
        """
        request = urllib.request.Request(  # noqa: S310 - the runner's own URLs
            self.url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                raise StoryBroken(f"{method} {path}: {refused.code} {refused.read().decode()}") from refused

    def finds(self, path: str) -> Any:
        """What is there by now, or None."""
        try:
            return self.call("GET", path)
        except StoryBroken:
            return None

    @property
    def party(self) -> str:
        """Whose node this is, such as NL/MSP."""
        return str(self.call("GET", "")["party"])


@dataclass(frozen=True)
class Story:
    """What has come of it, as the two companies see it in the end."""

    location_at_emsp: Json
    token_at_cpo: Json
    verdict: Json
    statuses_at_emsp: tuple[str, ...]
    session_at_cpo: Json
    session_at_emsp: Json
    posting: Json
    cdr_at_emsp: Json
    partner_at_cpo: Json
    partner_at_emsp: Json


def tell(cpo: Node, emsp: Node, say: Say = print) -> Story:
    """Let it happen, and say each step.

    Raises:
        StoryBroken: a node refused something, or what should have arrived has not.
    """
    stage = Stage(cpo, emsp, say, uuid4().hex[:8].upper())
    has_met = stage.meets()
    location = stage.shares_a_location()
    token = stage.shares_a_token()
    verdict = stage.authorizes(token, location)
    statuses, session = stage.charges(token, location)
    session_at_emsp = emsp.call("GET", f"/partners/{stage.cpo_id}/sessions/{session['id']}")
    posting, cdr = stage.bills(session)
    if not has_met:
        say("They had met before, and stay connected.")
    else:
        stage.parts()
    return Story(
        emsp.call("GET", f"/partners/{stage.cpo_id}/locations/{location['id']}"),
        cpo.call("GET", f"/partners/{stage.emsp_id}/tokens/{token['uid']}"),
        verdict,
        statuses,
        session,
        session_at_emsp,
        posting,
        cdr,
        cpo.call("GET", f"/partners/{stage.emsp_id}"),
        emsp.call("GET", f"/partners/{stage.cpo_id}"),
    )


@dataclass
class Stage:
    """The two companies, what they call each other, and a mark that makes this story's objects its own."""

    cpo: Node
    emsp: Node
    say: Say
    mark: str
    cpo_id: str = ""
    emsp_id: str = ""

    def meets(self) -> bool:
        """Whether they had to register with each other; if they have been connected before, nothing happens."""
        self.cpo_id, self.emsp_id = _partner(self.emsp, self.cpo.party), _partner(self.cpo, self.emsp.party)
        if self.cpo_id and self.emsp_id:
            return False
        invitation = self.cpo.call("POST", "/partners", {"role": "emsp", "name": "Our first eMSP"})
        self.say(f"The CPO invites: {invitation['versions_url']}, and a token")
        asked = {"versions_url": invitation["versions_url"], "token": invitation["token"], "role": "cpo"}
        registered = self.emsp.call("POST", "/partners/register", asked)
        self.cpo_id, self.emsp_id = registered["id"], invitation["id"]
        self.say(f"The eMSP registers: {registered['party']} is {registered['state']}")
        return True

    def shares_a_location(self) -> Json:
        """A location with one EVSE, and the tariff that it costs, until the eMSP has both."""
        tariff = {
            "id": f"TARIFF-{self.mark}",
            "currency": "EUR",
            "elements": [{"price_components": [{"type": "ENERGY", "price": PRICE, "step_size": 1}]}],
        }
        connector = {
            "id": "1",
            "standard": "IEC_62196_T2",
            "format": "SOCKET",
            "power_type": "AC_3_PHASE",
            "voltage": 230,
            "amperage": 16,
            "tariff_id": tariff["id"],
        }
        location = {
            "id": f"LOC-{self.mark}",
            "type": "ON_STREET",
            "address": "Marktplatz 1",
            "city": "Neuhafen",
            "postal_code": "24999",
            "country": "DEU",
            "coordinates": {"latitude": "54.812040", "longitude": "9.471200"},
            "evses": [{"uid": f"EVSE-{self.mark}", "status": "AVAILABLE", "connectors": [connector]}],
        }
        self.cpo.call("PUT", f"/tariffs/{tariff['id']}", tariff)
        kept: Json = self.cpo.call("PUT", f"/locations/{location['id']}", location)["object"]
        self.say(f"The CPO puts in {tariff['id']} and {location['id']}")
        for module, object_id in (("tariffs", tariff["id"]), ("locations", location["id"])):
            path = f"/partners/{self.cpo_id}/{module}/{object_id}"
            _wait(f"{object_id} at the eMSP", partial(self.emsp.finds, path))
        self.say("… and the eMSP has both")
        return kept

    def shares_a_token(self) -> Json:
        """A card about which CPOs always have to ask, until the CPO has it."""
        token = {
            "uid": f"CARD{self.mark}",
            "type": "RFID",
            "auth_id": f"{self.emsp.party.replace('/', '-')}-C{self.mark}",
            "issuer": "Demo Mobility",
            "valid": True,
            "whitelist": "NEVER",
        }
        self.emsp.call("PUT", f"/tokens/{token['uid']}", token)
        self.say(f"The eMSP puts in card {token['uid']}, whitelist NEVER")
        path = f"/partners/{self.emsp_id}/tokens/{token['uid']}"
        _wait("the card at the CPO", lambda: self.cpo.finds(path))
        self.say("… and the CPO has it")
        return token

    def authorizes(self, token: Json, location: Json) -> Json:
        """The driver holds the card to the charge point: what the eMSP says to that."""
        place = {"location_id": location["id"], "evse_uid": location["evses"][0]["uid"]}
        verdict: Json = self.cpo.call("POST", "/authorize", {"uid": token["uid"], "type": token["type"], **place})
        self.say(f"A driver holds the card to the charge point: {verdict['allowed']}, decided {verdict['decided_by']}")
        return verdict

    def charges(self, token: Json, location: Json) -> tuple[tuple[str, ...], Json]:
        """The session from PENDING to COMPLETED: the statuses that the eMSP has seen, and what the CPO has."""
        session = {
            "id": f"SESSION-{self.mark}",
            "start_datetime": _utc(datetime.now(UTC) - timedelta(hours=2)),
            "kwh": 0,
            "auth_id": token["auth_id"],
            "auth_method": "AUTH_REQUEST",
            "location": location,
            "currency": "EUR",
            "status": "PENDING",
        }
        end = {"status": "COMPLETED", "end_datetime": _utc(datetime.now(UTC)), "kwh": 20, "total_cost": 20 * PRICE}
        path, seen = f"/sessions/{session['id']}", []
        self.cpo.call("PUT", path, session)
        seen.append(self._status_at_emsp(path, "PENDING"))
        self.cpo.call("PATCH", path, {"status": "ACTIVE"})
        seen.append(self._status_at_emsp(path, "ACTIVE"))
        for kwh in (5, 12.5):
            self.cpo.call("PATCH", path, {"kwh": kwh, "total_cost": kwh * PRICE})
            self.say(f"The meter says {kwh} kWh; the eMSP is told once a minute at most, but at once when it ends")
        finished: Json = self.cpo.call("PATCH", path, end)["object"]
        seen.append(self._status_at_emsp(path, "COMPLETED"))
        return tuple(seen), finished

    def _status_at_emsp(self, path: str, status: str) -> str:
        received = f"/partners/{self.cpo_id}{path}"

        def arrived() -> str | None:
            found = self.emsp.finds(received)
            return status if found and found["status"] == status else None

        _wait(f"the session at the eMSP, {status}", arrived)
        self.say(f"The session is {status}, and the eMSP knows")
        return status

    def bills(self, session: Json) -> tuple[Json, Json]:
        """The CDR, posted: what the CPO knows of that, and what the eMSP has."""
        cdr = {
            # The session's own id, so that the eMSP knows which session this bill is for.
            "id": session["id"],
            "start_date_time": session["start_datetime"],
            "stop_date_time": session["end_datetime"],
            **{name: session[name] for name in ("auth_id", "auth_method", "location", "currency", "total_cost")},
            "charging_periods": [
                {
                    "start_date_time": session["start_datetime"],
                    "dimensions": [{"type": "ENERGY", "volume": session["kwh"]}],
                }
            ],
            "total_energy": session["kwh"],
            "total_time": 2,
        }
        self.cpo.call("POST", "/cdrs", cdr)
        self.say(f"The CPO puts in the CDR: {cdr['total_energy']} kWh, {cdr['total_cost']} {cdr['currency']}")
        _wait("the CDR to be posted", lambda: self.cpo.call("GET", f"/cdrs/{cdr['id']}/posting")["posted_at"])
        posting: Json = self.cpo.call("GET", f"/cdrs/{cdr['id']}/posting?fetch=yes")
        received: Json = self.emsp.call("GET", f"/partners/{self.cpo_id}/cdrs/{cdr['id']}")
        self.say(f"… it was posted; at {posting['url']} it is {'the same' if posting['is_equal'] else 'another'}")
        return posting, received

    def parts(self) -> None:
        """End the connection, at both."""
        self.cpo.call("DELETE", f"/partners/{self.emsp_id}")
        path = f"/partners/{self.cpo_id}"
        _wait("the end at the eMSP", lambda: self.emsp.call("GET", path)["state"] == "unregistered")
        self.say("They part: unregistered, at both")


def _partner(node: Node, party: str) -> str:
    """What a node calls a party that it is registered with; nothing if it is not."""
    known = node.call("GET", "/partners")["partners"]
    found = [each["id"] for each in known if (each["party"], each["state"]) == (party, "registered")]
    return str(found[0]) if found else ""


def _wait(what: str, found: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not found():
        if time.monotonic() > until:
            raise StoryBroken(f"waited in vain for {what}")
        time.sleep(0.05)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def nodes_of(noted: Mapping[str, Mapping[str, Any]]) -> tuple[Node, Node]:
    """The CPO's and the eMSP's node, by what the runner noted in ``.local/nodes.json``."""
    cpo, emsp = (Node(noted[role]["operator_url"], noted[role]["operator_key"]) for role in ("cpo", "emsp"))
    return cpo, emsp


def main() -> None:
    """Tell it on the nodes that run here."""
    if not NODES.exists():
        sys.exit("Start the two nodes first: make run ARGS=--bare")
    try:
        tell(*nodes_of(json.loads(NODES.read_text(encoding="utf-8"))))
    except StoryBroken as broken:
        sys.exit(f"Here the story breaks: {broken}")


if __name__ == "__main__":
    main()
