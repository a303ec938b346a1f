"""What partners still have to be told, and the breakers in front of them, in memory."""

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
    """What partners still have to be told."""

    def __init__(self, breakers: MemoryCircuitBreakerStore | None = None) -> None:
        self._lock = threading.RLock()
        self._breakers = breakers or MemoryCircuitBreakerStore()
        self._failures: dict[tuple[str, str], OutboxEntry] = {}
        self._told: dict[tuple[str, str], tuple[SentVersion, ...]] = {}

    def state(self, partner_id: str, about: ObjectKey) -> DeliveryState:
        with self._lock:
            key = (partner_id, entry_name(about))
            return DeliveryState(self._breakers.breaker(partner_id), self._failures.get(key), self._told.get(key, ()))

    def record(self, failure: OutboxEntry) -> None:
        with self._lock:
            key = (failure.partner_id, entry_name(object_key_of(failure.announcement)))
            known, news = self._failures.get(key), failure.announcement
            if known and replace(known.announcement, version=news.version) != news:
                news = replace(news, path=(), fields=None)
            self._failures[key] = replace(
                failure,
                announcement=news,
                attempts=failure.attempts + (known.attempts if known else 0),
                reason=failure.reason[:500],
                first_failed_at=known.first_failed_at if known else failure.failed_at,
            )

    def lease(self, failure: OutboxEntry, until: datetime) -> bool:
        with self._lock:
            key = (failure.partner_id, entry_name(object_key_of(failure.announcement)))
            known = self._failures.get(key)
            if not known or not known.due_at or (known.attempts, known.due_at) != (failure.attempts, failure.due_at):
                return False
            self._failures[key] = replace(known, due_at=until)
            return True

    def retry(self, partner_id: str, about: ObjectKey, now: datetime) -> bool:
        with self._lock:
            known = self._failures.get((partner_id, entry_name(about)))
            if known:
                self._failures[partner_id, entry_name(about)] = replace(known, due_at=now, attempts=0)
            return known is not None

    def clear(self, partner_id: str, about: ObjectKey) -> None:
        with self._lock:
            self._failures.pop((partner_id, entry_name(about)), None)

    def record_sent(self, partner_id: str, about: ObjectKey, told: Sequence[SentVersion], until: datetime) -> None:
        with self._lock:
            self._told[partner_id, entry_name(about)] = tuple(told)

    def due(self, partner_id: str, now: datetime, limit: int) -> list[OutboxEntry]:
        found = [(each.due_at, each) for each in self.entries(partner_id) if each.due_at and each.due_at <= now]
        return [each for _, each in sorted(found, key=lambda pair: pair[0])][:limit]

    def entries(self, partner_id: str, after: str = "", limit: int | None = None) -> list[OutboxEntry]:
        with self._lock:
            found = sorted((where, each) for (whose, where), each in self._failures.items() if whose == partner_id)
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
    """The breakers of all partners."""

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
