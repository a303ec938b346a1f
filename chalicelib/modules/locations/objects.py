"""The objects of the Locations chapter: a place, its EVSEs, their connectors. Spec: mod_locations.md 3 and 4."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from chalicelib.ocpi.countries import ALPHA_3, ALPHA_3_OF
from chalicelib.ocpi.types import (
    Between,
    ClockTime,
    DateTime,
    DisplayText,
    Int,
    Matches,
    NonEmptyList,
    Number,
    OcpiObject,
    OneOf,
    OptionalList,
    Text,
    Tolerance,
    Url,
    breach,
    tolerated,
)

STATUS = (
    "AVAILABLE",
    "BLOCKED",
    "CHARGING",
    "INOPERATIVE",
    "OUTOFORDER",
    "PLANNED",
    "REMOVED",
    "RESERVED",
    "UNKNOWN",
)
CAPABILITY = (
    "CHARGING_PROFILE_CAPABLE",
    "CREDIT_CARD_PAYABLE",
    "REMOTE_START_STOP_CAPABLE",
    "RESERVABLE",
    "RFID_READER",
    "UNLOCK_CAPABLE",
)
CONNECTOR_TYPE = (
    "CHADEMO",
    *(f"DOMESTIC_{letter}" for letter in "ABCDEFGHIJKL"),
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    "TESLA_R",
    "TESLA_S",
)
FACILITY = (
    "HOTEL",
    "RESTAURANT",
    "CAFE",
    "MALL",
    "SUPERMARKET",
    "SPORT",
    "RECREATION_AREA",
    "NATURE",
    "MUSEUM",
    "BUS_STOP",
    "TAXI_STAND",
    "TRAIN_STATION",
    "AIRPORT",
    "CARPOOL_PARKING",
    "FUEL_STATION",
    "WIFI",
)
IMAGE_CATEGORY = ("CHARGER", "ENTRANCE", "LOCATION", "NETWORK", "OPERATOR", "OTHER", "OWNER")
ENERGY_SOURCE = ("NUCLEAR", "GENERAL_FOSSIL", "COAL", "GAS", "GENERAL_GREEN", "SOLAR", "WIND", "WATER")
LOCATION_TYPE = ("ON_STREET", "PARKING_GARAGE", "UNDERGROUND_GARAGE", "PARKING_LOT", "OTHER", "UNKNOWN")
PARKING_RESTRICTION = ("EV_ONLY", "PLUGGED", "DISABLED", "CUSTOMERS", "MOTORCYCLES")


def _degrees(value: str, most: int) -> str | None:
    """The coordinate with exactly 6 decimals; None if it is no number up to ``most`` degrees."""
    if not re.fullmatch(r"\s*-?\d{1,3}(\.\d{1,20})?\s*", value, re.ASCII) or abs(float(value)) > most:
        return None
    return f"{float(value):.6f}"


_LATITUDE = r"-?([0-8]?[0-9]\.[0-9]{6}|90\.0{6})"
_LONGITUDE = r"-?((0?[0-9]{1,2}|1[0-7][0-9])\.[0-9]{6}|180\.0{6})"
"""The spec's patterns, limited to 90 and 180 degrees (Q-17)."""

Latitude = Annotated[
    str,
    Matches(
        pattern=_LATITUDE, rule="FMT-12", form="a latitude with 6 decimals", repair=lambda text: _degrees(text, 90)
    ),
]
Longitude = Annotated[
    str,
    Matches(
        pattern=_LONGITUDE, rule="FMT-12", form="a longitude with 6 decimals", repair=lambda text: _degrees(text, 180)
    ),
]


class GeoLocation(OcpiObject):
    """A point in WGS 84 degrees. Spec: mod_locations.md 4.12."""

    latitude: Latitude
    longitude: Longitude

    @model_validator(mode="after")
    def _is_somewhere(self, info: ValidationInfo) -> Self:
        nowhere = float(self.latitude) == float(self.longitude) == 0
        if nowhere and not tolerated(info, Tolerance.STRICT):
            raise breach("FMT-12", "is 0/0, in the sea off Africa")
        return self


class AdditionalGeoLocation(GeoLocation):
    """A further point that matters to the place, such as its entrance. Spec: mod_locations.md 4.1."""

    name: DisplayText | None = None


class Image(OcpiObject):
    """A picture by its URL; width and height in pixels. Spec: mod_locations.md 4.14."""

    url: Url
    thumbnail: Url | None = None
    category: Annotated[str, OneOf(IMAGE_CATEGORY)]
    type: Annotated[str, Text(limit=4)]
    width: Annotated[Int, Between(low=0, high=99_999, rule="FMT-19")] | None = None
    height: Annotated[Int, Between(low=0, high=99_999, rule="FMT-19")] | None = None


class BusinessDetails(OcpiObject):
    """A company as drivers know it. Spec: mod_locations.md 4.1."""

    name: Annotated[str, Text(limit=100)]
    website: Url | None = None
    logo: Image | None = None


class EnergySource(OcpiObject):
    """How much of the energy, in percent, comes from one source. Spec: mod_locations.md 4.6."""

    source: Annotated[str, OneOf(ENERGY_SOURCE)]
    percentage: Annotated[Number, Between(low=0, high=100, rule="FMT-20")]


class EnvironmentalImpact(OcpiObject):
    """Grams of waste or CO2 per kWh. Spec: mod_locations.md 4.8."""

    source: Annotated[str, OneOf(("NUCLEAR_WASTE", "CARBON_DIOXIDE"))]
    amount: Number


class EnergyMix(OcpiObject):
    """Where the energy comes from. Spec: mod_locations.md 4.5."""

    is_green_energy: bool
    energy_sources: OptionalList[EnergySource] = None
    environ_impact: OptionalList[EnvironmentalImpact] = None
    supplier_name: Annotated[str, Text(limit=64)] | None = None
    energy_product_name: Annotated[str, Text(limit=64)] | None = None

    @field_validator("energy_sources")
    @classmethod
    def _sources_add_up(cls, sources: list[EnergySource] | None, info: ValidationInfo) -> list[EnergySource] | None:
        if sources and round(sum(s.percentage for s in sources), 2) != 100 and not tolerated(info, Tolerance.STRICT):
            raise breach("FMT-20", "does not add up to 100 percent")
        return sources


class RegularHours(OcpiObject):
    """Opening hours on one weekday, 1 for Monday to 7, in local time. Spec: mod_locations.md 4.19."""

    weekday: Annotated[Int, Between(low=1, high=7, rule="FMT-14")]
    period_begin: ClockTime
    period_end: ClockTime

    @model_validator(mode="after")
    def _ends_after_it_begins(self, info: ValidationInfo) -> Self:
        if self.period_end <= self.period_begin and not tolerated(info, Tolerance.LENIENT):
            raise breach("FMT-14", "ends before it begins")
        return self


class ExceptionalPeriod(OcpiObject):
    """A period in which the regular hours do not hold. Spec: mod_locations.md 4.10."""

    period_begin: DateTime
    period_end: DateTime


class Hours(OcpiObject):
    """When the place is open: always, or at regular hours. Spec: mod_locations.md 4.13."""

    regular_hours: OptionalList[RegularHours] = None
    twentyfourseven: bool
    exceptional_openings: OptionalList[ExceptionalPeriod] = None
    exceptional_closings: OptionalList[ExceptionalPeriod] = None

    @model_validator(mode="after")
    def _either_or(self, info: ValidationInfo) -> Self:
        if self.twentyfourseven and self.regular_hours and not tolerated(info, Tolerance.STRICT):
            raise breach("LOC-25", "has regular_hours although it is open at all times")
        if not self.twentyfourseven and not self.regular_hours and not tolerated(info, Tolerance.LENIENT):
            raise breach("LOC-25", "has neither regular_hours nor twentyfourseven")
        return self


class StatusSchedule(OcpiObject):
    """A planned status; information only, it never changes ``status`` (LOC-27). Spec: mod_locations.md 4.21."""

    period_begin: DateTime
    period_end: DateTime | None = None
    status: Annotated[str, OneOf(STATUS, fallback="UNKNOWN")]


class Connector(OcpiObject):
    """A socket or cable; voltage in V, amperage in A. Its id is unique within its EVSE. Spec: mod_locations.md 3.3."""

    id: Annotated[str, Text(limit=36, least=1)]
    standard: Annotated[str, OneOf(CONNECTOR_TYPE)]
    format: Annotated[str, OneOf(("SOCKET", "CABLE"))]
    power_type: Annotated[str, OneOf(("AC_1_PHASE", "AC_3_PHASE", "DC"))]
    voltage: Int
    amperage: Int
    tariff_id: Annotated[str, Text(limit=36)] | None = None
    terms_and_conditions: Url | None = None
    last_updated: DateTime


class Evse(OcpiObject):
    """One charging spot: it serves one car at a time. Spec: mod_locations.md 3.2."""

    uid: Annotated[str, Text(limit=39, least=1)]
    evse_id: Annotated[str, Text(limit=48)] | None = None
    status: Annotated[str, OneOf(STATUS, fallback="UNKNOWN")]
    status_schedule: OptionalList[StatusSchedule] = None
    capabilities: OptionalList[Annotated[str, OneOf(CAPABILITY)]] = None
    connectors: NonEmptyList[Connector]
    floor_level: Annotated[str, Text(limit=4)] | None = None
    coordinates: GeoLocation | None = None
    physical_reference: Annotated[str, Text(limit=16)] | None = None
    directions: OptionalList[DisplayText] = None
    parking_restrictions: OptionalList[Annotated[str, OneOf(PARKING_RESTRICTION)]] = None
    images: OptionalList[Image] = None
    last_updated: DateTime

    @field_validator("connectors")
    @classmethod
    def _connectors_differ(cls, connectors: list[Connector]) -> list[Connector]:
        if len({connector.id for connector in connectors}) != len(connectors):
            raise breach("LOC-08", "names one connector id twice")
        return connectors


def _country(value: Any) -> Any:
    if not isinstance(value, str) or value in ALPHA_3:
        return value
    repair = ALPHA_3_OF.get(value.upper()) or (value.upper() if value.upper() in ALPHA_3 else None)
    raise breach("FMT-15", "is not an ISO 3166-1 alpha-3 country", repair=repair)


def _true_if_null(value: Any) -> Any:
    return True if value is None else value


class Location(OcpiObject):
    """A place where cars charge. Spec: mod_locations.md 3.1."""

    id: Annotated[str, Text(limit=39, least=1)]
    type: Annotated[str, OneOf(LOCATION_TYPE)]
    name: Annotated[str, Text(limit=255, lenient=1024)] | None = None
    address: Annotated[str, Text(limit=45)]
    city: Annotated[str, Text(limit=45)]
    postal_code: Annotated[str, Text(limit=10)]
    country: Annotated[str, BeforeValidator(_country), Field(json_schema_extra={"pattern": "^[A-Z]{3}$"})]
    coordinates: GeoLocation
    related_locations: OptionalList[AdditionalGeoLocation] = None
    evses: OptionalList[Evse] = None
    directions: OptionalList[DisplayText] = None
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: OptionalList[Annotated[str, OneOf(FACILITY)]] = None
    time_zone: Annotated[str, Text(limit=255)] | None = None
    opening_times: Hours | None = None
    charging_when_closed: Annotated[bool, BeforeValidator(_true_if_null, json_schema_input_type=bool | None)] = True
    images: OptionalList[Image] = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @field_validator("evses")
    @classmethod
    def _evses_differ(cls, evses: list[Evse] | None) -> list[Evse] | None:
        if evses and len({evse.uid for evse in evses}) != len(evses):
            raise breach("LOC-08", "names one EVSE uid twice")
        return evses

    @field_validator("time_zone")
    @classmethod
    def _time_zone_exists(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None or tolerated(info, Tolerance.STRICT):
            return name
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):  # unknown, a path out of the database, a folder in it
            raise breach("FMT-18", "is not an IANA time zone") from None
        return name
