"""What a test of a general rule has to know of each module, so that it can be asked of all of them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests.world import CLIENT_OWNED, PUBLIC, Pair, Reply

Json = Any

every_module = pytest.mark.parametrize("module", MODULES)
every_client_owned_module = pytest.mark.parametrize("module", CLIENT_OWNED)
every_public_module = pytest.mark.parametrize("module", PUBLIC)

SPEC_NAME: Final = {
    ModuleID.LOCATIONS: "Location",
    ModuleID.SESSIONS: "Session",
    ModuleID.CDRS: "CDR",
    ModuleID.TARIFFS: "Tariff",
    ModuleID.TOKENS: "Token",
}
"""How the spec, and with it our hand-made tables, call the module's object."""

CHANGE: Final[dict[ModuleID, Json]] = {
    ModuleID.LOCATIONS: {"name": "Other"},
    ModuleID.SESSIONS: {"kwh": 7.25},
    ModuleID.TARIFFS: {"currency": "SEK"},
    ModuleID.TOKENS: {"issuer": "Other"},
}
"""A change of each object that may change at all."""

EVER: Final = {"date_from": "2015-01-01T00:00:00Z"}
"""The filter that lets everything pass; the list of sessions wants one (PAG-19)."""


def id_field(module: ModuleID) -> str:
    """The field that identifies an object: ``uid`` of a token, ``id`` of all others."""
    return "uid" if module is ModuleID.TOKENS else "id"


def as_read(module: ModuleID, value: Json) -> Json:
    """The object as we give it back: where it has a location, that says the default of the spec (LOC-26).

    But for a CDR, which is given back as it was posted (CDR-05).
    """
    if module is ModuleID.CDRS:
        return value
    if module is ModuleID.LOCATIONS:
        return {"charging_when_closed": True} | value
    return value | {"location": as_read(ModuleID.LOCATIONS, value["location"])} if "location" in value else value


def sent_to(nodes: Pair, module: ModuleID, value: Json) -> Reply:
    """The receiver's answer to the object as its owner sends it."""
    call, object_id = nodes.to_receiver(module), quote(value[id_field(module)], safe="")
    if module is ModuleID.CDRS:
        return call("POST", nodes.at_receiver(module), value)
    return call("PUT", nodes.at_receiver(module, object_id), value)
