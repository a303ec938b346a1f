"""Fakes of ``PartnerStore`` and ``Quarantine``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.contacts import Contact
from chalicelib.node.partners.partner import Grant, Partner, State
from chalicelib.node.partners.store import Authentication, OperatorKey, PartyTaken
from chalicelib.node.receiving.quarantine import QuarantineEntry, entry_name_of
from chalicelib.ocpi.parties import Party, Role


class MemoryPartnerStore:
    """``PartnerStore`` in memory."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._partners: dict[str, Partner] = {}
        self._grants: dict[tuple[Role, str], Grant] = {}
        self._claims: dict[tuple[Role, Party], str] = {}
        self._counters: dict[str, dict[str, int]] = {}
        self._contacts: dict[str, dict[tuple[str, str], Contact]] = {}
        self._operator_keys: dict[str, OperatorKey] = {}
        self._public_url: str | None = None

    def get(self, partner_id: str) -> Partner | None:
        with self._lock:
            return self._partners.get(partner_id)

    def all(self) -> list[Partner]:
        with self._lock:
            return list(self._partners.values())

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        role, party = partner.our_role, partner.party
        with self._lock:
            known = self._partners.get(partner.id)
            if partner.version != (known.version if known else 0):
                raise Conflict("the partner changed meanwhile")
            claims = party if partner.is_registered else None
            if claims and self._claims.get((role, claims), partner.id) != partner.id:
                raise PartyTaken(f"{claims} is registered by another connection")
            for given_up in (release, party if partner.state is State.UNREGISTERED else None):
                if given_up and given_up != claims and self._claims.get((role, given_up)) == partner.id:
                    del self._claims[role, given_up]
            if claims:
                self._claims[role, claims] = partner.id
            for token_hash in revoke:
                self._grants.pop((role, token_hash), None)
            self._grants |= {(grant.our_role, grant.token_hash): grant for grant in issue}
            self._partners[partner.id] = partner.with_changes(version=partner.version + 1)
            return self._partners[partner.id]

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        with self._lock:
            grant = self._grants.get((our_role, token_hash))
            partner = self._partners.get(grant.partner_id) if grant else None
            if grant is None or partner is None or (grant.expires_at and grant.expires_at <= self._clock()):
                return None
            return Authentication(grant, partner)

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        with self._lock:
            counters = self._counters.setdefault(partner_id, {})
            for name, count in counts.items():
                counters[name] = counters.get(name, 0) + count

    def counters(self, partner_id: str) -> dict[str, int]:
        with self._lock:
            return dict(self._counters.get(partner_id, {}))

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        with self._lock:
            contacts = self._contacts.setdefault(partner_id, {})
            known = contacts.get((module, direction), Contact(module=module, direction=direction))
            after = {"last_success": at} if problem is None else {"last_failure": at, "problem": problem}
            contacts[module, direction] = replace(known, **after)

    def contacts(self, partner_id: str) -> list[Contact]:
        with self._lock:
            return [contact for _, contact in sorted(self._contacts.get(partner_id, {}).items())]

    def operator_key(self, key_hash: str) -> OperatorKey | None:
        with self._lock:
            return self._operator_keys.get(key_hash)

    def save_operator_key(self, key_hash: str, key: OperatorKey) -> None:
        with self._lock:
            self._operator_keys[key_hash] = key

    def operator_keys(self) -> dict[str, OperatorKey]:
        with self._lock:
            return dict(self._operator_keys)

    def remove_operator_key(self, key_hash: str) -> None:
        with self._lock:
            self._operator_keys.pop(key_hash, None)

    def public_url(self) -> str | None:
        return self._public_url

    def record_public_url(self, url: str) -> None:
        self._public_url = url


class MemoryQuarantine:
    """``Quarantine`` in memory; nothing expires."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], QuarantineEntry] = {}

    def record(self, quarantined: QuarantineEntry) -> None:
        entry = entry_name_of(quarantined)
        self._kept[quarantined.partner_id, entry] = replace(quarantined, reason=quarantined.reason[:500], entry=entry)

    def of(self, partner_id: str, after: str = "", limit: int | None = None) -> list[QuarantineEntry]:
        found = [(name, kept) for (whose, name), kept in sorted(self._kept.items()) if whose == partner_id]
        return [kept for name, kept in found if name > after][:limit]

    def get(self, partner_id: str, entry: str) -> QuarantineEntry | None:
        return self._kept.get((partner_id, entry))

    def drop(self, partner_id: str, entry: str) -> None:
        self._kept.pop((partner_id, entry), None)
