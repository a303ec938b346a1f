"""A second opinion on what the spec's tables say, typed in by hand from the rulebook's appendices A and B.

Nothing here is derived from the models, so that a slip in either shows. To cover another module, add its tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

Json = Any

_TABLES: Final = {
    # mod_locations.md 3
    "Location": """
        id string(39) 1; type LocationType 1; name string(255) ?; address string(45) 1; city string(45) 1
        postal_code string(10) 1; country string(3) 1; coordinates GeoLocation 1
        related_locations AdditionalGeoLocation *; evses EVSE *; directions DisplayText *; operator BusinessDetails ?
        suboperator BusinessDetails ?; owner BusinessDetails ?; facilities Facility *; time_zone string(255) ?
        opening_times Hours ?; charging_when_closed boolean ?; images Image *; energy_mix EnergyMix ?
        last_updated DateTime 1""",
    "EVSE": """
        uid string(39) 1; evse_id string(48) ?; status Status 1; status_schedule StatusSchedule *
        capabilities Capability *; connectors Connector +; floor_level string(4) ?; coordinates GeoLocation ?
        physical_reference string(16) ?; directions DisplayText *; parking_restrictions ParkingRestriction *
        images Image *; last_updated DateTime 1""",
    "Connector": """
        id string(36) 1; standard ConnectorType 1; format ConnectorFormat 1; power_type PowerType 1; voltage int 1
        amperage int 1; tariff_id string(36) ?; terms_and_conditions URL ?; last_updated DateTime 1""",
    # mod_locations.md 4
    "AdditionalGeoLocation": "latitude string(10) 1; longitude string(11) 1; name DisplayText ?",
    "BusinessDetails": "name string(100) 1; website URL ?; logo Image ?",
    "EnergyMix": """
        is_green_energy boolean 1; energy_sources EnergySource *; environ_impact EnvironmentalImpact *
        supplier_name string(64) ?; energy_product_name string(64) ?""",
    "EnergySource": "source EnergySourceCategory 1; percentage number 1",
    "EnvironmentalImpact": "source EnvironmentalImpactCategory 1; amount number 1",
    "ExceptionalPeriod": "period_begin DateTime 1; period_end DateTime 1",
    "GeoLocation": "latitude string(10) 1; longitude string(11) 1",
    "Hours": """
        regular_hours RegularHours *; twentyfourseven boolean 1; exceptional_openings ExceptionalPeriod *
        exceptional_closings ExceptionalPeriod *""",
    "Image": """
        url URL 1; thumbnail URL ?; category ImageCategory 1; type string(4) 1; width int(5) ?; height int(5) ?""",
    "RegularHours": "weekday int(1) 1; period_begin string(5) 1; period_end string(5) 1",
    "StatusSchedule": "period_begin DateTime 1; period_end DateTime ?; status Status 1",
    # mod_tariffs.md 3 and 4
    "Tariff": """
        id string(36) 1; currency string(3) 1; tariff_alt_text DisplayText *; tariff_alt_url URL ?
        elements TariffElement +; energy_mix EnergyMix ?; last_updated DateTime 1""",
    "TariffElement": "price_components PriceComponent +; restrictions TariffRestrictions ?",
    "PriceComponent": "type TariffDimensionType 1; price number 1; step_size int 1",
    "TariffRestrictions": """
        start_time string(5) ?; end_time string(5) ?; start_date string(10) ?; end_date string(10) ?; min_kwh number ?
        max_kwh number ?; min_power number ?; max_power number ?; min_duration int ?; max_duration int ?
        day_of_week DayOfWeek *""",
    # mod_sessions.md 3
    "Session": """
        id string(36) 1; start_datetime DateTime 1; end_datetime DateTime ?; kwh number 1; auth_id string(36) 1
        auth_method AuthMethod 1; location Location 1; meter_id string(255) ?; currency string(3) 1
        charging_periods ChargingPeriod *; total_cost number ?; status SessionStatus 1; last_updated DateTime 1""",
    # mod_cdrs.md 3 and 4
    "CDR": """
        id CiString(36) 1; start_date_time DateTime 1; stop_date_time DateTime 1; auth_id string(36) 1
        auth_method AuthMethod 1; location Location 1; meter_id string(255) ?; currency string(3) 1; tariffs Tariff *
        charging_periods ChargingPeriod +; total_cost number 1; total_energy number 1; total_time number 1
        total_parking_time number ?; remark string(255) ?; last_updated DateTime 1""",
    "ChargingPeriod": "start_date_time DateTime 1; dimensions CdrDimension +",
    "CdrDimension": "type CdrDimensionType 1; volume number 1",
    # mod_tokens.md 3 and 4
    "Token": """
        uid string(36) 1; type TokenType 1; auth_id string(36) 1; visual_number string(64) ?; issuer string(64) 1
        valid boolean 1; whitelist WhitelistType 1; language string(2) ?; last_updated DateTime 1""",
    "AuthorizationInfo": "allowed Allowed 1; location LocationReferences ?; info DisplayText ?",
    "LocationReferences": "location_id string(39) 1; evse_uids string(39) *; connector_ids string(36) *",
    # credentials.md 2.1, version_information_endpoint.md, types.md 1.3
    "Credentials": """
        token string(64) 1; url URL 1; business_details BusinessDetails 1; party_id string(3) 1
        country_code string(2) 1""",
    "Version": "version VersionNumber 1; url URL 1",
    "VersionDetails": "version VersionNumber 1; endpoints Endpoint +",
    "Endpoint": "identifier ModuleID 1; url URL 1",
    "DisplayText": "language string(2) 1; text string(512) 1",
}

_ENUMS: Final = {
    "Allowed": "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED",
    "AuthMethod": "AUTH_REQUEST WHITELIST",
    "Capability": """
        CHARGING_PROFILE_CAPABLE CREDIT_CARD_PAYABLE REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER
        UNLOCK_CAPABLE""",
    "CdrDimensionType": "ENERGY FLAT MAX_CURRENT MIN_CURRENT PARKING_TIME TIME",
    "ConnectorFormat": "SOCKET CABLE",
    "ConnectorType": """
        CHADEMO DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H
        DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L IEC_60309_2_single_16 IEC_60309_2_three_16
        IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 IEC_62196_T1_COMBO IEC_62196_T2
        IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C TESLA_R TESLA_S""",
    "DayOfWeek": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "EnergySourceCategory": "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER",
    "EnvironmentalImpactCategory": "NUCLEAR_WASTE CARBON_DIOXIDE",
    "Facility": """
        HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BUS_STOP TAXI_STAND
        TRAIN_STATION AIRPORT CARPOOL_PARKING FUEL_STATION WIFI""",
    "ImageCategory": "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER",
    "LocationType": "ON_STREET PARKING_GARAGE UNDERGROUND_GARAGE PARKING_LOT OTHER UNKNOWN",
    "ModuleID": "cdrs commands credentials locations sessions tariffs tokens",
    "ParkingRestriction": "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
    "PowerType": "AC_1_PHASE AC_3_PHASE DC",
    "SessionStatus": "ACTIVE COMPLETED INVALID PENDING",
    "Status": "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN",
    "TariffDimensionType": "ENERGY FLAT PARKING_TIME TIME",
    "TokenType": "OTHER RFID",
    "VersionNumber": "2.0 2.1 2.1.1",
    "WhitelistType": "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER",
}

ENUMS: Final = {name: tuple(values.split()) for name, values in _ENUMS.items()}

FORMS: Final = {
    # FMT-12, FMT-13, FMT-22; TY 1.3; CR 2.1: a pattern beside the length, and an example
    "latitude": (r"-?[0-9]{1,2}\.[0-9]{6}", "52.090737"),
    "longitude": (r"-?[0-9]{1,3}\.[0-9]{6}", "5.121420"),
    "RegularHours.period_begin": (r"([0-1][0-9]|2[0-3]):[0-5][0-9]", "08:00"),
    "RegularHours.period_end": (r"([0-1][0-9]|2[0-3]):[0-5][0-9]", "20:00"),
    "start_time": (r"([0-1][0-9]|2[0-3]):[0-5][0-9]", "08:00"),
    "end_time": (r"([0-1][0-9]|2[0-3]):[0-5][0-9]", "20:00"),
    "start_date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-01-01"),
    "end_date": (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "2026-12-31"),
    "country": (r"[A-Z]{3}", "NLD"),
    "currency": (r"[A-Z]{3}", "EUR"),
    "language": (r"[A-Za-z]{2}", "nl"),
    "token": (r"[\x21-\x7E]{1,64}", "a-token"),
    "party_id": (r"[A-Za-z0-9]{3}", "ABC"),
    "country_code": (r"[A-Za-z]{2}", "NL"),
    "time_zone": (r".*", "Europe/Amsterdam"),  # FMT-18 only warns
}
RANGES: Final = {
    # the least, the most, and an example
    "weekday": (1, 7, 1),
    "percentage": (0, 100, 100),
    "step_size": (0, 2**31 - 1, 300),
}
_DATE_TIME: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


@dataclass(frozen=True)
class Field:
    """One row of a table."""

    owner: str
    name: str
    type: str
    cardinality: str

    @property
    def is_required(self) -> bool:
        return self.cardinality in "1+"

    @property
    def is_list(self) -> bool:
        return self.cardinality in "*+"

    @property
    def is_string(self) -> bool:
        return self.type.startswith(("string(", "CiString(")) or self.type == "URL"

    @property
    def length(self) -> int:
        """The longest string that the spec allows."""
        return 255 if self.type == "URL" else int(self.type.partition("(")[2].removesuffix(")"))

    @property
    def form(self) -> tuple[str, str] | None:
        """A pattern beside the length and an example, for strings that are no free text."""
        return FORMS.get(f"{self.owner}.{self.name}") or FORMS.get(self.name)


OBJECTS: Final = tuple(_TABLES)


def fields(name: str) -> dict[str, Field]:
    """The rows of an object's table by field."""
    rows = re.split(r"[;\n]", _TABLES[name].strip())
    return {field.name: field for field in (Field(name, *row.split()) for row in rows)}


def objections(name: str, value: Json, where: str = "") -> list[str]:
    """What is wrong with an object that a node sends; unknown fields are not."""
    table = fields(name)
    found = [
        f"{where}{field.name} is missing" for field in table.values() if field.is_required and field.name not in value
    ]
    for field in (table[key] for key in value if key in table):
        here, given = f"{where}{field.name}", value[field.name]
        elements = given if field.is_list else [given]
        if given in (None, []) or not isinstance(elements, list):
            found.append(f"{here} is null, empty, or no list")
            continue
        found += [text for element in elements for text in _objections(field, element, here)]
    return found


def _objections(field: Field, value: Json, here: str) -> list[str]:
    if field.type in _TABLES:
        return objections(field.type, value, f"{here}.") if isinstance(value, dict) else [f"{here} is no object"]
    return [] if _is_right(field, value) else [f"{here} is not {field.type}"]


def _is_right(field: Field, value: Json) -> bool:
    if field.type in ENUMS:
        return value in ENUMS[field.type]
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.is_string or field.type == "DateTime":
        pattern = _DATE_TIME if field.type == "DateTime" else field.form[0] if field.form else r"[^\x00-\x08\x0e-\x1f]*"
        limit = 25 if field.type == "DateTime" else field.length
        return isinstance(value, str) and len(value) <= limit and bool(re.fullmatch(pattern, value))
    low, high, _ = RANGES.get(field.name, (-(10**12), 10**12, 0))
    whole = isinstance(value, int) and not isinstance(value, bool)
    is_number = whole or (field.type == "number" and isinstance(value, float) and round(value, 4) == value)
    return is_number and low <= value <= high
