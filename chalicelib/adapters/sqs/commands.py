"""The three queues of commands in SQS, as ``CommandQueues`` promises them, and their messages.

``commands``, a standard queue that the host's back end reads: as docs/commands.md describes.
``command-results``, a standard queue that the host's back end writes, and we with the timers:
``{"version": 1, "command_id": "...", "result": "ACCEPTED"}``; ``source`` is ``timer`` where it is ours.
``command-answers.fifo``: ``{"v": 1, "command": "..."}``; one lane is one message group.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from chalicelib.adapters.aws import LazyClient
from chalicelib.adapters.sqs.queue import Queue, decode_message
from chalicelib.node.commands import CommandResult
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.reading import parse

_VERSION: Final = 1


class SqsCommandQueues:
    """The queues of one stage."""

    def __init__(self, client: LazyClient, *, commands: str, results: str, answers: str) -> None:
        """Queues by their full names."""
        self._commands = Queue(commands, client)
        self._results = Queue(results, client)
        self._answers = Queue(answers, client)

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        """Send a request to the charge points' back end; one call."""
        self._commands.send(_text(message))

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        """Send a result to ourselves, now or later; one call."""
        message = {"version": _VERSION, "command_id": result.command_id, "result": result.result}
        self._results.send(_text(message | {"source": result.source}), delay_s=delay_s)

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        """Ask ourselves to post a result, one after the other within a lane; one call.

        SQS drops what it has seen within the last five minutes, so that a repeated worker asks once.
        """
        body = _text({"v": _VERSION, "command": command_id})
        self._answers.send(body, MessageGroupId=lane, MessageDeduplicationId=command_id)


def _text(message: Mapping[str, Any]) -> str:
    # In ASCII: SQS refuses some characters that a partner may send.
    return json.dumps(message, separators=(",", ":"))


class UnreadableResult(Exception):
    """A message in ``command-results`` that is none of ours and none of the contract."""


def result_in(body: str) -> CommandResult:
    """The result of a message in ``command-results``.

    Raises:
        UnreadableResult: the host sent something else; trying again cannot help.
    """
    try:
        message = parse(body.encode())
        version, command_id, result = message["version"], message["command_id"], message["result"]
    except (ClientError, KeyError, TypeError) as broken:
        raise UnreadableResult(f"a result is JSON with version, command_id and result: {broken}") from None
    if version != _VERSION or not isinstance(command_id, str) or not isinstance(result, str):
        raise UnreadableResult("a result has version 1, and command_id and result are strings")
    source = "timer" if message.get("source") == "timer" else "charge point"
    return CommandResult(command_id=command_id, result=result, source=source)


def answer_in(body: str) -> str:
    """The id of the command whose result is to be posted.

    Raises:
        ValueError: a later release wrote it.
    """
    return str(decode_message(body, _VERSION)["command"])
