"""One call on the wire: urllib3 connections that go where the door lets them and end when the call's time is up."""

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

# Of a name with many addresses a few are tried, so each gets time enough for a second SYN.
_ADDRESSES_TRIED = 4
_SHORTEST_WAIT_S = 0.01
_SENT_AT_ONCE = 64 * 1024

# Never the error's own text: urllib3 puts the URL with its query there, and http.client what the partner sent.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its name does not resolve"),
    (ConnectionRefusedError, "connection refused"),
    (ConnectionError, "the connection broke off"),
    (http.client.IncompleteRead, "the answer broke off"),
    (OSError, "there is no way to its address"),
)


@dataclass(slots=True)
class OutgoingCall:
    """One exchange with a partner while it runs: whose it is, what bounds it, and what has come back."""

    name: str
    guard: AddressGuard
    limits: HttpLimits
    ends_at: float
    """By the monotonic clock."""
    heard: bool = field(default=False, init=False)
    """Whether a byte of the answer has come."""
    began_at: float = field(default_factory=time.monotonic, init=False)
    answer: http.client.HTTPResponse | None = field(default=None, init=False)

    def patience(self, at_most: float) -> float:
        """Seconds that the next wait may take.

        Raises:
            TimeoutError: the call's time is up.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the call's time is up")
        return min(at_most, left)

    def hang_up(self) -> None:
        """Close an answer that is not wholly read; urllib3 forgets it where it does not like the answer's headers."""
        if self.answer is not None:
            self.answer.close()

    def broke_before_an_answer(self, error: HTTPError) -> bool:
        """Whether a second attempt at once can help, and cannot be a second answer."""
        # What took its time, or showed a certificate that we refuse, will do so again.
        hopeless = TimeoutError | ssl.SSLCertVerificationError
        return not self.heard and isinstance(_cause(error), OSError) and not isinstance(_cause(error), hopeless)

    def failure(self, error: HTTPError) -> UnableToUseApi:
        """What to raise for an error of urllib3."""
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
    """What urllib3 wrapped: the standard library's error if there is one."""
    inner = [argument for argument in error.args if isinstance(argument, Exception)]
    return inner[-1] if inner else error.__cause__ or error


# urllib3 builds and reuses connections out of our sight; this is how they know on whose behalf they act.
CALL: ContextVar[OutgoingCall] = ContextVar("call")


class _Bounded(io.RawIOBase):
    """A socket's bytes, each wait for the next ones bounded by the call, however slowly they trickle in."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, call: OutgoingCall) -> None:
        self._raw, self._sock, self._call = raw, sock, call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._call.patience(self._call.limits.read_s))
        size = cast("int | None", self._raw.readinto(buffer))
        self._call.heard = self._call.heard or bool(size)
        return size

    def close(self) -> None:
        super().close()
        self._raw.close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        call = CALL.get()
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, call))
        call.answer = self


class _Connection(HTTPConnection):
    response_class = _Answer
    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether the connection can serve this call, too."""
        return super().is_connected and time.monotonic() - self._used_at < CALL.get().limits.idle_s

    def _new_conn(self) -> socket.socket:
        """A socket to an address that was just checked: between the check and the connect no name is looked up."""
        call = CALL.get()
        try:
            until = time.monotonic() + call.patience(call.limits.connect_s)
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
            # Bounds the TLS handshake, which urllib3 makes with this socket as it is.
            sock.settimeout(CALL.get().patience(CALL.get().limits.connect_s))
        except BaseException:
            sock.close()
            raise
        return sock

    def send(self, data: Any) -> None:
        """Send in pieces, so that a partner who reads slowly cannot hold us longer than the call may last."""
        if self.sock is None:
            self.connect()
        self._used_at = time.monotonic()
        for start in range(0, len(data), _SENT_AT_ONCE):
            self.sock.settimeout(CALL.get().patience(CALL.get().limits.read_s))
            super().send(data[start : start + _SENT_AT_ONCE])


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS. The certificate is checked against the name, whichever address we are connected to."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool_manager(ssl_context: ssl.SSLContext | None) -> PoolManager:
    """Pools of our connections, which act for the call in ``CALL``. Proxies in the environment are not used.

    Without a context, the system's certificates are trusted.
    """
    # One context for all: loading the certificates takes longer than a handshake.
    manager = PoolManager(num_pools=256, maxsize=16, ssl_context=ssl_context or ssl.create_default_context())
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
