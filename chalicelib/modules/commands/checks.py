"""Whether a command that a partner sends can be passed on to a charge point.

Spec: mod_commands.md 2.1; rules CMD-08, CMD-16; Q-59, Q-75.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from chalicelib.node.objects import OURS, ObjectStore, is_storable
from chalicelib.node.outbound import Web
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.visibility import may_see
from chalicelib.ocpi.errors import AddressNotAllowed, InvalidParameters, UnknownLocation
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parts import Json


class CommandChecks:
    """Checks commands against what our charge points support, and against the objects that their senders may see."""

    def __init__(
        self,
        supported: Collection[str],
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        web: Web,
    ) -> None:
        """Checks for these commands; all others are answered NOT_SUPPORTED (CMD-16)."""
        self._supported = supported
        self._modules = modules
        self._stores = stores
        self._web = web

    def check(self, partner: Partner, name: str, request: Json) -> tuple[str | None, Json]:
        """The ``CommandResponseType`` of a refusal, or None; and what the back end has to know besides the request.

        Raises:
            InvalidParameters: its ``response_url`` is no URL that we call (Q-59).
            UnknownLocation: it names a Location, EVSE or Connector that we do not have (CMD-08).
        """
        self._check_address(partner, request["response_url"])
        if name not in self._supported:
            return "NOT_SUPPORTED", {}
        if name == "STOP_SESSION":
            return self._session(partner, request)
        return None, {"evse": self._evse(partner, request)}

    def _session(self, partner: Partner, request: Json) -> tuple[str | None, Json]:
        session = self._visible_object(partner, ModuleID.SESSIONS, request["session_id"])
        if session is None:
            return "UNKNOWN_SESSION", {}
        if self._modules[ModuleID.SESSIONS].sending.is_final(session):
            return "REJECTED", {}
        # Without the field that may be too large for a message; the back end knows it, for it sent it to us.
        return None, {"session": {name: value for name, value in session.items() if name != "charging_periods"}}

    def _evse(self, partner: Partner, request: Json) -> Json | None:
        """The EVSE that the request names; None if it names none.

        Raises:
            UnknownLocation: we do not have it, or have it no longer (Q-75).
        """
        location = self._visible_object(partner, ModuleID.LOCATIONS, request["location_id"])
        if location is None:
            raise UnknownLocation("location_id: we have no such Location (CMD-08)")
        uid, connector_id = request.get("evse_uid"), request.get("connector_id")
        evses = [evse for evse in location.get("evses") or () if evse["status"] != "REMOVED"]
        evse: Json | None = next((each for each in evses if each["uid"] == uid), None)
        if (uid and evse is None) or not evses:
            raise UnknownLocation("evse_uid: we have no such EVSE at this Location (CMD-08)")
        if connector_id and evse and connector_id not in [each["id"] for each in evse["connectors"]]:
            raise UnknownLocation("connector_id: this EVSE has no such Connector (CMD-08)")
        return evse

    def _visible_object(self, partner: Partner, module: ModuleID, object_id: str) -> Json | None:
        stored = self._stores[module].get(OURS, object_id) if is_storable(object_id) else None
        if stored is None or not may_see(partner, self._modules[module], stored):
            return None
        found: Json = json.loads(stored.body)
        return found

    def _check_address(self, partner: Partner, url: str) -> None:
        try:
            # As ``Outbound.answer`` will call it.
            self._web.check(url, public=not partner.hosts(url))
        except AddressNotAllowed:
            raise InvalidParameters("response_url is not an address that we call (Q-59)") from None
