"""What every answer must look like, whatever was asked. Spec: transport_and_format.md, Response format."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from chalicelib.ocpi.http import Response

_FIELDS = {"data", "status_code", "status_message", "timestamp"}


def objections(response: Response, now: datetime) -> list[str]:
    """What is wrong with the frame of an answer that was given at about ``now`` (TRA-10, TRA-11, FMT-01)."""
    if response.headers.get("content-type") != "application/json":
        return [f"content type {response.headers.get('content-type')}"]
    try:
        frame: Any = json.loads(response.body.decode(), parse_constant=_refuse)
    except ValueError as broken:
        return [f"not JSON: {broken}"]
    if not isinstance(frame, dict):
        return ["no JSON object"]
    found = [f"{name} has no place here" for name in frame.keys() - _FIELDS]
    code, stamp = frame.get("status_code"), frame.get("timestamp")
    if type(code) is not int or not 1000 <= code <= 9999:
        found.append("status_code is no integer of four digits")
    if not isinstance(stamp, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp):
        found.append("timestamp is not YYYY-MM-DDThh:mm:ssZ")
    elif abs((datetime.fromisoformat(stamp) - now).total_seconds()) > 60:
        found.append("timestamp is not about now")
    if not isinstance(frame.get("status_message", ""), str):
        found.append("status_message is no string")
    if response.status >= 300 and "data" in frame:
        found.append("an HTTP error carries data")
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
