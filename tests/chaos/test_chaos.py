"""Proves that partners agree in the end, whatever went wrong between them and in us.

Every run is drawn from its seed. ``OCPI_CHAOS_SEEDS=300`` runs more of them, or ``7-9`` just these, with
``OCPI_CHAOS_CHANGES`` changes each.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.objects import OURS, theirs
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.chaos.host import Host
from tests.chaos.receiver import Receiver
from tests.chaos.storm import Side, Storm
from tests.modules.crashing import Died
from tests.modules.scripted import ScriptedPartner
from tests.world import Caller, CompanyInWorld, World, crawl, pair

Json = dict[str, Any]

CRASHES = 0.01


def seeds(few: int) -> list[int]:
    """The seeds to run: a few, unless the environment asks for others."""
    first, _, last = os.environ.get("OCPI_CHAOS_SEEDS", str(few)).rpartition("-")
    return list(range(int(first or 0), int(last) + 1 if first else int(last)))


CHANGES = int(os.environ.get("OCPI_CHAOS_CHANGES", "250"))


every_seed = pytest.mark.parametrize("seed", seeds(10), ids=lambda seed: f"seed {seed}")
every_trouble = pytest.mark.parametrize("crashes", [0, CRASHES], ids=["they fail", "we crash"])


def own(company: CompanyInWorld, module: ModuleID) -> dict[str, Json]:
    """The company's objects of a module by id, their parts in the order of their ids."""
    store = company.ports.stores[module]
    return {each.id: ordered(json.loads(each.body)) for each in store.list_by_owner(OURS, None, 10_000)}


def ordered(value: Any) -> Any:
    """The value with lists of parts in the order of the parts' ids: their order has no meaning."""
    if isinstance(value, dict):
        return {name: ordered(each) for name, each in value.items()}
    if not isinstance(value, list):
        return value
    found = [ordered(each) for each in value]
    return sorted(found, key=lambda each: str(each.get("uid", each.get("id")) if isinstance(each, dict) else each))


def assert_at_rest(side: Side) -> None:
    """Nothing is left to be told, and nobody is thought to be away."""
    company = side.company
    for partner in company.partners():
        assert company.ports.outbox.entries(partner.id) == []
        assert company.ports.breakers.breaker(partner.id).is_clean


# --- partners that a test wrote --------------------------------------------------------------------------------------


@dataclass
class Scene:
    """Our company, which plays both roles, and a partner of each role."""

    storm: Storm
    ours: CompanyInWorld
    partners: dict[Role, Receiver]

    def minute(self) -> None:
        """Partners save what they know, restart, and start again."""
        for each in self.partners.values():
            each.start()
            if self.storm.weather.strikes(0.3):
                each.save()
            if self.storm.weather.strikes(0.02):
                each.restart()


def scene(seed: int, crashes: float) -> Scene:
    world = World()
    ours = world.company("ours.example", Party.of("DE", "CPO"), page_limit=5, events=False)
    partners = {
        Role.EMSP: receiver(ours, Role.EMSP, Party.of("NL", "MSP"), ["locations", "tariffs", "sessions", "cdrs"]),
        Role.CPO: receiver(ours, Role.CPO, Party.of("FR", "CPO"), ["tokens"]),
    }
    storm = Storm.of(world, seed, crashes=crashes)
    storm.over(ours)
    found = Scene(storm, ours, partners)
    storm.also.append(found.minute)
    storm.host = Host(
        storm.weather, lambda: ours.company.own_objects, lambda: ours.company.own_objects, Party.of("NL", "MSP")
    )
    return found


def receiver(ours: CompanyInWorld, role: Role, party: Party, modules: list[str]) -> Receiver:
    """A partner that is registered with us."""
    world, host = ours.world, f"{role}.example"
    scripted = ScriptedPartner(world, role, host, party, f"{role}-token-of-the-partner", ["credentials", *modules])
    ours.company.registrations.register(scripted.versions_url, AuthToken("A-token-of-the-partner"), role)
    (theirs,) = [json.loads(each.body) for each in scripted.requests if each.method == "POST"]
    call = Caller(world, "ours.example", theirs["token"])

    def pulled(module: str) -> list[Json] | None:
        found: list[Json] = []
        query = {"date_from": "2000-01-01T00:00:00Z"} if module == "sessions" else {}
        try:
            for reply in crawl(call, f"/ocpi/{role.other}/2.1.1/{module}", query):
                if reply.outcome != (200, 1000):
                    return None
                found += reply.data
        except Died:
            return None
        return found

    made = Receiver(host, modules, world.hosts[host], pulled)
    world.hosts[host] = made
    return made


@every_seed
@every_trouble
def test_a_partner_holds_what_we_hold_in_the_end(crashes: float, seed: int) -> None:
    """OFF-03, OFF-04, LOC-29, TAR-14, SES-14, TOK-19, CDR-04, TRA-14, TRA-25: whatever fails, and wherever we crash."""
    there = scene(seed, crashes)

    there.storm.rage(CHANGES)
    there.storm.calm()

    for partner in there.partners.values():
        for module in map(ModuleID, partner.modules):
            key_of, held = MODULES[module].key_of, partner.held(module)
            assert {key_of(object_id): ordered(each) for object_id, each in held.items()} == own(there.ours, module)
        assert partner.violations == []
        assert {*partner.memory.posted.values()} <= {1}
    (side,) = there.storm.sides
    assert bool(side.worker.failures) is bool(crashes)
    assert_at_rest(side)


# --- two nodes -------------------------------------------------------------------------------------------------------


@every_seed
@every_trouble
def test_two_nodes_hold_the_same_in_the_end(crashes: float, seed: int) -> None:
    """OFF-04, PAG-25, PAG-27, CDR-23: each pushes to the other and pulls from it."""
    there = pair(page_limit=3)
    storm = Storm.of(there.world, seed, crashes=crashes)
    sides = [storm.over(company) for company in (there.cpo, there.emsp)]
    storm.host = Host(
        storm.weather, lambda: there.cpo.company.own_objects, lambda: there.emsp.company.own_objects, there.emsp.party
    )
    storm.also += [partial(sometimes_pull, storm, side) for side in sides]

    storm.rage(CHANGES)
    storm.calm()

    for module in MODULES:
        owner, receiver_ = there.owner(module), there.receiver(module)
        assert held(receiver_, module, owner.party) == own(owner, module)
    for side in sides:
        assert bool(side.worker.failures) is bool(crashes)
        assert_at_rest(side)


def sometimes_pull(storm: Storm, side: Side) -> None:
    """What an operator does who is not sure of something."""
    if storm.weather.strikes(0.1):
        (partner,), schedule = side.company.partners(), side.company.company.pull_schedule
        module = storm.weather.one_of(schedule.pullable(partner))
        side.tried(lambda: schedule.start(partner, module, full=storm.weather.flips(0.5)))


def held(company: CompanyInWorld, module: ModuleID, owner: Party) -> dict[str, Json]:
    """What a company holds of another's objects, as ``own`` has it."""
    found = company.ports.stores[module].list_by_owner(theirs(owner), None, 10_000)
    return {each.id: ordered(json.loads(each.body)) for each in found if not each.metadata.get("deleted_at")}
