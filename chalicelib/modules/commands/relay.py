"""Commands of partners to our charge points: checked, stored, passed on to the back end, and answered at once.

Spec: mod_commands.md 2.1; rules CMD-01 to CMD-03, CMD-08 to CMD-13, CMD-15, CMD-16, CMD-19; Q-55, Q-59, Q-75.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chalicelib.modules.commands.checks import CommandChecks
from chalicelib.modules.commands.objects import REQUESTS, TOKEN_STAND_INS
from chalicelib.modules.commands.received import ReceivedCommands
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.commands import Command, CommandQueues, CommandResult
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import ObjectStore, StoredObject, theirs
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import NotFound
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import read
from chalicelib.ocpi.types import format_date_time

MESSAGE_VERSION: Final = 1
"""The version of the messages that the back end reads; docs/commands.md describes them."""


class CommandRelay:
    """The CPO's interface of the commands module: relays commands to the back end of the charge points."""

    def __init__(
        self,
        checks: CommandChecks,
        received: ReceivedCommands,
        tokens: ObjectStore,
        queues: CommandQueues,
        counters: Counters,
    ) -> None:
        self._checks = checks
        self._received = received
        self._tokens = tokens
        self._queues = queues
        self._counters = counters

    def post(self, call: Call) -> Response:
        """The CommandResponse: whether the command was passed on to the charge point (CMD-02, CMD-19).

        Raises:
            NotFound: there is no such command (CMD-16).
            InvalidJson, InvalidParameters: the body is not the object of this command (CMD-13).
            UnknownLocation: it names a Location, EVSE or Connector that we do not have (CMD-08).
        """
        name = call.params["command"]
        if name not in REQUESTS:
            raise NotFound(f"there is no command {name[:40]!r}")
        # With a strict profile nothing is filled in.
        profile = call.partner.profile
        reading = read(REQUESTS[name], call.request.body, profile, call.now, stand_ins=TOKEN_STAND_INS)
        count_deviations(self._counters, call.partner.id, ModuleID.COMMANDS, reading.deviations)
        request = as_json(reading.value)
        refusal, context = self._checks.check(call.partner, name, request)
        if refusal is None:
            self._pass_on(call, name, request, context)
        return success(call.now, as_bytes({"result": refusal or "ACCEPTED"}))

    def _pass_on(self, call: Call, name: str, request: Json, context: Json) -> None:
        """Store the command, start its timer, queue it for the back end; it is accepted only if all that succeeds."""
        command = self._received.new(call.partner, name, request, call.now)
        if "token" in request:
            self._store_token(call, request["token"])
        try:
            replaces = self._received.add(command)
            timeout_s = (command.deadline - command.at).total_seconds()
            timer = CommandResult(command_id=command.id, result="TIMEOUT", source="timer")
            self._queues.enqueue_result(timer, delay_s=int(timeout_s))
            self._queues.enqueue_command(_message(call, command, context, replaces))
        except Exception:
            self._received.cancel(command)
            raise

    def _store_token(self, call: Call, token: Mapping[str, Any]) -> None:
        """Store the token of a command if we do not have it, so that its session can be sent to this partner (Q-55).

        It is marked as deleted and not indexed by its uid, so that it authorizes nobody; their PUT of it creates it.
        """
        if call.partner.party is None:
            return
        owner, store = theirs(call.partner.party), self._tokens
        keys = {"by_auth_id": str(token["auth_id"])} if token["auth_id"] else {}
        known = store.get(owner, token["uid"])
        if known is not None and (known.keys == keys or not known.metadata.get("deleted_at")):
            return
        version = known.version + 1 if known else 1
        aside = {"deleted_at": format_date_time(call.now)}
        try:
            store.put(
                owner,
                StoredObject(
                    id=token["uid"],
                    body=as_bytes(dict(token)),
                    last_updated=call.now,
                    version=version,
                    metadata=aside,
                    keys=keys,
                ),
            )
        except Conflict:
            # Their PUT of it came in between, which says more.
            return


def _message(call: Call, command: Command, context: Json, replaces: str | None) -> Json:
    """The message to the back end: the request, the object it is about, the deadline; no credentials token is in it."""
    partner = call.partner
    fields = {name: value for name, value in command.request.items() if name != "response_url"}
    return {
        "version": MESSAGE_VERSION,
        "command_id": command.id,
        "command": command.command,
        "partner": {"id": partner.id, "party": str(partner.party) if partner.party else None, "name": partner.name},
        "requested_at": format_date_time(command.at),
        "answer_by": format_date_time(command.deadline),
        "request": fields,
        **{name: value for name, value in context.items() if value is not None},
        **({"replaces": replaces} if replaces else {}),
    }


def endpoints() -> Iterable[Endpoint[CommandRelay]]:
    """The module's URL, which is published and takes no method, and the URL of each command."""
    role, module = Role.CPO, ModuleID.COMMANDS
    root = f"{version_root(role)}/{module}"
    yield Endpoint(role, module=module, path=root, methods={}, interface="receiver")
    path, methods = f"{root}/{{command}}", {"POST": CommandRelay.post}
    yield Endpoint(role, module=module, path=path, methods=methods, interface="receiver")
