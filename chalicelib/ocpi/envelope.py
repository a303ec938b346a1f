"""The envelope around the data of every answer: ours written, theirs read.

Spec: transport_and_format.md, Response format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from chalicelib.ocpi.answer import Answer
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
    """Our answer to a request that went well: HTTP 200, or 201 where something was created, and OCPI status 1000.

    Args:
        now: the time, for the envelope's ``timestamp``.
        data: the envelope's ``data`` as JSON, which is not parsed; None leaves the field out (Q-14).
        created: whether the request created an object (TRA-26).
        headers: more HTTP headers, beside the content type.
    """
    payload = b"" if data is None else b'"data":' + data + b","
    stamp = format_date_time(now).encode()
    body = b"{" + payload + b'"status_code":1000,"timestamp":"' + stamp + b'"}'
    return Response(201 if created else 200, {**_HEADERS, **(headers or {})}, body)


def json_list(bodies: Iterable[bytes]) -> bytes:
    """A JSON array of these JSON values, none of which is parsed."""
    return b"[" + b",".join(bodies) + b"]"


def failure(now: datetime, error: OcpiError) -> Response:
    """Our answer to a request that failed with ``error``, with its HTTP status, OCPI status and headers."""
    frame = {
        "status_code": error.status_code,
        "status_message": message_of(error),
        "timestamp": format_date_time(now),
    }
    return Response(error.http_status, {**_HEADERS, **error.headers}, json.dumps(frame).encode())


def message_of(error: OcpiError) -> str:
    """What a failure answer says in its ``status_message``: the error's text, cut to 500 characters."""
    return str(error)[:_LONGEST_MESSAGE]


def read_answer(response: Response) -> Answer:
    """The partner's answer, its body parsed; a body that is no envelope, or no JSON at all, is no error."""
    frame, is_json = _parsed(response.body)
    code, message = frame.get("status_code"), frame.get("status_message")
    return Answer(
        http_status=response.status,
        headers=response.headers,
        status_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        status_message=message if isinstance(message, str) else "",
        data=frame.get("data"),
        is_json=is_json,
    )


def data_of(answer: Answer, what: str) -> Any:
    """The ``data`` of a partner's success answer, a JSON value; None if it has none.

    Args:
        answer: what the partner answered.
        what: what we asked for, to name it in the error, such as ``GET versions``.

    Raises:
        UnableToUseApi: no success: an HTTP error, an OCPI status of 2000 or more, or no envelope (TRA-14).
    """
    if answer.is_success:
        return answer.data
    status = f"OCPI status {answer.status_code}" if answer.status_code is not None else "no OCPI envelope"
    message = f": {answer.status_message[:200]}" if answer.status_message else ""
    raise UnableToUseApi(f"{what} was answered with HTTP {answer.http_status} and {status}{message}")


def _parsed(body: bytes) -> tuple[Mapping[str, Any], bool]:
    """The JSON object in the body, an empty one if it holds none; and whether it is JSON, or empty."""
    try:
        frame = parse(body)
    except OcpiError:
        return {}, not body.strip()
    return (frame if isinstance(frame, dict) else {}), True
