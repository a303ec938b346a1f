"""What becomes of the objects on a page: received as if they had been pushed, or put into quarantine (TRA-39).

A full pull also remembers which objects were listed, and after its last page compares them with those that we hold
(PAG-25, Q-28).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from chalicelib.node.bodies import as_bytes
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.decision import PageCounts
from chalicelib.node.pulling.disappearance import Disappearance
from chalicelib.node.pulling.pages import ListPage, id_of
from chalicelib.node.pulling.state import Pull, PullStore
from chalicelib.node.receiving.outcome import ReceiveAll
from chalicelib.node.receiving.quarantine import Quarantine, QuarantineEntry
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.module import Module, ModuleID

_LOG = logging.getLogger(__name__)

_BATCH: Final = 100
"""Objects that are received together: a store reads as many with one call."""


class ListedObjects:
    """Receives what partners list."""

    def __init__(
        self,
        receivers: Mapping[ModuleID, ReceiveAll],
        disappearances: Mapping[ModuleID, Disappearance],
        pulls: PullStore,
        quarantine: Quarantine,
        clock: Callable[[], datetime],
    ) -> None:
        self._receivers = receivers
        self._disappearances = disappearances
        self._pulls = pulls
        self._quarantine = quarantine
        self._clock = clock

    def receive(self, partner: Partner, module: Module, page: ListPage) -> PageCounts:
        """Store the objects that are new or newer, put those that cannot be read into quarantine, and count both.

        One call reads up to a hundred objects that we hold, one counts what was forgiven in them. Each object that is
        new, newer or broken costs one more, and CDRs one per hundred, for they end sessions.
        """
        taken, refused, receive = 0, 0, self._receivers[module.identifier]
        for start in range(0, len(page.items), _BATCH):
            batch, now = page.items[start : start + _BATCH], self._clock()
            for item, outcome in zip(batch, receive(partner, batch, now), strict=True):
                if isinstance(outcome, ClientError):
                    refused += 1
                    self._put_into_quarantine(partner, module, item, outcome, now)
                else:
                    taken += outcome
        return PageCounts(taken=taken, refused=refused)

    def _put_into_quarantine(
        self, partner: Partner, module: Module, item: Any, error: ClientError, now: datetime
    ) -> None:
        object_id = id_of(item, module)
        _LOG.warning("partner %s lists a broken %s %r: %s", partner.id, module.identifier, object_id, error)
        entry = QuarantineEntry(
            partner_id=partner.id,
            module=module.identifier,
            id=object_id,
            body=as_bytes(item),
            reason=str(error),
            at=now,
        )
        self._quarantine.record(entry)

    def remember(self, pull: Pull, page: ListPage) -> None:
        """Remember which objects the page lists, if this pull is complete and objects of the module may disappear.

        One call, or none.
        """
        if self._disappearance(pull):
            self._pulls.record_seen(pull, page.keys)

    def note_absent(self, partner: Partner, pull: Pull) -> str | None:
        """After the last page: mark the objects that no page listed, and unmark those that are listed again.

        Returns:
            Why nothing was marked, where so many are missing that it is taken for a mistake; else None.
        """
        disappearance = self._disappearance(pull)
        if disappearance is None or partner.party is None:
            return None
        return disappearance.note(partner, partner.party, self._pulls.seen(pull), pull.crawl, self._clock())

    def _disappearance(self, pull: Pull) -> Disappearance | None:
        return self._disappearances.get(pull.module) if pull.is_full else None
