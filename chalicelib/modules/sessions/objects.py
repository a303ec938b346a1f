"""The object of the Sessions chapter. Spec: mod_sessions.md 3 and 4."""

from __future__ import annotations

from typing import Annotated

from pydantic import ValidationInfo, field_validator

from chalicelib.modules.cdrs.objects import AuthMethod, ChargingPeriod, is_one_connector
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.tariffs.objects import Currency
from chalicelib.ocpi.types import DateTime, Number, OcpiObject, OneOf, OptionalList, Text, Tolerance, breach, tolerated

SESSION_STATUS = ("ACTIVE", "COMPLETED", "INVALID", "PENDING")


class Session(OcpiObject):
    """A car at a charge point, from the first authorization to the last kWh. Spec: mod_sessions.md 3.1.

    ``kwh`` is in kWh; ``total_cost`` excludes VAT, and if it is left out the cost is not known. ``location``
    holds only the EVSE and connector in use.
    """

    id: Annotated[str, Text(limit=36, least=1)]
    start_datetime: DateTime
    end_datetime: DateTime | None = None
    kwh: Number
    auth_id: Annotated[str, Text(limit=36)]
    auth_method: AuthMethod
    location: Location
    meter_id: Annotated[str, Text(limit=255)] | None = None
    currency: Currency
    charging_periods: OptionalList[ChargingPeriod] = None
    total_cost: Number | None = None
    status: Annotated[str, OneOf(SESSION_STATUS)]
    last_updated: DateTime

    @field_validator("location")
    @classmethod
    def _only_what_is_used(cls, location: Location, info: ValidationInfo) -> Location:
        if not is_one_connector(location) and not tolerated(info, Tolerance.STRICT):
            raise breach("SES-08", "does not hold exactly the EVSE and the connector in use")
        return location
