"""The ports of a node: stores, queues, HTTP, clock, random ids. ``aws.py`` has those on AWS, tests have their own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chalicelib.node.clock import Clock, Sleep
from chalicelib.node.commands import CommandQueues, CommandStore
from chalicelib.node.events.announcing import EventBus, EventFeed, EventQueue
from chalicelib.node.objects import ObjectStore
from chalicelib.node.outbound import Web
from chalicelib.node.partners.breaker import CircuitBreakerStore
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling.state import PullQueue, PullStore
from chalicelib.node.pushing.messages import PushQueues
from chalicelib.node.pushing.outbox import Outbox
from chalicelib.node.receiving.quarantine import Quarantine
from chalicelib.node.telemetry import NoObserver, Observer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def fresh_token() -> AuthToken:
    """A token of 256 random bits, in 43 characters."""
    return AuthToken(secrets.token_urlsafe(32))


def fresh_id() -> str:
    """An id for a partner: 10 hexadecimal digits, short enough to type."""
    return secrets.token_hex(5)


def fresh_command_id() -> str:
    """An id for a command, and a part of its response URL: 24 hexadecimal digits, unique among many."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The implementations of all ports: what differs between AWS, a local run and a test."""

    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    push_queues: PushQueues
    outbox: Outbox
    breakers: CircuitBreakerStore
    quarantine: Quarantine
    commands: CommandStore
    command_queues: CommandQueues
    pulls: PullStore
    pull_queue: PullQueue
    event_queue: EventQueue
    event_bus: EventBus
    event_feed: EventFeed
    web: Web
    observer: Observer = field(default_factory=NoObserver)
    now: Callable[[], datetime] = utc_now
    sleep: Sleep = time.sleep
    fresh_token: Callable[[], AuthToken] = fresh_token
    fresh_id: Callable[[], str] = fresh_id
    fresh_command_id: Callable[[], str] = fresh_command_id

    @property
    def clock(self) -> Clock:
        """The clock of this node: the time, and how to sleep."""
        return Clock(self.now, self.sleep)
