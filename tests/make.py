"""Valid objects for tests; what matters to a test it says itself, the rest comes from here."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

STAMP = "2026-01-01T00:00:00Z"


def connector(id: str = "1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """A Connector."""
    return {
        "id": id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "voltage": 230,
        "amperage": 32,
        "last_updated": STAMP,
    } | fields


def evse(uid: str = "E1", **fields: Any) -> Json:
    """An EVSE with one connector."""
    return {"uid": uid, "status": "AVAILABLE", "connectors": [connector()], "last_updated": STAMP} | fields


def location(id: str = "LOC1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """A Location with one EVSE."""
    return {
        "id": id,
        "type": "ON_STREET",
        "name": "Market square",
        "address": "Market 1",
        "city": "Utrecht",
        "postal_code": "3511AB",
        "country": "NLD",
        "coordinates": {"latitude": "52.090737", "longitude": "5.121420"},
        "evses": [evse()],
        "last_updated": STAMP,
    } | fields


def tariff(id: str = "T1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """A Tariff of 25 cents per kWh."""
    return {
        "id": id,
        "currency": "EUR",
        "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
        "last_updated": STAMP,
    } | fields


def session(id: str = "S1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """A Session that goes on."""
    return {
        "id": id,
        "start_datetime": STAMP,
        "kwh": 1.5,
        "auth_id": "NL-ABC-C1",
        "auth_method": "WHITELIST",
        "location": location(),
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": STAMP,
    } | fields


def cdr(id: str = "C1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """A CDR of two hours and 12.5 kWh."""
    return {
        "id": id,
        "start_date_time": "2026-01-01T00:00:00Z",
        "stop_date_time": "2026-01-01T02:00:00Z",
        "auth_id": "NL-ABC-C1",
        "auth_method": "WHITELIST",
        "location": location(),
        "currency": "EUR",
        "charging_periods": [
            {"start_date_time": "2026-01-01T00:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 12.5}]}
        ],
        "total_cost": 3.13,
        "total_energy": 12.5,
        "total_time": 2,
        "last_updated": "2026-01-01T02:00:00Z",
    } | fields


def token(uid: str = "K1", **fields: Any) -> Json:
    """A valid RFID card."""
    return {
        "uid": uid,
        "type": "RFID",
        "auth_id": "NL-ABC-C1",
        "issuer": "Example Mobility",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": STAMP,
    } | fields


def business_details(**fields: Any) -> Json:
    """A company."""
    return {"name": "Example Charging"} | fields


def credentials(token: str, url: str, **fields: Any) -> Json:
    """A credentials object."""
    return {
        "token": token,
        "url": url,
        "business_details": business_details(),
        "party_id": "ABC",
        "country_code": "NL",
    } | fields


def object_of(module: str, id: str = "X1", **fields: Any) -> Json:  # noqa: A002 - the spec's name
    """An object of any module, for tests that hold for all."""
    makers = {"locations": location, "sessions": session, "cdrs": cdr, "tariffs": tariff, "tokens": token}
    return makers[module](id, **fields)
