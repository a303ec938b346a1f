"""Fakes of ``CommandStore`` and ``CommandQueues``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.adapters.dynamodb.cursors import fixed_width
from chalicelib.node.commands import Command, CommandResult
from chalicelib.node.conflicts import Conflict


class MemoryCommandStore:
    """``CommandStore`` in memory; nothing expires."""

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

    def for_partner(self, partner_id: str, after: str | None, limit: int) -> list[Command]:
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
    """``CommandQueues`` in memory: the messages as lists, for a test to look at. Nothing is delayed."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        """The messages in ``commands``."""
        self.results: list[tuple[CommandResult, int]] = []
        """Each with its delay in seconds."""
        self.answers: list[tuple[str, str]] = []
        """Command ids and their lanes."""

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        self.asked.append(message)

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        self.results.append((result, delay_s))

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        if (command_id, lane) not in self.answers:
            self.answers.append((command_id, lane))
