"""Which partner may see which of our objects: the one rule behind lists, single objects, counts and pushes.

In a private module, such as sessions, each object is for one party: the eMSP whose token was used. There is a list per
party, and an object stays in it even if the party's registration ends. In other modules, one list is for everybody.
Rules TRA-06, TRA-40, SES-02, SES-14, CDR-02.
"""

from __future__ import annotations

from typing import Final

from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party

EVERYBODY: Final = "all"
"""The name of the list whose objects every partner may see."""


def list_of(module: Module, party: Party | None) -> str:
    """The name of the list with the module's objects for this party; empty if the module is private and party None."""
    if not module.sending.private:
        return EVERYBODY
    return str(party) if party else ""


def may_see(partner: Partner, module: Module, stored: StoredObject) -> bool:
    """Whether this partner may see this object of ours."""
    return partner.our_role is module.owner and stored.list == list_of(module, partner.party)
