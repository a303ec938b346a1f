"""Valid objects of every shape that the spec allows, drawn by hypothesis."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from chalicelib.modules.cdrs import objects as receipts
from chalicelib.modules.locations import objects as places
from chalicelib.modules.sessions import objects as charges
from chalicelib.modules.tariffs import objects as prices
from chalicelib.modules.tokens import objects as cards

Json = dict[str, Any]
Drawn = st.SearchStrategy[Any]

stamps = st.datetimes(datetime(2015, 1, 1), datetime(2026, 2, 1)).map(lambda when: f"{when:%Y-%m-%dT%H:%M:%SZ}")  # noqa: DTZ001 - UTC by its form
urls = st.sampled_from(["https://example.com/x", "http://img.example/a?b=c#d"])
STAMPED = {"last_updated": stamps}
numbers = st.integers(-(10**8), 10**8).map(lambda n: n / 10_000)
amounts = st.integers(0, 10**4) | st.integers(0, 10**8).map(lambda n: n / 10_000)
booleans = st.booleans()


def texts(longest: int, least: int = 0) -> Drawn:
    """Text in any script, without control characters."""
    return st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=least, max_size=min(longest, 12))


def some(values: Drawn, least: int = 0) -> Drawn:
    """A short list."""
    return st.lists(values, min_size=least, max_size=2)


def maybe(**fields: Drawn) -> dict[str, Drawn]:
    """Optional fields, which may be null as well."""
    return {name: st.none() | values for name, values in fields.items()}


def an_object(required: dict[str, Drawn], optional: dict[str, Drawn] | None = None) -> Drawn:
    """A JSON object."""
    return st.fixed_dictionaries(required, optional=optional or {})


display_texts = an_object({"language": st.sampled_from(["en", "de", "nl"]), "text": texts(512)})
coordinates = st.tuples(st.integers(-89, 89), st.integers(-179, 179), st.integers(100_000, 999_999)).map(
    lambda n: {"latitude": f"{n[0]}.{n[2]}", "longitude": f"{n[1]}.{n[2]}"}
)
images = an_object(
    {"url": urls, "category": st.sampled_from(places.IMAGE_CATEGORY), "type": st.sampled_from(["gif", "png", "jpeg"])},
    maybe(thumbnail=urls, width=st.integers(0, 99_999), height=st.integers(0, 99_999)),
)
business_details = an_object({"name": texts(100)}, maybe(website=urls, logo=images))
periods = st.tuples(stamps, stamps).map(lambda two: {"period_begin": min(two), "period_end": max(two)})
energy_mixes = an_object(
    {"is_green_energy": booleans},
    maybe(
        energy_sources=st.just([{"source": "WIND", "percentage": 59.5}, {"source": "SOLAR", "percentage": 40.5}]),
        environ_impact=some(an_object({"source": st.just("CARBON_DIOXIDE"), "amount": amounts})),
        supplier_name=texts(64),
        energy_product_name=texts(64),
    ),
)
regular_hours = st.integers(1, 7).map(lambda day: {"weekday": day, "period_begin": "08:00", "period_end": "20:00"})
hours = an_object(
    {"twentyfourseven": st.just(True)}, maybe(exceptional_openings=some(periods), exceptional_closings=some(periods))
) | an_object({"twentyfourseven": st.just(False), "regular_hours": some(regular_hours, 1)})

connector_fields = {
    "standard": st.sampled_from(places.CONNECTOR_TYPE),
    "format": st.sampled_from(["SOCKET", "CABLE"]),
    "power_type": st.sampled_from(["AC_1_PHASE", "AC_3_PHASE", "DC"]),
    "voltage": st.integers(0, 1000),
    "amperage": st.integers(0, 1000),
}
connector_options = maybe(tariff_id=texts(36), terms_and_conditions=urls)

evse_fields = {"status": st.sampled_from(places.STATUS)}
evse_options = maybe(
    evse_id=texts(48),
    status_schedule=some(an_object({"period_begin": stamps, "status": st.sampled_from(places.STATUS)})),
    capabilities=some(st.sampled_from(places.CAPABILITY)),
    floor_level=texts(4),
    coordinates=coordinates,
    physical_reference=texts(16),
    directions=some(display_texts),
    parking_restrictions=some(st.sampled_from(places.PARKING_RESTRICTION)),
    images=some(images),
)
location_fields = {
    "type": st.sampled_from(places.LOCATION_TYPE),
    "address": texts(45),
    "city": texts(45),
    "postal_code": texts(10),
    "country": st.sampled_from(["NLD", "DEU", "BEL"]),
    "coordinates": coordinates,
}
location_options = maybe(
    name=texts(255),
    related_locations=some(coordinates),
    directions=some(display_texts),
    operator=business_details,
    suboperator=business_details,
    owner=business_details,
    facilities=some(st.sampled_from(places.FACILITY)),
    time_zone=st.sampled_from(["Europe/Amsterdam", "Europe/Berlin"]),
    opening_times=hours,
    charging_when_closed=booleans,
    images=some(images),
    energy_mix=energy_mixes,
)
restrictions = an_object(
    {},
    maybe(
        start_time=st.just("08:00"),
        end_time=st.just("19:59"),
        start_date=st.just("2026-01-01"),
        min_kwh=amounts,
        max_power=amounts,
        max_duration=st.integers(0, 86_400),
        day_of_week=some(st.sampled_from(prices.DAY_OF_WEEK)),
    ),
)
price_components = an_object(
    {
        "type": st.sampled_from(["ENERGY", "FLAT", "TIME", "PARKING_TIME"]),
        "price": amounts,
        "step_size": st.integers(0, 9999),
    }
)
tariff_fields = {
    "currency": st.sampled_from(["EUR", "CHF"]),
    "elements": some(an_object({"price_components": some(price_components, 1)}, {"restrictions": restrictions}), 1),
}
tariff_options = maybe(tariff_alt_text=some(display_texts), tariff_alt_url=urls, energy_mix=energy_mixes)


def connectors(ids: Drawn) -> Drawn:
    """A Connector."""
    return an_object({"id": ids, **connector_fields, "last_updated": stamps}, connector_options)


def evses(uids: Drawn) -> Drawn:
    """An EVSE with one or two connectors."""
    inside = st.lists(connectors(st.sampled_from(["1", "2"])), min_size=1, max_size=2, unique_by=lambda c: c["id"])
    return an_object({"uid": uids, **evse_fields, "connectors": inside, "last_updated": stamps}, evse_options)


def locations(ids: Drawn, least: int = 0) -> Drawn:
    """A Location with up to three EVSEs."""
    inside = st.lists(
        evses(st.sampled_from(["E1", "E2", "E3"])), min_size=least, max_size=3, unique_by=lambda evse: evse["uid"]
    )
    options = location_options if least else location_options | maybe(evses=inside)
    required = {"id": ids, **location_fields, "last_updated": stamps} | ({"evses": inside} if least else {})
    return an_object(required, options)


def tariffs(ids: Drawn) -> Drawn:
    """A Tariff."""
    return an_object({"id": ids, **tariff_fields, "last_updated": stamps}, tariff_options)


auth_fields = {
    "auth_id": texts(36),
    "auth_method": st.sampled_from(receipts.AUTH_METHOD),
    "location": locations(texts(39, 1), least=1),
    "currency": st.sampled_from(["EUR", "CHF"]),
}
charging_periods = some(
    an_object(
        {
            "start_date_time": stamps,
            "dimensions": some(an_object({"type": st.sampled_from(receipts.DIMENSION), "volume": amounts}), 1),
        }
    ),
    1,
)
session_options = maybe(
    end_datetime=stamps, meter_id=texts(255), charging_periods=st.just([]) | charging_periods, total_cost=amounts
)
cdr_fields = {
    "start_date_time": stamps,
    "stop_date_time": stamps,
    "charging_periods": charging_periods,
    "total_cost": amounts,
    "total_energy": amounts,
    "total_time": amounts,
}
token_fields = {
    "type": st.sampled_from(cards.TOKEN_TYPE),
    "auth_id": texts(36),
    "issuer": texts(64),
    "valid": booleans,
    "whitelist": st.sampled_from(cards.WHITELIST_TYPE),
}


def sessions(ids: Drawn) -> Drawn:
    """A Session, whose times and amounts need not agree."""
    status = {"status": st.sampled_from(charges.SESSION_STATUS), "kwh": amounts}
    return an_object({"id": ids, "start_datetime": stamps, **auth_fields, **status} | STAMPED, session_options)


def cdrs(ids: Drawn) -> Drawn:
    """A CDR, whose times and amounts need not agree."""
    options = maybe(meter_id=texts(255), total_parking_time=amounts, remark=texts(255))
    return an_object({"id": ids, **auth_fields, **cdr_fields} | STAMPED, options | maybe(tariffs=some(tariffs(ids))))


def tokens(ids: Drawn) -> Drawn:
    """A Token."""
    options = maybe(visual_number=texts(64), language=st.sampled_from(["en", "nl"]))
    return an_object({"uid": ids, **token_fields} | STAMPED, options)


def objects(module: str, ids: Drawn) -> Drawn:
    """An object of any module."""
    drawn = {"locations": locations, "sessions": sessions, "cdrs": cdrs, "tariffs": tariffs, "tokens": tokens}
    return drawn[module](ids)


junk: Drawn = st.recursive(
    st.none() | booleans | numbers | st.integers() | texts(20) | stamps,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(8), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON value."""


def significant(value: Any) -> Any:
    """The value without what means nothing: nulls and empty lists (TRA-36)."""
    if isinstance(value, dict):
        kept = {name: significant(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, [])}
    return [significant(each) for each in value] if isinstance(value, list) else value
