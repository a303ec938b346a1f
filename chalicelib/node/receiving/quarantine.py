"""What partners sent and we did not take: kept for the operator, who drops it or has it taken once more.

Rules TRA-39, CDR-08; Q-49.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from chalicelib.node.objects import ObjectStore, is_storable, theirs
from chalicelib.node.partners.partner import Partner
from chalicelib.node.receiving.outcome import ReceiveOne
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound
from chalicelib.ocpi.module import Module, ModuleID


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineEntry:
    """Something that a partner sent and that we did not take: kept for the operator to look at."""

    partner_id: str
    module: ModuleID
    id: str
    body: bytes
    reason: str
    at: datetime
    is_cut: bool = False
    """Whether only the beginning of the body is kept: it is too large."""
    entry: str = field(default="", compare=False)
    """What it is called among all that is kept of this partner; set by the store."""


def entry_name_of(quarantined: QuarantineEntry) -> str:
    """The name of the entry: the same content again is the same entry."""
    if quarantined.entry:
        return quarantined.entry
    content = hashlib.sha256(f"{quarantined.module}/{quarantined.id}\n".encode(errors="replace"))
    content.update(quarantined.body)
    return content.hexdigest()[:16]


class Quarantine(Protocol):
    """What partners sent and we did not take, one entry per partner, object and content."""

    def record(self, quarantined: QuarantineEntry) -> None:
        """Keep it for 90 days, cut where it is too large; the same content again is the same entry."""

    def of(self, partner_id: str, after: str = "", limit: int | None = None) -> list[QuarantineEntry]:
        """What is kept of this partner by the names of the entries, those behind ``after``."""

    def get(self, partner_id: str, entry: str) -> QuarantineEntry | None:
        """The entry of this name, strongly consistent; one call."""

    def drop(self, partner_id: str, entry: str) -> None:
        """Keep this entry no longer, if there is one; one call."""


class QuarantineRetry:
    """Another chance for what is in quarantine."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        takes: Mapping[ModuleID, ReceiveOne],
        stores: Mapping[ModuleID, ObjectStore],
        quarantine: Quarantine,
        clock: Callable[[], datetime],
    ) -> None:
        self._modules = modules
        self._takes = takes
        self._stores = stores
        self._quarantine = quarantine
        self._clock = clock

    def entry(self, partner: Partner, entry: str) -> QuarantineEntry:
        """The partner's entry of this name.

        Raises:
            NotFound: there is none.
        """
        kept = self._quarantine.get(partner.id, entry) if is_storable(entry) else None
        if kept is None:
            raise NotFound(f"nothing of this partner is kept in quarantine as {entry[:40]!r}")
        return kept

    def retry(self, partner: Partner, entry: str) -> str:
        """What became of the object: ``created``, ``updated``, or ``known`` where we hold it or a newer one already.

        It is taken as if it had been pulled now, by the partner's profile as it is now, and leaves the quarantine. What
        is refused again stays there, with the new reason.

        Raises:
            NotFound: there is no such entry.
            ClientError: only its beginning is kept, or they are no longer a partner.
            InvalidParameters: it is refused again.
        """
        kept = self.entry(partner, entry)
        if not partner.is_registered:
            raise ClientError(f"this partner is {partner.state}, not registered: nothing of theirs is taken")
        if kept.is_cut:
            raise ClientError("it was too large to be kept whole, so it cannot be taken: drop it and pull again")
        is_new = not self._is_held(partner, kept)
        try:
            is_taken = self._takes[kept.module](partner, kept.body, self._clock())
        except ClientError as broken:
            self._quarantine.record(replace(kept, reason=str(broken)))
            raise InvalidParameters(f"refused again: {broken}") from broken
        self._quarantine.drop(partner.id, entry)
        if not is_taken:
            return "known"
        return "created" if is_new else "updated"

    def drop(self, partner: Partner, entry: str) -> None:
        """Keep this entry no longer.

        Raises:
            NotFound: there is no such entry.
        """
        self._quarantine.drop(partner.id, self.entry(partner, entry).entry)

    def _is_held(self, partner: Partner, kept: QuarantineEntry) -> bool:
        key = self._modules[kept.module].key_of(kept.id)
        if partner.party is None or not is_storable(key):
            return False
        stored = self._stores[kept.module].get(theirs(partner.party), key)
        return stored is not None and not stored.metadata.get("deleted_at")
