"""The client for calls to partners, against real servers on loopback: what it follows, repeats, bounds and refuses."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.adapters.http import Web
from chalicelib.ocpi.errors import AddressNotAllowed, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Request
from tests.adapters.servers import Act, Answer, Authority, Seen, partner, read_request, reset, say, wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
AUTHORIZATION = {"authorization": "Token secret-token"}
IDEMPOTENT = ("GET", "PUT", "PATCH", "DELETE")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def system_trust() -> ssl.SSLContext:
    """What a client uses without a context of its own; loading it for every test would take most of their time."""
    return ssl.create_default_context()


@pytest.fixture
def make_web(system_trust: ssl.SSLContext) -> Iterator[Callable[..., Web]]:
    """Clients that may call loopback, and that are closed at the end."""
    made: list[Web] = []

    def make(**settings: Any) -> Web:
        made.append(Web(**{"open_network": True, "ssl_context": system_trust, **settings}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web(make_web: Callable[..., Web]) -> Web:
    return make_web()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _leading_to(*addresses: str) -> Callable[[str], list[str]]:
    return lambda _: [*addresses]


# What goes out and what comes back


@pytest.mark.parametrize("method", [*IDEMPOTENT, "POST"])
def test_a_request_arrives_as_it_is_and_the_answer_comes_back(web: Web, method: str) -> None:
    body = b"" if method in ("GET", "DELETE") else b'{"id": "1"}'
    query = {"date_from": "2015-06-29T20:39:09Z", "q": "a b+c"}
    with partner(Answer(201, [("X-Limit", "50")], b'{"status_code": 1000}')) as server:
        response = web.send(Request(method, f"{server.url}/ocpi/a%2Fb?x=1", AUTHORIZATION, query, body))

    seen = server.seen[0]
    assert (seen.method, seen.body) == (method, body)
    assert seen.path == "/ocpi/a%2Fb?x=1&date_from=2015-06-29T20%3A39%3A09Z&q=a%20b%2Bc"
    assert seen.headers["authorization"] == "Token secret-token"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert (response.status, response.headers["x-limit"], response.body) == (201, "50", b'{"status_code": 1000}')


def test_repeated_headers_are_joined(web: Web) -> None:
    with partner(Answer(200, [("Link", "<a>; rel=next"), ("X-One", "1"), ("link", "<b>; rel=last")])) as server:
        response = web.send(Request("GET", server.url))

    assert response.headers["link"] == "<a>; rel=next, <b>; rel=last"
    assert response.headers["x-one"] == "1"


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 405, 500, 503])
def test_any_status_is_an_answer(web: Web, status: int) -> None:
    with partner(Answer(status)) as server:
        assert web.send(Request("GET", server.url)).status == status


def test_connections_are_kept(web: Web) -> None:
    with partner(Answer(body=b"ok")) as server:
        for method in ("GET", "PUT", "POST", "GET"):
            web.send(Request(method, server.url, body=b"x"))

        assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(make_web: Callable[..., Web]) -> None:
    web = make_web(idle_s=0.0)
    with partner(Answer(body=b"ok")) as server:
        for _ in range(3):
            web.send(Request("POST", server.url))

        assert server.connections == 3


def test_threads_share_one_client(web: Web) -> None:
    def call(number: int) -> bytes:
        return web.send(Request("PUT", server.url, body=b"%d" % number)).body

    with partner(lambda seen: Answer(body=seen.body)) as server, ThreadPoolExecutor(8) as threads:
        bodies = [*threads.map(call, range(200))]

        assert bodies == [b"%d" % number for number in range(200)]
        assert server.connections <= 8


def test_proxies_in_the_environment_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with partner(Answer(502)) as proxy, partner(Answer(body=b"direct")) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)

        assert web.send(Request("GET", server.url)).body == b"direct"
        assert proxy.connections == 0


def test_importing_the_client_imports_neither_urllib3_nor_ssl() -> None:
    program = "import sys, chalicelib.adapters.http as _; print({'urllib3', 'ssl'} & set(sys.modules))"

    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert ran.stdout.strip() == "set()"


# Redirects


def _redirecting(to: str, status: int = 302) -> Callable[[Seen], Answer]:
    return lambda seen: Answer(status, [("Location", to)]) if seen.path == "/old" else Answer(body=seen.path.encode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/new", "new?a=1", "?b=2", "http://127.0.0.1:{port}/new"])
def test_a_get_follows_a_redirect_on_the_same_origin(web: Web, status: int, to: str) -> None:
    def answer(seen: Seen) -> Answer:
        return _redirecting(to.format(port=server.port), status)(seen)

    with partner(answer) as server:
        response = web.send(Request("GET", f"{server.url}/old", AUTHORIZATION))

        assert response.status == 200
        assert [seen.headers["authorization"] for seen in server.seen] == ["Token secret-token"] * 2


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_a_redirect_of_anything_but_a_get_is_the_answer(web: Web, method: str) -> None:
    with partner(_redirecting("/new", 308)) as server:
        response = web.send(Request(method, f"{server.url}/old"))

        assert (response.status, response.headers["location"]) == (308, "/new")
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:{other}/new",
        "//127.0.0.1:{other}/new",
        "http://127.0.0.2:{port}/new",
        "http://localhost:{port}/new",
        "https://127.0.0.1:{port}/new",
        "http://user@127.0.0.1:{port}/new",
        "http://127.1:{port}/new",
        "http://[::1",
        "file:///etc/passwd",
        "/caf\u00e9",
    ],
)
def test_a_redirect_to_elsewhere_is_the_answer_and_nothing_is_sent_there(web: Web, to: str) -> None:
    def answer(seen: Seen) -> Answer:
        return _redirecting(to.format(port=server.port, other=other.port))(seen)

    with partner(Answer()) as other, partner(answer) as server:
        response = web.send(Request("GET", f"{server.url}/old", AUTHORIZATION))

        assert response.status == 302
        assert len(server.seen) == 1
        assert other.connections == 0


def test_three_redirects_are_followed_and_the_fourth_is_the_answer(web: Web) -> None:
    with partner(lambda seen: Answer(302, [("Location", f"{seen.path}x")])) as server:
        response = web.send(Request("GET", f"{server.url}/"))

    assert response.status == 302
    assert [seen.path for seen in server.seen] == ["/", "/x", "/xx", "/xxx"]


def test_a_redirect_without_a_location_is_the_answer(web: Web) -> None:
    with partner(Answer(302)) as server:
        assert web.send(Request("GET", server.url)).status == 302


# The second attempt


def _hang_up(connection: socket.socket) -> None:
    read_request(connection)


def _reset(connection: socket.socket) -> None:
    read_request(connection)
    reset(connection)


def _serve_one_then(act: Act) -> Act:
    def serve(connection: socket.socket) -> None:
        say(OK)(connection)
        act(connection)

    return serve


@pytest.mark.parametrize("method", IDEMPOTENT)
@pytest.mark.parametrize("failure", [_hang_up, _reset, reset])
def test_what_may_be_sent_twice_is_sent_again_once(web: Web, method: str, failure: Act) -> None:
    with wire(failure, say(OK)) as server:
        assert web.send(Request(method, server.url, body=b"x")).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("failure", [_hang_up, _reset])
def test_after_the_second_failure_the_partner_is_unreachable(web: Web, failure: Act) -> None:
    with wire(failure) as server:
        with pytest.raises(Unreachable, match=f"PUT 127.0.0.1:{server.port}: the connection broke off"):
            web.send(Request("PUT", server.url, body=b"x"))

        assert server.connections == 2


@pytest.mark.parametrize("failure", [_hang_up, _reset])
def test_a_post_is_never_sent_again(web: Web, failure: Act) -> None:
    with wire(failure, say(OK)) as server:
        with pytest.raises(Unreachable, match="POST"):
            web.send(Request("POST", server.url, body=b"x"))

        assert server.connections == 1


@pytest.mark.parametrize("failure", [_hang_up, _reset])
def test_a_kept_connection_that_turns_out_dead_is_replaced(web: Web, failure: Act) -> None:
    with wire(_serve_one_then(failure), say(OK)) as server:
        for _ in range(2):
            assert web.send(Request("PATCH", server.url, body=b"{}")).body == b"ok"

        assert server.connections == 2


def test_a_post_into_a_kept_connection_that_turns_out_dead_is_not_sent_again(web: Web) -> None:
    with wire(_serve_one_then(_reset), say(OK)) as server:
        web.send(Request("GET", server.url))
        with pytest.raises(Unreachable):
            web.send(Request("POST", server.url, body=b"x"))

        assert server.connections == 1


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-1]])
def test_once_an_answer_has_begun_nothing_is_sent_again(web: Web, piece: bytes) -> None:
    def act(connection: socket.socket) -> None:
        say(piece)(connection)
        time.sleep(0.05)
        reset(connection)

    with wire(act) as server:
        with pytest.raises(Unreachable):
            web.send(Request("GET", server.url))

        assert server.connections == 1


def test_the_other_addresses_of_a_name_are_tried(make_web: Callable[..., Web]) -> None:
    with partner(Answer(body=b"ok")) as server:
        web = make_web(resolve=_leading_to("127.0.0.2", "::1", "127.0.0.1"))

        assert web.send(Request("POST", f"http://partner.example:{server.port}")).body == b"ok"


# Bounds on size


def _chunked(pieces: int, piece: bytes) -> Act:
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    return say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * pieces, b"0\r\n\r\n")


def test_an_answer_of_exactly_the_cap_is_taken(make_web: Callable[..., Web]) -> None:
    with partner(Answer(body=b"x" * 1000)) as server, wire(_chunked(10, b"x" * 100)) as chunked:
        for url in (server.url, chunked.url):
            assert make_web(max_response_bytes=1000).send(Request("GET", url)).body == b"x" * 1000


@pytest.mark.parametrize(
    "act",
    [
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", b"x" * 1001),
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", *[b"x" * 1000] * 100),
        say(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 1000] * 100),
        _chunked(100, b"x" * 1000),
    ],
    ids=["one byte more", "announced", "until it hangs up", "chunked"],
)
def test_a_larger_answer_is_refused_and_its_connection_dropped(make_web: Callable[..., Web], act: Act) -> None:
    web = make_web(max_response_bytes=1000)
    with wire(act, say(OK)) as server:
        with pytest.raises(UnableToUseApi, match="larger than 1000 bytes"):
            web.send(Request("GET", server.url))

        assert web.send(Request("GET", server.url)).body == b"ok"
        assert server.connections == 2


def test_a_compressed_answer_is_decompressed(web: Web) -> None:
    body = b'{"status_code": 1000}' * 10_000
    with partner(Answer(200, [("Content-Encoding", "gzip")], gzip.compress(body))) as server:
        for _ in range(2):
            assert web.send(Request("GET", server.url)).body == body

        assert server.seen[0].headers["accept-encoding"] == "gzip"
        assert server.connections == 1


ZEROS = gzip.compress(bytes(64 * MIB), 1)


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", ZEROS),
        ("gzip, gzip", gzip.compress(ZEROS)),
        ("gzip, gzip, gzip, gzip", gzip.compress(gzip.compress(gzip.compress(ZEROS)))),
        ("gzip", b"".join([gzip.compress(bytes(MIB))] * 64)),
        ("deflate", zlib.compress(bytes(64 * MIB), 1)),
    ],
    ids=["gzip", "twice", "four times", "many members", "deflate"],
)
def test_a_bomb_is_not_blown_up(make_web: Callable[..., Web], encoding: str, bomb: bytes) -> None:
    web = make_web(max_response_bytes=MIB)
    with partner(Answer(200, [("Content-Encoding", encoding)], bomb)) as server:
        tracemalloc.start()
        with pytest.raises(UnableToUseApi, match="larger than"):
            web.send(Request("GET", server.url))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 12 * MIB


def test_a_body_that_only_claims_to_be_compressed_is_refused(web: Web) -> None:
    with partner(Answer(200, [("Content-Encoding", "gzip")], b"not gzip at all")) as server:
        with pytest.raises(UnableToUseApi, match="cannot be decompressed") as refused:
            web.send(Request("GET", server.url))

        assert not isinstance(refused.value, Unreachable)
        assert len(server.seen) == 1


# Bounds on time


def _takes(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"timed out after 0\.\d s"):
        call()
    return time.monotonic() - began


def _silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def test_a_silent_partner_times_out_and_is_not_asked_twice(make_web: Callable[..., Web]) -> None:
    with wire(_silent) as server:
        assert _takes(lambda: make_web(read_s=0.2).send(Request("GET", server.url))) < 0.9
        assert server.connections == 1


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [bytes([byte]) for byte in OK],
        [b"HTTP/1.1 200 OK\r\n", *[b"X-Header: x\r\n"] * 90],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 90,
        [HEADERS, *[b"x"] * 90],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 90],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", *[bytes([byte]) for byte in gzip.compress(b"x" * 99)]],
    ],
    ids=["status", "headers", "interim answers", "body", "chunks", "gzip"],
)
def test_an_answer_that_trickles_ends_with_the_whole_call(make_web: Callable[..., Web], pieces: list[bytes]) -> None:
    with wire(say(*pieces, every_s=0.03)) as server:
        assert _takes(lambda: make_web(total_s=0.3).send(Request("GET", server.url))) < 0.9


def test_one_call_may_have_a_bound_of_its_own(web: Web) -> None:
    with wire(_silent) as server:
        assert _takes(lambda: web.send(Request("POST", server.url), timeout_s=0.2)) < 0.9


@pytest.mark.parametrize("at_once", [0, 65536])
def test_a_partner_who_reads_slowly_or_not_ends_with_the_whole_call(make_web: Callable[..., Web], at_once: int) -> None:
    done = threading.Event()

    def slow(connection: socket.socket) -> None:
        while not done.wait(0.03):
            connection.recv(at_once)

    with wire(slow) as server:
        body = bytes(32 * MIB)

        assert _takes(lambda: make_web(total_s=0.3).send(Request("PUT", server.url, body=body))) < 0.9
        done.set()


def test_redirects_share_one_bound(make_web: Callable[..., Web]) -> None:
    def answer(_: Seen) -> Answer:
        time.sleep(0.2)
        return Answer(302, [("Location", "/")])

    with partner(answer) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            make_web(total_s=0.5).send(Request("GET", server.url))

        assert time.monotonic() - began < 0.9


def test_a_resolver_that_hangs_does_not_hold_the_call(make_web: Callable[..., Web]) -> None:
    done = threading.Event()
    web = make_web(connect_s=0.2, resolve=lambda _: done.wait(5) and [])

    assert _takes(lambda: web.send(Request("GET", "https://partner.example"))) < 0.9
    done.set()


def test_a_handshake_that_hangs_does_not_hold_the_call(make_web: Callable[..., Web]) -> None:
    with wire(_silent) as server:
        web = make_web(connect_s=0.2)

        assert _takes(lambda: web.send(Request("GET", server.url.replace("http", "https")))) < 0.9
        assert server.connections == 1


def test_a_connect_that_hangs_does_not_hold_the_call(make_web: Callable[..., Web]) -> None:
    # A listener whose backlog is full drops what comes after: the connect waits for an answer to its SYN.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        web = make_web(connect_s=0.2)

        assert _takes(lambda: web.send(Request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}"))) < 0.9


# Where calls may go


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}", "https://localhost:{port}", "http://8.8.8.8:{port}"])
def test_a_closed_network_lets_nothing_out_to_loopback_nor_in_the_clear(url: str) -> None:
    with partner(Answer()) as server:
        with pytest.raises(AddressNotAllowed):
            Web().send(Request("POST", url.format(port=server.port), AUTHORIZATION, body=b"x"))

        assert server.connections == 0


def test_nothing_is_sent_when_one_address_of_the_name_is_inside(make_web: Callable[..., Web]) -> None:
    with partner(Answer()) as server:
        web = make_web(resolve=_leading_to("127.0.0.1", "10.0.0.1"))
        with pytest.raises(AddressNotAllowed):
            web.send(Request("GET", f"http://partner.example:{server.port}"))

        assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to(make_web: Callable[..., Web]) -> None:
    asked: list[str] = []

    def rebinding(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with partner(Answer(200, [("Connection", "close")], b"checked")) as server:
        web, request = make_web(resolve=rebinding), Request("GET", f"http://partner.example:{server.port}")

        assert web.send(request).body == b"checked"
        assert asked == ["partner.example"]
        with pytest.raises(AddressNotAllowed):
            web.send(request)

    assert server.seen[0].headers["host"] == f"partner.example:{server.port}"
    assert len(server.seen) == 1


def test_loopback_is_reached_over_ipv6_too(web: Web) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heads.append(read_request(connection))
                connection.sendall(OK)

        heads: list[bytes] = []
        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]

        assert web.send(Request("GET", f"http://[::1]:{port}/")).body == b"ok"
        thread.join()

    assert f"Host: [::1]:{port}\r\n".encode() in heads[0]


# TLS


def _behind_tls(authority: Authority, host: str) -> Any:
    return partner(Answer(body=b"ok"), authority.server(host))


@pytest.mark.parametrize(
    ("certified", "called"),
    [
        ("partner.example", "partner.example"),
        ("partner.example", "PARTNER.example."),
        ("*.partner.example", "ocpi.partner.example"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_certificate_for_the_name_is_accepted_at_the_checked_address(
    make_web: Callable[..., Web], authority: Authority, certified: str, called: str
) -> None:
    web = make_web(ssl_context=authority.trusted, resolve=_leading_to("127.0.0.1"))
    with _behind_tls(authority, certified) as server:
        for _ in range(2):
            response = web.send(Request("GET", f"https://{called}:{server.port}/", AUTHORIZATION))

            assert response.body == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("certified", "called"),
    [
        ("other.example", "partner.example"),
        ("partner.example", "ocpi.partner.example"),
        ("partner.example", "127.0.0.1"),
        ("127.0.0.1", "partner.example"),
    ],
)
def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(
    make_web: Callable[..., Web], authority: Authority, certified: str, called: str
) -> None:
    web = make_web(ssl_context=authority.trusted, resolve=_leading_to("127.0.0.1"))
    with _behind_tls(authority, certified) as server:
        with pytest.raises(Unreachable, match=f"GET {called}:{server.port}: TLS failure: .*mismatch.*{called}"):
            web.send(Request("GET", f"https://{called}:{server.port}/", AUTHORIZATION))

        assert (server.seen, server.connections) == ([], 1)


def test_a_certificate_of_an_unknown_authority_is_refused(make_web: Callable[..., Web], authority: Authority) -> None:
    web = make_web(ssl_context=None, resolve=_leading_to("127.0.0.1"))
    with _behind_tls(authority, "partner.example") as server:
        with pytest.raises(Unreachable, match="TLS failure: unable to get local issuer certificate"):
            web.send(Request("GET", f"https://partner.example:{server.port}/", AUTHORIZATION))

        assert server.seen == []


def test_a_large_body_crosses_tls_whole(make_web: Callable[..., Web], authority: Authority) -> None:
    web = make_web(ssl_context=authority.trusted)
    body = bytes(range(256)) * 4096
    with partner(lambda seen: Answer(body=seen.body), authority.server("127.0.0.1")) as server:
        assert web.send(Request("PUT", f"https://127.0.0.1:{server.port}/", body=body)).body == body


# What the errors say


def _unresolved(_: str) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_refused_connection_is_said_to_be_refused(web: Web) -> None:
    port = _free_port()

    with pytest.raises(Unreachable, match=f"^PUT 127.0.0.1:{port}: connection refused$"):
        web.send(Request("PUT", f"http://127.0.0.1:{port}/"))


def test_a_name_that_does_not_resolve_is_said_not_to(make_web: Callable[..., Web]) -> None:
    with pytest.raises(Unreachable, match=r"^GET partner\.example: its name does not resolve$"):
        make_web(resolve=_unresolved).send(Request("GET", "https://partner.example/"))


def test_plain_http_on_a_tls_port_is_said_to_be_a_tls_failure(web: Web) -> None:
    with (
        wire(lambda connection: connection.sendall(OK)) as server,
        pytest.raises(Unreachable, match="TLS failure: "),
    ):
        web.send(Request("GET", server.url.replace("http", "https")))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.6 secret-answer\r\n", "what came back is not HTTP"),
        (b"HTTP/1.1 secret-answer\r\n\r\n", "what came back is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx", "what came back is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n", "what came back is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "what came back is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret-a", "the answer broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nsecret-a", "the answer broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret-a", "the answer broke off"),
    ],
)
def test_an_answer_that_is_not_whole_or_not_http_is_said_to_be_so(web: Web, said: bytes, reason: str) -> None:
    with wire(say(said)) as server:
        with pytest.raises(Unreachable, match=f"^GET 127.0.0.1:{server.port}: {reason}$"):
            web.send(Request("GET", server.url))

        assert server.connections == 1


@pytest.mark.parametrize("token", ["secret-token\r\nX: y", "secret-token\n", "secret-\u20ac-token", "secret-token\x00"])
def test_a_token_that_no_header_carries_is_refused_unseen(web: Web, token: str) -> None:
    with partner(Answer()) as server:
        with pytest.raises(UnableToUseApi, match="the header authorization holds characters") as refused:
            web.send(Request("GET", server.url, {"Authorization": f"Token {token}"}))

        assert "secret" not in str(refused.value)
        assert server.connections == 0


def _failing() -> dict[str, tuple[Act, dict[str, Any]]]:
    slow = {"read_s": 0.1}
    return {
        "hangs up": (_hang_up, {}),
        "resets": (_reset, {}),
        "silent": (_silent, slow),
        "breaks off": (say(HEADERS), {}),
        "not HTTP": (say(b"\x00\x01\r\n"), {}),
        "too large": (say(HEADERS, b"x" * 1000), {"max_response_bytes": 10}),
        "not gzip": (say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain"), {}),
        "unresolved": (_hang_up, {"resolve": _unresolved}),
        "inside": (_hang_up, {"resolve": _leading_to("10.0.0.1")}),
        "no address": (_hang_up, {"resolve": _leading_to()}),
    }


@pytest.mark.parametrize("how", _failing())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_error_shows_a_token_a_query_or_a_body(make_web: Callable[..., Web], method: str, how: str) -> None:
    act, settings = _failing()[how]
    with wire(act) as server:
        url = f"{server.url}/path?a=secret-url".replace("127.0.0.1", "localhost")
        request = Request(method, url, AUTHORIZATION, {"q": "secret-query"}, b"secret-body")
        with pytest.raises(UnableToUseApi, match=f"^{method} localhost:{server.port}: ") as failed:
            make_web(**settings).send(request)

    assert "secret-" not in "".join(traceback.format_exception(failed.value))


def test_a_url_with_a_password_is_refused_without_repeating_it(web: Web) -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        web.send(Request("GET", "http://user:secret@127.0.0.1/", AUTHORIZATION, {"q": "secret"}))

    assert "secret" not in str(refused.value)
