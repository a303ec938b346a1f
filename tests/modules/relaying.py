"""A CPO with a place, a driver's session and a back end that a test plays, and an eMSP that sends it commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.node.commands import Command, CommandResult
from chalicelib.node.objects import theirs
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.test_commands_addresses import Guarded
from tests.rules.scripted import taken
from tests.world import Caller, CompanyInWorld, Pair, Reply, World, register

Json = Any

ROOT = "/ocpi/cpo/2.1.1/commands"
RESPONSE_URL = "https://emsp.example/results/1"
OTHER = Party.of("NL", "OTH")
"""Another eMSP of the same CPO."""
REQUESTS: dict[str, Json] = {
    "RESERVE_NOW": {
        "response_url": RESPONSE_URL,
        "token": make.token("K1"),
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": 7,
        "location_id": "LOC1",
        "evse_uid": "E1",
    },
    "START_SESSION": {
        "response_url": RESPONSE_URL,
        "token": make.token("K1"),
        "location_id": "LOC1",
        "evse_uid": "E1",
    },
    "STOP_SESSION": {"response_url": RESPONSE_URL, "session_id": "S1"},
    "UNLOCK_CONNECTOR": {
        "response_url": RESPONSE_URL,
        "location_id": "LOC1",
        "evse_uid": "E1",
        "connector_id": "1",
    },
}
"""A right request of each kind."""


def two_evses() -> Json:
    """A Location with an EVSE, another one with another connector, and one that is gone."""
    other = make.evse("E2", connectors=[make.connector("2")])
    return make.location("LOC1", evses=[make.evse("E1"), other, make.evse("GONE", status="REMOVED")])


def company_pair(world: World | None = None, **cpo_settings: Json) -> Pair:
    """Both, registered with each other; the CPO with these settings."""
    world = world or Guarded(open_network=False)
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}), **cpo_settings)
    emsp = world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}))
    register(emsp, cpo, Role.CPO)
    at_cpo, at_emsp = cpo.partners()[0].token_we_send, emsp.partners()[0].token_we_send
    assert at_cpo
    assert at_emsp
    to_cpo, to_emsp = (Caller(world, "cpo.example", at_emsp.secret), Caller(world, "emsp.example", at_cpo.secret))
    return Pair(world, cpo, emsp, to_cpo, to_emsp)


@dataclass
class Relaying:
    """Both, and the back end in the person of the test."""

    pair: Pair

    @property
    def world(self) -> World:
        return self.pair.world

    @property
    def cpo(self) -> CompanyInWorld:
        return self.pair.cpo

    @property
    def asked(self) -> list[Json]:
        """What the back end was asked."""
        return list(self.cpo.command_queues.asked)

    @property
    def results(self) -> list[tuple[CommandResult, int]]:
        """What waits in the queue of results, each with its delay."""
        return self.cpo.command_queues.results

    def post(self, name: str = "START_SESSION", *without: str, **fields: Json) -> Reply:
        """The answer to a command with some fields changed, and some left out."""
        body = {field: value for field, value in (REQUESTS[name] | fields).items() if field not in without}
        return self.pair.to_cpo("POST", f"{ROOT}/{name}", body)

    def accepted(self, name: str = "START_SESSION", **fields: Json) -> Command:
        """A command that is on its way to the charge point."""
        reply = self.post(name, **fields)
        assert (reply.outcome, reply.data) == ((200, 1000), {"result": "ACCEPTED"})
        return self.commands()[0]

    def commands(self) -> list[Command]:
        """What the CPO has written down, the latest first."""
        return self.cpo.ports.commands.for_partner(self.cpo.partners()[0].id, None, 100)

    def command(self, command_id: str) -> Command:
        found = self.cpo.ports.commands.get(command_id)
        assert found
        return found

    def answers(self, command_id: str, *results: str, source: str = "charge point") -> None:
        """The back end says what the charge point did, and everything goes its way."""
        for result in results:
            self.cpo.command_queues.enqueue_result(CommandResult(command_id=command_id, result=result, source=source))
            self.cpo.pump_commands()

    def wait(self, **amount: float) -> None:
        """Time passes, and what falls due is done."""
        self.world.clock.pass_(**amount)
        self.cpo.pump_commands()

    def read_as(self, profile: Profile) -> None:
        """Let the CPO read the eMSP strictly or leniently."""
        self.cpo.company.registrations.update(self.cpo.partners()[0], profile=profile)
        self.world.clock.pass_(seconds=10)

    def put_session(self, session_id: str, party: Party | None = None, **fields: Json) -> None:
        """The CPO's session of a driver of this party, the eMSP's unless said."""
        body = make.session(session_id, **fields)
        self.cpo.company.own_objects[ModuleID.SESSIONS].put(session_id, (), body, party or self.pair.emsp.party)

    def token(self, uid: str) -> Json:
        """What the CPO holds under this uid of the eMSP's tokens, pushed or not."""
        stored = self.cpo.ports.stores[ModuleID.TOKENS].get(theirs(self.pair.emsp.party), uid)
        return json.loads(stored.body) if stored else None


def relaying(world: World | None = None, **cpo_settings: Json) -> Relaying:
    """Both, with Location LOC1 and the session S1 of the eMSP's driver, nothing of which the eMSP was told."""
    found = Relaying(company_pair(world, **cpo_settings))
    found.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), two_evses())
    found.put_session("S1")
    return found


class Inbox:
    """A host at which results arrive, and what it answers."""

    def __init__(self, world: World, host: str = "emsp.example") -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Response] = taken
        world.hosts[host] = self._answered

    def _answered(self, request: Request) -> Response:
        self.requests.append(request)
        return self.answer(request)

    @property
    def results(self) -> list[Json]:
        """The bodies, oldest first."""
        return [json.loads(request.body) for request in self.requests]
