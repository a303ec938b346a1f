"""Locations: the CPO owns them, and EVSEs and connectors have URLs of their own. Spec: mod_locations.md 2."""

from __future__ import annotations

from chalicelib.modules.locations.objects import Connector, Evse, Location
from chalicelib.ocpi.errors import UnknownLocationUrl
from chalicelib.ocpi.module import Level, Module, ModuleID
from chalicelib.ocpi.parties import Role

LOCATIONS = Module(
    identifier=ModuleID.LOCATIONS,
    owner=Role.CPO,
    levels=(
        Level(Location, id_field="id", url_parameter="location_id", stand_ins={"type": "UNKNOWN", "postal_code": ""}),
        Level(Evse, id_field="uid", url_parameter="evse_uid", list_field="evses", removal_marker={"status": "REMOVED"}),
        Level(
            Connector,
            id_field="id",
            url_parameter="connector_id",
            list_field="connectors",
            stand_ins={"power_type": "UNKNOWN", "voltage": 0, "amperage": 0},
        ),
    ),
    single_objects=True,
    not_found=UnknownLocationUrl,
)
