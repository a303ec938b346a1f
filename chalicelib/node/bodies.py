"""Objects as the JSON that we store and send."""

from __future__ import annotations

import json

from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.types import OcpiObject


def as_json(value: OcpiObject, *, defaults: bool = True) -> Json:
    """The object as a JSON value: no nulls, no empty lists, stamps to the second; on demand, only what was given."""
    found: Json = value.model_dump(mode="json", exclude_none=True, exclude_unset=not defaults)
    return found


def as_bytes(value: Json) -> bytes:
    """Canonical bytes: compact, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
