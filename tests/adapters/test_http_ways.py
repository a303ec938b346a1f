"""Which way the client for calls to partners goes out, what it trusts, and what its errors say."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.adapters.http.web import HttpWeb
from chalicelib.ocpi.errors import AddressNotAllowed, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Request
from tests.adapters.servers import (
    AUTHORIZATION,
    HEADERS,
    OK,
    Act,
    Answer,
    Authority,
    hang_up,
    leading_to,
    partner,
    read_and_reset,
    read_request,
    say,
    silent,
    wire,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# Where calls may go


@pytest.mark.parametrize("url", ["https://127.0.0.1:{port}", "https://localhost:{port}", "http://8.8.8.8:{port}"])
def test_a_closed_network_lets_nothing_out_to_loopback_nor_in_the_clear(url: str) -> None:
    with partner(Answer()) as server:
        with pytest.raises(AddressNotAllowed):
            HttpWeb().send(Request(method="POST", url=url.format(port=server.port), headers=AUTHORIZATION, body=b"x"))

        assert server.connections == 0


def test_nothing_is_sent_when_one_address_of_the_name_is_inside(make_web: Callable[..., HttpWeb]) -> None:
    with partner(Answer()) as server:
        web = make_web(resolve=leading_to("127.0.0.1", "10.0.0.1"))
        with pytest.raises(AddressNotAllowed):
            web.send(Request(method="GET", url=f"http://partner.example:{server.port}"))

        assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to(make_web: Callable[..., HttpWeb]) -> None:
    asked: list[str] = []

    def rebinding(name: str) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with partner(Answer(200, [("Connection", "close")], b"checked")) as server:
        web, request = make_web(resolve=rebinding), Request(method="GET", url=f"http://partner.example:{server.port}")

        assert web.send(request).body == b"checked"
        assert asked == ["partner.example"]
        with pytest.raises(AddressNotAllowed):
            web.send(request)

    assert server.seen[0].headers["host"] == f"partner.example:{server.port}"
    assert len(server.seen) == 1


def test_loopback_is_reached_over_ipv6_too(web: HttpWeb) -> None:
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

        assert web.send(Request(method="GET", url=f"http://[::1]:{port}/")).body == b"ok"
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
    make_web: Callable[..., HttpWeb], authority: Authority, certified: str, called: str
) -> None:
    web = make_web(ssl_context=authority.trusted, resolve=leading_to("127.0.0.1"))
    with _behind_tls(authority, certified) as server:
        for _ in range(2):
            response = web.send(Request(method="GET", url=f"https://{called}:{server.port}/", headers=AUTHORIZATION))

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
    make_web: Callable[..., HttpWeb], authority: Authority, certified: str, called: str
) -> None:
    web = make_web(ssl_context=authority.trusted, resolve=leading_to("127.0.0.1"))
    with _behind_tls(authority, certified) as server:
        with pytest.raises(Unreachable, match=f"GET {called}:{server.port}: TLS failure: .*mismatch.*{called}"):
            web.send(Request(method="GET", url=f"https://{called}:{server.port}/", headers=AUTHORIZATION))

        assert (server.seen, server.connections) == ([], 1)


def test_a_certificate_of_an_unknown_authority_is_refused(
    make_web: Callable[..., HttpWeb], authority: Authority
) -> None:
    web = make_web(ssl_context=None, resolve=leading_to("127.0.0.1"))
    with _behind_tls(authority, "partner.example") as server:
        with pytest.raises(Unreachable, match="TLS failure: unable to get local issuer certificate"):
            web.send(Request(method="GET", url=f"https://partner.example:{server.port}/", headers=AUTHORIZATION))

        assert server.seen == []


def test_a_large_body_crosses_tls_whole(make_web: Callable[..., HttpWeb], authority: Authority) -> None:
    web = make_web(ssl_context=authority.trusted)
    body = bytes(range(256)) * 4096
    with partner(lambda seen: Answer(body=seen.body), authority.server("127.0.0.1")) as server:
        assert web.send(Request(method="PUT", url=f"https://127.0.0.1:{server.port}/", body=body)).body == body


# What the errors say


def _unresolved(_: str) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_refused_connection_is_said_to_be_refused(web: HttpWeb) -> None:
    port = _free_port()

    with pytest.raises(Unreachable, match=f"^PUT 127.0.0.1:{port}: connection refused$"):
        web.send(Request(method="PUT", url=f"http://127.0.0.1:{port}/"))


def test_a_name_that_does_not_resolve_is_said_not_to(make_web: Callable[..., HttpWeb]) -> None:
    with pytest.raises(Unreachable, match=r"^GET partner\.example: its name does not resolve$"):
        make_web(resolve=_unresolved).send(Request(method="GET", url="https://partner.example/"))


def test_plain_http_on_a_tls_port_is_said_to_be_a_tls_failure(web: HttpWeb) -> None:
    with (
        wire(lambda connection: connection.sendall(OK)) as server,
        pytest.raises(Unreachable, match="TLS failure: "),
    ):
        web.send(Request(method="GET", url=server.url.replace("http", "https")))


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
def test_an_answer_that_is_not_whole_or_not_http_is_said_to_be_so(web: HttpWeb, said: bytes, reason: str) -> None:
    with wire(say(said)) as server:
        with pytest.raises(Unreachable, match=f"^GET 127.0.0.1:{server.port}: {reason}$"):
            web.send(Request(method="GET", url=server.url))

        assert server.connections == 1


@pytest.mark.parametrize("token", ["secret-token\r\nX: y", "secret-token\n", "secret-\u20ac-token", "secret-token\x00"])
def test_a_token_that_no_header_carries_is_refused_unseen(web: HttpWeb, token: str) -> None:
    with partner(Answer()) as server:
        with pytest.raises(UnableToUseApi, match="the header authorization holds characters") as refused:
            web.send(Request(method="GET", url=server.url, headers={"Authorization": f"Token {token}"}))

        assert "secret" not in str(refused.value)
        assert server.connections == 0


def _failing() -> dict[str, tuple[Act, dict[str, Any]]]:
    slow = {"read_s": 0.1}
    return {
        "hangs up": (hang_up, {}),
        "resets": (read_and_reset, {}),
        "silent": (silent, slow),
        "breaks off": (say(HEADERS), {}),
        "not HTTP": (say(b"\x00\x01\r\n"), {}),
        "too large": (say(HEADERS, b"x" * 1000), {"max_response_bytes": 10}),
        "not gzip": (say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nplain"), {}),
        "unresolved": (hang_up, {"resolve": _unresolved}),
        "inside": (hang_up, {"resolve": leading_to("10.0.0.1")}),
        "no address": (hang_up, {"resolve": leading_to()}),
    }


@pytest.mark.parametrize("how", _failing())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_error_shows_a_token_a_query_or_a_body(make_web: Callable[..., HttpWeb], method: str, how: str) -> None:
    act, settings = _failing()[how]
    with wire(act) as server:
        url = f"{server.url}/path?a=secret-url".replace("127.0.0.1", "localhost")
        request = Request(
            method=method, url=url, headers=AUTHORIZATION, query={"q": "secret-query"}, body=b"secret-body"
        )
        with pytest.raises(UnableToUseApi, match=f"^{method} localhost:{server.port}: ") as failed:
            make_web(**settings).send(request)

    assert "secret-" not in "".join(traceback.format_exception(failed.value))


def test_a_url_with_a_password_is_refused_without_repeating_it(web: HttpWeb) -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        web.send(
            Request(method="GET", url="http://user:secret@127.0.0.1/", headers=AUTHORIZATION, query={"q": "secret"})
        )

    assert "secret" not in str(refused.value)
