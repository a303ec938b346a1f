"""The outside in memory: the ports as small classes that keep their promises, safe to share between threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.adapters.crawls import ByChange, ByRank, bounds, fitting, fixed_width, opened, sealed
from chalicelib.node.breaker import Breaker
from chalicelib.node.commands import Command, Result
from chalicelib.node.contacts import Contact
from chalicelib.node.events import KEPT, Detail, Event, Noted, cursor_at
from chalicelib.node.news import Object, object_of
from chalicelib.node.outbox import Backlog, Failure, Ledger, Told, place
from chalicelib.node.partners import Grant, Partner, State
from chalicelib.node.ports import (
    MOST_FOUND,
    OURS,
    Admission,
    Announcement,
    Conflict,
    Delivery,
    Found,
    OperatorKey,
    PartyTaken,
    Stored,
    Tend,
)
from chalicelib.node.pulls import Pull, Step, digest_of
from chalicelib.node.quarantine import Quarantined, entry_of
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import Page, Window
from chalicelib.ocpi.parties import Party, Role


class MemoryObjects:
    """The objects of one module."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str], Stored] = {}
        self._lists: dict[str, list[str]] = {}
        """The ids of each list by rank, which begins at 0 here."""
        self._removals: dict[str, int] = {}

    def get(self, owner: str, object_id: str) -> Stored | None:
        with self._lock:
            return self._objects.get((owner, object_id))

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, Stored]:
        with self._lock:
            keys = [(owner, object_id) for object_id in object_ids]
            return {key[1]: self._objects[key] for key in keys if key in self._objects}

    def put(self, owner: str, stored: Stored) -> None:
        with self._lock:
            before = self._objects.get((owner, stored.id))
            if stored.version != (before.version + 1 if before else 1):
                raise Conflict("somebody else wrote first")
            self._objects[owner, stored.id] = replace(_kept(stored), list=before.list if before else None)

    def create(self, stored: Sequence[Stored]) -> None:
        with self._lock:
            ids = {one.id for one in stored}
            if len(ids) < len(stored) or self.get_many(OURS, list(ids)):
                raise Conflict("one of the objects exists already")
            for one in stored:
                self._objects[OURS, one.id] = _kept(one)
                self._lists.setdefault(one.list or "", []).append(one.id)

    def remove(self, owner: str, stored: Stored) -> None:
        with self._lock:
            known = self._objects.get((owner, stored.id))
            if known is None or known.version != stored.version:
                raise Conflict("the object has changed")
            del self._objects[owner, stored.id]
            if owner == OURS:
                name = known.list or ""
                ids = self._lists[name]
                ids[ids.index(stored.id)] = ids[-1]
                ids.pop()
                self._removals[name] = self._removals.get(name, 0) + 1

    def page(self, list_name: str, window: Window) -> Page:
        with self._lock:
            place, span = opened(window), bounds(window)
            if isinstance(place, ByRank) or not window.has_dates:
                return self._by_rank(list_name, window, place)
            if span is None:
                return Page((), 0)
            objects = [self._objects[OURS, object_id] for object_id in self._lists.get(list_name, ())]
            inside = [one for one in objects if span[0] <= fixed_width(one.last_updated) <= span[1]]
            if place:
                return _by_change(inside, window, place)
            if len(inside) == len(objects):
                return self._by_rank(list_name, window, None)
            bodies = fitting(one.body for one in inside)
            if not window.offset and len(inside) <= window.limit and len(bodies) == len(inside):
                return Page(tuple(bodies), len(inside))
            return _by_change(inside, window, None)

    def _by_rank(self, list_name: str, window: Window, crawl: ByRank | ByChange | None) -> Page:
        ids, removals = self._lists.get(list_name, []), self._removals.get(list_name, 0)
        served = ids[window.offset : window.offset + window.limit]
        bodies = tuple(fitting(self._objects[OURS, object_id].body for object_id in served))
        end, crawl = window.offset + len(bodies), crawl if isinstance(crawl, ByRank) else ByRank(removals)
        if bodies and end < len(ids):
            return Page(bodies, len(ids), end, sealed(crawl))
        again = crawl.again(removals)
        return Page(bodies, len(ids), 0, sealed(again)) if again else Page(bodies, len(ids))

    def find(self, index: str, key: str, limit: int = MOST_FOUND) -> list[Found]:
        with self._lock:
            found = [Found(of, one) for (of, _), one in self._objects.items() if key and one.keys.get(index) == key]
            return sorted(found, key=lambda each: each.stored.last_updated, reverse=True)[:limit]

    def received(self, owner: str, after: str | None, limit: int) -> list[Stored]:
        with self._lock:
            # By code points, which is the order of the bytes of UTF-8, by which DynamoDB sorts.
            found = sorted(id_ for of, id_ in self._objects if of == owner and id_ > (after or ""))
            return [self._objects[owner, id_] for id_ in found[:limit]]


def _kept(stored: Stored) -> Stored:
    moment = stored.last_updated
    return replace(
        stored,
        last_updated=moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        aside=dict(stored.aside),
        keys=dict(stored.keys),
    )


def _by_change(inside: Iterable[Stored], window: Window, place: ByChange | None) -> Page:
    ordered = sorted(inside, key=lambda one: (one.last_updated, one.id.encode()))
    total = place.total if place else len(ordered)
    if place:
        behind = (place.last_updated, place.id.encode())
        ordered = [one for one in ordered if (fixed_width(one.last_updated), one.id.encode()) > behind]
    else:
        ordered = ordered[window.offset :]
    bodies = tuple(fitting(one.body for one in ordered[: window.limit]))
    if len(bodies) == len(ordered):
        return Page(bodies, total)
    last = ordered[len(bodies) - 1]
    cursor = sealed(ByChange(fixed_width(last.last_updated), last.id, total))
    return Page(bodies, total, window.offset + len(bodies), cursor)


class MemoryPartners:
    """Partners, tokens, counters and operator keys."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._partners: dict[str, Partner] = {}
        self._grants: dict[tuple[Role, str], Grant] = {}
        self._claims: dict[tuple[Role, Party], str] = {}
        self._tallies: dict[str, dict[str, int]] = {}
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
            self._partners[partner.id] = partner.with_(version=partner.version + 1)
            return self._partners[partner.id]

    def admission(self, our_role: Role, token_hash: str) -> Admission | None:
        with self._lock:
            grant = self._grants.get((our_role, token_hash))
            partner = self._partners.get(grant.partner_id) if grant else None
            if grant is None or partner is None or (grant.expires_at and grant.expires_at <= self._clock()):
                return None
            return Admission(grant, partner)

    def tally(self, partner_id: str, counts: Mapping[str, int]) -> None:
        with self._lock:
            tallies = self._tallies.setdefault(partner_id, {})
            for name, count in counts.items():
                tallies[name] = tallies.get(name, 0) + count

    def tallies(self, partner_id: str) -> dict[str, int]:
        with self._lock:
            return dict(self._tallies.get(partner_id, {}))

    def note_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        with self._lock:
            contacts = self._contacts.setdefault(partner_id, {})
            known = contacts.get((module, direction), Contact(module, direction))
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


class MemoryQueues:
    """The queues as two lists, for a test to look at and to drain. Nothing is delayed, or dropped as a duplicate."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.announcements: list[tuple[list[Announcement], int]] = []
        """Each message: what it announces, and how often it was put back."""
        self.deliveries: list[Delivery | Tend] = []

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if announcements:
            with self._lock:
                self.announcements.append((list(announcements), attempt))

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        with self._lock:
            self.deliveries.extend(deliveries)

    def tend(self, tend: Tend, *, cause: str) -> None:
        with self._lock:
            self.deliveries.append(tend)

    def wake(self) -> None:
        """Let in what is due: nothing is late here."""

    def next_due(self) -> datetime | None:
        """When the next late announcement is due."""
        return None


class DelayingQueues(MemoryQueues):
    """The queues, but late announcements stay outside until they are due."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._clock = clock
        self._late: list[tuple[datetime, list[Announcement], int]] = []

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if not delay_s:
            super().announce(announcements, attempt=attempt)
        elif announcements:
            self._late.append((self._clock() + timedelta(seconds=delay_s), list(announcements), attempt))

    def wake(self) -> None:
        now = self._clock()
        due = sorted((late for late in self._late if late[0] <= now), key=lambda late: late[0])
        self._late = [late for late in self._late if late[0] > now]
        self.announcements += [(announcements, attempt) for _, announcements, attempt in due]

    def next_due(self) -> datetime | None:
        return min((due for due, _, _ in self._late), default=None)


class MemoryOutbox:
    """What partners still have to be told."""

    def __init__(self, breakers: MemoryBreakers | None = None) -> None:
        self._lock = threading.RLock()
        self._breakers = breakers or MemoryBreakers()
        self._failures: dict[tuple[str, str], Failure] = {}
        self._told: dict[tuple[str, str], tuple[Told, ...]] = {}

    def ledger(self, partner_id: str, about: Object) -> Ledger:
        with self._lock:
            key = (partner_id, place(about))
            return Ledger(self._breakers.breaker(partner_id), self._failures.get(key), self._told.get(key, ()))

    def record(self, failure: Failure) -> None:
        with self._lock:
            key = (failure.partner_id, place(object_of(failure.announcement)))
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

    def lease(self, failure: Failure, until: datetime) -> bool:
        with self._lock:
            key = (failure.partner_id, place(object_of(failure.announcement)))
            known = self._failures.get(key)
            if not known or not known.due_at or (known.attempts, known.due_at) != (failure.attempts, failure.due_at):
                return False
            self._failures[key] = replace(known, due_at=until)
            return True

    def retry(self, partner_id: str, about: Object, now: datetime) -> bool:
        with self._lock:
            known = self._failures.get((partner_id, place(about)))
            if known:
                self._failures[partner_id, place(about)] = replace(known, due_at=now, attempts=0)
            return known is not None

    def settle(self, partner_id: str, about: Object) -> None:
        with self._lock:
            self._failures.pop((partner_id, place(about)), None)

    def tell(self, partner_id: str, about: Object, told: Sequence[Told], until: datetime) -> None:
        with self._lock:
            self._told[partner_id, place(about)] = tuple(told)

    def due(self, partner_id: str, now: datetime, limit: int) -> list[Failure]:
        found = [(each.due_at, each) for each in self.of(partner_id) if each.due_at and each.due_at <= now]
        return [each for _, each in sorted(found, key=lambda pair: pair[0])][:limit]

    def of(self, partner_id: str, after: str = "", limit: int | None = None) -> list[Failure]:
        with self._lock:
            found = sorted((where, each) for (whose, where), each in self._failures.items() if whose == partner_id)
            return [each for where, each in found if where > after][:limit]

    def backlog(self, partner_id: str) -> dict[str, Backlog]:
        found: dict[str, list[Failure]] = {}
        for failure in self.of(partner_id):
            found.setdefault(failure.announcement.module, []).append(failure)
        return {
            module: Backlog(
                len(failures),
                min(each.first_failed_at or each.failed_at for each in failures),
                sum(each.due_at is None for each in failures),
            )
            for module, failures in found.items()
        }


class MemoryBreakers:
    """The breakers of all partners."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, partner_id: str) -> Breaker:
        return self._breakers.get(partner_id, Breaker(partner_id))

    def breakers(self) -> dict[str, Breaker]:
        return dict(self._breakers)

    def save_breaker(self, breaker: Breaker) -> None:
        with self._lock:
            if self.breaker(breaker.partner_id).version != breaker.version - 1:
                raise Conflict("somebody else wrote first")
            self._breakers[breaker.partner_id] = breaker


class MemoryQuarantine:
    """What partners sent and we did not take."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Quarantined] = {}

    def record(self, quarantined: Quarantined) -> None:
        entry = entry_of(quarantined)
        self._kept[quarantined.partner_id, entry] = replace(quarantined, reason=quarantined.reason[:500], entry=entry)

    def of(self, partner_id: str) -> list[Quarantined]:
        found = [kept for key, kept in self._kept.items() if key[0] == partner_id]
        return sorted(found, key=lambda kept: (kept.module, kept.id))

    def get(self, partner_id: str, entry: str) -> Quarantined | None:
        return self._kept.get((partner_id, entry))

    def drop(self, partner_id: str, entry: str) -> None:
        self._kept.pop((partner_id, entry), None)


class MemoryCommands:
    """Commands and the reservations that they stand for."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._commands: dict[str, Command] = {}
        self._reservations: dict[str, str] = {}

    def add(self, command: Command) -> None:
        with self._lock:
            if command.id in self._commands:
                raise Conflict("there is one of this id")
            self._commands[command.id] = command

    def get(self, command_id: str) -> Command | None:
        with self._lock:
            return self._commands.get(command_id)

    def save(self, command: Command) -> None:
        with self._lock:
            before = self._commands.get(command.id)
            if before is None or before.version != command.version - 1:
                raise Conflict("somebody else wrote first")
            self._commands[command.id] = command

    def of(self, partner_id: str, after: str | None, limit: int) -> list[Command]:
        with self._lock:
            found = [command for command in self._commands.values() if command.partner_id == partner_id]
            found.sort(key=lambda command: (fixed_width(command.at), command.id), reverse=True)
            ids = [command.id for command in found]
            start = ids.index(after) + 1 if after in ids else 0
            return found[start : start + limit]

    def reserve(self, key: str, command_id: str, until: datetime) -> str | None:
        with self._lock:
            before = self._reservations.get(key)
            self._reservations[key] = command_id
            return before


class MemoryCommandQueues:
    """What was sent to the charge points, and what waits for us."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.results: list[tuple[Result, int]] = []
        """Each with the seconds that it waits."""
        self.answers: list[tuple[str, str]] = []
        """Command ids and their lanes."""

    def ask(self, message: Mapping[str, Any]) -> None:
        self.asked.append(message)

    def result(self, result: Result, *, delay_s: int = 0) -> None:
        self.results.append((result, delay_s))

    def answer(self, command_id: str, lane: str) -> None:
        if (command_id, lane) not in self.answers:
            self.answers.append((command_id, lane))


class MemoryPulls:
    """How far we are with partners' lists."""

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

    def saw(self, pull: Pull, ids: Iterable[str]) -> None:
        with self._lock:
            self._seen.setdefault((pull.partner_id, pull.module, pull.crawl), set()).update(map(digest_of, ids))

    def seen(self, pull: Pull) -> set[bytes]:
        with self._lock:
            return set(self._seen.get((pull.partner_id, pull.module, pull.crawl), ()))


class MemoryPullQueue:
    """Pages that are still to be fetched, each with the seconds that it waits."""

    def __init__(self) -> None:
        self.steps: list[tuple[Step, int]] = []

    def step(self, step: Step, *, delay_s: int = 0) -> None:
        self.steps.append((step, delay_s))


class MemoryEvents:
    """The queue of events, for a test to look at and to drain. Nothing is delayed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.messages: list[tuple[list[Event], int]] = []
        """Each message: its events, and how often it was put back."""

    def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
        if events:
            with self._lock:
                self.messages.append((list(events), attempt))


class MemoryBus:
    """What the host heard."""

    def __init__(self) -> None:
        self.published: list[Detail] = []

    def publish(self, details: Sequence[Detail]) -> None:
        self.published.extend(details)


class MemoryJournal:
    """What was published."""

    def __init__(self) -> None:
        self._noted: dict[str, Noted] = {}

    def append(self, detail: Detail, now: datetime) -> None:
        cursor = cursor_at(now, detail["id"])
        self._noted[cursor] = Noted(cursor, dict(detail))

    def after(self, cursor: str, until: datetime, limit: int) -> list[Noted]:
        return self._between(cursor, until)[:limit]

    def latest(self, until: datetime, limit: int) -> list[Noted]:
        return self._between(cursor_at(until - KEPT), until)[-limit:]

    def _between(self, cursor: str, until: datetime) -> list[Noted]:
        return [noted for place, noted in sorted(self._noted.items()) if cursor < place < cursor_at(until)]
