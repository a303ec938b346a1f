"""From an announced change to one delivery per partner that has to be told. Rules LOC-29, TAR-14."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from chalicelib.node.attempts import Sleep
from chalicelib.node.partners import Partner
from chalicelib.node.ports import OURS, Announcement, Delivery, ObjectStore, PartnerStore, Queues
from chalicelib.ocpi.module import Module, ModuleID

_LOG = logging.getLogger(__name__)

_LOOKS: Final = 3
_PAUSE_S: Final = 0.05
"""The write follows its announcement within milliseconds, so looking again at once is cheaper than another message."""
_DELAYS_S: Final = (1, 5, 15, 60, 300)
"""When to look again for a write that is late; after the last, it never happened."""


class Push:
    """Turns announcements into deliveries."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        partners: PartnerStore,
        queues: Queues,
        sleep: Sleep,
    ) -> None:
        self._modules = modules
        self._stores = stores
        self._partners = partners
        self._queues = queues
        self._sleep = sleep

    def spread(self, announcements: Sequence[Announcement], attempt: int = 0, cause: str = "") -> None:
        """Queue a delivery for each partner and each change that is written; put the others back for later.

        Args:
            announcements: what one message announced.
            attempt: how often it was put back before.
            cause: the message's id, so that a repeated worker tells nobody twice.
        """
        waiting = self._unwritten(announcements)
        for _ in range(_LOOKS):
            if not waiting:
                break
            self._sleep(_PAUSE_S)
            waiting = self._unwritten(waiting)
        written = [announcement for announcement in announcements if announcement not in waiting]
        registered = [partner for partner in self._partners.all() if partner.is_registered]
        self._queues.deliver(
            [
                Delivery(partner.id, announcement)
                for announcement in written
                for partner in registered
                if self.concerns(partner, announcement.module)
            ],
            cause=cause,
        )
        if waiting and attempt < len(_DELAYS_S):
            self._queues.announce(waiting, attempt=attempt + 1, delay_s=_DELAYS_S[attempt])
        elif waiting:
            _LOG.warning("%s announced changes were never written; nothing to tell", len(waiting))

    def concerns(self, partner: Partner, module: ModuleID) -> bool:
        """Whether this partner takes pushes of this module: it has the other role and an endpoint for it (OFF-02)."""
        return partner.our_role is self._modules[module].owner and module in partner.endpoints

    def _unwritten(self, announcements: Sequence[Announcement]) -> list[Announcement]:
        """Those whose version has not appeared yet."""
        late: list[Announcement] = []
        for module in dict.fromkeys(announcement.module for announcement in announcements):
            ours = [announcement for announcement in announcements if announcement.module is module]
            ids = list(dict.fromkeys(announcement.id for announcement in ours))
            stored = self._stores[module].get_many(OURS, ids)
            versions = {object_id: found.version for object_id, found in stored.items()}
            late += [ann for ann in ours if not _has_appeared(ann, versions.get(ann.id))]
        return late


def _has_appeared(announcement: Announcement, version: int | None) -> bool:
    if version is None:
        return announcement.removed
    return version >= announcement.version
