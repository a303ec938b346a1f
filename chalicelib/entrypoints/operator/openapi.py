"""The OpenAPI 3.1 description of the operator API, generated from the operations that are really served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from chalicelib.entrypoints.operator import event_schema
from chalicelib.modules import MODULES
from chalicelib.modules.commands.objects import RESULT
from chalicelib.modules.tokens.authorize import Ruling
from chalicelib.modules.tokens.objects import TOKEN_TYPE
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile
from chalicelib.ocpi.types import OcpiObject

if TYPE_CHECKING:
    from chalicelib.entrypoints.operator.operation import Operation

_TEXT: Final = {"type": "string"}
_ROLE: Final = {"type": "string", "enum": [role.value for role in Role], "description": "the role that they play"}

_QUERY: Final = {
    "offset": {"description": "skip this many", "schema": {"type": "integer", "minimum": 0}},
    "limit": {"description": "at most this many", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
    "date_from": {"description": "changed then or later", "schema": _TEXT | {"format": "date-time"}},
    "date_to": {"description": "changed before then", "schema": _TEXT | {"format": "date-time"}},
    "after": {
        "description": "continue after the object with this id, or after ``next`` of an earlier answer",
        "schema": _TEXT,
    },
    "latest": {"description": "the last ones instead of the oldest", "schema": {"enum": ["yes", "no"]}},
    "partner": {"description": "the partner, by its id, whose object or list this is", "schema": _TEXT},
    "full": {"description": "everything, not only what has changed", "schema": {"enum": ["yes", "no"]}},
    "fetch": {"description": "ask the partner for it", "schema": {"enum": ["yes"]}},
    "push": {
        "description": "tell partners nothing: they find the objects with their next pull",
        "schema": {"enum": ["no"]},
    },
    "view": {"description": "locations as drivers may see them", "schema": {"enum": ["drivers"]}},
}
"""Every query parameter of this API."""


def description(operations: Iterable[Operation]) -> dict[str, Any]:
    """The whole document, with the schemas of the modules' objects."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "OCPI node, operator API", "version": "0.1.0"},
        "security": [{"operatorKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"operatorKey": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": _TEXT}
                for name in re.findall(r"\{(\w+)\}", operation.path)
            ),
            *({"name": name, "in": "query", **_QUERY[name]} for name in operation.query),
        ],
        "responses": {
            "2XX": {"description": "done", "content": {"application/json": _reply(operation)}},
            "default": {
                "description": "not done, and why",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if operation.body_schema:
        schema = {"$ref": f"#/components/schemas/{operation.body_schema}"}
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _reply(operation: Operation) -> dict[str, Any]:
    return {"schema": {"$ref": f"#/components/schemas/{operation.reply_schema}"}} if operation.reply_schema else {}


def _schemas() -> dict[str, Any]:
    models = {level.model for module in MODULES.values() for level in module.levels}
    objects: dict[str, Any] = {}
    described: list[type[OcpiObject]] = [*models, Ruling]
    for model in sorted(described, key=lambda model: model.__name__):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        objects |= schema.pop("$defs", {})
        objects[model.__name__] = schema
    for model in models:
        # The node sets it if the host leaves it out.
        objects[model.__name__]["required"].remove("last_updated")
    whole = [{"$ref": f"#/components/schemas/{module.model.__name__}"} for module in MODULES.values()]
    return objects | {
        "Object": {"anyOf": [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]},
        "List": {"type": "array", "items": {"anyOf": whole}},
        "Error": _object({"error": _TEXT, "details": {"type": "array"}}, ["error"]),
        "CommandRequest": _object(
            {
                "token_uid": _TEXT,
                "location_id": _TEXT,
                "evse_uid": _TEXT,
                "connector_id": _TEXT,
                "session_id": _TEXT,
                "reservation_id": {"type": "integer"},
                "expiry_date": _TEXT | {"format": "date-time"},
            },
            [],
        ),
        "CommandResponse": _object({"result": {"enum": list(RESULT)}}, ["result"]),
        "AuthorizeRequest": _object(
            {
                "uid": _TEXT,
                "type": {"enum": list(TOKEN_TYPE)},
                "location_id": _TEXT,
                "evse_uid": _TEXT,
                "connector_id": _TEXT,
            },
            ["uid"],
        ),
        "Event": event_schema.schema(),
        "Events": _object(
            {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}}, "next": _TEXT},
            ["items", "next"],
        ),
        "Invitation": _object({"role": _ROLE, "name": _TEXT}, ["role"]),
        "Registration": _object(
            {"versions_url": _TEXT, "token": _TEXT, "role": _ROLE, "name": _TEXT}, ["versions_url", "token", "role"]
        ),
        "PartnerChange": _object(
            {
                "name": _TEXT,
                "party": _TEXT,
                "profile": {"enum": [profile.value for profile in Profile]},
                "accept_incomplete_locations": {"type": "boolean"},
                "takes_patches": {"type": "boolean"},
            },
            [],
        ),
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}
