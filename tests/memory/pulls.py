"""Fakes of ``PullStore`` and ``PullQueue``."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from chalicelib.node.conflicts import Conflict
from chalicelib.node.pulling.state import Pull, PullStep, digest_of
from chalicelib.ocpi.module import ModuleID


class MemoryPullStore:
    """``PullStore`` in memory; nothing expires."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pulls: dict[tuple[str, ModuleID], Pull] = {}
        self._seen: dict[tuple[str, ModuleID, str], set[bytes]] = {}

    def get(self, partner_id: str, module: ModuleID) -> Pull | None:
        with self._lock:
            return self._pulls.get((partner_id, module))

    def of(self, partner_id: str) -> list[Pull]:
        with self._lock:
            return [pull for key, pull in sorted(self._pulls.items()) if key[0] == partner_id]

    def save(self, pull: Pull) -> None:
        with self._lock:
            before = self._pulls.get((pull.partner_id, pull.module))
            if (before.version if before else 0) != pull.version - 1:
                raise Conflict("somebody else wrote first")
            self._pulls[pull.partner_id, pull.module] = pull

    def record_seen(self, pull: Pull, ids: Iterable[str]) -> None:
        with self._lock:
            self._seen.setdefault((pull.partner_id, pull.module, pull.crawl), set()).update(map(digest_of, ids))

    def seen(self, pull: Pull) -> set[bytes]:
        with self._lock:
            return set(self._seen.get((pull.partner_id, pull.module, pull.crawl), ()))


class MemoryPullQueue:
    """``PullQueue`` in memory: the messages as a list, each with its delay in seconds."""

    def __init__(self) -> None:
        self.steps: list[tuple[PullStep, int]] = []

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        self.steps.append((step, delay_s))
