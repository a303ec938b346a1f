"""The HTTP client for calls to partners: limited in time and size, and to allowed addresses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from chalicelib.adapters.http.addresses import AddressGuard, Target, addresses_of
from chalicelib.adapters.http.limits import HttpLimits
from chalicelib.ocpi.errors import AddressNotAllowed, UnableToUseApi
from chalicelib.ocpi.http import Request, Response

if TYPE_CHECKING:  # urllib3 and ssl cost some 50 ms of the cold start, so they are imported with the first call
    import ssl

    from urllib3 import BaseHTTPResponse, PoolManager

    from chalicelib.adapters.http.connections import OutgoingCall

# Methods that may be sent twice without harm. A second POST could start a second session or create a second CDR.
_RESENDABLE_METHODS = frozenset({"GET", "PUT", "PATCH", "DELETE"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OUR_HEADERS = {"user-agent": "ocpi-node", "accept-encoding": "gzip"}


@dataclass(kw_only=True, eq=False)
class HttpWeb:
    """Sends requests to partners over keep-alive connections. One instance serves a process; threads can share it.

    Only https to public addresses; the address that is checked is the one that is connected to (Q-59). Proxy settings
    in the environment are ignored.
    """

    open_network: bool = False
    """Whether plain http and loopback addresses are allowed, too: for local runs and tests."""
    limits: HttpLimits = field(default_factory=HttpLimits)
    ssl_context: ssl.SSLContext | None = None
    """The trusted certificate authorities; None: the system's."""
    resolve: Callable[[str], Sequence[str]] = addresses_of
    """Returns the addresses of a host name."""

    def __post_init__(self) -> None:
        self._guard = AddressGuard(open_network=self.open_network, resolve=self.resolve)
        self._public_guard = AddressGuard(resolve=self.resolve)
        self._managers: dict[AddressGuard, PoolManager] = {}
        """One per guard, because a connection that one of them allowed must not be reused for the other."""
        self._building = Lock()

    def check(self, url: str, *, public: bool = False) -> None:
        """Check the form of a URL before it is called; a host name is not resolved yet.

        Args:
            url: the URL.
            public: whether only public addresses are allowed, even with ``open_network``.

        Raises:
            AddressNotAllowed: the URL is not allowed, or its host is an address that is not.
        """
        guard = self._public_guard if public else self._guard
        guard.check(guard.target(Request(method="POST", url=url)))

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The partner's response, its body decompressed.

        A GET follows up to three redirects within the same scheme, host and port; other redirects are returned. GET,
        PUT, PATCH and DELETE are sent once more if the connection fails before the first byte of a response (Q-58).

        Args:
            request: what to send.
            timeout_s: the limit of the whole call, instead of ``limits.total_s``.
            public: whether only public addresses are allowed, even with ``open_network``.

        Raises:
            AddressNotAllowed: the URL, or an address of its host, is not allowed.
            Unreachable: no complete response: connection refused or broken, timeout, TLS failure.
            UnableToUseApi: the response is too large or cannot be decompressed, or a header cannot be sent.
        """
        guard = self._public_guard if public else self._guard
        target = guard.target(request)
        headers = _sendable(request, target)
        ends_at = time.monotonic() + (self.limits.total_s if timeout_s is None else timeout_s)
        for _ in range(_MOST_REDIRECTS):
            response = self._response(request, target, headers, ends_at, guard)
            redirect = self._redirect(request, target, response, guard)
            if redirect is None:
                return response
            target = redirect
        return self._response(request, target, headers, ends_at, guard)

    def close(self) -> None:
        """Close all idle connections."""
        for manager in self._managers.values():
            manager.clear()

    def _pools(self, guard: AddressGuard) -> PoolManager:
        with self._building:
            if guard not in self._managers:
                from chalicelib.adapters.http.connections import pool_manager

                self._managers[guard] = pool_manager(self.ssl_context)
            return self._managers[guard]

    def _response(
        self,
        request: Request,
        target: Target,
        headers: Mapping[str, str],
        ends_at: float,
        guard: AddressGuard,
        *,
        may_resend: bool = True,
    ) -> Response:
        from urllib3.exceptions import HTTPError

        from chalicelib.adapters.http.connections import OutgoingCall

        name = f"{request.method} {target.authority}"
        call = OutgoingCall(name, guard, self.limits, ends_at)
        try:
            return self._exchange(request, target, headers, call)
        except HTTPError as error:
            if not (may_resend and request.method in _RESENDABLE_METHODS and call.can_be_resent(error)):
                raise call.ocpi_error(error) from error
        return self._response(request, target, headers, ends_at, guard, may_resend=False)

    def _exchange(self, request: Request, target: Target, headers: Mapping[str, str], call: OutgoingCall) -> Response:
        from chalicelib.adapters.http.connections import CALL

        token = CALL.set(call)
        try:
            answer = (
                self._pools(call.guard)
                .connection_from_host(target.host, target.port, target.scheme)
                .urlopen(
                    request.method,
                    target.path,
                    body=request.body or None,
                    headers=headers,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            )
            return Response(
                answer.status, {name: answer.headers[name] for name in answer.headers}, self._body(answer, call)
            )
        finally:
            CALL.reset(token)
            call.close()

    def _body(self, answer: BaseHTTPResponse, call: OutgoingCall) -> bytes:
        # One byte more than allowed shows whether there is more. The limit holds after decompression, too.
        body = answer.read(self.limits.max_response_bytes + 1)
        if len(body) > self.limits.max_response_bytes:
            answer.close()
            answer.release_conn()
            raise UnableToUseApi(f"{call.name}: the answer is larger than {self.limits.max_response_bytes} bytes")
        return body

    def _redirect(self, request: Request, target: Target, response: Response, guard: AddressGuard) -> Target | None:
        """The target of a redirect that we follow; else None."""
        if request.method != "GET" or response.status not in _REDIRECTS or "location" not in response.headers:
            return None
        try:
            redirect = guard.target(Request(method="GET", url=urljoin(target.url, response.headers["location"])))
        except (AddressNotAllowed, ValueError):
            return None
        return redirect if redirect.origin == target.origin else None


def _sendable(request: Request, target: Target) -> Mapping[str, str]:
    for name, value in request.headers.items():
        # Checked here because the standard library's error would contain the value, which may be a token.
        if not _HEADER_VALUE.fullmatch(value):
            raise UnableToUseApi(
                f"{request.method} {target.authority}: the header {name} holds characters that HTTP does not carry"
            )
    return {**_OUR_HEADERS, **request.headers}
