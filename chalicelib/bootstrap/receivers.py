"""Builds what receives the objects of partners: pushed, pulled, or retried from the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.bootstrap.ports import Ports
from chalicelib.modules import MODULES
from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.cdrs.received import ReceivedCdrs
from chalicelib.modules.sessions.completion import SessionCompletion
from chalicelib.node.events.announcing import EventAnnouncer
from chalicelib.node.pulling.disappearance import Disappearance
from chalicelib.node.receiving.outcome import ReceiveAll, ReceiveOne
from chalicelib.node.receiving.received import ReceivedObjects, no_correction
from chalicelib.ocpi.module import ModuleID


@dataclass(frozen=True, slots=True)
class ReceivedModules:
    """The receivers of partners' objects, by module; CDRs have one of their own, for they never change."""

    by_module: Mapping[ModuleID, ReceivedObjects]
    cdrs: ReceivedCdrs

    @property
    def receive_all(self) -> Mapping[ModuleID, ReceiveAll]:
        """Functions that receive the objects of a page that was pulled, by module."""
        found: dict[ModuleID, ReceiveAll] = {
            identifier: received_objects.receive_all for identifier, received_objects in self.by_module.items()
        }
        return found | {CDRS.identifier: self.cdrs.receive_all}

    @property
    def receive_one(self) -> Mapping[ModuleID, ReceiveOne]:
        """Functions that receive an object from the quarantine, by module."""
        found: dict[ModuleID, ReceiveOne] = {
            identifier: received_objects.receive for identifier, received_objects in self.by_module.items()
        }
        return found | {CDRS.identifier: self.cdrs.receive_from_quarantine}


def received_modules(ports: Ports, announcer: EventAnnouncer) -> ReceivedModules:
    """The receivers of every module that partners own objects of."""
    stores, counters, sleep = ports.stores, ports.partners, ports.sleep
    sessions = SessionCompletion(
        MODULES[ModuleID.CDRS], sleep, announcer, sessions=stores[ModuleID.SESSIONS], cdrs=stores[ModuleID.CDRS]
    )
    corrections = {ModuleID.SESSIONS: sessions.corrected_by_cdr}
    received = {
        identifier: ReceivedObjects(
            module, stores[identifier], counters, sleep, announcer, corrections.get(identifier, no_correction)
        )
        for identifier, module in MODULES.items()
        if not module.sending.sent_by_post
    }
    cdrs = ReceivedCdrs(stores[ModuleID.CDRS], counters, ports.quarantine, sleep, announcer, sessions.complete)
    return ReceivedModules(received, cdrs)


def disappearances(ports: Ports, announcer: EventAnnouncer) -> Mapping[ModuleID, Disappearance]:
    """What hides objects that their owner does not list any more, for the modules where that is done (Q-28)."""
    return {
        identifier: Disappearance(identifier, ports.stores[identifier], ports.sleep, announcer)
        for identifier in (ModuleID.LOCATIONS, ModuleID.TARIFFS)
    }
