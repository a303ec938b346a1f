"""The stage of a command, in a word: for people, and for hosts that wait for its end."""

from __future__ import annotations

from datetime import datetime

from chalicelib.modules.commands.sending import SESSION_WITHIN, starts_session
from chalicelib.node.commands import Command, Posting, Side


def stage(command: Command, now: datetime) -> str:
    """The stage that the command has reached.

    Of one that we sent: ``requested``, ``failed`` (no answer), ``refused``, ``accepted``, ``no result``, ``not done``,
    ``done``, ``session``, ``no session``. Of one that we received: ``failed`` (not passed on), ``waiting``,
    ``answering``, ``answered``, ``not answered``.
    """
    return _received(command) if command.side is Side.RECEIVED else _sent(command, now)


def is_over(command: Command, now: datetime) -> bool:
    """Whether neither a result nor a session can follow."""
    return stage(command, now) not in ("requested", "accepted", "waiting", "answering") and not (
        _awaits_session(command, now)
    )


def _received(command: Command) -> str:
    if command.answer is None:
        return "failed"
    if command.result is None:
        return "waiting"
    return {Posting.DONE: "answered", Posting.FAILED: "not answered"}.get(command.posting, "answering")


def _sent(command: Command, now: datetime) -> str:
    if command.session_id is not None:
        return "session"
    if command.result is not None:
        if command.result != "ACCEPTED":
            return "not done"
        late = starts_session(command) and now >= command.at + SESSION_WITHIN
        return "no session" if late else "done"
    return _before_a_result(command, now)


def _before_a_result(command: Command, now: datetime) -> str:
    if command.answer not in ("ACCEPTED", None):
        return "refused"
    if command.answer is None and command.problem:
        return "failed"
    if now >= command.deadline:
        # Also if we failed ourselves before the answer came.
        return "no result"
    return "accepted" if command.answer else "requested"


def _awaits_session(command: Command, now: datetime) -> bool:
    """Whether a session may still follow, even after a TIMEOUT (CMD-18)."""
    asked = command.answer == "ACCEPTED" and command.result in (None, "ACCEPTED", "TIMEOUT")
    open_ = command.session_id is None and now < command.at + SESSION_WITHIN
    return command.side is Side.SENT and starts_session(command) and asked and open_
