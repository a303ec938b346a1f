"""What keeps the partners' objects, put together: whether they push them, we pull them, or they lie in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.modules import MODULES
from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.cdrs.keeping import CdrKeeper
from chalicelib.modules.sessions.ending import SessionEnds
from chalicelib.node.absence import Absence
from chalicelib.node.events import Announcer
from chalicelib.node.keeping import Keeper, nothing_known
from chalicelib.node.pulls import TakeAll
from chalicelib.node.quarantine import Take
from chalicelib.ocpi.module import ModuleID
from chalicelib.outside import Outside


@dataclass(frozen=True, slots=True)
class Keepers:
    """What keeps the partners' objects."""

    of: Mapping[ModuleID, Keeper]
    cdrs: CdrKeeper

    @property
    def takes(self) -> Mapping[ModuleID, TakeAll]:
        """What takes the objects of a page that was pulled, by their module."""
        found: dict[ModuleID, TakeAll] = {identifier: keeper.take_all for identifier, keeper in self.of.items()}
        return found | {CDRS.identifier: self.cdrs.pulled}

    @property
    def takes_again(self) -> Mapping[ModuleID, Take]:
        """What takes an object that lies in quarantine, by its module."""
        found: dict[ModuleID, Take] = {identifier: keeper.take for identifier, keeper in self.of.items()}
        return found | {CDRS.identifier: self.cdrs.again}


def keepers_of(outside: Outside, announcer: Announcer) -> Keepers:
    """The keepers of every module that partners have objects of."""
    stores, tallies, sleep = outside.stores, outside.partners, outside.sleep
    sessions = SessionEnds(stores[ModuleID.SESSIONS], stores[ModuleID.CDRS], MODULES[ModuleID.CDRS], sleep, announcer)
    elsewhere = {ModuleID.SESSIONS: sessions.corrected}
    keepers = {
        identifier: Keeper(
            module, stores[identifier], tallies, sleep, announcer, elsewhere.get(identifier, nothing_known)
        )
        for identifier, module in MODULES.items()
        if not module.sending.posted
    }
    cdrs = CdrKeeper(stores[ModuleID.CDRS], tallies, outside.quarantine, sleep, announcer, sessions.ended)
    return Keepers(keepers, cdrs)


def absences_of(outside: Outside, announcer: Announcer) -> Mapping[ModuleID, Absence]:
    """For the modules whose objects expire when their owner lists them no longer (Q-28)."""
    return {
        identifier: Absence(identifier, outside.stores[identifier], outside.sleep, announcer)
        for identifier in (ModuleID.LOCATIONS, ModuleID.TARIFFS)
    }
