"""The JSON Schema of an event: docs/events.schema.json, and a part of the operator API's OpenAPI description."""

from __future__ import annotations

from typing import Any

from chalicelib.node.events.announcing import EventKind
from chalicelib.node.events.publishing import EVENT_VERSION
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role


def schema() -> dict[str, Any]:
    """The schema of an event: the detail of a message on the bus, and an item of the feed."""
    text, maybe = {"type": "string"}, ["string", "null"]
    roles, modules = [role.value for role in Role], [module.value for module in ModuleID]
    properties: dict[str, Any] = {
        "v": {
            "const": EVENT_VERSION,
            "description": "Counts up when a field changes its meaning; fields may be added.",
        },
        "id": text | {"pattern": "^[0-9a-f]{32}$", "description": "The same whenever the same event comes again."},
        "kind": {"enum": [kind.value for kind in EventKind]},
        "at": text | {"format": "date-time", "description": "When the change was taken."},
        "partner": {
            "type": "object",
            "properties": {
                "id": text | {"description": "As in the operator API."},
                "name": text,
                "role": {"enum": [*roles, None], "description": "The role that they play."},
                "party": {"type": maybe, "pattern": "^[A-Z]{2}/[A-Z0-9]{3}$"},
            },
            "required": ["id", "name", "role", "party"],
        },
        "module": {"enum": [*modules, None], "description": "Null where it is about the partner itself."},
        "object_id": text | {"description": "The object's, the command's, or the partner's."},
        "path": {
            "type": "array",
            "items": text,
            "maxItems": 2,
            "description": "evse_uid and connector_id of the part that changed; empty for the whole object.",
        },
        "version": {"type": "integer", "minimum": 1, "description": "Grows with each change of one object."},
        "reason": {"type": maybe, "description": "In a few words, where there is something to say."},
        "href": {"type": maybe, "description": "Where it stands in the operator API; null where it is gone."},
        "object": {
            "type": ["object", "null"],
            "description": "As it is now; null where it is gone or too large, in the feed, and of partner events.",
        },
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def document() -> dict[str, Any]:
    """The schema as a document of its own."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What the host is told of, version {EVENT_VERSION}",
        "description": "docs/events.md explains it. A later release may add fields: ignore what you do not know.",
        **schema(),
    }
