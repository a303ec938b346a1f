"""The commands that partners sent us, stored before they are passed on. Rules CMD-04, CMD-12, CMD-14."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from chalicelib.node.commands import Command, CommandStore, Side
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.parts import Json

NOT_PASSED_ON: Final = "we failed before it was on its way for sure, and told the partner so"
_RESERVED_FOR: Final = timedelta(days=30)


class ReceivedCommands:
    """Creates and stores the commands of partners to our charge points."""

    def __init__(self, commands: CommandStore, fresh_id: Callable[[], str], timeout_s: int) -> None:
        """Commands in this store; after ``timeout_s`` seconds without a result we answer TIMEOUT (CMD-14)."""
        self._commands = commands
        self._fresh_id = fresh_id
        self._timeout_s = timeout_s

    def new(self, partner: Partner, name: str, request: Json, now: datetime) -> Command:
        """An accepted command with an id and a deadline, not stored yet."""
        return Command(
            id=self._fresh_id(),
            side=Side.RECEIVED,
            partner_id=partner.id,
            command=name,
            request=request,
            at=now,
            deadline=now + timedelta(seconds=self._timeout_s),
            answer="ACCEPTED",
        )

    def add(self, command: Command) -> str | None:
        """Store the command; the id of the one that it replaces, if any.

        That is an earlier reservation of the same partner with the same id at the same place (CMD-12).
        """
        self._commands.add(command)
        if command.command != "RESERVE_NOW":
            return None
        request = command.request
        key = f"{command.partner_id}/{request['location_id']}/{request['reservation_id']}"
        return self._commands.reserve(key, command.id, command.at + _RESERVED_FOR)

    def cancel(self, command: Command) -> None:
        """Mark the command as not accepted, so that no result is posted, not even of the timer (CMD-04).

        The partner is answered with our failure instead of ACCEPTED.
        """
        # If this fails too, the caller raises the first failure.
        with suppress(Exception):
            kept = self._commands.get(command.id)
            if kept is not None:
                self._commands.save(kept.with_event(command.at, "not passed on", answer=None, problem=NOT_PASSED_ON))
