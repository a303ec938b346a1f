"""The quarantine: what partners sent and we could not store, for the operator to look at, retry or drop.

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
    """An object that a partner sent and that we could not store."""

    partner_id: str
    module: ModuleID
    id: str
    """The object's id as the partner wrote it; empty if it has none."""
    body: bytes
    """The object as JSON."""
    reason: str
    """Why it was not stored."""
    at: datetime
    """When it came."""
    is_cut: bool = False
    """Whether the body was too large, so that only its beginning is stored."""
    entry: str = field(default="", compare=False)
    """The name of the entry among those of the partner, as ``entry_name_of`` makes it; set by the store."""


def entry_name_of(quarantined: QuarantineEntry) -> str:
    """The name of the entry, 16 hexadecimal digits: the same object with the same content has the same name."""
    if quarantined.entry:
        return quarantined.entry
    content = hashlib.sha256(f"{quarantined.module}/{quarantined.id}\n".encode(errors="replace"))
    content.update(quarantined.body)
    return content.hexdigest()[:16]


class Quarantine(Protocol):
    """Stores entries, one per partner, object and content."""

    def record(self, quarantined: QuarantineEntry) -> None:
        """Store the entry for 90 days, in place of one of the same name; a body that is too large is cut. One call."""

    def of(self, partner_id: str, after: str = "", limit: int | None = None) -> list[QuarantineEntry]:
        """The partner's entries, ordered by their names, that come after ``after``; at most ``limit``."""

    def get(self, partner_id: str, entry: str) -> QuarantineEntry | None:
        """The entry of this name, strongly consistent; None if there is none. One call."""

    def drop(self, partner_id: str, entry: str) -> None:
        """Delete the entry of this name, if there is one; one call."""


class QuarantineRetry:
    """What the operator does with entries of the quarantine: retry them, or drop them."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        receivers: Mapping[ModuleID, ReceiveOne],
        stores: Mapping[ModuleID, ObjectStore],
        quarantine: Quarantine,
        clock: Callable[[], datetime],
    ) -> None:
        self._modules = modules
        self._receivers = receivers
        self._stores = stores
        self._quarantine = quarantine
        self._clock = clock

    def entry(self, partner: Partner, entry: str) -> QuarantineEntry:
        """The partner's entry of this name.

        Raises:
            NotFound: there is none.
        """
        found = self._quarantine.get(partner.id, entry) if is_storable(entry) else None
        if found is None:
            raise NotFound(f"nothing of this partner is kept in quarantine as {entry[:40]!r}")
        return found

    def retry(self, partner: Partner, entry: str) -> str:
        """Receive the object as if it had been pulled now, read by the partner's profile as it is now.

        Then the entry is deleted. An object that is refused again stays in quarantine, with the new reason.

        Returns:
            ``created``, ``updated``, or ``known`` where we hold the object, or a newer one, already.

        Raises:
            NotFound: there is no such entry.
            ClientError: only the beginning of the body is stored, or they are no longer a partner.
            InvalidParameters: it is refused again.
        """
        found = self.entry(partner, entry)
        if not partner.is_registered:
            raise ClientError(f"this partner is {partner.state}, not registered: nothing of theirs is taken")
        if found.is_cut:
            raise ClientError("it was too large to be kept whole, so it cannot be taken: drop it and pull again")
        is_new = not self._is_held(partner, found)
        try:
            is_taken = self._receivers[found.module](partner, found.body, self._clock())
        except ClientError as broken:
            self._quarantine.record(replace(found, reason=str(broken)))
            raise InvalidParameters(f"refused again: {broken}") from broken
        self._quarantine.drop(partner.id, entry)
        if not is_taken:
            return "known"
        return "created" if is_new else "updated"

    def drop(self, partner: Partner, entry: str) -> None:
        """Delete the entry of this name.

        Raises:
            NotFound: there is no such entry.
        """
        self._quarantine.drop(partner.id, self.entry(partner, entry).entry)

    def _is_held(self, partner: Partner, quarantined: QuarantineEntry) -> bool:
        key = self._modules[quarantined.module].key_of(quarantined.id)
        if partner.party is None or not is_storable(key):
            return False
        stored = self._stores[quarantined.module].get(theirs(partner.party), key)
        return stored is not None and not stored.metadata.get("deleted_at")
