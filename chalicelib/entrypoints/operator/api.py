"""The operator API: authenticates a request by its operator key, finds the operation, answers in JSON."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints.operator import charging, commands, events, objects, outbox, partners, pulls, quarantine
from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply
from chalicelib.node.partners.store import OperatorKey
from chalicelib.ocpi.errors import (
    BodyTooLarge,
    ClientError,
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    PartnerError,
)
from chalicelib.ocpi.http import Request, Response

__all__ = ["OPERATIONS", "ROOT", "answer", "paths"]

_LOG = logging.getLogger(__name__)

_LARGEST_BODY: Final = 6 * 1024 * 1024
"""The limit of Lambda, in bytes; a larger import is sent in several requests."""


def _openapi(_call: OperatorCall) -> OperatorReply:
    from chalicelib.entrypoints.operator.openapi import description

    return OperatorReply(description(OPERATIONS))


OPERATIONS: Final = (
    Operation(method="GET", path=f"{ROOT}/openapi.json", summary="This description", handler=_openapi),
    *partners.OPERATIONS,
    *charging.OPERATIONS,
    *commands.OPERATIONS,
    *pulls.OPERATIONS,
    *events.OPERATIONS,
    *outbox.OPERATIONS,
    *quarantine.OPERATIONS,
    *objects.OPERATIONS,
)


def paths() -> tuple[str, ...]:
    """Every path of this API, as Chalice mounts them."""
    return tuple(dict.fromkeys(operation.path for operation in OPERATIONS))


def answer(company: Company, request: Request) -> Response:
    """The answer to a request of the host; never an exception."""
    try:
        roles = _authenticated(company, request).roles
        operation, params = _operation(request)
        if len(request.body) > _LARGEST_BODY:
            raise BodyTooLarge(f"the body is larger than {_LARGEST_BODY} bytes")
        reply = operation.handler(OperatorCall(company, request, params, roles))
    except OcpiError as error:
        return _json(_http_status(error), {"error": str(error), "details": []}, error.headers)
    except Exception:  # noqa: BLE001 - the edge: whatever happened, the host gets an answer
        _LOG.exception("unexpected failure in %s %s", request.method, request.url)
        return _json(500, {"error": "unexpected failure", "details": [request.headers.get("x-correlation-id", "")]})
    return _json(reply.status, reply.value)


class _NotAllowed(ClientError):
    http_status = 401


def _authenticated(company: Company, request: Request) -> OperatorKey:
    """The operator key of the request.

    Raises:
        _NotAllowed: there is no key, or not one of ours.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    digest = hashlib.sha256(key.strip().encode(errors="replace")).hexdigest()
    found = company.ports.partners.operator_key(digest) if scheme.lower() == "bearer" else None
    if found is None:
        raise _NotAllowed("send 'Authorization: Bearer <operator key>'; create one with: python -m cli keys create")
    return found


def _operation(request: Request) -> tuple[Operation, dict[str, str]]:
    """The operation of a request, of the most literal path that matches, and the decoded parameters of its URL.

    Raises:
        NotFound: no path matches.
        MethodNotAllowed: the path has no such method.
    """
    segments = request.url.removesuffix("/").split("/")
    matching = [path for path in paths() if _matches(path.split("/"), segments)]
    if not matching:
        raise NotFound("there is nothing at this URL; see GET /operator/openapi.json")
    # The most literal path last, so that it is preferred: POST /operator/cdrs next to PUT /operator/{module}.
    matching.sort(key=lambda path: path.count("{"), reverse=True)
    here = {each.method: each for path in matching for each in OPERATIONS if each.path == path}
    if request.method not in here:
        raise MethodNotAllowed(f"{request.method} is not supported here; see GET /operator/openapi.json", here)
    pairs = zip(here[request.method].path.split("/"), segments, strict=True)
    return here[request.method], {name[1:-1]: unquote(segment) for name, segment in pairs if name.startswith("{")}


def _matches(pattern: Sequence[str], segments: Sequence[str]) -> bool:
    return len(pattern) == len(segments) and all(
        expected == segment or expected.startswith("{") for expected, segment in zip(pattern, segments, strict=True)
    )


def _http_status(error: OcpiError) -> int:
    """The HTTP status of an error in this API; OCPI itself answers most errors with 200."""
    if isinstance(error, PartnerError):
        return 502
    if isinstance(error, InvalidParameters):
        return 422
    if error.http_status != 200:
        return error.http_status
    return 409 if isinstance(error, ClientError) else 503


def _json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False).encode()
    return Response(status, {"content-type": "application/json", **(headers or {})}, body)
