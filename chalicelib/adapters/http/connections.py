"""urllib3 connections that connect to allowed addresses only, and that end when the call's time is up."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, DecodeError, HTTPError, NameResolutionError, NewConnectionError

from chalicelib.adapters.http.addresses import Address, AddressGuard
from chalicelib.adapters.http.limits import HttpLimits
from chalicelib.ocpi.errors import UnableToUseApi, Unreachable

# Of a name's addresses only a few are tried, so that each gets enough time for a second SYN.
_ADDRESSES_TRIED = 4
_SHORTEST_WAIT_S = 0.01
_SENT_AT_ONCE = 64 * 1024

# Instead of the error's own text, which contains the URL with its query (urllib3) or the response (http.client).
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name does not resolve"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionError, "the connection broke off"),
    (http.client.IncompleteRead, "the answer broke off"),
    (OSError, "there is no way to its address"),
)


@dataclass(slots=True)
class OutgoingCall:
    """One request to a partner while it runs: its limits, and how far it has come."""

    name: str
    """Method and authority, for errors."""
    guard: AddressGuard
    limits: HttpLimits
    ends_at: float
    """When its time is up, by the monotonic clock."""
    response_began: bool = field(default=False, init=False)
    """Whether a byte of the response has arrived."""
    began_at: float = field(default_factory=time.monotonic, init=False)
    response: http.client.HTTPResponse | None = field(default=None, init=False)

    def timeout(self, at_most: float) -> float:
        """The timeout of the next socket operation, in seconds: ``at_most``, or what is left of the call's time.

        Raises:
            TimeoutError: the call's time is up.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's time is up")
        return min(at_most, left)

    def close(self) -> None:
        """Close the response if it was not read completely; urllib3 does not if it cannot parse the headers."""
        if self.response is not None:
            self.response.close()

    def can_be_resent(self, error: HTTPError) -> bool:
        """Whether the connection failed before a response began, so that sending the request again may help."""
        # A timeout and a certificate that we do not trust would only happen again.
        permanent = TimeoutError | ssl.SSLCertVerificationError
        cause = _cause(error)
        return not self.response_began and isinstance(cause, OSError) and not isinstance(cause, permanent)

    def ocpi_error(self, error: HTTPError) -> UnableToUseApi:
        """The OCPI error to raise for an error of urllib3."""
        if isinstance(error, DecodeError):
            return UnableToUseApi(f"{self.name}: the answer cannot be decompressed")
        return Unreachable(f"{self.name}: {self._reason(_cause(error))}", unsent=isinstance(error, NewConnectionError))

    def _reason(self, cause: BaseException) -> str:
        if isinstance(cause, TimeoutError):
            return f"timed out after {time.monotonic() - self.began_at:.1f} s"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"TLS failure: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failure: {cause.reason or 'the connection broke off'}"
        return next((reason for kind, reason in _REASONS if isinstance(cause, kind)), "what came back is not HTTP")


def _cause(error: HTTPError) -> BaseException:
    """The error that urllib3 wrapped, if any: one of the standard library's."""
    inner = [argument for argument in error.args if isinstance(argument, Exception)]
    return inner[-1] if inner else error.__cause__ or error


# The call that a connection currently serves: urllib3 creates and reuses connections, and passes no call to them.
CALL: ContextVar[OutgoingCall] = ContextVar("call")


class _Bounded(io.RawIOBase):
    """Reads a socket; the timeout of each read depends on the time that the call has left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, call: OutgoingCall) -> None:
        self._raw, self._sock, self._call = raw, sock, call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._call.timeout(self._call.limits.read_s))
        size = cast("int | None", self._raw.readinto(buffer))
        self._call.response_began = self._call.response_began or bool(size)
        return size

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        call = CALL.get()
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, call))
        call.response = self


class _Connection(HTTPConnection):
    response_class = _Answer
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open and was used recently enough to be reused."""
        return super().is_connected and time.monotonic() - self._used_at < CALL.get().limits.idle_s

    def _new_conn(self) -> socket.socket:
        """A socket, connected to an address that was just checked: the name is not resolved again after the check."""
        call = CALL.get()
        try:
            until = time.monotonic() + call.timeout(call.limits.connect_s)
            host = self._dns_host.strip("[]")
            addresses = call.guard.addresses(host, within_s=until - time.monotonic(), call=call.name)
            return self._first_to_answer(addresses[:_ADDRESSES_TRIED], until)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def _first_to_answer(self, addresses: Sequence[Address], until: float) -> socket.socket:
        refusal = OSError("the name has no address")
        for tried, address in enumerate(addresses):
            share_s = (until - time.monotonic()) / (len(addresses) - tried)
            try:
                return self._opened(address, max(share_s, _SHORTEST_WAIT_S))
            except OSError as error:
                refusal = error
        raise refusal

    def _opened(self, address: Address, within_s: float) -> socket.socket:
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(within_s)
            sock.connect((str(address), self.port))
            # The timeout of the TLS handshake, which urllib3 does on this socket.
            sock.settimeout(CALL.get().timeout(CALL.get().limits.connect_s))
        except BaseException:
            sock.close()
            raise
        return sock

    def send(self, data: Any) -> None:
        """Send in pieces, each with a timeout, so that a partner that reads slowly cannot exceed the call's time."""
        if self.sock is None:
            self.connect()
        self._used_at = time.monotonic()
        for start in range(0, len(data), _SENT_AT_ONCE):
            self.sock.settimeout(CALL.get().timeout(CALL.get().limits.read_s))
            super().send(data[start : start + _SENT_AT_ONCE])


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS. The certificate is checked against the host name, not the address."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool_manager(ssl_context: ssl.SSLContext | None) -> PoolManager:
    """Connection pools with our connections, which serve the call in ``CALL``. Proxy settings are ignored.

    Args:
        ssl_context: for https; None: the system's certificate authorities are trusted.
    """
    # One context for all pools, because loading the certificates takes longer than a handshake.
    manager = PoolManager(num_pools=256, maxsize=16, ssl_context=ssl_context or ssl.create_default_context())
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
