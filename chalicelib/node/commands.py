"""A command as it is written down, in either direction, and the ports that keep and move it.

A command that a partner sends us goes to our charge points and is answered twice: at once by us, later by the charge
point. One that we send is answered the same way by the partner. Both are one record that only ever gains facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from chalicelib.node.clock import Clock
from chalicelib.node.conflicts import retry_on_conflict

_MOST_EVENTS: Final = 20
"""What is remembered of a command's life; the first facts stay, for they are what counts."""


class Side(StrEnum):
    """Who asked whom."""

    RECEIVED = "received"
    """A partner asked us: we are the CPO."""
    SENT = "sent"
    """We asked a partner: we are the eMSP."""


class Posting(StrEnum):
    """How far the charge point's result has come on its way to the ``response_url``."""

    NONE = "none"
    STARTED = "started"
    """It is being posted, or we failed while it was: it is not posted again, for it may have arrived."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CommandEvent:
    """Something that happened to a command."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command and all that became of it."""

    id: str
    side: Side
    partner_id: str
    command: str
    request: Mapping[str, Any]
    """As it was received or sent, the driver's token included."""
    at: datetime
    deadline: datetime
    """When a charge point that has not answered counts as silent."""
    answer: str | None = None
    """The synchronous ``CommandResponse``."""
    result: str | None = None
    """The charge point's, which comes later. The first one counts."""
    posting: Posting = Posting.NONE
    problem: str | None = None
    """Why there is no answer, or why the result did not reach the partner."""
    session_id: str | None = None
    """The session that followed."""
    events: tuple[CommandEvent, ...] = ()
    version: int = 1

    @property
    def response_url(self) -> str:
        """Where the result goes."""
        return str(self.request["response_url"])

    def with_(self, now: datetime, what: str, **facts: Any) -> Command:
        """The command one step further."""
        events = (*self.events, CommandEvent(now, what))[:_MOST_EVENTS]
        return replace(self, events=events, version=self.version + 1, **facts)


class CommandStore(Protocol):
    """Commands, kept for 30 days."""

    def add(self, command: Command) -> None:
        """Write a new command; one call.

        Raises:
            Conflict: there is one of this id.
        """

    def get(self, command_id: str) -> Command | None:
        """The command, strongly consistent; one call."""

    def save(self, command: Command) -> None:
        """Write the next version of a command; one call.

        Raises:
            Conflict: the stored version is not the one before.
        """

    def of(self, partner_id: str, after: str | None, limit: int) -> list[Command]:
        """Up to ``limit`` commands from or to a partner, the latest first, those older than command ``after``."""

    def reserve(self, key: str, command_id: str, until: datetime) -> str | None:
        """Note the command that a reservation stands by now; the one that it stood by before, if any; one call."""


def record_event(commands: CommandStore, command_id: str, clock: Clock, what: str, **facts: Any) -> Command | None:
    """The command one step further, as it is stored now; None if there is none.

    Raises:
        ServerError: others kept winning.
    """

    def attempt() -> Command | None:
        command = commands.get(command_id)
        if command is None:
            return None
        after = command.with_(clock(), what, **facts)
        commands.save(after)
        return after

    return retry_on_conflict(attempt, clock.sleep)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """A charge point's answer, or the word that there was none in time."""

    command_id: str
    result: str
    source: str
    """``charge point``, ``operator`` or ``timer``."""


class CommandQueues(Protocol):
    """The queues between us, the charge points, and those who asked."""

    def ask(self, message: Mapping[str, Any]) -> None:
        """Send a request to the charge points' back end."""

    def result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        """Send a result to ourselves, now or later."""

    def answer(self, command_id: str, lane: str) -> None:
        """Ask ourselves to post a command's result, one after the other within a lane; repeats count once."""
