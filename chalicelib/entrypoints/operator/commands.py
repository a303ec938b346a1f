"""Operations about commands: send one, show its progress, give the result of a charge point."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply
from chalicelib.modules.commands.stages import is_over, stage
from chalicelib.node.commands import Command, CommandResult, Side
from chalicelib.node.objects import is_storable
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.paging import window_of
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.types import format_date_time

HELP_DESK: Final = "help-desk"
"""The role of operator keys for help desks: only they may unlock connectors (CMD-17)."""
_MOST_AT_A_TIME: Final = 100


def _send(call: OperatorCall) -> OperatorReply:
    name, asked, partner = call.params["command"], call.json, call.active_partner
    if not isinstance(asked, dict):
        raise InvalidParameters("the body is a JSON object with the fields of the command")
    if Role.EMSP not in call.company.settings.roles or partner.our_role is not Role.EMSP:
        raise InvalidParameters("commands go from an eMSP to a CPO, and this is none to us")
    if name == "UNLOCK_CONNECTOR":
        call.require(HELP_DESK, "UNLOCK_CONNECTOR is for help desks, never for drivers (CMD-17)")
    command = call.company.sent_commands.send(partner, name, asked)
    return OperatorReply(_shown(command, call.company.ports.clock()), 201)


def _show(call: OperatorCall) -> OperatorReply:
    command = _found(call)
    if command.side is Side.SENT:
        command = call.company.sent_commands.with_session(command, call.company.ports.partners.get(command.partner_id))
    return OperatorReply(_shown(command, call.company.ports.clock()))


def _list(call: OperatorCall) -> OperatorReply:
    limit = window_of({"limit": str(_MOST_AT_A_TIME)} | dict(call.request.query), _MOST_AT_A_TIME).limit
    after, now = call.after, call.company.ports.clock()
    found = call.company.ports.commands.for_partner(call.partner.id, after or None, limit)
    following = found[-1].id if len(found) == limit else None
    return OperatorReply({"items": [_shown(command, now) for command in found], "next": following})


def _result(call: OperatorCall) -> OperatorReply:
    result = call.texts(required={"result"})["result"]
    command = call.company.command_results.receive(
        CommandResult(command_id=_found(call).id, result=result, source="operator")
    )
    return OperatorReply(_shown(command, call.company.ports.clock()))


def _found(call: OperatorCall) -> Command:
    command_id = call.params["id"]
    command = call.company.ports.commands.get(command_id) if is_storable(command_id) else None
    if command is None:
        raise NotFound("there is no such command; they are kept for 30 days")
    return command


def _shown(command: Command, now: datetime) -> dict[str, Any]:
    return {
        "id": command.id,
        "side": command.side,
        "partner": command.partner_id,
        "command": command.command,
        "stage": stage(command, now),
        "is_over": is_over(command, now),
        "request": dict(command.request),
        "answer": command.answer,
        "result": command.result,
        "posting": command.posting,
        "problem": command.problem,
        "session_id": command.session_id,
        "at": format_date_time(command.at),
        "deadline": format_date_time(command.deadline),
        "events": [{"at": event.at.isoformat(timespec="milliseconds"), "what": event.what} for event in command.events],
    }


_COMMANDS: Final = f"{ROOT}/partners/{{partner}}/commands"

OPERATIONS: Final = (
    Operation(
        method="GET",
        path=_COMMANDS,
        summary="Commands to and from this partner, the latest first",
        handler=_list,
        query=("after", "limit"),
    ),
    Operation(
        method="POST",
        path=f"{_COMMANDS}/{{command}}",
        summary="Send a command to this partner",
        handler=_send,
        body_schema="CommandRequest",
    ),
    Operation(method="GET", path=f"{ROOT}/commands/{{id}}", summary="A command and its progress", handler=_show),
    Operation(
        method="POST",
        path=f"{ROOT}/commands/{{id}}/result",
        summary="Give the result of the charge point",
        handler=_result,
        body_schema="CommandResponse",
    ),
)
