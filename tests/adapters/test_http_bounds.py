"""The bounds of the client for calls to partners: how much of an answer it reads, and how long it waits."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from chalicelib.adapters.http.web import HttpWeb
from chalicelib.ocpi.errors import UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Request
from tests.adapters.servers import (
    HEADERS,
    OK,
    Act,
    Answer,
    Seen,
    partner,
    say,
    silent,
    wire,
)

MIB = 1024 * 1024


# Bounds on size


def _chunked(pieces: int, piece: bytes) -> Act:
    chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    return say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * pieces, b"0\r\n\r\n")


def test_an_answer_of_exactly_the_cap_is_taken(make_web: Callable[..., HttpWeb]) -> None:
    with partner(Answer(body=b"x" * 1000)) as server, wire(_chunked(10, b"x" * 100)) as chunked:
        for url in (server.url, chunked.url):
            assert make_web(max_response_bytes=1000).send(Request(method="GET", url=url)).body == b"x" * 1000


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
def test_a_larger_answer_is_refused_and_its_connection_dropped(make_web: Callable[..., HttpWeb], act: Act) -> None:
    web = make_web(max_response_bytes=1000)
    with wire(act, say(OK)) as server:
        with pytest.raises(UnableToUseApi, match="larger than 1000 bytes"):
            web.send(Request(method="GET", url=server.url))

        assert web.send(Request(method="GET", url=server.url)).body == b"ok"
        assert server.connections == 2


def test_a_compressed_answer_is_decompressed(web: HttpWeb) -> None:
    body = b'{"status_code": 1000}' * 10_000
    with partner(Answer(200, [("Content-Encoding", "gzip")], gzip.compress(body))) as server:
        for _ in range(2):
            assert web.send(Request(method="GET", url=server.url)).body == body

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
def test_a_bomb_is_not_blown_up(make_web: Callable[..., HttpWeb], encoding: str, bomb: bytes) -> None:
    web = make_web(max_response_bytes=MIB)
    with partner(Answer(200, [("Content-Encoding", encoding)], bomb)) as server:
        tracemalloc.start()
        with pytest.raises(UnableToUseApi, match="larger than"):
            web.send(Request(method="GET", url=server.url))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 12 * MIB


def test_a_body_that_only_claims_to_be_compressed_is_refused(web: HttpWeb) -> None:
    with partner(Answer(200, [("Content-Encoding", "gzip")], b"not gzip at all")) as server:
        with pytest.raises(UnableToUseApi, match="cannot be decompressed") as refused:
            web.send(Request(method="GET", url=server.url))

        assert not isinstance(refused.value, Unreachable)
        assert len(server.seen) == 1


# Bounds on time


def _takes(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"timed out after 0\.\d s"):
        call()
    return time.monotonic() - began


def test_a_silent_partner_times_out_and_is_not_asked_twice(make_web: Callable[..., HttpWeb]) -> None:
    with wire(silent) as server:
        assert _takes(lambda: make_web(read_s=0.2).send(Request(method="GET", url=server.url))) < 0.9
        assert server.connections == 1


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
def test_an_answer_that_trickles_ends_with_the_whole_call(
    make_web: Callable[..., HttpWeb], pieces: list[bytes]
) -> None:
    with wire(say(*pieces, every_s=0.03)) as server:
        assert _takes(lambda: make_web(total_s=0.3).send(Request(method="GET", url=server.url))) < 0.9


def test_one_call_may_have_a_bound_of_its_own(web: HttpWeb) -> None:
    with wire(silent) as server:
        assert _takes(lambda: web.send(Request(method="POST", url=server.url), timeout_s=0.2)) < 0.9


@pytest.mark.parametrize("at_once", [0, 65536])
def test_a_partner_who_reads_slowly_or_not_ends_with_the_whole_call(
    make_web: Callable[..., HttpWeb], at_once: int
) -> None:
    done = threading.Event()

    def slow(connection: socket.socket) -> None:
        while not done.wait(0.03):
            connection.recv(at_once)

    with wire(slow) as server:
        body = bytes(32 * MIB)

        assert _takes(lambda: make_web(total_s=0.3).send(Request(method="PUT", url=server.url, body=body))) < 0.9
        done.set()


def test_redirects_share_one_bound(make_web: Callable[..., HttpWeb]) -> None:
    def answer(_: Seen) -> Answer:
        time.sleep(0.2)
        return Answer(302, [("Location", "/")])

    with partner(answer) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            make_web(total_s=0.5).send(Request(method="GET", url=server.url))

        assert time.monotonic() - began < 0.9


def test_a_resolver_that_hangs_does_not_hold_the_call(make_web: Callable[..., HttpWeb]) -> None:
    done = threading.Event()
    web = make_web(connect_s=0.2, resolve=lambda _: done.wait(5) and [])

    assert _takes(lambda: web.send(Request(method="GET", url="https://partner.example"))) < 0.9
    done.set()


def test_a_handshake_that_hangs_does_not_hold_the_call(make_web: Callable[..., HttpWeb]) -> None:
    with wire(silent) as server:
        web = make_web(connect_s=0.2)

        assert _takes(lambda: web.send(Request(method="GET", url=server.url.replace("http", "https")))) < 0.9
        assert server.connections == 1


def test_a_connect_that_hangs_does_not_hold_the_call(make_web: Callable[..., HttpWeb]) -> None:
    # A listener whose backlog is full drops what comes after: the connect waits for an answer to its SYN.
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        web = make_web(connect_s=0.2)

        assert (
            _takes(lambda: web.send(Request(method="GET", url=f"http://127.0.0.1:{listener.getsockname()[1]}"))) < 0.9
        )
