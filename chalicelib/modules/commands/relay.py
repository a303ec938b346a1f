"""A partner asks our charge points to do something: checked, written down, passed on, and answered at once.

Spec: mod_commands.md 2.1; rules CMD-01 to CMD-03, CMD-08 to CMD-13, CMD-15, CMD-16, CMD-19; Q-55, Q-59, Q-75.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chalicelib.modules.commands.objects import REQUESTS, TOKEN_STAND_INS
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.commands import Command, CommandQueues, CommandResult, CommandStore, Side
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import OURS, ObjectStore, StoredObject, is_storable, theirs
from chalicelib.node.outbound import Web
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.visibility import may_see
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import AddressNotAllowed, InvalidParameters, NotFound, UnknownLocation
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import read
from chalicelib.ocpi.types import format_date_time

MESSAGE_VERSION: Final = 1
"""Of what the back end reads; docs/commands.md describes it."""
NOT_PASSED_ON: Final = "we failed before it was on its way for sure, and told the partner so"


@dataclass(frozen=True, slots=True)
class Terms:
    """How we take commands."""

    supported: Collection[str]
    """Those that our charge points understand; the others are answered NOT_SUPPORTED (CMD-16)."""
    timeout_s: int
    """How long a charge point may take before we answer TIMEOUT in its place (CMD-14)."""


class Relay:
    """The CPO's interface of the commands module."""

    def __init__(
        self,
        stores: Mapping[ModuleID, ObjectStore],
        modules: Mapping[ModuleID, Module],
        commands: CommandStore,
        queues: CommandQueues,
        web: Web,
        counters: Counters,
        fresh_id: Callable[[], str],
        terms: Terms,
    ) -> None:
        self._stores = stores
        self._modules = modules
        self._commands = commands
        self._queues = queues
        self._web = web
        self._counters = counters
        self._fresh_id = fresh_id
        self._terms = terms

    def endpoints(self) -> Iterable[Endpoint]:
        """The module's URL, which only has to exist, and one for the commands."""
        root = f"{version_root(Role.CPO)}/{ModuleID.COMMANDS}"
        yield Endpoint(Role.CPO, module=ModuleID.COMMANDS, path=root, methods={}, interface="receiver")
        yield Endpoint(
            Role.CPO,
            module=ModuleID.COMMANDS,
            path=f"{root}/{{command}}",
            methods={"POST": self.post},
            interface="receiver",
        )

    def post(self, call: Call) -> Response:
        """The CommandResponse: whether the request is on its way to the charge point (CMD-02, CMD-19).

        Raises:
            NotFound: there is no such command (CMD-16).
            InvalidJson, InvalidParameters: the body is not the object of this command (CMD-13).
            UnknownLocation: it names a Location, EVSE or Connector that we do not have (CMD-08).
        """
        name = call.params["command"]
        if name not in REQUESTS:
            raise NotFound(f"there is no command {name[:40]!r}")
        # A strict profile fills nothing in.
        profile = call.partner.profile
        reading = read(REQUESTS[name], call.request.body, profile, call.now, stand_ins=TOKEN_STAND_INS)
        count_deviations(self._counters, call.partner.id, ModuleID.COMMANDS, reading.deviations)
        request = as_json(reading.value)
        self._check_address(call.partner, request["response_url"])
        refusal, context = self._judged(call, name, request)
        if refusal is None:
            self._pass_on(call, name, request, context)
        return success(call.now, as_bytes({"result": refusal or "ACCEPTED"}))

    def _check_address(self, partner: Partner, url: str) -> None:
        try:
            # As ``Outbound.answer`` will call it.
            self._web.check(url, public=not partner.hosts(url))
        except AddressNotAllowed:
            raise InvalidParameters("response_url is not an address that we call (Q-59)") from None

    # --- may it be done ----------------------------------------------------------------------------------------------

    def _judged(self, call: Call, name: str, request: Json) -> tuple[str | None, Json]:
        """Why not, if it may not be done; else what the back end has to know beside the request."""
        if name not in self._terms.supported:
            return "NOT_SUPPORTED", {}
        if name == "STOP_SESSION":
            return self._session(call, request)
        return None, {"evse": self._evse(call, request)}

    def _session(self, call: Call, request: Json) -> tuple[str | None, Json]:
        session = self._seen(call, ModuleID.SESSIONS, request["session_id"])
        if session is None:
            return "UNKNOWN_SESSION", {}
        if self._modules[ModuleID.SESSIONS].sending.is_final(session):
            return "REJECTED", {}
        # Without what may outgrow a message; it is the back end that told us of it.
        return None, {"session": {name: value for name, value in session.items() if name != "charging_periods"}}

    def _evse(self, call: Call, request: Json) -> Json | None:
        """The EVSE that is meant, if one is.

        Raises:
            UnknownLocation: we do not have it, or have it no longer (Q-75).
        """
        location = self._seen(call, ModuleID.LOCATIONS, request["location_id"])
        if location is None:
            raise UnknownLocation("location_id: we have no such Location (CMD-08)")
        uid, connector_id = request.get("evse_uid"), request.get("connector_id")
        there = [evse for evse in location.get("evses") or () if evse["status"] != "REMOVED"]
        evse: Json | None = next((each for each in there if each["uid"] == uid), None)
        if (uid and evse is None) or not there:
            raise UnknownLocation("evse_uid: we have no such EVSE at this Location (CMD-08)")
        if connector_id and evse and connector_id not in [each["id"] for each in evse["connectors"]]:
            raise UnknownLocation("connector_id: this EVSE has no such Connector (CMD-08)")
        return evse

    def _seen(self, call: Call, module: ModuleID, object_id: str) -> Json | None:
        stored = self._stores[module].get(OURS, object_id) if is_storable(object_id) else None
        if stored is None or not may_see(call.partner, self._modules[module], stored):
            return None
        found: Json = json.loads(stored.body)
        return found

    # --- doing it ----------------------------------------------------------------------------------------------------

    def _pass_on(self, call: Call, name: str, request: Json, context: Json) -> None:
        """Write the command down, set its timer, give it to the back end; only then it is accepted."""
        deadline = call.now + timedelta(seconds=self._terms.timeout_s)
        command = Command(
            id=self._fresh_id(),
            side=Side.RECEIVED,
            partner_id=call.partner.id,
            command=name,
            request=request,
            at=call.now,
            deadline=deadline,
            answer="ACCEPTED",
        )
        if "token" in request:
            self._remember(call, request["token"])
        try:
            self._commands.add(command)
            replaces = self._reserved(call, command)
            self._queues.result(
                CommandResult(command_id=command.id, result="TIMEOUT", source="timer"), delay_s=self._terms.timeout_s
            )
            self._queues.ask(_message(call, command, context, replaces))
        except Exception:
            self._give_up(command)
            raise

    def _give_up(self, command: Command) -> None:
        """Let no result follow, not even the timer's: the partner is told that we failed, not ACCEPTED (CMD-04)."""
        # What failed first is what to tell of, also where this fails, too.
        with suppress(Exception):
            kept = self._commands.get(command.id)
            if kept is not None:
                self._commands.save(kept.with_(command.at, "not passed on", answer=None, problem=NOT_PASSED_ON))

    def _reserved(self, call: Call, command: Command) -> str | None:
        """The command that this one replaces: an earlier reservation of the same id at the same place (CMD-12)."""
        if command.command != "RESERVE_NOW":
            return None
        request = command.request
        key = f"{call.partner.id}/{request['location_id']}/{request['reservation_id']}"
        return self._commands.reserve(key, command.id, command.at + timedelta(days=30))

    def _remember(self, call: Call, token: Mapping[str, Any]) -> None:
        """Whose driver this is, if we did not know: the session has to find its way back to them (Q-55).

        It is no token of the whitelist: it is not found by its uid, and a PUT of it is its first.
        """
        if call.partner.party is None:
            return
        owner, store = theirs(call.partner.party), self._stores[ModuleID.TOKENS]
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
            # Their PUT of it came in between, which is better.
            return


def _message(call: Call, command: Command, context: Json, replaces: str | None) -> Json:
    """What the back end is told: the request, what it is about, and how to answer. No token of ours is in it."""
    partner = call.partner
    told = {name: value for name, value in command.request.items() if name != "response_url"}
    return {
        "version": MESSAGE_VERSION,
        "command_id": command.id,
        "command": command.command,
        "partner": {"id": partner.id, "party": str(partner.party) if partner.party else None, "name": partner.name},
        "requested_at": format_date_time(command.at),
        "answer_by": format_date_time(command.deadline),
        "request": told,
        **{name: value for name, value in context.items() if value is not None},
        **({"replaces": replaces} if replaces else {}),
    }
