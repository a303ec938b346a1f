"""Who may see which of our objects: the one rule behind lists, single objects, counts and pushes.

An object of a private module, such as a session, is for one party: the eMSP whose token it names. It stands in that
party's list, so that it stays theirs whatever becomes of the connection. All other objects stand in one list.
Rules TRA-06, TRA-40, SES-02, SES-14, CDR-02.
"""

from __future__ import annotations

from typing import Final

from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party

EVERYBODY: Final = "all"
"""The list of objects that every partner may see."""


def list_of(module: Module, party: Party | None) -> str:
    """The list of the module's objects that are for this party; empty where nothing can be for it."""
    if not module.sending.private:
        return EVERYBODY
    return str(party) if party else ""


def may_see(partner: Partner, module: Module, stored: StoredObject) -> bool:
    """Whether our object is for this partner's eyes."""
    return partner.our_role is module.owner and stored.list == list_of(module, partner.party)
