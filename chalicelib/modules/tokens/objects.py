"""The objects of the Tokens chapter: what identifies a driver, and the answer to whether it may charge.

Spec: mod_tokens.md 3 and 4.
"""

from __future__ import annotations

from typing import Annotated

from chalicelib.ocpi.types import DateTime, DisplayText, Language, OcpiObject, OneOf, OptionalList, Text

TOKEN_TYPE = ("OTHER", "RFID")
WHITELIST_TYPE = ("ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER")
ALLOWED = ("ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED")

TokenType = Annotated[str, OneOf(TOKEN_TYPE, fallback="OTHER")]


class Token(OcpiObject):
    """What a driver shows to a charge point, such as a card. Spec: mod_tokens.md 3.2."""

    uid: Annotated[str, Text(limit=36, least=1)]
    type: TokenType
    auth_id: Annotated[str, Text(limit=36)]
    visual_number: Annotated[str, Text(limit=64)] | None = None
    issuer: Annotated[str, Text(limit=64)]
    valid: bool
    whitelist: Annotated[str, OneOf(WHITELIST_TYPE, fallback="NEVER")]
    language: Language | None = None
    last_updated: DateTime


class LocationReferences(OcpiObject):
    """Where a driver wants to charge; connector ids are meant within the EVSEs. Spec: mod_tokens.md 4.2."""

    location_id: Annotated[str, Text(limit=39, least=1)]
    evse_uids: OptionalList[Annotated[str, Text(limit=39)]] = None
    connector_ids: OptionalList[Annotated[str, Text(limit=36)]] = None


class AuthorizationInfo(OcpiObject):
    """Whether a token may charge, and where; ``location`` holds only what is allowed. Spec: mod_tokens.md 3.1."""

    allowed: Annotated[str, OneOf(ALLOWED, fallback="NOT_ALLOWED")]
    location: LocationReferences | None = None
    info: DisplayText | None = None
