"""The host's own API under /operator: partners, own objects, what partners sent. JSON, bearer keys, plain errors."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from chalicelib.bootstrap import Company
from chalicelib.modules import MODULES
from chalicelib.modules.locations.view import for_drivers
from chalicelib.node.own import Kept, OwnObjects
from chalicelib.node.partners import Partner
from chalicelib.node.ports import Stored, theirs
from chalicelib.node.sender import EVERYBODY
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import (
    BodyTooLarge,
    ClientError,
    InvalidParameters,
    NotFound,
    OcpiError,
    PartnerError,
)
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import Window, window_of
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile, parse
from chalicelib.ocpi.types import format_date_time

_LOG = logging.getLogger(__name__)

ROOT: Final = "/operator"
_LARGEST_BODY: Final = 6 * 1024 * 1024
_MOST_AT_A_TIME: Final = 100


@dataclass(frozen=True, slots=True)
class Ask:
    """An authenticated request of the host."""

    company: Company
    request: Request
    steps: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body.

        Raises:
            InvalidJson: it is none.
        """
        return parse(self.request.body)

    @property
    def partner(self) -> Partner:
        """The partner that the URL names.

        Raises:
            NotFound: there is none.
        """
        partner = self.company.outside.partners.get(self.steps["partner"])
        if partner is None:
            raise NotFound(f"there is no partner {self.steps['partner']!r}")
        return partner

    @property
    def own(self) -> OwnObjects:
        """Our own objects of the module that the URL names.

        Raises:
            NotFound: we own none such.
        """
        return _own(self.company, self.steps["module"])

    @property
    def path(self) -> tuple[str, ...]:
        """The part ids in the URL."""
        return tuple(self.steps[name] for name in ("evse_uid", "connector_id") if name in self.steps)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the host is answered."""

    value: Any
    status: int = 200


Handler = Callable[[Ask], Reply]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path of this API."""

    method: str
    path: str
    summary: str
    handler: Handler
    body: str = ""
    """The name of the body's schema in the OpenAPI file; empty where none is expected."""


# --- partners ------------------------------------------------------------------------------------------------------


def _self(ask: Ask) -> Reply:
    company = ask.company
    return Reply(
        {
            "name": company.settings.name,
            "party": str(company.settings.party),
            "roles": sorted(company.settings.roles),
            "stage": company.settings.stage,
            "versions_urls": {role.value: company.versions_url(role) for role in sorted(company.settings.roles)},
        }
    )


def _invite(ask: Ask) -> Reply:
    asked = _fields(ask.json, required={"role"}, optional={"name"})
    role = _role(asked["role"])
    _we_play(ask.company, role.other)
    invitation = ask.company.registrations.invite(role, asked.get("name", ""))
    return Reply(
        {
            "id": invitation.partner.id,
            "token": invitation.token.secret,
            "expires_at": format_date_time(invitation.expires_at),
            "versions_url": ask.company.versions_url(role.other),
        },
        201,
    )


def _register(ask: Ask) -> Reply:
    asked = _fields(ask.json, required={"versions_url", "token", "role"}, optional={"name"})
    role = _role(asked["role"])
    _we_play(ask.company, role.other)
    try:
        token = AuthToken.of(asked["token"])
    except ValueError as broken:
        raise InvalidParameters(f"token: {broken}") from None
    partner = ask.company.registrations.register(asked["versions_url"], token, role, asked.get("name", ""))
    return Reply(_partner_json(ask.company, partner), 201)


def _partners(ask: Ask) -> Reply:
    return Reply({"partners": [_partner_json(ask.company, each) for each in ask.company.outside.partners.all()]})


def _partner(ask: Ask) -> Reply:
    return Reply(_partner_json(ask.company, ask.partner))


def _change_partner(ask: Ask) -> Reply:
    asked = _fields(ask.json, optional={"name", "profile"})
    if asked.get("profile", Profile.STRICT) not in set(Profile):
        raise InvalidParameters("profile is strict or lenient")
    changes = asked | ({"profile": Profile(asked["profile"])} if "profile" in asked else {})
    return Reply(_partner_json(ask.company, ask.company.registrations.changed(ask.partner, **changes)))


def _rotate(ask: Ask) -> Reply:
    return Reply(_partner_json(ask.company, ask.company.registrations.rotate(ask.partner)))


def _unregister(ask: Ask) -> Reply:
    return Reply(_partner_json(ask.company, ask.company.registrations.unregister(ask.partner)))


def _outbox(ask: Ask) -> Reply:
    failures = ask.company.outside.outbox.of(ask.partner.id)
    return Reply(
        {
            "failures": [
                {
                    "module": failure.announcement.module,
                    "id": failure.announcement.id,
                    "path": list(failure.announcement.path),
                    "reason": failure.reason,
                    "attempts": failure.attempts,
                    "failed_at": format_date_time(failure.failed_at),
                }
                for failure in failures
            ]
        }
    )


def _partner_json(company: Company, partner: Partner) -> dict[str, Any]:
    return {
        "id": partner.id,
        "name": partner.name,
        "state": partner.state,
        "our_role": partner.our_role,
        "their_role": partner.our_role.other,
        "party": str(partner.party) if partner.party else None,
        "versions_url": partner.versions_url,
        "endpoints": dict(partner.endpoints),
        "business_details": dict(partner.business_details),
        "profile": partner.profile,
        "problem": partner.problem,
        "updated_at": format_date_time(partner.updated_at) if partner.updated_at else None,
        "backlog": len(company.outside.outbox.of(partner.id)),
        "tallies": company.outside.partners.tallies(partner.id),
    }


# --- own objects ---------------------------------------------------------------------------------------------------


def _list_own(ask: Ask) -> Reply:
    window = window_of(ask.request.query, _MOST_AT_A_TIME)
    store = ask.company.outside.stores[ask.own.module.identifier]
    page = store.page(EVERYBODY, window)
    return Reply(
        {"total": page.total, "items": [json.loads(body) for body in page.bodies], "next": _next(page.next_offset)}
    )


def _next(offset: int | None) -> dict[str, int] | None:
    return None if offset is None else {"offset": offset}


def _get_own(ask: Ask) -> Reply:
    return Reply(ask.own.get(ask.steps["id"], ask.path))


def _put_own(ask: Ask) -> Reply:
    return _kept(ask.own.put(ask.steps["id"], ask.path, ask.json))


def _patch_own(ask: Ask) -> Reply:
    return _kept(ask.own.patch(ask.steps["id"], ask.path, ask.json))


def _kept(kept: Kept) -> Reply:
    warnings = [f"{remark.path} {remark.what} ({remark.rule})" for remark in kept.remarks]
    answer = {"outcome": kept.outcome, "object": json.loads(kept.body), "warnings": warnings}
    return Reply(answer, 201 if kept.outcome == "created" else 200)


def _delete_own(ask: Ask) -> Reply:
    if not ask.own.module.deletable:
        raise NotFound(f"{ask.own.module.identifier} cannot be deleted: the spec defines no such thing")
    ask.own.delete(ask.steps["id"])
    return Reply({"outcome": "deleted"})


def _import(ask: Ask) -> Reply:
    values = ask.json
    if not isinstance(values, list):
        raise InvalidParameters("the body is a JSON list of objects")
    done = ask.own.import_all(values)
    return Reply(
        {
            "created": done.created,
            "updated": done.updated,
            "unchanged": done.unchanged,
            "failed": [{"index": index, "id": object_id, "error": why} for index, object_id, why in done.failed],
            "warnings": [f"{object_id}: {each.path} {each.what} ({each.rule})" for object_id, each in done.remarks],
        }
    )


# --- what partners sent --------------------------------------------------------------------------------------------


def _received(ask: Ask) -> Reply:
    partner, module = ask.partner, _module(ask.steps["module"])
    if partner.party is None:
        return Reply({"items": [], "next": None})
    limit = Window(limit=_MOST_AT_A_TIME).limit
    found = ask.company.outside.stores[module].received(theirs(partner.party), ask.request.query.get("after"), limit)
    items = [_shown(ask, partner, module, stored) for stored in found if not stored.aside.get("deleted_at")]
    following = found[-1].id if len(found) == limit else None
    return Reply({"items": [item for item in items if item is not None], "next": following})


def _received_one(ask: Ask) -> Reply:
    partner, module = ask.partner, _module(ask.steps["module"])
    store = ask.company.outside.stores[module]
    stored = store.get(theirs(partner.party), ask.steps["id"]) if partner.party else None
    shown = None
    if stored is not None and not stored.aside.get("deleted_at"):
        shown = _shown(ask, partner, module, stored)
    if shown is None:
        raise NotFound(f"this partner has sent us no {module} {ask.steps['id']!r}")
    return Reply(shown)


def _shown(ask: Ask, partner: Partner, module: ModuleID, stored: Stored) -> Any:
    value = json.loads(stored.body)
    if ask.request.query.get("view") == "drivers" and module is ModuleID.LOCATIONS:
        return for_drivers(value, partner.business_details)
    return value


# --- the whole API -------------------------------------------------------------------------------------------------

_OBJECT: Final = f"{ROOT}/{{module}}/{{id}}"
_EVSE: Final = f"{_OBJECT}/{{evse_uid}}"
_CONNECTOR: Final = f"{_EVSE}/{{connector_id}}"
_PARTNER: Final = f"{ROOT}/partners/{{partner}}"


def _openapi(_ask: Ask) -> Reply:
    from chalicelib.entrypoints.openapi import description

    return Reply(description(OPERATIONS))


OPERATIONS: Final = (
    Operation("GET", ROOT, "Who this node is", _self),
    Operation("GET", f"{ROOT}/openapi.json", "This description", _openapi),
    Operation("GET", f"{ROOT}/partners", "Every partner", _partners),
    Operation("POST", f"{ROOT}/partners", "Invite a partner; the token is shown once", _invite, "Invitation"),
    Operation("POST", f"{ROOT}/partners/register", "Register with a partner", _register, "Registration"),
    Operation("GET", _PARTNER, "One partner", _partner),
    Operation("PATCH", _PARTNER, "Rename a partner or set its profile", _change_partner, "PartnerChange"),
    Operation("DELETE", _PARTNER, "Unregister", _unregister),
    Operation("PUT", f"{_PARTNER}/credentials", "Rotate the tokens of both sides", _rotate),
    Operation("GET", f"{_PARTNER}/outbox", "What this partner still has to be told", _outbox),
    Operation("GET", f"{_PARTNER}/{{module}}", "What this partner sent us", _received),
    Operation("GET", f"{_PARTNER}/{{module}}/{{id}}", "One object that this partner sent us", _received_one),
    Operation("GET", f"{ROOT}/{{module}}", "Our own objects, in pages", _list_own),
    Operation("PUT", f"{ROOT}/{{module}}", "Create or replace a list of own objects", _import, "List"),
    *(
        operation
        for path, what in ((_OBJECT, "object"), (_EVSE, "EVSE"), (_CONNECTOR, "connector"))
        for operation in (
            Operation("GET", path, f"One own {what}", _get_own),
            Operation("PUT", path, f"Create or replace an own {what}", _put_own, "Object"),
            Operation("PATCH", path, f"Change fields of an own {what}", _patch_own, "Object"),
        )
    ),
    Operation("DELETE", _OBJECT, "Delete an own object, here and at every partner", _delete_own),
)


def paths() -> tuple[str, ...]:
    """Every path of this API, as Chalice mounts them."""
    return tuple(dict.fromkeys(operation.path for operation in OPERATIONS))


def answer(company: Company, request: Request) -> Response:
    """The answer to a request of the host; never an exception."""
    try:
        _authenticate(company, request)
        operation, steps = _operation(request)
        if len(request.body) > _LARGEST_BODY:
            raise BodyTooLarge(f"the body is larger than {_LARGEST_BODY} bytes")
        reply = operation.handler(Ask(company, request, steps))
    except OcpiError as error:
        return _json(_http_status(error), {"error": str(error), "details": []}, error.headers)
    except Exception:  # noqa: BLE001 - the edge: whatever happened, the host gets an answer
        _LOG.exception("unexpected failure in %s %s", request.method, request.url)
        return _json(500, {"error": "unexpected failure", "details": [request.headers.get("x-correlation-id", "")]})
    return _json(reply.status, reply.value)


def _authenticate(company: Company, request: Request) -> None:
    """Lets the bearer of an operator key pass.

    Raises:
        _NotAllowed: there is no key, or not one of ours.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    if scheme.lower() != "bearer" or company.outside.partners.operator_key(digest) is None:
        raise _NotAllowedError(
            "send 'Authorization: Bearer <operator key>'; create one with: python -m cli keys create"
        )


class _NotAllowedError(ClientError):
    http_status = 401


class _NoSuchMethodError(ClientError):
    http_status = 405


def _operation(request: Request) -> tuple[Operation, dict[str, str]]:
    """The operation that a request asks for, by the most literal path that fits, and its decoded steps."""
    steps = request.url.removesuffix("/").split("/")
    fitting = [operation for operation in OPERATIONS if _fits(operation.path.split("/"), steps)]
    if not fitting:
        raise NotFound("there is nothing at this URL; see GET /operator/openapi.json")
    path = min((operation.path for operation in fitting), key=lambda path: path.count("{"))
    for operation in fitting:
        if operation.path == path and operation.method == request.method:
            pairs = zip(path.split("/"), steps, strict=True)
            return operation, {name[1:-1]: unquote(step) for name, step in pairs if name.startswith("{")}
    raise _NoSuchMethodError(f"{request.method} is not supported here; see GET /operator/openapi.json")


def _fits(shape: list[str], steps: list[str]) -> bool:
    return len(shape) == len(steps) and all(
        want == step or want.startswith("{") for want, step in zip(shape, steps, strict=True)
    )


def _http_status(error: OcpiError) -> int:
    """OCPI answers most errors with HTTP 200; a host expects the status to say it."""
    if isinstance(error, PartnerError):
        return 502
    if isinstance(error, InvalidParameters):
        return 422
    if error.http_status != 200:
        return error.http_status
    return 409 if isinstance(error, ClientError) else 500


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(status, {"content-type": "application/json", **(headers or {})}, body)


def _fields(
    value: Any, required: frozenset[str] | set[str] = frozenset(), optional: frozenset[str] | set[str] = frozenset()
) -> dict[str, str]:
    """The body as an object of these text fields.

    Raises:
        InvalidParameters: one is missing, unknown or no text.
    """
    if not isinstance(value, dict):
        raise InvalidParameters("the body is a JSON object")
    wrong = sorted(name for name in value if name not in required | optional or not isinstance(value[name], str))
    missing = sorted(name for name in required if name not in value)
    if missing or wrong:
        raise InvalidParameters(
            f"missing: {', '.join(missing) or 'none'}; unknown or no text: {', '.join(wrong) or 'none'}"
        )
    return value


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise InvalidParameters("role is the role that they play: cpo or emsp") from None


def _we_play(company: Company, role: Role) -> None:
    if role not in company.settings.roles:
        raise InvalidParameters(f"this node does not act as {role}, so it cannot roam with a {role.other}")


def _module(name: str) -> ModuleID:
    for module in MODULES:
        if module == name:
            return module
    raise NotFound(f"there is no module {name!r}; there are {', '.join(MODULES)}")


def _own(company: Company, name: str) -> OwnObjects:
    module = _module(name)
    if module not in company.own:
        raise NotFound(f"this node does not own {module}")
    return company.own[module]
