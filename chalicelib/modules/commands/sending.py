"""Commands that we send as an eMSP: the partner's answer, the charge point's result, and the session that it started.

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
from chalicelib.node.commands import Command, CommandStore, Side, record_event
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

ANSWER_TIMEOUT_S: Final = 10.0
"""Seconds for the synchronous answer, which says only whether the command is passed on."""
RESULT_WITHIN: Final = timedelta(minutes=2)
"""How long we wait for the result; a later one is taken all the same."""
SESSION_WITHIN: Final = timedelta(minutes=5)
"""From a command to the start of its session, at most: the driver has to plug in."""
_CLOCKS_DIFFER_BY: Final = timedelta(minutes=2)


def starts_session(command: Command) -> bool:
    """Whether the command starts a session."""
    return command.command == "START_SESSION"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseUrls:
    """Makes the URLs to which partners post the results of our commands."""

    public_url: Callable[[], str]
    """Our base URL, as partners reach it."""
    fresh_id: Callable[[], str]

    def fresh(self, name: str) -> tuple[str, str]:
        """The id of a new command of this name, and where its result is to be posted."""
        command_id = self.fresh_id()
        return command_id, f"{self.public_url()}{version_root(Role.EMSP)}/{ModuleID.COMMANDS}/{name}/{command_id}"


class SentCommands:
    """Sends commands, and serves the endpoint to which their results are posted."""

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

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, partner: Partner, name: str, asked: Mapping[str, Any]) -> Command:
        """Send a command; the command with the partner's synchronous answer, or with the problem.

        Args:
            partner: the CPO.
            name: what to do, a ``CommandType``.
            asked: the fields of the request without ``response_url``; ``token_uid`` names one of our own tokens.

        Raises:
            InvalidParameters: the request is not valid, or the partner takes no commands.
            NotFound: there is no such command, or we have no such token.
        """
        if name not in REQUESTS:
            raise NotFound(f"there is no command {name[:40]!r}; there are {', '.join(REQUESTS)}")
        endpoint = partner.endpoints.get(ModuleID.COMMANDS)
        if endpoint is None or not partner.is_active:
            raise InvalidParameters("this partner takes no commands: it has no commands endpoint")
        command = self._create(partner, name, asked)
        try:
            body = as_bytes(dict(command.request))
            url = object_url(endpoint, name)
            reply = self._outbound.send(partner, ModuleID.COMMANDS, "POST", url, body, timeout_s=ANSWER_TIMEOUT_S)
            answer, raw = _meaning(data_of(reply, name))
            facts: dict[str, Any] = {"answer": answer}
            what = f"answered {raw}"
        except OcpiError as failed:
            what, facts = f"not answered: {failed}", {"problem": str(failed)}
        # The result may have been faster than the answer.
        return self._add(command.id, what, **facts)

    def _create(self, partner: Partner, name: str, asked: Mapping[str, Any]) -> Command:
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

    # --- results -----------------------------------------------------------------------------------------------------

    def receive_result(self, call: Call) -> Response:
        """Receive the charge point's result, with or without an envelope (CMD-06, Q-56); the first one counts.

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
        retry_on_conflict(lambda: self._record_result(call.partner, command_id, result, raw), self._clock.sleep)
        return success(call.now)

    def _record_result(self, partner: Partner, command_id: str, result: str, raw: str) -> None:
        command = self._commands.get(command_id)
        if command is None:
            return
        if command.result is None:
            self._announcer.command_result(partner, command_id)
            self._commands.save(command.with_event(self._clock(), f"result {raw}", result=result))
        else:
            self._commands.save(command.with_event(self._clock(), f"result {raw}, too late: {command.result} counts"))

    def _add(self, command_id: str, what: str, **facts: Any) -> Command:
        after = record_event(self._commands, command_id, self._clock, what, **facts)
        if after is None:
            raise NotFound("the command is gone")
        return after

    # --- session -----------------------------------------------------------------------------------------------------

    def with_session(self, command: Command, partner: Partner | None) -> Command:
        """The command with the id of the session that it started, once we have received that (CMD-18).

        No field of a session names a command: it is found by the driver's ``auth_id``, the place and the time. Sessions
        are also looked for after a TIMEOUT, and where no result came.
        """
        refused = command.answer not in ("ACCEPTED", None)
        if not starts_session(command) or command.session_id or refused or partner is None:
            return command
        session_id = self._session_id(command, partner)
        if session_id is None:
            return command
        return self._add(command.id, f"session {session_id}", session_id=session_id)

    def _session_id(self, command: Command, partner: Partner) -> str | None:
        owner = theirs(partner.party) if partner.party else ""
        candidates: list[tuple[bool, timedelta, str]] = []
        for found in self._stores[ModuleID.SESSIONS].find("by_auth_id", str(command.request["token"]["auth_id"])):
            session = json.loads(found.stored.body)
            began = parse_date_time(session["start_datetime"])
            in_time = command.at - _CLOCKS_DIFFER_BY <= began <= command.at + SESSION_WITHIN
            if found.owner == owner and in_time and _is_at(session["location"], command.request):
                # A session that began before the command is taken only if there is no other: their clock may be slow.
                candidates.append((began < command.at, abs(began - command.at), session["id"]))
        return min(candidates)[-1] if candidates else None


def _is_at(location: Json, request: Mapping[str, Any]) -> bool:
    evses = [evse["uid"] for evse in location.get("evses") or ()]
    return bool(location["id"] == request["location_id"] and request.get("evse_uid") in (None, *evses))


def _meaning(value: Any) -> tuple[str, str]:
    """The result in an answer: as a ``CommandResponseType``, and as it was written, at most 40 characters.

    The answer is an object, a bare string, or has the form of a later version of OCPI. Values that 2.1.1 does not
    know, such as EVSE_OCCUPIED, count as REJECTED.

    Raises:
        UnableToUseApi: there is no result in it.
    """
    raw = value
    while isinstance(raw, dict):
        raw = raw.get("result", raw.get("CommandResponse"))
    if not isinstance(raw, str) or not raw:
        raise UnableToUseApi("there is no result in the answer")
    return (raw if raw in RESULT else "REJECTED"), raw[:40]


def endpoints() -> Iterable[Endpoint[SentCommands]]:
    """The module's URL, which is published and takes no method, and the URL of each command's result."""
    role, module = Role.EMSP, ModuleID.COMMANDS
    root = f"{version_root(role)}/{module}"
    yield Endpoint(role, module=module, path=root, methods={}, interface="sender")
    path = f"{root}/{{command}}/{{command_id}}"
    yield Endpoint(role, module=module, path=path, methods={"POST": SentCommands.receive_result}, interface="sender")
