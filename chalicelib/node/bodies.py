"""Serialization of OCPI objects, as they are stored and sent: model to JSON value, JSON value to bytes."""

from __future__ import annotations

import json

from chalicelib.ocpi.parts import Json
from chalicelib.ocpi.types import OcpiObject


def as_json(value: OcpiObject, *, defaults: bool = True) -> Json:
    """The object as a JSON value, without nulls and empty lists; timestamps have whole seconds.

    Args:
        value: the object.
        defaults: whether fields that were not given appear with their defaults.
    """
    dumped: Json = value.model_dump(mode="json", exclude_none=True, exclude_unset=not defaults)
    return dumped


def as_bytes(value: Json) -> bytes:
    """The JSON value as compact UTF-8, its fields in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
