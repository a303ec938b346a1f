"""The results of charge points: the first result of a command counts, and is posted once to the partner that asked.

Results come from the host's back end, from the operator API, and from the timer that was started with the command.
Receiving a result and posting it are two steps with a queue between them, so that a partner whose ``response_url``
hangs delays nobody else. Each step is a conditional write: however often a step is repeated, there is one result and
one POST. Rules CMD-04, CMD-05, CMD-14; Q-56, Q-59.
"""

from __future__ import annotations

import hashlib
from typing import Final

from chalicelib.modules.commands.objects import RESULT
from chalicelib.node.bodies import as_bytes
from chalicelib.node.clock import Clock
from chalicelib.node.commands import Command, CommandQueues, CommandResult, CommandStore, Posting, Side, record_event
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.objects import is_storable
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.ocpi.errors import InvalidParameters, NotFound, OcpiError, Unreachable
from chalicelib.ocpi.module import ModuleID

_LANES: Final = 8
"""How many results of one partner are posted at the same time; a lane is a message group of the FIFO queue."""
BROKE_OFF: Final = "we broke off while posting it: it may have arrived, and is not posted again"


class CommandResults:
    """Receives and posts the results of the commands that partners sent us."""

    def __init__(
        self,
        commands: CommandStore,
        partners: PartnerStore,
        queues: CommandQueues,
        outbound: Outbound,
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._partners = partners
        self._queues = queues
        self._outbound = outbound
        self._clock = clock

    def receive(self, result: CommandResult) -> Command:
        """The command after this result: the first one counts, later ones are only noted in its history.

        Raises:
            NotFound: no partner sent us such a command.
            InvalidParameters: it is no ``CommandResponseType``.
        """
        if result.result not in RESULT:
            raise InvalidParameters(f"result is one of {', '.join(RESULT)}")
        command = retry_on_conflict(lambda: self._record_result(result), self._clock.sleep)
        if command.result is not None and command.posting is Posting.NONE:
            # Also when this result is a repeat: the first attempt may have failed before it queued the answer.
            self._queues.enqueue_answer(command.id, _lane(command))
        return command

    def _record_result(self, result: CommandResult) -> Command:
        command = self._commands.get(result.command_id) if is_storable(result.command_id) else None
        if command is None or command.side is not Side.RECEIVED:
            raise NotFound("no partner has sent us such a command")
        is_late = command.result is not None or command.answer != "ACCEPTED"
        if is_late and result.source == "timer":
            return command
        told = f"{result.result} from the {result.source}"
        if command.answer != "ACCEPTED":
            after = command.with_event(self._clock(), f"{told}, which nobody waits for")
        elif command.result is None:
            after = command.with_event(self._clock(), told, result=result.result)
        else:
            after = command.with_event(self._clock(), f"{told}, too late: {command.result} counts")
        self._commands.save(after)
        return after

    def post(self, command_id: str) -> None:
        """POST the result of this command to its ``response_url``, unless a POST was started before."""
        begun = retry_on_conflict(lambda: self._begin(command_id), self._clock.sleep)
        if begun is None:
            return
        problem = self._posted(*begun)
        what = f"could not be answered: {problem}" if problem else "answered at the response_url"
        posting = Posting.FAILED if problem else Posting.DONE
        record_event(self._commands, command_id, self._clock, what, posting=posting, problem=problem)

    def _begin(self, command_id: str) -> tuple[Command, Partner | None] | None:
        """The command and its partner, if its result has to be posted now; the POST is marked as started."""
        command = self._commands.get(command_id)
        if command is None or command.result is None or command.answer != "ACCEPTED":
            return None
        if command.posting is Posting.STARTED:
            # The worker that started it is gone, for a lane has one worker at a time.
            broken = command.with_event(
                self._clock(), "the answer broke off", posting=Posting.FAILED, problem=BROKE_OFF
            )
            self._commands.save(broken)
        if command.posting is not Posting.NONE:
            return None
        partner = self._partners.get(command.partner_id)
        begun = command.with_event(self._clock(), "being answered", posting=Posting.STARTED)
        try:
            self._commands.save(begun)
        except Exception:
            # A write that failed may have happened nevertheless; then we go on.
            if self._commands.get(command_id) != begun:
                raise
        return begun, partner

    def _posted(self, command: Command, partner: Partner | None) -> str | None:
        """Why the result could not be posted; None if it was."""
        if partner is None or not partner.is_active:
            return "they are suspended" if partner and partner.is_suspended else "they are no longer a partner"
        body = as_bytes({"result": command.result})
        try:
            answer = self._outbound.answer(partner, ModuleID.COMMANDS, command.response_url, body)
        except Unreachable as unreachable:
            if not unreachable.unsent:
                return str(unreachable)
            try:
                answer = self._outbound.answer(partner, ModuleID.COMMANDS, command.response_url, body)
            except OcpiError as failed:
                return str(failed)
        except OcpiError as failed:
            return str(failed)
        if answer.is_accepted:
            return None
        return f"HTTP {answer.http_status}, OCPI status {answer.status_code}: {answer.status_message[:200]}"


def _lane(command: Command) -> str:
    number = int(hashlib.sha256(command.id.encode()).hexdigest(), 16) % _LANES
    return f"{command.partner_id}-{number}"
