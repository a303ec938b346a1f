"""What can be known about a delivery, and what is decided then: what the tests of decisions have in common."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pushing.decision import Attempt, Skip, SkipReason, Wait, decide_on_state
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import DeliveryState, OutboxEntry, SentVersion
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import NotTaken
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.node.partner import said

LOCATIONS, TARIFFS, SESSIONS, CDRS = ModuleID.LOCATIONS, ModuleID.TARIFFS, ModuleID.SESSIONS, ModuleID.CDRS
OURS = (LOCATIONS, TARIFFS, SESSIONS, CDRS)
"""In this order: nothing special; deletable; paced and private; posted and private."""

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
SOON, A_WHILE_AGO = NOW + AN_HOUR, NOW - AN_HOUR
TOKEN = AuthToken("secret-of-theirs")
PARTNER = Partner(
    id="p1",
    our_role=Role.CPO,
    state=State.REGISTERED,
    party=Party.of("NL", "MSP"),
    token_we_send=TOKEN,
    endpoints={module: f"https://emsp.example/{module}" for module in OURS},
)
SUSPENDED = replace(PARTNER, is_suspended=True)
CLOSED = CircuitBreaker(partner_id="p1")
OPEN = CircuitBreaker(
    partner_id="p1", state=CircuitState.OPEN, failures=5, problem="timed out", until=SOON, token=TOKEN.hash[:16]
)
STATUS, FLOOR = ("status",), ("floor_level",)
BODY = {"id": "X1", "status": "ACTIVE"}
COMPLETED = {**BODY, "status": "COMPLETED"}
POSTED = {"posted": {"partner": "p1", "at": NOW.isoformat(), "url": None}}
"""Beside an object that was posted."""

Known = dict[str, Any]
"""What is known about a delivery, for ``on_state``."""


def change(
    version: int = 5,
    path: tuple[str, ...] = ("E1",),
    fields: tuple[str, ...] | None = STATUS,
    *,
    of: ModuleID = LOCATIONS,
    removed: bool = False,
) -> Announcement:
    return Announcement(of, "X1", version, path, fields, removed)


A_CDR, A_TARIFF = change(1, (), None, of=CDRS), change(1, (), None, of=TARIFFS)
A_SESSION = change(5, (), STATUS, of=SESSIONS)


def known_of(announcement: Announcement | None = None, **other: Any) -> Known:
    return {"announcement": announcement, **other}


def missed(announcement: Announcement | None = None, **fields: Any) -> OutboxEntry:
    """What stands in the outbox: the status of E1 as of version 3 was tried twice, the first time an hour ago."""
    known = {"attempts": 2, "failed_at": A_WHILE_AGO, "first_failed_at": A_WHILE_AGO, "due_at": SOON}
    given = {"partner_id": "p1", "announcement": announcement or change(3), "reason": "timed out"}
    return OutboxEntry(**{**known, **given, **fields})


def on_state(
    announcement: Announcement | None = None,
    *,
    retry: int | None = None,
    entry: OutboxEntry | None = None,
    sent: tuple[SentVersion, ...] = (),
    breaker: CircuitBreaker = CLOSED,
    partner: Partner = PARTNER,
    is_repeated: bool = False,
) -> Skip | Wait | Attempt:
    """What is decided about a delivery; ``retry`` is the number of failed tries that the message names."""
    announcement = announcement or change()
    delivery = Delivery(partner.id, announcement, retry)
    state = DeliveryState(breaker, entry, sent)
    return decide_on_state(partner, MODULES[announcement.module], delivery, state, NOW, is_repeated=is_repeated)


def attempt(announcement: Announcement | None = None, **known: Any) -> Attempt:
    decision = on_state(announcement, **known)
    assert isinstance(decision, Attempt)
    return decision


def waiting(announcement: Announcement | None = None, **known: Any) -> Wait:
    decision = on_state(announcement, **known)
    assert isinstance(decision, Wait)
    return decision


def reason(decision: object) -> SkipReason | None:
    return decision.reason if isinstance(decision, Skip) else None


def stored(of: ModuleID = LOCATIONS, version: int = 5, body: Any = BODY, **fields: Any) -> StoredObject:
    where = "NL/MSP" if MODULES[of].sending.private else "all"
    known = {"id": "X1", "body": json.dumps(body).encode(), "last_updated": NOW, "version": version, "list": where}
    return StoredObject(**{**known, **fields})


def refused(code: int = 2000, status: int = 200) -> NotTaken:
    return NotTaken("PUT was answered", read_answer(said(status, code)))
