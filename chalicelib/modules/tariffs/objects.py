"""The objects of the Tariffs chapter: prices per unit, excluding VAT. Spec: mod_tariffs.md 3 and 4."""

from __future__ import annotations

from typing import Annotated

from pydantic import ValidationInfo, field_validator

from chalicelib.modules.locations.objects import EnergyMix
from chalicelib.ocpi.types import (
    Between,
    ClockTime,
    DateTime,
    Day,
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

DAY_OF_WEEK = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

Currency = Annotated[str, Matches(pattern=r"[A-Z]{3}", rule="FMT-16", form="an ISO 4217 currency")]
"""Three capital letters; not checked against a list, so that a tariff in a new currency is not refused."""


class PriceComponent(OcpiObject):
    """A price in the tariff's currency per kWh (ENERGY), hour (TIME, PARKING_TIME) or session (FLAT), excluding VAT.

    ``step_size`` is the smallest amount billed: Wh, seconds, or nothing for FLAT. Spec: mod_tariffs.md 4.2.
    """

    type: Annotated[str, OneOf(("ENERGY", "FLAT", "PARKING_TIME", "TIME"))]
    price: Number
    step_size: Annotated[Int, Between(low=0, high=2**31 - 1, rule="TAR-10")]


class TariffRestrictions(OcpiObject):
    """When an element applies: local times and days, kWh, kW, and seconds since the start. Spec: mod_tariffs.md 4.5."""

    start_time: ClockTime | None = None
    end_time: ClockTime | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Int | None = None
    max_duration: Int | None = None
    day_of_week: OptionalList[Annotated[str, OneOf(DAY_OF_WEEK)]] = None


class TariffElement(OcpiObject):
    """Prices and when they apply. Spec: mod_tariffs.md 4.3."""

    price_components: NonEmptyList[PriceComponent]
    restrictions: TariffRestrictions | None = None


class Tariff(OcpiObject):
    """What charging costs, excluding VAT. Spec: mod_tariffs.md 3.1."""

    id: Annotated[str, Text(limit=36, least=1)]
    currency: Currency
    tariff_alt_text: OptionalList[DisplayText] = None
    tariff_alt_url: Url | None = None
    elements: NonEmptyList[TariffElement]
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    @field_validator("elements")
    @classmethod
    def _last_one_always_applies(cls, elements: list[TariffElement], info: ValidationInfo) -> list[TariffElement]:
        if elements[-1].restrictions not in (None, TariffRestrictions()) and not tolerated(info, Tolerance.STRICT):
            raise breach("TAR-08", "ends with an element that has restrictions, so there may be no price at all")
        return elements
