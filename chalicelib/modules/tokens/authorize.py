"""Real-time authorization as an eMSP: POST {token_uid}/authorize, by which CPOs ask whether our driver may charge.

Spec: mod_tokens.md 2.2.2; rules TOK-11 to TOK-17.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final

from pydantic import field_validator

from chalicelib.modules.tokens.interface import TOKENS, normal_form
from chalicelib.modules.tokens.objects import ALLOWED, TOKEN_TYPE, LocationReferences
from chalicelib.node.bodies import as_bytes, as_json
from chalicelib.node.objects import OURS, ObjectStore, StoredObject, is_storable, theirs
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import InvalidParameters, NotEnoughInformation, NotFound, UnknownLocation
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.reading import Deviation, Profile, built, parse, read_value
from chalicelib.ocpi.types import DisplayText, OcpiObject, OneOf, OptionalList, breach

DEFAULT_TYPE: Final = "RFID"


class Ruling(OcpiObject):
    """The host's decision about one of its tokens, which counts instead of the token's ``valid``.

    Without ``allowed``, ``valid`` decides. With ``locations``, the driver may charge only there. ``needs_location``
    says that the answer depends on the place, so that asking without one is answered with status 2002.
    """

    allowed: Annotated[str, OneOf(ALLOWED, refuse_unknown=True)] | None = None
    info: DisplayText | None = None
    needs_location: bool = False
    locations: OptionalList[LocationReferences] = None

    @field_validator("locations")
    @classmethod
    def _each_once(cls, locations: list[LocationReferences] | None) -> list[LocationReferences] | None:
        ids = [each.location_id for each in locations or ()]
        if len(set(ids)) < len(ids):
            raise breach("TOK-15", "name a Location twice")
        return locations


Decide = Callable[[Json, Ruling, Json | None], Json]
"""Makes the AuthorizationInfo of: a token, the host's ruling, and the places that the CPO asks about, if any."""


def decide(token: Json, ruling: Ruling, asked: Json | None) -> Json:
    """The AuthorizationInfo by the ruling; without one, by whether the token is valid.

    Raises:
        NotEnoughInformation: it depends on the place, and none is given (TOK-13).
    """
    verdict = ruling.allowed or ("ALLOWED" if token["valid"] else "BLOCKED")
    info = {"info": as_json(ruling.info)} if ruling.info and ruling.info.text else {}
    if verdict != "ALLOWED":
        return {"allowed": verdict, **info}
    if asked is None:
        if ruling.needs_location or ruling.locations:
            raise NotEnoughInformation("LocationReferences: this token is not good everywhere, say where (TOK-13)")
        return {"allowed": verdict, **info}
    places = [as_json(place) for place in ruling.locations or ()]
    allowed = _common(asked, places) if places else asked
    return {"allowed": verdict, "location": allowed, **info} if allowed else {"allowed": "NOT_ALLOWED", **info}


def _common(asked: Json, places: Iterable[Json]) -> Json | None:
    """The part of ``asked`` that is among ``places``; None if nothing is (TOK-15)."""
    for place in places:
        if place["location_id"] != asked["location_id"]:
            continue
        common = {"location_id": asked["location_id"]}
        for field in ("evse_uids", "connector_ids"):
            wanted, permitted = asked.get(field), place.get(field)
            both = [each for each in wanted if each in permitted] if wanted and permitted else wanted or permitted
            if wanted and not both:
                return None
            common |= {field: both} if both else {}
        return common
    return None


class AuthorizeEndpoint:
    """The real-time authorization of the sender's interface of tokens."""

    def __init__(
        self, counters: Counters, decide: Decide = decide, *, tokens: ObjectStore, locations: ObjectStore
    ) -> None:
        self._tokens = tokens
        self._locations = locations
        self._counters = counters
        self._decide = decide

    def authorize(self, call: Call) -> Response:
        """The AuthorizationInfo: whether the token may charge, and at which of the places asked about (TOK-14, TOK-15).

        Raises:
            NotFound: we have no such token of this type (TOK-16).
            InvalidJson, InvalidParameters: the body is no LocationReferences.
            NotEnoughInformation: it depends on the place, and none is given.
            UnknownLocation: we do not know the place (TOK-17).
        """
        token_type, deviations = _asked_type(call)
        stored = self._token(call.params["token_uid"], token_type)
        asked, more = _references(call)
        count_deviations(self._counters, call.partner.id, TOKENS.identifier, (*deviations, *more))
        ruling = ruling_of(stored)
        known = self._known(call, asked, ruling) if asked else None
        return success(call.now, as_bytes(self._decide(json.loads(stored.body), ruling, known)))

    def _token(self, uid: str, token_type: str) -> StoredObject:
        exact = self._tokens.get(OURS, uid) if is_storable(uid) else None
        for stored in [exact] if exact else self._alike(uid):
            if json.loads(stored.body)["type"] == token_type:
                return stored
        raise NotFound(f"we have no such Token of type {token_type}")

    def _alike(self, uid: str) -> list[StoredObject]:
        return [found.stored for found in self._tokens.find("by_uid", normal_form(uid)) if found.owner == OURS]

    def _known(self, call: Call, asked: Json, ruling: Ruling) -> Json:
        """The part of ``asked`` that exists; all of it if the CPO does not share its locations with us.

        Raises:
            UnknownLocation: nothing of it exists (TOK-17).
        """
        owner = theirs(call.partner.party) if call.partner.party else ""
        stored = self._locations.get(owner, asked["location_id"]) if owner else None
        if stored is None:
            shares = bool(owner and self._locations.list_by_owner(owner, None, 1))
            if shares or ruling.needs_location or ruling.locations:
                raise UnknownLocation("LocationReferences.location_id: we do not know this Location of yours (TOK-17)")
            return asked
        evses = {evse["uid"]: evse for evse in json.loads(stored.body).get("evses") or ()}
        known = {"location_id": asked["location_id"]} | _existing("evse_uids", asked, evses)
        if len(asked.get("evse_uids", ())) == 1:
            # Connector ids are unique within an EVSE only.
            connectors = [connector["id"] for connector in evses[known["evse_uids"][0]]["connectors"]]
            known |= _existing("connector_ids", asked, connectors)
        return known


def _existing(field: str, asked: Json, known: Iterable[str]) -> Json:
    wanted = asked.get(field)
    if not wanted:
        return {}
    existing = [each for each in wanted if each in known]
    if not existing:
        raise UnknownLocation(f"LocationReferences.{field}: we know none of these at this Location (TOK-17)")
    return {field: existing}


def ruling_of(stored: StoredObject) -> Ruling:
    """The host's ruling about the token; an empty one by default."""
    return built(Ruling).model_validate(stored.metadata.get("authorization", {}), context=Profile.LENIENT.level)


def _asked_type(call: Call) -> tuple[str, tuple[Deviation, ...]]:
    """The token type in the query, under either of the names that the spec gives it (Q-50)."""
    name = "type" if call.request.query.get("type") else "token_type"
    asked = call.request.query.get(name) or DEFAULT_TYPE
    if asked in TOKEN_TYPE:
        return asked, ()
    if call.partner.profile is Profile.STRICT:
        raise InvalidParameters(f"{name} is not a TokenType (FMT-11)")
    return "OTHER", (Deviation(path=f"?{name}", rule="FMT-11", what="is not a value of this enum"),)


def _references(call: Call) -> tuple[Json | None, tuple[Deviation, ...]]:
    """The places in the body; None if it is empty or null, or has no ``location_id`` (TOK-12, Q-79)."""
    value: Any = parse(call.request.body) if call.request.body.strip() else None
    if value is None or value == "":
        return None, ()
    if isinstance(value, dict) and value.get("location_id") is None and call.partner.profile is Profile.LENIENT:
        return None, (Deviation(path="location_id", rule="TRA-20", what="is missing"),)
    reading = read_value(LocationReferences, value, call.partner.profile, call.now)
    return as_json(reading.value), reading.deviations


def endpoints() -> Iterable[Endpoint[AuthorizeEndpoint]]:
    """The URL at which CPOs ask about a token of ours."""
    role, identifier = TOKENS.owner, TOKENS.identifier
    path = f"{version_root(role)}/{identifier}/{{token_uid}}/authorize"
    methods = {"POST": AuthorizeEndpoint.authorize}
    yield Endpoint(role, module=identifier, path=path, methods=methods, interface="sender")
