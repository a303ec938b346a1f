"""The objects of the Commands chapter: four requests, and the response, sent twice to each. Spec: mod_commands.md 3."""

from __future__ import annotations

from typing import Annotated, Final

from chalicelib.modules.tokens.objects import Token
from chalicelib.ocpi.reading import StandIns
from chalicelib.ocpi.types import DateTime, Int, OcpiObject, OneOf, Text, Url

RESULT: Final = ("NOT_SUPPORTED", "REJECTED", "ACCEPTED", "TIMEOUT", "UNKNOWN_SESSION")

LocationId = Annotated[str, Text(limit=39, least=1)]
EvseUid = Annotated[str, Text(limit=39, least=1)]


class CommandResponse(OcpiObject):
    """The outcome of a command: first of the CPO, then of the charge point. Spec: mod_commands.md 3.1."""

    result: Annotated[str, OneOf(RESULT, fallback="REJECTED")]


class ReserveNow(OcpiObject):
    """Keep an EVSE free for a driver until ``expiry_date``. Spec: mod_commands.md 3.2.

    The same ``reservation_id`` at the same location replaces a reservation.
    """

    response_url: Url
    token: Token
    expiry_date: DateTime
    reservation_id: Int
    location_id: LocationId
    evse_uid: EvseUid | None = None


class StartSession(OcpiObject):
    """Start charging for a driver. Spec: mod_commands.md 3.3."""

    response_url: Url
    token: Token
    location_id: LocationId
    evse_uid: EvseUid | None = None


class StopSession(OcpiObject):
    """Stop charging. Spec: mod_commands.md 3.4."""

    response_url: Url
    session_id: Annotated[str, Text(limit=36, least=1)]


class UnlockConnector(OcpiObject):
    """Release a cable that is stuck; for help desks only. Spec: mod_commands.md 3.5, 4.2."""

    response_url: Url
    location_id: LocationId
    evse_uid: EvseUid
    connector_id: Annotated[str, Text(limit=36, least=1)]


REQUESTS: Final[dict[str, type[OcpiObject]]] = {
    "RESERVE_NOW": ReserveNow,
    "START_SESSION": StartSession,
    "STOP_SESSION": StopSession,
    "UNLOCK_CONNECTOR": UnlockConnector,
}
"""The body of each command, by its ``CommandType``. Spec: mod_commands.md 2.1.1."""

TOKEN_STAND_INS: Final[StandIns] = {
    ("token", "type"): "OTHER",
    ("token", "issuer"): "",
    ("token", "valid"): True,
    ("token", "whitelist"): "NEVER",
}
"""Values for fields that some eMSPs leave out of the token in a command, which only identifies the driver (Q-55)."""
