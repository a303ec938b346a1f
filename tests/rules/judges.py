"""Two judges of what a node sends: the JSON Schemas that our models make, and the tables that were typed in by hand."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from chalicelib.modules import MODULES
from chalicelib.modules.credentials.objects import Credentials, ListedEndpoint, Version, VersionDetails
from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.tokens.objects import AuthorizationInfo, LocationReferences
from chalicelib.ocpi.types import OcpiObject
from tests import oracle
from tests.rules.every import SPEC_NAME
from tests.rules.recorded import Message

Json = Any

MODELS: dict[str, type[OcpiObject]] = {
    **{SPEC_NAME[module]: found.model for module, found in MODULES.items()},
    **dict(zip(("Location", "EVSE", "Connector"), (level.model for level in LOCATIONS.levels), strict=True)),
    "LocationReferences": LocationReferences,
    "AuthorizationInfo": AuthorizationInfo,
    "Credentials": Credentials,
    "Version": Version,
    "VersionDetails": VersionDetails,
    "Endpoint": ListedEndpoint,
}


def closed(schema: Json) -> Json:
    """The schema as it is for senders: nothing null, and no field that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    return {name: closed(value) for name, value in schema.items()} | (
        {"additionalProperties": False} if "properties" in schema else {}
    )


def by_schema(message: Message) -> list[str]:
    """What is wrong with a message by the JSON Schema of our model; of a PATCH each field counts, and no other."""
    schema = closed(MODELS[message.name].model_json_schema())
    if message.name == "VersionDetails":
        # Our reader of them is open to what it does not know (VER-09).
        schema["required"] = ["version", "endpoints"]
        schema["properties"]["version"] = {"const": "2.1.1"}
        schema["properties"]["endpoints"]["items"] = closed(ListedEndpoint.model_json_schema())
    if message.is_patch:
        schema["required"] = ["last_updated"]
    errors = Draft202012Validator(schema).iter_errors(message.value)
    return [f"{message.where}: {error.json_path} {error.message}" for error in errors]


def by_table(message: Message) -> list[str]:
    """What is wrong with a message by the hand-made tables; of a PATCH each field counts, and no other."""
    if not isinstance(message.value, dict):
        return [f"{message.where}: no object"]
    found = oracle.objections(message.name, message.value)
    if message.is_patch:
        left_out = oracle.fields(message.name).keys() - message.value.keys() - {"last_updated"}
        found = [text for text in found if text not in {f"{name} is missing" for name in left_out}]
    unknown = [f"{name} is no field" for name in message.value if name not in oracle.fields(message.name)]
    return [f"{message.where}: {text}" for text in found + unknown]


def badly_written(body: bytes) -> list[str]:
    """The numbers in a body that have more than four decimals, or an exponent."""
    written: list[str] = []
    json.loads(body, parse_float=written.append, parse_int=written.append)
    return [number for number in written if not re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]{1,4})?", number)]
