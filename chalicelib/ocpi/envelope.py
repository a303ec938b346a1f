"""The frame around every answer: ours written, theirs opened. Spec: transport_and_format.md, Response format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from chalicelib.ocpi.errors import OcpiError, UnableToUseApi
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.reading import parse
from chalicelib.ocpi.types import format_date_time

SUCCESS: Final = 1000
_LONGEST_MESSAGE: Final = 500
_HEADERS: Final = {"content-type": "application/json"}


def success(
    now: datetime, data: bytes | None = None, *, created: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """A success answer around ``data``, ready JSON that is passed on as it is; None sends no ``data`` (Q-14)."""
    payload = b"" if data is None else b'"data":' + data + b","
    stamp = format_date_time(now).encode()
    body = b"{" + payload + b'"status_code":1000,"timestamp":"' + stamp + b'"}'
    return Response(201 if created else 200, {**_HEADERS, **(headers or {})}, body)


def json_list(bodies: Iterable[bytes]) -> bytes:
    """A JSON array of ready JSON values."""
    return b"[" + b",".join(bodies) + b"]"


def failure(now: datetime, error: OcpiError) -> Response:
    """The answer that ``error`` deserves."""
    frame = {
        "status_code": error.status_code,
        "status_message": str(error)[:_LONGEST_MESSAGE],
        "timestamp": format_date_time(now),
    }
    return Response(error.http_status, {**_HEADERS, **error.headers}, json.dumps(frame).encode())


def opened(response: Response, what: str) -> Any:
    """The ``data`` of a partner's success answer; None when there is none.

    Args:
        response: what the partner answered.
        what: what we asked for, to name it in the error, such as ``GET versions``.

    Raises:
        UnableToUseApi: not a success: an HTTP error, an OCPI status of 2000 or more, or no envelope (TRA-14).
    """
    frame = _frame(response)
    code, message = _status_of(frame)
    if 200 <= response.status < 300 and code is not None and 1000 <= code < 2000:
        return frame.get("data")
    status = f"OCPI status {code}" if code is not None else "no OCPI envelope"
    said = f": {message[:200]}" if message else ""
    raise UnableToUseApi(f"{what} was answered with HTTP {response.status} and {status}{said}")


def code_of(response: Response) -> tuple[int | None, str]:
    """The OCPI status code and message of an answer, as far as it has them."""
    return _status_of(_frame(response))


def accepted(response: Response) -> bool:
    """Whether a push was taken: a 2xx whose envelope, if it is not left out, says 1xxx or nothing (TRA-14, Q-14)."""
    code, _ = code_of(response)
    if code is None and response.body.strip() and not _is_json(response.body):
        # What answers in no JSON is something in front of the partner's node.
        return False
    return 200 <= response.status < 300 and (code is None or 1000 <= code < 2000)


def _status_of(frame: Mapping[str, Any]) -> tuple[int | None, str]:
    code, message = frame.get("status_code"), frame.get("status_message")
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return (code if is_code else None), (message if isinstance(message, str) else "")


def _is_json(body: bytes) -> bool:
    try:
        parse(body)
    except OcpiError:
        return False
    return True


def _frame(response: Response) -> Mapping[str, Any]:
    try:
        frame = parse(response.body)
    except OcpiError:
        return {}
    return frame if isinstance(frame, dict) else {}
