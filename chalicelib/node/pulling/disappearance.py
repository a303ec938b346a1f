"""Objects that a full pull did not list any more: marked as absent, and gone if the next full pull does not list them.

Objects that are gone are hidden, never deleted. Nothing is marked where too many would vanish at once: that is more
likely a mistake of the partner. Rules PAG-25, TAR-15; Q-28.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any, Final

from chalicelib.node.clock import Sleep
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.objects import ObjectStore, StoredObject, is_gone, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.state import digest_of
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.types import format_date_time

_LOG = logging.getLogger(__name__)
MOST_DISAPPEARED: Final = 0.2
"""The share of a partner's objects that may vanish in one pull; more than that is taken for a mistake."""
_FEW: Final = 1
"""So many may vanish whatever their share."""
_BATCH: Final = 100
"""Objects that are read with one call."""


class Disappearance:
    """Marks the objects of one module that their owners do not list."""

    def __init__(self, module: ModuleID, store: ObjectStore, sleep: Sleep, announcer: EventAnnouncer) -> None:
        self._module = module
        self._store = store
        self._sleep = sleep
        self._announcer = announcer

    def note(self, partner: Partner, owner: Party, seen: Collection[bytes], crawl: str, now: datetime) -> str | None:
        """Mark the objects that this pull did not list, and unmark those that it lists again.

        A pull counts once, however often it is noted.

        Args:
            partner: whose list was pulled.
            owner: the party of that partner.
            seen: digests of the ids on all pages, as ``digest_of`` makes them.
            crawl: the id of the pull.
            now: the time.

        Returns:
            Why nothing was marked, where so many are missing that it is taken for a mistake; else None.
        """
        # Without their bodies, for there may be very many.
        known = {
            each.id: each.metadata.get("absent_in") for each in self._all(owner) if not each.metadata.get("deleted_at")
        }
        absent = [object_id for object_id in known if digest_of(object_id) not in seen]
        if len(absent) > max(_FEW, MOST_DISAPPEARED * len(known)):
            problem = f"{len(absent)} of {len(known)} are not listed any more: taken for a mistake, nothing was hidden"
            _LOG.error("%s: %s", owner, problem)
            return problem
        back = [object_id for object_id, absent_in in known.items() if absent_in and digest_of(object_id) in seen]
        for object_id in absent:
            # An earlier worker may have marked some of them before it died.
            if known[object_id] != crawl:
                self._mark(partner, owner, object_id, crawl, now, is_absent=True)
        for object_id in back:
            self._mark(partner, owner, object_id, crawl, now, is_absent=False)
        return None

    def _all(self, owner: Party) -> Iterator[StoredObject]:
        after: str | None = None
        while found := self._store.list_by_owner(theirs(owner), after, _BATCH):
            yield from found
            after = found[-1].id

    def _mark(
        self, partner: Partner, owner: Party, object_id: str, crawl: str, now: datetime, *, is_absent: bool
    ) -> None:
        def attempt() -> None:
            stored = self._store.get(theirs(owner), object_id)
            if stored is None or (is_absent and stored.metadata.get("absent_in") == crawl):
                return
            times = int(stored.metadata.get("absent_pulls", 0)) + 1
            since = stored.metadata.get("absent_since", format_date_time(now))
            marks: dict[str, Any] = {"absent_since": since, "absent_pulls": times, "absent_in": crawl}
            after = stored.with_metadata(**marks if is_absent else dict.fromkeys(marks))
            if is_gone(after) != is_gone(stored):
                kind = EventKind.REMOVED if is_gone(after) else EventKind.CREATED
                self._announcer.object(partner, self._module, object_id, kind, after.version)
            self._store.put(theirs(owner), after)

        retry_on_conflict(attempt, self._sleep)
