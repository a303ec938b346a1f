"""We ask a partner's charge point to do something, hear twice what came of it, and look for the session that followed.

Spec: mod_commands.md 2.1, 2.2; rules CMD-06, CMD-07, CMD-17, CMD-18; Q-55, Q-56.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chalicelib.modules.commands.objects import REQUESTS, RESULT
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.clock import Clock
from chalicelib.node.commands import Command, CommandStore, Side, record_step
from chalicelib.node.conflicts import retry_on_conflict
from chalicelib.node.events.announcing import EventAnnouncer
from chalicelib.node.objects import OURS, ObjectStore, is_storable, theirs
from chalicelib.node.outbound import Outbound, object_url
from chalicelib.node.partners.partner import Partner
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import data_of, success
from chalicelib.ocpi.errors import InvalidParameters, NotFound, OcpiError, UnableToUseApi
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Profile, parse, read_value
from chalicelib.ocpi.types import parse_date_time

PATIENCE_S: Final = 10.0
"""Seconds for the synchronous answer, which says only whether the request can be passed on."""
RESULT_WITHIN: Final = timedelta(minutes=2)
"""After this without a result, there is none to be expected; one that comes is taken nonetheless."""
SESSION_WITHIN: Final = timedelta(minutes=5)
"""From a command to the start of the session that it started: drivers have to plug in."""
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=2)


def starts_a_session(command: Command) -> bool:
    """Whether a session is what the command is for."""
    return command.command == "START_SESSION"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseUrls:
    """The URLs at which the results of our commands arrive."""

    public_url: Callable[[], str]
    """Where partners reach us."""
    fresh_id: Callable[[], str]

    def fresh(self, name: str) -> tuple[str, str]:
        """The id of a new command of this name, and where its result is to be posted."""
        command_id = self.fresh_id()
        return command_id, f"{self.public_url()}{version_root(Role.EMSP)}/{ModuleID.COMMANDS}/{name}/{command_id}"


class Commands:
    """The eMSP's side: sends commands, and is the interface at which their results arrive."""

    def __init__(
        self,
        commands: CommandStore,
        stores: Mapping[ModuleID, ObjectStore],
        outbound: Outbound,
        response_urls: ResponseUrls,
        clock: Clock,
        announcer: EventAnnouncer,
    ) -> None:
        self._commands = commands
        self._stores = stores
        self._outbound = outbound
        self._response_urls = response_urls
        self._clock = clock
        self._announcer = announcer

    # --- asking ------------------------------------------------------------------------------------------------------

    def send(self, partner: Partner, name: str, asked: Mapping[str, Any]) -> Command:
        """The command with the partner's synchronous answer, or with why there is none.

        Args:
            partner: the CPO.
            name: what to do, a ``CommandType``.
            asked: the fields of the request but ``response_url``; ``token_uid`` stands for one of our own tokens.

        Raises:
            InvalidParameters: the request is not complete, or the partner takes no commands.
            NotFound: there is no such command, or we have no such token.
        """
        if name not in REQUESTS:
            raise NotFound(f"there is no command {name[:40]!r}; there are {', '.join(REQUESTS)}")
        endpoint = partner.endpoints.get(ModuleID.COMMANDS)
        if endpoint is None or not partner.is_active:
            raise InvalidParameters("this partner takes no commands: it has no commands endpoint")
        command = self._written_down(partner, name, asked)
        try:
            body = as_bytes(dict(command.request))
            url = object_url(endpoint, name)
            reply = self._outbound.send(partner, ModuleID.COMMANDS, "POST", url, body, timeout_s=PATIENCE_S)
            answer, raw = _meaning(data_of(reply, name))
            facts: dict[str, Any] = {"answer": answer}
            what = f"answered {raw}"
        except OcpiError as failed:
            what, facts = f"not answered: {failed}", {"problem": str(failed)}
        # The result may have been faster than the answer.
        return self._add(command.id, what, **facts)

    def _written_down(self, partner: Partner, name: str, asked: Mapping[str, Any]) -> Command:
        now, (command_id, response_url) = self._clock(), self._response_urls.fresh(name)
        fields = dict(asked) | {"response_url": response_url}
        if "token" in fields:
            raise InvalidParameters(f"{name}: name one of our own tokens by token_uid instead of token (Q-55)")
        if "token_uid" in fields:
            fields["token"] = self._token(fields.pop("token_uid"))
        reading = read_value(REQUESTS[name], fields, Profile.STRICT, now, unknown="drop")
        unknown = [each.path for each in reading.deviations if each.rule == "TRA-37"]
        if unknown:
            raise InvalidParameters(f"{name} has no field {unknown[0]}")
        command = Command(
            id=command_id,
            side=Side.SENT,
            partner_id=partner.id,
            command=name,
            request=as_json(reading.value),
            at=now,
            deadline=now + RESULT_WITHIN,
        )
        self._commands.add(command)
        return command

    def _token(self, uid: Any) -> Json:
        if not isinstance(uid, str):
            raise InvalidParameters("token_uid is not a string")
        stored = self._stores[ModuleID.TOKENS].get(OURS, uid) if is_storable(uid) else None
        if stored is None:
            raise NotFound("token_uid: we have no such Token of our own to charge with")
        token: Json = json.loads(stored.body)
        return token

    # --- hearing -----------------------------------------------------------------------------------------------------

    def receive_result(self, call: Call) -> Response:
        """Take the charge point's result, in whichever frame it comes (CMD-06, Q-56); the first one counts.

        Raises:
            NotFound: we did not send the caller such a command.
            InvalidJson, InvalidParameters: there is no result in the body.
        """
        command_id = call.params["command_id"]
        command = self._commands.get(command_id) if is_storable(command_id) else None
        if (
            command is None
            or command.side is not Side.SENT
            or command.partner_id != call.partner.id
            or command.command != call.params["command"]
        ):
            raise NotFound("we have sent you no such command")
        value = parse(call.request.body)
        if isinstance(value, dict) and "result" not in value and "data" in value:
            value = value["data"]
        try:
            result, raw = _meaning(value)
        except UnableToUseApi as unclear:
            raise InvalidParameters(f"CommandResponse: {unclear}") from None
        retry_on_conflict(lambda: self._hear(call.partner, command_id, result, raw), self._clock.sleep)
        return success(call.now)

    def _hear(self, partner: Partner, command_id: str, result: str, raw: str) -> None:
        command = self._commands.get(command_id)
        if command is None:
            return
        if command.result is None:
            self._announcer.command_result(partner, command_id)
            self._commands.save(command.with_(self._clock(), f"result {raw}", result=result))
        else:
            self._commands.save(command.with_(self._clock(), f"result {raw}, too late: {command.result} counts"))

    def _add(self, command_id: str, what: str, **facts: Any) -> Command:
        after = record_step(self._commands, command_id, self._clock, what, **facts)
        if after is None:
            raise NotFound("the command is gone")
        return after

    # --- what followed -----------------------------------------------------------------------------------------------

    def followed(self, command: Command, partner: Partner | None) -> Command:
        """The command with the session that it started, as soon as there is one (CMD-18).

        By the driver's contract, the place and the time, for nothing in the session names the command. A session counts
        even after a TIMEOUT, and after a result that never came.
        """
        refused = command.answer not in ("ACCEPTED", None)
        if not starts_a_session(command) or command.session_id or refused or partner is None:
            return command
        session_id = self._session(command, partner)
        if session_id is None:
            return command
        return self._add(command.id, f"session {session_id}", session_id=session_id)

    def _session(self, command: Command, partner: Partner) -> str | None:
        owner = theirs(partner.party) if partner.party else ""
        fitting: list[tuple[bool, timedelta, str]] = []
        for found in self._stores[ModuleID.SESSIONS].find("by_auth_id", str(command.request["token"]["auth_id"])):
            session = json.loads(found.stored.body)
            began = parse_date_time(session["start_datetime"])
            in_time = command.at - _CLOCKS_DIFFER_BY <= began <= command.at + SESSION_WITHIN
            if found.owner == owner and in_time and _is_there(session["location"], command.request):
                # One from before the command is meant only if there is no other: their clock may be behind ours.
                fitting.append((began < command.at, abs(began - command.at), session["id"]))
        return min(fitting)[-1] if fitting else None


def _is_there(location: Json, request: Mapping[str, Any]) -> bool:
    evses = [evse["uid"] for evse in location.get("evses") or ()]
    return bool(location["id"] == request["location_id"] and request.get("evse_uid") in (None, *evses))


def _meaning(value: Any) -> tuple[str, str]:
    """The result in an answer, as the spec's value and as it was said: an object, a bare string, or a later version's.

    What this version does not know, such as EVSE_OCCUPIED, is a way to say no.

    Raises:
        UnableToUseApi: there is none.
    """
    raw = value
    while isinstance(raw, dict):
        raw = raw.get("result", raw.get("CommandResponse"))
    if not isinstance(raw, str) or not raw:
        raise UnableToUseApi("there is no result in the answer")
    return (raw if raw in RESULT else "REJECTED"), raw[:40]


def endpoints() -> Iterable[Endpoint[Commands]]:
    """The module's URL, which only has to exist, and one for each command's result."""
    role, module = Role.EMSP, ModuleID.COMMANDS
    root = f"{version_root(role)}/{module}"
    yield Endpoint(role, module=module, path=root, methods={}, interface="sender")
    path = f"{root}/{{command}}/{{command_id}}"
    yield Endpoint(role, module=module, path=path, methods={"POST": Commands.receive_result}, interface="sender")
