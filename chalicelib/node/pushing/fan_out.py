"""Fan-out: an announced change becomes one delivery per partner that has to be told of it.

Rules LOC-29, TAR-14, SES-14, TOK-19, OFF-02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.node.clock import Sleep
from chalicelib.node.objects import OURS, ObjectStore, StoredObject
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.partners.visibility import may_see
from chalicelib.node.pushing.messages import Announcement, Delivery, PushQueues
from chalicelib.node.write_ahead import requeue_unwritten, wait_until_written
from chalicelib.ocpi.module import Module, ModuleID


class FanOut:
    """Queues deliveries for the changes that our own objects announce."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        partners: PartnerStore,
        queues: PushQueues,
        sleep: Sleep,
    ) -> None:
        self._modules = modules
        self._stores = stores
        self._partners = partners
        self._queues = queues
        self._sleep = sleep

    def fan_out(self, announcements: Sequence[Announcement], attempt: int = 0, cause: str = "") -> None:
        """Queue a delivery for each change that is written and each partner that may see the object.

        Changes are announced before they are written. Those that are not written after a short wait are announced
        again, for later, and given up after the last attempt.

        Args:
            announcements: what one message announced.
            attempt: how often these were announced again before; 0 for the first time.
            cause: the message's id, so that a worker that repeats it queues nothing twice.
        """
        found: _Objects = {}
        waiting = wait_until_written(announcements, lambda late: self._unwritten(late, found), self._sleep)
        written = [announcement for announcement in announcements if announcement not in waiting]
        # Suspended partners too: nothing is sent to them, but their delivery records in the outbox what they miss.
        registered = [partner for partner in self._partners.all() if partner.is_registered]
        self._queues.deliver(
            [
                Delivery(partner.id, announcement)
                for announcement in written
                for partner in registered
                if self._concerns(partner, announcement.module, found.get((announcement.module, announcement.id)))
            ],
            cause=cause,
        )
        requeue_unwritten(waiting, attempt, self._queues.announce)

    def _concerns(self, partner: Partner, module: ModuleID, stored: StoredObject | None) -> bool:
        """Whether the partner takes pushes of the module (OFF-02), and may see the object; all see that it is gone."""
        ours = self._modules[module]
        takes_it = partner.our_role is ours.owner and module in partner.endpoints
        return takes_it and (stored is None or may_see(partner, ours, stored))

    def _unwritten(self, announcements: Sequence[Announcement], found: _Objects) -> list[Announcement]:
        """Those whose version is not in the store yet; adds the objects that it has read to ``found``."""
        late: list[Announcement] = []
        for module in dict.fromkeys(announcement.module for announcement in announcements):
            ours = [announcement for announcement in announcements if announcement.module is module]
            ids = list(dict.fromkeys(announcement.id for announcement in ours))
            stored = self._stores[module].get_many(OURS, ids)
            found.update({(module, object_id): one for object_id, one in stored.items()})
            versions = {object_id: one.version for object_id, one in stored.items()}
            late += [ann for ann in ours if not _has_appeared(ann, versions.get(ann.id))]
        return late


_Objects = dict[tuple[ModuleID, str], StoredObject]


def _has_appeared(announcement: Announcement, version: int | None) -> bool:
    if version is None:
        return announcement.removed
    return version >= announcement.version
