"""The client for calls to partners, against real servers on loopback: what it sends, follows and repeats."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.adapters.http.web import HttpWeb
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request
from tests.adapters.servers import (
    AUTHORIZATION,
    OK,
    Act,
    Answer,
    Seen,
    hang_up,
    leading_to,
    partner,
    read_and_reset,
    reset,
    say,
    wire,
)

IDEMPOTENT = ("GET", "PUT", "PATCH", "DELETE")


# What goes out and what comes back


@pytest.mark.parametrize("method", [*IDEMPOTENT, "POST"])
def test_a_request_arrives_as_it_is_and_the_answer_comes_back(web: HttpWeb, method: str) -> None:
    body = b"" if method in ("GET", "DELETE") else b'{"id": "1"}'
    query = {"date_from": "2015-06-29T20:39:09Z", "q": "a b+c"}
    with partner(Answer(201, [("X-Limit", "50")], b'{"status_code": 1000}')) as server:
        response = web.send(
            Request(method=method, url=f"{server.url}/ocpi/a%2Fb?x=1", headers=AUTHORIZATION, query=query, body=body)
        )

    seen = server.seen[0]
    assert (seen.method, seen.body) == (method, body)
    assert seen.path == "/ocpi/a%2Fb?x=1&date_from=2015-06-29T20%3A39%3A09Z&q=a%20b%2Bc"
    assert seen.headers["authorization"] == "Token secret-token"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert (response.status, response.headers["x-limit"], response.body) == (201, "50", b'{"status_code": 1000}')


def test_repeated_headers_are_joined(web: HttpWeb) -> None:
    with partner(Answer(200, [("Link", "<a>; rel=next"), ("X-One", "1"), ("link", "<b>; rel=last")])) as server:
        response = web.send(Request(method="GET", url=server.url))

    assert response.headers["link"] == "<a>; rel=next, <b>; rel=last"
    assert response.headers["x-one"] == "1"


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 405, 500, 503])
def test_any_status_is_an_answer(web: HttpWeb, status: int) -> None:
    with partner(Answer(status)) as server:
        assert web.send(Request(method="GET", url=server.url)).status == status


def test_connections_are_kept(web: HttpWeb) -> None:
    with partner(Answer(body=b"ok")) as server:
        for method in ("GET", "PUT", "POST", "GET"):
            web.send(Request(method=method, url=server.url, body=b"x"))

        assert server.connections == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(make_web: Callable[..., HttpWeb]) -> None:
    web = make_web(idle_s=0.0)
    with partner(Answer(body=b"ok")) as server:
        for _ in range(3):
            web.send(Request(method="POST", url=server.url))

        assert server.connections == 3


def test_threads_share_one_client(web: HttpWeb) -> None:
    def call(number: int) -> bytes:
        return web.send(Request(method="PUT", url=server.url, body=b"%d" % number)).body

    with partner(lambda seen: Answer(body=seen.body)) as server, ThreadPoolExecutor(8) as threads:
        bodies = [*threads.map(call, range(200))]

        assert bodies == [b"%d" % number for number in range(200)]
        assert server.connections <= 8


def test_proxies_in_the_environment_are_not_used(web: HttpWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    with partner(Answer(502)) as proxy, partner(Answer(body=b"direct")) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)

        assert web.send(Request(method="GET", url=server.url)).body == b"direct"
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
def test_a_get_follows_a_redirect_on_the_same_origin(web: HttpWeb, status: int, to: str) -> None:
    def answer(seen: Seen) -> Answer:
        return _redirecting(to.format(port=server.port), status)(seen)

    with partner(answer) as server:
        response = web.send(Request(method="GET", url=f"{server.url}/old", headers=AUTHORIZATION))

        assert response.status == 200
        assert [seen.headers["authorization"] for seen in server.seen] == ["Token secret-token"] * 2


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE"])
def test_a_redirect_of_anything_but_a_get_is_the_answer(web: HttpWeb, method: str) -> None:
    with partner(_redirecting("/new", 308)) as server:
        response = web.send(Request(method=method, url=f"{server.url}/old"))

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
def test_a_redirect_to_elsewhere_is_the_answer_and_nothing_is_sent_there(web: HttpWeb, to: str) -> None:
    def answer(seen: Seen) -> Answer:
        return _redirecting(to.format(port=server.port, other=other.port))(seen)

    with partner(Answer()) as other, partner(answer) as server:
        response = web.send(Request(method="GET", url=f"{server.url}/old", headers=AUTHORIZATION))

        assert response.status == 302
        assert len(server.seen) == 1
        assert other.connections == 0


def test_three_redirects_are_followed_and_the_fourth_is_the_answer(web: HttpWeb) -> None:
    with partner(lambda seen: Answer(302, [("Location", f"{seen.path}x")])) as server:
        response = web.send(Request(method="GET", url=f"{server.url}/"))

    assert response.status == 302
    assert [seen.path for seen in server.seen] == ["/", "/x", "/xx", "/xxx"]


def test_a_redirect_without_a_location_is_the_answer(web: HttpWeb) -> None:
    with partner(Answer(302)) as server:
        assert web.send(Request(method="GET", url=server.url)).status == 302


# The second attempt


def _serve_one_then(act: Act) -> Act:
    def serve(connection: socket.socket) -> None:
        say(OK)(connection)
        act(connection)

    return serve


@pytest.mark.parametrize("method", IDEMPOTENT)
@pytest.mark.parametrize("failure", [hang_up, read_and_reset, reset])
def test_what_may_be_sent_twice_is_sent_again_once(web: HttpWeb, method: str, failure: Act) -> None:
    with wire(failure, say(OK)) as server:
        assert web.send(Request(method=method, url=server.url, body=b"x")).body == b"ok"
        assert server.connections == 2


@pytest.mark.parametrize("failure", [hang_up, read_and_reset])
def test_after_the_second_failure_the_partner_is_unreachable(web: HttpWeb, failure: Act) -> None:
    with wire(failure) as server:
        with pytest.raises(Unreachable, match=f"PUT 127.0.0.1:{server.port}: the connection broke off"):
            web.send(Request(method="PUT", url=server.url, body=b"x"))

        assert server.connections == 2


@pytest.mark.parametrize("failure", [hang_up, read_and_reset])
def test_a_post_is_never_sent_again(web: HttpWeb, failure: Act) -> None:
    with wire(failure, say(OK)) as server:
        with pytest.raises(Unreachable, match="POST"):
            web.send(Request(method="POST", url=server.url, body=b"x"))

        assert server.connections == 1


@pytest.mark.parametrize("failure", [hang_up, read_and_reset])
def test_a_kept_connection_that_turns_out_dead_is_replaced(web: HttpWeb, failure: Act) -> None:
    with wire(_serve_one_then(failure), say(OK)) as server:
        for _ in range(2):
            assert web.send(Request(method="PATCH", url=server.url, body=b"{}")).body == b"ok"

        assert server.connections == 2


def test_a_post_into_a_kept_connection_that_turns_out_dead_is_not_sent_again(web: HttpWeb) -> None:
    with wire(_serve_one_then(read_and_reset), say(OK)) as server:
        web.send(Request(method="GET", url=server.url))
        with pytest.raises(Unreachable):
            web.send(Request(method="POST", url=server.url, body=b"x"))

        assert server.connections == 1


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 200 OK\r\nContent-Le", OK[:-1]])
def test_once_an_answer_has_begun_nothing_is_sent_again(web: HttpWeb, piece: bytes) -> None:
    def act(connection: socket.socket) -> None:
        say(piece)(connection)
        time.sleep(0.05)
        reset(connection)

    with wire(act) as server:
        with pytest.raises(Unreachable):
            web.send(Request(method="GET", url=server.url))

        assert server.connections == 1


def test_the_other_addresses_of_a_name_are_tried(make_web: Callable[..., HttpWeb]) -> None:
    with partner(Answer(body=b"ok")) as server:
        web = make_web(resolve=leading_to("127.0.0.2", "::1", "127.0.0.1"))

        assert web.send(Request(method="POST", url=f"http://partner.example:{server.port}")).body == b"ok"
