"""Small real servers on loopback for the client to talk to: one that answers well, and one that follows a script."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the server says. Without a length of its own, it gets the right one."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


@dataclass
class Partner:
    """A server that answers whatever ``answer`` makes of a request, over connections that are kept alive."""

    answer: Callable[[Seen], Answer]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def partner(answer: Callable[[Seen], Answer] | Answer, tls: ssl.SSLContext | None = None) -> Iterator[Partner]:
    """A partner that runs until the end of the block."""
    here = Partner(answer if callable(answer) else lambda _: answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True

        def setup(self) -> None:
            here.connections += 1
            super().setup()

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            seen = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            here.seen.append(seen)
            answer = here.answer(seen)
            self.send_response(answer.status)
            for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._handle)

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """A client that hangs up early is the client's business."""

    with Server(("127.0.0.1", 0), Handler) as server:
        here.port = server.server_address[1]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with _running(lambda: server.serve_forever(poll_interval=0.01), server.shutdown):
            yield here


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
AUTHORIZATION = {"authorization": "Token secret-token"}

Act = Callable[[socket.socket], None]


@dataclass
class Wire:
    """A server that does on each connection what the script says; its last act serves all later connections."""

    port: int
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def wire(*script: Act) -> Iterator[Wire]:
    """A scripted server that runs until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        here = Wire(listener.getsockname()[1])

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    here.connections += 1
                    with connection, suppress(OSError):
                        connection.settimeout(5)
                        script[min(here.connections, len(script)) - 1](connection)

        with _running(serve, lambda: listener.shutdown(socket.SHUT_RDWR)):
            yield here


@contextmanager
def _running(serve: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(timeout=5)


def read_request(connection: socket.socket) -> bytes:
    """The head of one request, or nothing once the client has hung up."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(65536)
        if not received:
            return b""
        head += received
    return head


def say(*pieces: bytes, every_s: float = 0) -> Act:
    """Read a request, say these bytes, hang up."""

    def act(connection: socket.socket) -> None:
        read_request(connection)
        for piece in pieces:
            connection.sendall(piece)
            if every_s:
                threading.Event().wait(every_s)

    return act


def reset(connection: socket.socket) -> None:
    """Hang up in a way that the client sees as a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket) -> None:
    """Read the request and hang up without a word."""
    read_request(connection)


def read_and_reset(connection: socket.socket) -> None:
    """Read the request and break the connection off."""
    read_request(connection)
    reset(connection)


def silent(connection: socket.socket) -> None:
    """Read whatever comes and say nothing, until the client hangs up."""
    while connection.recv(65536):
        pass


def leading_to(*addresses: str) -> Callable[[str], list[str]]:
    """A resolver that finds these addresses behind every name."""
    return lambda _: [*addresses]


@dataclass(frozen=True)
class Authority:
    """A throwaway certificate authority. ``trusted`` is a client's context that believes it."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        authority = cls(ec.generate_private_key(ec.SECP256R1()), _named("test authority"), folder)
        ca = x509.BasicConstraints(ca=True, path_length=None)
        certificate = authority._signed(authority.name, authority.key).add_extension(ca, critical=True)
        (folder / "ca.pem").write_bytes(
            certificate.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return authority

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))

    def server(self, host: str) -> ssl.SSLContext:
        """A server's context with a certificate for this name or address."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            subject = x509.DNSName(host)
        certificate = self._signed(_named(host), key).add_extension(
            x509.SubjectAlternativeName([subject]), critical=False
        )
        file = self.folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
