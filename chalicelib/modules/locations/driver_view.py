"""What drivers may see of a location that a CPO sent: no removed EVSEs, and the operator by default.

Spec: mod_locations.md 1, 3.1; rules LOC-19, LOC-20, LOC-26 to LOC-28.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.ocpi.parts import Json


def driver_view(location: Json, business_details: Mapping[str, Any]) -> Json | None:
    """The location without EVSEs that are REMOVED; None if no other is left, because it has then expired (LOC-20).

    Args:
        location: as the CPO sent it.
        business_details: the CPO's own, which is the operator where the location names none (LOC-28).
    """
    evses = [evse for evse in location.get("evses", ()) if evse["status"] != "REMOVED"]
    if not evses:
        return None
    defaults = {"operator": dict(business_details)} if business_details else {}
    return defaults | location | {"evses": evses}
