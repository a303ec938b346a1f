"""The objects of the CDRs chapter: energy in kWh, times in hours, money excluding VAT. Spec: mod_cdrs.md 3 and 4."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import ValidationInfo, field_validator

from chalicelib.modules.locations.objects import Location
from chalicelib.modules.tariffs.objects import Currency, Tariff
from chalicelib.ocpi.types import (
    DateTime,
    NonEmptyList,
    Number,
    OcpiObject,
    OneOf,
    OptionalList,
    Text,
    Tolerance,
    breach,
    tolerated,
)

AUTH_METHOD = ("AUTH_REQUEST", "WHITELIST")
DIMENSION = ("ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "PARKING_TIME", "TIME")

AuthMethod = Annotated[str, OneOf(AUTH_METHOD)]
"""How the driver was authorized: by the whitelist, or by asking the eMSP. Spec: mod_cdrs.md 4.1."""

_TIME_IS_OFF_BY_H: Final = 0.02
"""Hours that ``total_time`` may differ from stop minus start: rounding, and some seconds of the charge point."""


class CdrDimension(OcpiObject):
    """An amount: kWh for ENERGY, hours for TIME and PARKING_TIME, A for the currents, no unit for FLAT.

    Spec: mod_cdrs.md 4.2 and 4.3.
    """

    type: Annotated[str, OneOf(DIMENSION)]
    volume: Number


class ChargingPeriod(OcpiObject):
    """What was consumed from this start to the start of the next period. Spec: mod_cdrs.md 4.4."""

    start_date_time: DateTime
    dimensions: NonEmptyList[CdrDimension]


class Cdr(OcpiObject):
    """A finished charging session as it is billed. Spec: mod_cdrs.md 3.1.

    ``total_cost`` excludes VAT; ``total_energy`` is in kWh; ``total_time`` (charging or not) and
    ``total_parking_time`` (not charging) are in hours. ``location`` holds only the EVSE and connector that were used.
    """

    # The only identifier whose case does not matter (FMT-07).
    id: Annotated[str, Text(limit=36, least=1)]
    start_date_time: DateTime
    stop_date_time: DateTime
    auth_id: Annotated[str, Text(limit=36)]
    auth_method: AuthMethod
    location: Location
    meter_id: Annotated[str, Text(limit=255)] | None = None
    currency: Currency
    tariffs: OptionalList[Tariff] = None
    charging_periods: NonEmptyList[ChargingPeriod]
    total_cost: Number
    total_energy: Number
    total_time: Number
    total_parking_time: Number | None = None
    remark: Annotated[str, Text(limit=255, lenient=1024)] | None = None
    last_updated: DateTime

    @field_validator("location")
    @classmethod
    def _only_what_was_used(cls, location: Location, info: ValidationInfo) -> Location:
        if not is_one_connector(location) and not tolerated(info, Tolerance.STRICT):
            raise breach("CDR-15", "does not hold exactly the EVSE and the connector that were used")
        return location

    @field_validator("charging_periods")
    @classmethod
    def _one_after_the_other(cls, periods: list[ChargingPeriod], info: ValidationInfo) -> list[ChargingPeriod]:
        starts = [period.start_date_time for period in periods]
        if (starts != sorted(starts) or starts[0] != info.data.get("start_date_time")) and not tolerated(
            info, Tolerance.STRICT
        ):
            raise breach("CDR-12", "are not in order, or do not begin when charging did")
        return periods

    @field_validator("total_time")
    @classmethod
    def _from_start_to_stop(cls, hours: float, info: ValidationInfo) -> float:
        start, stop = info.data.get("start_date_time"), info.data.get("stop_date_time")
        if (
            start
            and stop
            and abs(_hours(start, stop) - hours) > _TIME_IS_OFF_BY_H
            and not tolerated(info, Tolerance.STRICT)
        ):
            raise breach("CDR-13", "is not the time in hours from start_date_time to stop_date_time")
        return hours

    @field_validator("total_parking_time")
    @classmethod
    def _part_of_the_time(cls, hours: float | None, info: ValidationInfo) -> float | None:
        total = info.data.get("total_time")
        if (
            hours is not None
            and total is not None
            and not 0 <= hours <= total
            and not tolerated(info, Tolerance.STRICT)
        ):
            raise breach("CDR-13", "is not a part of total_time")
        return hours


def is_one_connector(location: Location) -> bool:
    """Whether the location holds exactly one EVSE, and that exactly one connector (SES-08, CDR-15)."""
    return location.evses is not None and len(location.evses) == 1 and len(location.evses[0].connectors) == 1


def _hours(start: datetime, stop: datetime) -> float:
    return (stop - start).total_seconds() / 3600
