"""Mounts every URL on Chalice, each path with all methods, so that our code answers and never the framework."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from chalice.app import Chalice
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.bootstrap.company import NoPublicUrlError
from chalicelib.bootstrap.ports import utc_now
from chalicelib.bootstrap.routes import route_table
from chalicelib.entrypoints.operator import api
from chalicelib.entrypoints.running import company, telemetry
from chalicelib.node.serving.node import LARGEST_BODY
from chalicelib.ocpi.envelope import failure
from chalicelib.ocpi.errors import InvalidJson, OcpiError, ServerError
from chalicelib.ocpi.http import Request, Response

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_CORRELATION: Final = ("x-correlation-id", "x-request-id")

Answer = Callable[[Request, str], Response]
"""Makes the response to a request; the second argument is our base URL."""

_LOG = logging.getLogger(__name__)


def mount(app: Chalice) -> None:
    """Mounts the OCPI trees, the operator API, and a catch-all for every other path.

    The routes tell API Gateway what exists. A middleware answers every request, before Chalice could answer one itself,
    so that partners get answers of the node only.
    """
    answers: dict[str, Answer] = dict.fromkeys((endpoint.path for endpoint in route_table()), _ocpi)
    answers |= dict.fromkeys(_with_parent_paths(api.paths()), _operator)
    answers |= dict.fromkeys(("/", "/{proxy+}"), _unknown_path)
    for path in answers:
        app.route(path, methods=METHODS, content_types=["*/*"], name=path)(_never_called)

    def edge(given: ChaliceRequest | None, get_response: Callable[[Any], ChaliceResponse]) -> ChaliceResponse:
        # Chalice has no request where the event is none of API Gateway's, such as a warmer's.
        return get_response(given) if given is None else _respond(given, answers[given.path])

    app.register_middleware(edge, "http")


def _with_parent_paths(paths: Iterable[str]) -> Iterator[str]:
    """The paths, and every parent of each.

    API Gateway prefers a literal segment to a variable one, and does not backtrack: without its parents,
    ``/operator/cdrs/{id}/posting`` would hide ``/operator/{module}/{id}``.
    """
    for path in paths:
        segments = path.split("/")
        yield from ("/".join(segments[:end]) for end in range(2, len(segments) + 1))


def _never_called(**_params: str) -> None:
    """The view of every route; the middleware answers before it would be called."""


def _ocpi(request: Request, base_url: str) -> Response:
    return company().node.handle(request, base_url, request.headers[_CORRELATION[0]])


def _operator(request: Request, _base_url: str) -> Response:
    return api.answer(company(), request)


def _unknown_path(request: Request, base_url: str) -> Response:
    is_operator = request.url == api.ROOT or request.url.startswith(f"{api.ROOT}/")
    return _operator(request, base_url) if is_operator else _ocpi(request, base_url)


def _respond(given: ChaliceRequest, answer: Answer) -> ChaliceResponse:
    correlation_id = _correlation_id(given.headers)
    try:
        with telemetry().event("http", correlation_id):
            response = answer(_request(given, correlation_id), _base_url(given))
    except OcpiError as broken:
        response = failure(utc_now(), broken)
    except Exception:  # noqa: BLE001 - the edge: a node that cannot even start still answers in an envelope
        _LOG.exception("the node cannot answer")
        unexpected = ServerError(f"unexpected failure; reference {correlation_id}")
        response = failure(utc_now(), unexpected)
        if answer is _operator:
            # The operator API says by the HTTP status that it failed, where OCPI answers 200.
            response = replace(response, status=500)
    headers: dict[str, str | list[str]] = {_canonical_name(name): value for name, value in response.headers.items()}
    headers["X-Correlation-ID"] = correlation_id
    # A HEAD is answered without a body, whatever GET would say.
    body = "" if given.method == "HEAD" else response.body.decode()
    return ChaliceResponse(body=body, headers=headers, status_code=response.status)


def _request(given: ChaliceRequest, correlation_id: str) -> Request:
    params = given.uri_params or {}
    url = re.sub(r"\{(\w+)\+?\}", lambda name: str(params.get(name[1], "")), given.path)
    headers = {str(name): str(value) for name, value in given.headers.items()} | {_CORRELATION[0]: correlation_id}
    query = {str(name): str(value) for name, value in (given.query_params or {}).items()}
    return Request(
        method=given.method, url=url, headers=headers, query=query, body=_body(given.raw_body, given.headers)
    )


def _body(raw: bytes | str, headers: Mapping[str, str]) -> bytes:
    """The body, decompressed if it is gzip; at most one byte more than ``LARGEST_BODY`` (Q-26)."""
    body = raw.encode() if isinstance(raw, str) else raw
    if headers.get("content-encoding", "").lower() != "gzip" or not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        raise InvalidJson("the body is not gzip, although Content-Encoding says so") from None


def _correlation_id(headers: Mapping[str, str]) -> str:
    """The correlation id that the caller sent, if it is short and plain; else a fresh one."""
    given = next((headers[name] for name in _CORRELATION if headers.get(name)), "")
    return given if re.fullmatch(r"[\w.:/+=-]{1,64}", given, re.ASCII) else uuid4().hex


def _base_url(given: ChaliceRequest) -> str:
    """Our base URL: as configured or recorded; if neither, the one that this request was sent to, which is recorded."""
    try:
        return company().public_url()
    except NoPublicUrlError:
        context: Mapping[str, Any] = given.context
        # API Gateway tells the name by which it was called. A local server has only the caller's Host header.
        domain, stage = context.get("domainName"), context.get("stage", "")
        called = f"https://{domain}/{stage}" if domain else f"http://{given.headers.get('host', 'localhost')}"
        company().ports.partners.record_public_url(called)
        return company().public_url()


def _canonical_name(name: str) -> str:
    # Chalice looks for "Content-Type" in exactly this spelling.
    return "-".join(part.capitalize() for part in name.split("-"))


def routes_markdown() -> str:
    """Every OCPI endpoint as a table, for docs/routes.md."""
    lines = [
        "# Routes",
        "",
        "Generated by `make docs` from the endpoints that the node really serves. Other methods are answered 405,",
        "other paths 404. The host's own API is described by `GET /operator/openapi.json`.",
        "",
        "| tree | module | interface | path | methods |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {endpoint.role} | {endpoint.module} | {endpoint.interface or '-'} | `{endpoint.path}` "
        f"| {', '.join(endpoint.methods) or '(none: the published URL, answered 405)'} |"
        for endpoint in route_table()
    ]
    return "\n".join(lines) + "\n"
