"""The only client for calls to partners: bounded in time and size, and let out by the door alone."""

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

# What may be sent twice without harm. POST may not: it would start a second session or file a second CDR.
_SENT_AGAIN = frozenset({"GET", "PUT", "PATCH", "DELETE"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OUR_HEADERS = {"user-agent": "ocpi-node", "accept-encoding": "gzip"}


@dataclass(kw_only=True, eq=False)
class HttpWeb:
    """Sends requests to partners over kept-alive connections. One instance serves a process; threads may share it.

    Only https to public addresses, the address checked being the address connected to (Q-59). ``open_network`` adds
    plain http and loopback, for local runs and tests. Proxies named in the environment are not used.
    """

    open_network: bool = False
    limits: HttpLimits = field(default_factory=HttpLimits)
    ssl_context: ssl.SSLContext | None = None
    """Whom we trust; None: the system's certificate authorities."""
    resolve: Callable[[str], Sequence[str]] = addresses_of

    def __post_init__(self) -> None:
        self._guard = AddressGuard(open_network=self.open_network, resolve=self.resolve)
        self._public_guard = AddressGuard(resolve=self.resolve)
        self._managers: dict[AddressGuard, PoolManager] = {}
        """One per door: a connection that one let through is none of the other's."""
        self._building = Lock()

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing, if the URL itself is one that we call; where its name leads is seen when it is called.

        Raises:
            AddressNotAllowed: it is not, or it names an address that is not open to us.
        """
        guard = self._public_guard if public else self._guard
        guard.check(guard.target(Request(method="POST", url=url)))

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """What the partner answers, its body decompressed; ``timeout_s`` bounds this call, not ``total_s``.

        ``public`` closes, for this call, a network that ``open_network`` has opened.

        A GET follows redirects that stay on the same scheme, host and port; any other redirect is itself the answer.
        What may be sent twice is sent again, once, if the connection fails before the first byte of an answer.

        Raises:
            AddressNotAllowed: the URL, or what its name leads to, is nothing that we call.
            Unreachable: no whole answer came: refused, too slow, TLS failure, broken off.
            UnableToUseApi: the answer is larger than we read or cannot be decompressed, or a header cannot be sent.
        """
        guard = self._public_guard if public else self._guard
        target = guard.target(request)
        headers = _sendable(request, target)
        ends_at = time.monotonic() + (self.limits.total_s if timeout_s is None else timeout_s)
        for _ in range(_MOST_REDIRECTS):
            response = self._answer(request, target, headers, ends_at, guard)
            onward = self._onward(request, target, response, guard)
            if onward is None:
                return response
            target = onward
        return self._answer(request, target, headers, ends_at, guard)

    def close(self) -> None:
        """Hang up all connections that are not in use."""
        for manager in self._managers.values():
            manager.clear()

    def _pools(self, guard: AddressGuard) -> PoolManager:
        with self._building:
            if guard not in self._managers:
                from chalicelib.adapters.http.connections import pool_manager

                self._managers[guard] = pool_manager(self.ssl_context)
            return self._managers[guard]

    def _answer(
        self,
        request: Request,
        target: Target,
        headers: Mapping[str, str],
        ends_at: float,
        guard: AddressGuard,
        *,
        again: bool = True,
    ) -> Response:
        from urllib3.exceptions import HTTPError

        from chalicelib.adapters.http.connections import OutgoingCall

        name = f"{request.method} {target.authority}"
        call = OutgoingCall(name, guard, self.limits, ends_at)
        try:
            return self._exchange(request, target, headers, call)
        except HTTPError as error:
            if not (again and request.method in _SENT_AGAIN and call.broke_before_an_answer(error)):
                raise call.failure(error) from error
        return self._answer(request, target, headers, ends_at, guard, again=False)

    def _exchange(self, request: Request, target: Target, headers: Mapping[str, str], call: OutgoingCall) -> Response:
        from chalicelib.adapters.http.connections import CALL

        acting = CALL.set(call)
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
            CALL.reset(acting)
            call.hang_up()

    def _body(self, answer: BaseHTTPResponse, call: OutgoingCall) -> bytes:
        # One byte more than we take tells whether there was more; the bound holds for what decompression yields, too.
        body = answer.read(self.limits.max_response_bytes + 1)
        if len(body) > self.limits.max_response_bytes:
            answer.close()
            answer.release_conn()
            raise UnableToUseApi(f"{call.name}: the answer is larger than {self.limits.max_response_bytes} bytes")
        return body

    def _onward(self, request: Request, target: Target, response: Response, guard: AddressGuard) -> Target | None:
        """Where a redirect leads that we follow, else None."""
        if request.method != "GET" or response.status not in _REDIRECTS or "location" not in response.headers:
            return None
        try:
            onward = guard.target(Request(method="GET", url=urljoin(target.url, response.headers["location"])))
        except (AddressNotAllowed, ValueError):
            return None
        return onward if onward.origin == target.origin else None


def _sendable(request: Request, target: Target) -> Mapping[str, str]:
    for name, value in request.headers.items():
        # Checked here because the standard library's message would show the value, which may be a token.
        if not _HEADER_VALUE.fullmatch(value):
            raise UnableToUseApi(
                f"{request.method} {target.authority}: the header {name} holds characters that HTTP does not carry"
            )
    return {**_OUR_HEADERS, **request.headers}
