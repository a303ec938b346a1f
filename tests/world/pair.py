"""A CPO and an eMSP that are registered with each other, and both seen from the side of a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.node.owning.own_objects import OwnResult
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.world.caller import Caller
from tests.world.company import CompanyInWorld
from tests.world.network import Json, World

CLIENT_OWNED = [identifier for identifier, module in MODULES.items() if not module.sending.sent_by_post]
"""The modules whose objects are put at URLs of their own; a CDR is posted."""


PUBLIC = [identifier for identifier, module in MODULES.items() if not module.sending.private]
"""The modules whose objects every partner sees."""


@dataclass
class Pair:
    """A CPO and an eMSP that are registered with each other."""

    world: World
    cpo: CompanyInWorld
    emsp: CompanyInWorld
    to_cpo: Caller
    """Calls the CPO with the eMSP's token."""
    to_emsp: Caller
    """Calls the eMSP with the CPO's token."""

    def pump(self) -> None:
        """Let everything be told that is to be told."""
        self.cpo.pump()
        self.emsp.pump()

    @property
    def receiver_path(self) -> str:
        """Where the eMSP keeps the CPO's objects: append the module's own path with ``for_module``."""
        return "/ocpi/emsp/2.1.1"

    def at_emsp(self, module: str, *steps: str) -> str:
        """The path of one of the CPO's objects at the eMSP."""
        party = self.cpo.party
        return "/".join([f"/ocpi/emsp/2.1.1/{module}/{party.country_code}/{party.party_id}", *steps])

    # --- the same from the point of view of a module, whoever owns it ----------------------------------------------

    def owner(self, module: ModuleID) -> CompanyInWorld:
        """Who owns the module's objects, serves their list and pushes them."""
        return self.cpo if MODULES[module].owner is Role.CPO else self.emsp

    def receiver(self, module: ModuleID) -> CompanyInWorld:
        """Who is pushed to, and pulls."""
        return self.emsp if MODULES[module].owner is Role.CPO else self.cpo

    def to_receiver(self, module: ModuleID) -> Caller:
        """Calls the receiver with the owner's token."""
        return self.to_emsp if MODULES[module].owner is Role.CPO else self.to_cpo

    def to_owner(self, module: ModuleID) -> Caller:
        """Calls the owner with the receiver's token."""
        return self.to_cpo if MODULES[module].owner is Role.CPO else self.to_emsp

    def list_at_owner(self, module: ModuleID) -> str:
        """The path of the owner's list."""
        return f"/ocpi/{MODULES[module].owner}/2.1.1/{module}"

    def at_receiver(self, module: ModuleID, *steps: str) -> str:
        """The path of one of the owner's objects at the receiver; CDRs are reached without a party."""
        root = f"/ocpi/{MODULES[module].owner.other}/2.1.1/{module}"
        party = self.owner(module).party
        prefix = root if module is ModuleID.CDRS else f"{root}/{party.country_code}/{party.party_id}"
        return "/".join([prefix, *steps])

    def put_in(self, module: ModuleID, value: Json) -> OwnResult:
        """What the owner's host puts in, for this receiver where the module is private."""
        own, party = self.owner(module).company.own_objects[module], self.receiver(module).party
        return own.put(value[MODULES[module].id_field], (), value, party)


def register(initiator: CompanyInWorld, responder: CompanyInWorld, responder_role: Role) -> Partner:
    """The responder as the initiator knows it, after a real handshake between the two."""
    invitation = responder.company.registrations.invite(responder_role.other)
    return initiator.company.registrations.register(
        responder.company.versions_url(responder_role), invitation.token, responder_role
    )


def pair(world: World | None = None, **emsp_settings: Any) -> Pair:
    """Two companies, registered: the eMSP started it."""
    world = world or World()
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
    emsp = world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}), **emsp_settings)
    register(emsp, cpo, Role.CPO)
    token_of = {side.base_url: side.partners()[-1].token_we_send for side in (cpo, emsp)}
    to_cpo, to_emsp = token_of[emsp.base_url], token_of[cpo.base_url]
    assert to_cpo is not None
    assert to_emsp is not None
    return Pair(
        world, cpo, emsp, Caller(world, "cpo.example", to_cpo.secret), Caller(world, "emsp.example", to_emsp.secret)
    )
