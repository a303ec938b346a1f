"""What a complete crawl did not list any more: gone, if the next complete crawl does not list it either.

Objects are never deleted for it, and nothing happens where too many would vanish at once: that is a partner's mistake
more often than its will. Rules PAG-25, TAR-15; Q-28.
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
"""Of what a partner has; more than that is taken for a mistake."""
_FEW: Final = 1
"""So few may vanish whatever their share."""
_AT_A_TIME: Final = 100


class Disappearance:
    """The objects of one module that their owners do not list."""

    def __init__(self, module: ModuleID, store: ObjectStore, sleep: Sleep, announcer: EventAnnouncer) -> None:
        self._module = module
        self._store = store
        self._sleep = sleep
        self._announcer = announcer

    def note(self, partner: Partner, owner: Party, seen: Collection[bytes], crawl: str, now: datetime) -> str | None:
        """Remember what this crawl has not seen, and what it has seen again; why not, where too much would vanish.

        A crawl counts once, however often this is asked.
        """
        # Without their bodies, for there may be a great many.
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
            # Whoever was stopped on the way goes on where that was.
            if known[object_id] != crawl:
                self._mark(partner, owner, object_id, crawl, now, is_absent=True)
        for object_id in back:
            self._mark(partner, owner, object_id, crawl, now, is_absent=False)
        return None

    def _all(self, owner: Party) -> Iterator[StoredObject]:
        after: str | None = None
        while found := self._store.list_by_owner(theirs(owner), after, _AT_A_TIME):
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
