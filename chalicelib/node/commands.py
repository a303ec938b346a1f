"""A command (START_SESSION, ...) as it is stored, in either direction, and the ports that store and queue it.

A command has two outcomes. The answer is the ``CommandResponse`` to the request itself: we give it to a command that we
receive, the partner to one that we send. The result comes later from the charge point, by a POST to ``response_url``.
Spec: mod_commands.md 2.
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
"""Events that are kept of one command: the first ones, because the first result counts."""


class Side(StrEnum):
    """The direction of a command."""

    RECEIVED = "received"
    """A partner sent it to us: we are the CPO."""
    SENT = "sent"
    """We sent it to a partner: we are the eMSP."""


class Posting(StrEnum):
    """The delivery state of a received command's result: whether it was posted to the ``response_url``."""

    NONE = "none"
    """Not yet."""
    STARTED = "started"
    """The POST has begun, and may have arrived if the worker died since. So it is not sent again."""
    DONE = "done"
    """The partner took it."""
    FAILED = "failed"
    """The partner did not take it, or we do not know; ``problem`` says why. It is not sent again."""


@dataclass(frozen=True, slots=True)
class CommandEvent:
    """An entry in a command's history, for the operator."""

    at: datetime
    what: str
    """In a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command with its answer, its result and its history. A later version adds to an earlier one."""

    id: str
    side: Side
    partner_id: str
    command: str
    """Its type, such as ``START_SESSION``."""
    request: Mapping[str, Any]
    """The JSON body as it was received or sent, the driver's token included."""
    at: datetime
    """When it was received or sent."""
    deadline: datetime
    """When a charge point that has not answered counts as timed out."""
    answer: str | None = None
    """The synchronous ``CommandResponse``, such as ``ACCEPTED``."""
    result: str | None = None
    """The asynchronous result of the charge point. The first one counts."""
    posting: Posting = Posting.NONE
    problem: str | None = None
    """Why there is no answer, or why the result did not reach the partner."""
    session_id: str | None = None
    """The session that the command started, once it is known."""
    events: tuple[CommandEvent, ...] = ()
    """The history, oldest first; at most 20 entries."""
    version: int = 1
    """For optimistic locking: 1 for a new command, and one more with each write."""

    @property
    def response_url(self) -> str:
        """The URL that the result is posted to."""
        return str(self.request["response_url"])

    def with_event(self, now: datetime, what: str, **fields: Any) -> Command:
        """The next version of the command: with these fields changed, and one more entry in its history.

        Args:
            now: the time of the entry.
            what: the text of the entry.
            fields: fields of ``Command`` and their new values.
        """
        events = (*self.events, CommandEvent(now, what))[:_MOST_EVENTS]
        return replace(self, events=events, version=self.version + 1, **fields)


class CommandStore(Protocol):
    """The port that stores commands, for 30 days."""

    def add(self, command: Command) -> None:
        """Write a new command; one call.

        Raises:
            Conflict: a command with this id exists.
        """

    def get(self, command_id: str) -> Command | None:
        """The command, or None; strongly consistent; one call."""

    def save(self, command: Command) -> None:
        """Write the next version of a command; one call.

        Raises:
            Conflict: the stored version is not ``command.version - 1``.
        """

    def for_partner(self, partner_id: str, after: str | None, limit: int) -> list[Command]:
        """Up to ``limit`` commands from or to a partner, latest first: those before command ``after``, if given.

        Eventually consistent.
        """

    def reserve(self, key: str, command_id: str, until: datetime) -> str | None:
        """Record that this command holds a reservation; the id of the command that held it before, or None; one call.

        Args:
            key: names the reservation.
            command_id: the RESERVE_NOW that creates or replaces it.
            until: when the record expires.
        """


def record_event(commands: CommandStore, command_id: str, clock: Clock, what: str, **fields: Any) -> Command | None:
    """The command, saved with these fields and one more event; None if there is no such command.

    Retries on a conflict. The arguments are those of ``Command.with_event``.

    Raises:
        ServerError: every attempt met a conflict.
    """

    def attempt() -> Command | None:
        command = commands.get(command_id)
        if command is None:
            return None
        after = command.with_event(clock(), what, **fields)
        commands.save(after)
        return after

    return retry_on_conflict(attempt, clock.sleep)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """The result of a received command: from a charge point, from the operator, or from our timer on a timeout."""

    command_id: str
    result: str
    """Such as ``ACCEPTED`` or ``TIMEOUT``."""
    source: str
    """``charge point``, ``operator`` or ``timer``."""


class CommandQueues(Protocol):
    """The port for the three queues that a received command passes through."""

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        """Send a command to ``commands``, which the charge points' back end reads."""

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        """Send a result to ``command-results``, to be read after ``delay_s`` seconds."""

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        """Send a message to ``command-answers.fifo``: post this command's result to its ``response_url``.

        Deduplicated by ``command_id``. Messages of one ``lane`` (a FIFO message group) are handled one after another.
        """
