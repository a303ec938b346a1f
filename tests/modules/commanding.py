"""An eMSP that sends commands, and a CPO that answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chalicelib.modules.commands.stages import is_over, stage
from chalicelib.node.commands import Command
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.rules.scripted import HOST, ScriptedPartner, frame
from tests.world import Caller, CompanyInWorld, Reply, World

Json = Any

ENDPOINT = f"https://{HOST}/take/commands"
OURS = "/ocpi/emsp/2.1.1/commands"
FIELDS: dict[str, Json] = {
    "RESERVE_NOW": {
        "token_uid": "K1",
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": 7,
        "location_id": "LOC1",
        "evse_uid": "E1",
    },
    "START_SESSION": {"token_uid": "K1", "location_id": "LOC1"},
    "STOP_SESSION": {"session_id": "S1"},
    "UNLOCK_CONNECTOR": {"location_id": "LOC1", "evse_uid": "E1", "connector_id": "1"},
}
"""What a host says to send each command."""


def answered(result: Json = "ACCEPTED") -> Response:
    """A synchronous answer as the spec has it."""
    return frame({"result": result})


@dataclass
class Commanding:
    """An eMSP that has issued the card K1, and a CPO with a commands endpoint."""

    emsp: CompanyInWorld
    cpo: ScriptedPartner
    calls: Caller
    """Calls the eMSP as the CPO."""
    answer: Callable[[Request], Response] = field(default=lambda _request: answered())

    @property
    def world(self) -> World:
        return self.emsp.world

    def send(self, name: str = "START_SESSION", **fields: Json) -> Command:
        """The command as it stands once the CPO has answered at once."""
        partner = self.emsp.partners()[0]
        return self.emsp.company.sent_commands.send(partner, name, FIELDS[name] | fields)

    def post(self, command: Command, body: Json) -> Reply:
        """What the CPO is answered to a result at the ``response_url``."""
        return self.calls("POST", command.response_url, body)

    def put_session(self, session_id: str = "S1", **fields: Json) -> None:
        """The CPO tells of a session."""
        body = make.session(session_id, last_updated="2026-03-01T12:00:00Z", **fields)
        assert self.calls("PUT", f"/ocpi/emsp/2.1.1/sessions/NL/ABC/{session_id}", body).status in (200, 201)

    def now(self, command: Command) -> Command:
        """The command as it is shown at this moment."""
        partner, kept = self.emsp.partners()[0], self.emsp.ports.commands.get(command.id)
        assert kept
        return self.emsp.company.sent_commands.with_session(kept, partner)

    def stage(self, command: Command) -> tuple[str, bool]:
        """Where it stands at this moment, and whether that is the end."""
        now = self.world.clock.now
        return stage(self.now(command), now), is_over(self.now(command), now)

    def told(self, command: Command) -> list[str]:
        """What has happened to it, in words."""
        return [event.what for event in self.now(command).events]


def commanding(**settings: Json) -> Commanding:
    """Both, registered with each other."""
    world = World()
    emsp = world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}), **settings)
    cpo = ScriptedPartner(world, Role.CPO, {"commands": ENDPOINT})
    there = Commanding(emsp, cpo, cpo.register_with(emsp))

    def answer(request: Request) -> Response:
        return there.answer(request)

    cpo.answer = answer
    emsp.company.own_objects[ModuleID.TOKENS].put("K1", (), make.token("K1"))
    cpo.asked.clear()
    return there


def body_of(request: Request) -> Json:
    """What a request says."""
    return json.loads(request.body)
