"""Fakes of ``Outbox`` and ``CircuitBreakerStore``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.breaker import CircuitBreaker
from chalicelib.node.pushing.coalescing import ObjectKey, object_key_of
from chalicelib.node.pushing.outbox import MOST_COUNTED, Backlog, DeliveryState, OutboxEntry, SentVersion, entry_name


class MemoryOutbox:
    """``Outbox`` in memory; nothing expires."""

    def __init__(self, breakers: MemoryCircuitBreakerStore | None = None) -> None:
        self._lock = threading.RLock()
        self._breakers = breakers or MemoryCircuitBreakerStore()
        self._entries: dict[tuple[str, str], OutboxEntry] = {}
        self._sent: dict[tuple[str, str], tuple[SentVersion, ...]] = {}

    def state(self, partner_id: str, about: ObjectKey) -> DeliveryState:
        with self._lock:
            key = (partner_id, entry_name(about))
            return DeliveryState(self._breakers.breaker(partner_id), self._entries.get(key), self._sent.get(key, ()))

    def record(self, entry: OutboxEntry) -> None:
        with self._lock:
            key = (entry.partner_id, entry_name(object_key_of(entry.announcement)))
            stored, announcement = self._entries.get(key), entry.announcement
            if stored and replace(stored.announcement, version=announcement.version) != announcement:
                announcement = replace(announcement, path=(), fields=None)
            self._entries[key] = replace(
                entry,
                announcement=announcement,
                attempts=entry.attempts + (stored.attempts if stored else 0),
                reason=entry.reason[:500],
                first_failed_at=stored.first_failed_at if stored else entry.failed_at,
            )

    def lease(self, entry: OutboxEntry, until: datetime) -> bool:
        with self._lock:
            key = (entry.partner_id, entry_name(object_key_of(entry.announcement)))
            stored = self._entries.get(key)
            if not stored or not stored.due_at or (stored.attempts, stored.due_at) != (entry.attempts, entry.due_at):
                return False
            self._entries[key] = replace(stored, due_at=until)
            return True

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        with self._lock:
            known = self._entries.get((partner_id, entry_name(about)))
            if known:
                self._entries[partner_id, entry_name(about)] = replace(known, due_at=now, attempts=0)
            return known is not None

    def clear(self, partner_id: str, about: ObjectKey) -> None:
        with self._lock:
            self._entries.pop((partner_id, entry_name(about)), None)

    def record_sent(self, partner_id: str, about: ObjectKey, sent: Sequence[SentVersion], until: datetime) -> None:
        with self._lock:
            self._sent[partner_id, entry_name(about)] = tuple(sent)

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        found = [(each.due_at, each) for each in self.entries(partner_id) if each.due_at and each.due_at <= now]
        return [each for _, each in sorted(found, key=lambda pair: pair[0])][:limit]

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        with self._lock:
            found = sorted((where, each) for (whose, where), each in self._entries.items() if whose == partner_id)
            return [each for where, each in found if where > after][:limit]

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        found: dict[str, list[OutboxEntry]] = {}
        for failure in self.entries(partner_id, limit=MOST_COUNTED):
            found.setdefault(failure.announcement.module, []).append(failure)
        return {
            module: Backlog(
                objects=len(failures),
                oldest=min(each.first_failed_at or each.failed_at for each in failures),
                given_up=sum(each.due_at is None for each in failures),
            )
            for module, failures in found.items()
        }


class MemoryCircuitBreakerStore:
    """``CircuitBreakerStore`` in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[str, CircuitBreaker] = {}

    def breaker(self, partner_id: str) -> CircuitBreaker:
        return self._breakers.get(partner_id, CircuitBreaker(partner_id=partner_id))

    def breakers(self) -> dict[str, CircuitBreaker]:
        return dict(self._breakers)

    def save_breaker(self, breaker: CircuitBreaker) -> None:
        with self._lock:
            if self.breaker(breaker.partner_id).version != breaker.version - 1:
                raise Conflict("somebody else wrote first")
            self._breakers[breaker.partner_id] = breaker
