"""``CommandQueues`` on SQS, and the messages of the three queues.

``commands``, a standard queue that the host's back end reads: see docs/commands.md.
``command-results``, a standard queue that the host's back end writes to, and we for timeouts:
``{"version": 1, "command_id": "...", "result": "ACCEPTED"}``; ours have ``source``.
``command-answers.fifo``: ``{"v": 1, "command": "..."}``; a lane is a message group.
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
    """The command queues of one stage."""

    def __init__(self, client: LazyClient, *, commands: str, results: str, answers: str) -> None:
        """The queues' full names."""
        self._commands = Queue(commands, client)
        self._results = Queue(results, client)
        self._answers = Queue(answers, client)

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        """Send a command to ``commands``, which the charge points' back end reads; one call."""
        self._commands.send(_text(message))

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        """Send a result to ``command-results``, to be read after ``delay_s`` seconds; one call."""
        message = {"version": _VERSION, "command_id": result.command_id, "result": result.result}
        self._results.send(_text(message | {"source": result.source}), delay_s=delay_s)

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        """Send a message to ``command-answers.fifo``: post this command's result; one call.

        Deduplicated: SQS drops a message with the same ``command_id`` for five minutes.
        """
        body = _text({"v": _VERSION, "command": command_id})
        self._answers.send(body, MessageGroupId=lane, MessageDeduplicationId=command_id)


def _text(message: Mapping[str, Any]) -> str:
    # In ASCII, because SQS refuses some characters that a partner may send.
    return json.dumps(message, separators=(",", ":"))


class UnreadableResult(Exception):
    """A message in ``command-results`` does not have the documented format."""


def result_in(body: str) -> CommandResult:
    """The result in a message of ``command-results``.

    Raises:
        UnreadableResult: the message is not in the documented format; a retry cannot help.
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
    """The id of the command whose result is to be posted, in a message of ``command-answers.fifo``.

    Raises:
        ValueError: the message was written by a later release.
    """
    return str(decode_message(body, _VERSION)["command"])
