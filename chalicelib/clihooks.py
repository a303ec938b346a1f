"""Corrections of Chalice's command line: its local server, and the responses that API Gateway makes itself.

Loaded only where ``AWS_CHALICE_CLI_MODE`` is set, never in Lambda. It replaces internals of Chalice, so Chalice is
pinned, and ``tests/infra/test_clihooks.py`` tests every change with Chalice's real server and generator. A class here
replaces Chalice's of the same name, and can be deleted once Chalice does what its docstring says.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalice import local
from chalice.app import Chalice
from chalice.config import Config
from chalice.deploy.models import RestAPI
from chalice.deploy.swagger import SwaggerGenerator

from chalicelib import clipackages

MAX_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's own limit
BLOCK_BYTES = 64 * 1024

TOO_LARGE = "The body is larger than 10 MB"
UNKNOWN_PATH = "Unknown path"


def install() -> None:
    """Put every change in place; doing it again changes nothing."""
    for better in (RouteMatcher, LocalDevServer):
        setattr(local, better.__name__, better)
    setattr(SwaggerGenerator, generate_swagger.__name__, generate_swagger)
    clipackages.install()


def _envelope(message: str) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"status_code": 2000, "status_message": message, "timestamp": now})


class UnknownPath(local.LocalGatewayException):
    """No route matches: 404. Chalice answers 403, as API Gateway does by default."""

    CODE = 404


class RouteMatcher(local.RouteMatcher):
    """Finds routes as API Gateway does: literal segments before variable before greedy ones.

    Chalice's own matches ``{name+}`` with one segment only, and captures values for routes that then do not match.
    """

    def match_route(self, url: str) -> local.MatchResult:
        """The route of a URL and its path parameters, still percent-encoded.

        Raises:
            UnknownPath: no route matches.
        """
        parts = urlsplit(url)
        path = parts.path.removesuffix("/") or "/"
        for route, pattern in _patterns(tuple(self.route_urls)):
            if found := pattern.fullmatch(path):
                return local.MatchResult(route, found.groupdict(), parse_qs(parts.query, keep_blank_values=True))
        raise UnknownPath({}, _envelope(UNKNOWN_PATH).encode())


@functools.cache
def _patterns(routes: tuple[str, ...]) -> Sequence[tuple[str, re.Pattern[str]]]:
    """Every route with its pattern, the most specific first."""
    split = sorted((route.split("/") for route in routes), key=lambda segments: list(map(_rank, segments)))
    return [("/".join(segments), re.compile("/".join(map(_pattern, segments)))) for segments in split]


def _rank(segment: str) -> tuple[int, str]:
    return segment.startswith("{") + segment.endswith("+}"), segment


def _pattern(segment: str) -> str:
    if not segment.startswith("{"):
        return re.escape(segment)
    return f"(?P<{segment[1:-2]}>.+)" if segment.endswith("+}") else f"(?P<{segment[1:-1]}>[^/]+)"


class RequestHandler(local.ChaliceRequestHandler):
    """Serves HTTP/1.1: any method, chunked bodies, no body after HEAD, errors in an OCPI envelope.

    Chalice's own corrupts a connection that is reused after HEAD or after a chunked body, and answers unknown
    methods and broken requests with HTML.
    """

    # Otherwise headers and body are sent as two packets, the second 40 ms after the first.
    wbufsize = BLOCK_BYTES
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        """``do_ANYTHING``: the app answers every method, with 405 if it does not support it."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        try:
            self._body = self._read_body()
        except ValueError as broken:
            self.send_error(400, str(broken))
            return
        if self._body is None:
            self._send_http_response(413, {}, _envelope(TOO_LARGE))
        else:
            self._generic_handle()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = _answer  # noqa: N815 - their names

    def _parse_payload(self) -> tuple[Any, bytes | None]:
        return self.headers, self._body or None

    def _read_body(self) -> bytes | None:
        """The body, or None if it is too large; it is read to its end in any case, because the next request follows it.

        Raises:
            ValueError: its length is not as in the headers or chunks; the connection cannot be reused.
        """
        body = bytearray()
        size = 0
        for block in self._blocks():
            size += len(block)
            if size <= MAX_BODY_BYTES:
                body += block
        return bytes(body) if size <= MAX_BODY_BYTES else None

    def _blocks(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield from self._read_exactly(_size(self.headers.get("Content-Length", "0"), 10))
            return
        while size := _size(self._line().partition(";")[0], 16):
            yield from self._read_exactly(size)
            self._line()
        while self._line():  # a trailer, which is ignored
            pass

    def _line(self) -> str:
        line: bytes = self.rfile.readline(BLOCK_BYTES)
        return line.decode("latin-1").strip()

    def _read_exactly(self, size: int) -> Iterator[bytes]:
        while size:
            block = self.rfile.read(min(size, BLOCK_BYTES))
            if not block:
                raise ValueError("The body ends too early")
            size -= len(block)
            yield block

    def handle_expect_100(self) -> bool:
        """Sends 100 Continue at once, instead of buffering it while the client waits for it."""
        go_on: bool = super().handle_expect_100()
        self.wfile.flush()
        return go_on

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers a request that cannot be read, and closes the connection."""
        self.close_connection = True
        self._send_http_response(code, {"Connection": "close"}, _envelope(message or explain or "Broken request"))

    def _send_http_response(self, code: int, headers: Mapping[str, Any], body: str | bytes | None) -> None:
        payload = body.encode() if isinstance(body, str) else body or b""
        default = {} if "content-type" in map(str.lower, headers) else {"Content-Type": "application/json"}
        self.send_response(code)
        self._send_headers({**default, **headers, "Content-Length": str(len(payload))})
        if self.command != "HEAD":
            self.wfile.write(payload)


def _size(text: str, base: int) -> int:
    if not re.fullmatch(r"[0-9A-Fa-f]+", text.strip()):
        raise ValueError("The length of the body is not a number")
    return int(text, base)


class ThreadedHTTPServer(local.ThreadedHTTPServer):
    """Accepts more than five connections that wait at the same time."""

    request_queue_size = 128


class LocalDevServer(local.LocalDevServer):
    """Chalice's local server with our handler."""

    def __init__(self, app_object: Chalice, config: Config, host: str, port: int) -> None:
        super().__init__(app_object, config, host, port, RequestHandler, ThreadedHTTPServer)


def _gateway_response(code: int, message: str, status: str | None = None, **headers: str) -> dict[str, Any]:
    return {
        "responseTemplates": {"application/json": f'{{"status_code": {code}, "status_message": {message}}}'},
        **({"statusCode": status} if status else {}),
        **({"responseParameters": headers} if headers else {}),
    }


# What API Gateway answers without calling us. An envelope also has a `timestamp`, but a template can print the time
# only as an access log does or as epoch milliseconds, and a wrong format is worse than none.
_REASON = "$context.error.messageString"  # API Gateway prints it with quotes
GATEWAY_RESPONSES = {
    "DEFAULT_4XX": _gateway_response(2000, _REASON),
    "DEFAULT_5XX": _gateway_response(3000, _REASON),
    # Both mean that no path matches: without and with an Authorization header, which it takes for one of AWS.
    "MISSING_AUTHENTICATION_TOKEN": _gateway_response(2000, f'"{UNKNOWN_PATH}"', "404"),
    "INVALID_SIGNATURE": _gateway_response(2000, f'"{UNKNOWN_PATH}"', "404"),
    "REQUEST_TOO_LARGE": _gateway_response(2000, f'"{TOO_LARGE}"', "413"),
    "THROTTLED": _gateway_response(
        2000, '"Too many requests, try again later"', "429", **{"gatewayresponse.header.Retry-After": "'1'"}
    ),
    "INTEGRATION_TIMEOUT": _gateway_response(3000, '"No answer in time, try again later"', "504"),
}

_chalice_generate_swagger = SwaggerGenerator.generate_swagger


def generate_swagger(self: SwaggerGenerator, app: Chalice, rest_api: RestAPI | None = None) -> dict[str, Any]:
    """Chalice's Swagger document, with OCPI envelopes for API Gateway's own responses, and ``{name+}`` declared.

    Chalice has no gateway responses, and its update of an API removes those that were set by hand.
    """
    document = _chalice_generate_swagger(self, app, rest_api)
    document["x-amazon-apigateway-gateway-responses"] = GATEWAY_RESPONSES
    for path, methods in document["paths"].items():
        greedy = [{"name": name, "in": "path", "required": True, "type": "string"} for name in _greedy_names(path)]
        for method in methods.values() if greedy else ():
            method["parameters"] = method.get("parameters", []) + greedy
    return document


def _greedy_names(path: str) -> list[str]:
    return re.findall(r"{(\w+)\+}", path)
