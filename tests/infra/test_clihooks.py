"""Chalice's real local server and API document with our hook in place, on a small app."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from http.client import HTTPConnection
from statistics import median
from typing import Any

import pytest
from chalice import local
from chalice.app import Chalice, Response
from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.deploy.swagger import CFNSwaggerGenerator

from chalicelib import clihooks

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
MEGABYTE = 1024 * 1024


def example_app() -> Chalice:
    """An app that answers with what it was asked."""
    app = Chalice("example", configure_logs=False, env={})

    def answer(**captured: str) -> Response:
        request = app.current_request
        assert request is not None
        event = request.to_original_event()
        told = {
            "route": request.path,
            "params": request.uri_params,
            "query": event["multiValueQueryStringParameters"],
            "size": len(event["body"] or b""),
            "body": (event["body"] or b"")[:100].decode(),
            "authorization": request.headers.get("authorization"),
        }
        headers: dict[str, Any] = {"X-Twice": ["one", "two"], "content-type": "application/json; charset=utf-8"}
        return Response(json.dumps(told), headers=headers)

    for path in ("/things", "/things/special", "/things/{thing}", "/things/{thing}/parts", "/{proxy+}"):
        app.route(path, methods=METHODS, name=path, content_types=["*/*"])(answer)
    return app


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Keeps one connection, and reads exactly what belongs to an answer: what is left over breaks the next one."""

    port: int
    sock: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        self.reader = self.sock.makefile("rb")

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
        return self.raw(method, path, [*length.items(), *headers.items()], body)

    def raw(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> Answer:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers)
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: here\r\n{lines}\r\n".encode("latin-1") + body)
        return self.read(method)

    def read(self, method: str) -> Answer:
        status = int(self.reader.readline().split()[1])
        block = b"".join(iter(self.reader.readline, b"\r\n"))
        headers = BytesHeaderParser().parsebytes(block)
        body = b"" if method == "HEAD" or status == 100 else self.reader.read(int(headers["Content-Length"]))
        return Answer(status, headers, body)

    def close(self) -> None:
        self.reader.close()
        self.sock.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    clihooks.install()
    app = example_app()
    config = Config.create(chalice_app=app, app_name="example", lambda_timeout=28, lambda_memory_size=1024)
    server = CLIFactory(".", environ={}).create_local_server(app, config, "127.0.0.1", 0)
    thread = threading.Thread(target=server.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server.server_address[1]
    server.shutdown()
    thread.join()
    server.server.server_close()


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with closing(Client(port)) as one:
        yield one
        assert one.send("GET", "/things").json["route"] == "/things", "the connection is out of step"


@pytest.fixture
def last_client(port: int) -> Iterator[Client]:
    """A client whose connection need not survive."""
    with closing(Client(port)) as one:
        yield one


def test_installing_twice_changes_nothing() -> None:
    clihooks.install()
    before = (local.RouteMatcher, local.LocalDevServer, CFNSwaggerGenerator.generate_swagger)

    clihooks.install()

    assert (local.RouteMatcher, local.LocalDevServer, CFNSwaggerGenerator.generate_swagger) == before


# Speed.


def test_an_answer_is_not_held_back_for_an_acknowledgement(client: Client) -> None:
    """Chalice's own server needs more than 40 ms on a connection that is used again."""
    times = []
    for _ in range(31):
        started = time.perf_counter()
        client.send("GET", "/things")
        times.append(time.perf_counter() - started)

    assert median(times) < 0.02


def test_many_clients_are_let_in_at_once(port: int) -> None:
    """Whoever finds the queue full tries again after a second."""
    started = time.perf_counter()
    clients = [Client(port) for _ in range(100)]

    assert {one.send("GET", "/things").status for one in clients} == {200}
    assert time.perf_counter() - started < 0.9

    for one in clients:
        one.close()


# Routes.


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/things", "/things", {}),
        ("/things/", "/things", {}),
        ("/things/special", "/things/special", {}),
        ("/things/7", "/things/{thing}", {"thing": "7"}),
        ("/things/special/parts", "/things/{thing}/parts", {"thing": "special"}),
        ("/things/LOC%2F1%20a%2Bb", "/things/{thing}", {"thing": "LOC%2F1%20a%2Bb"}),
        ("/things/a;b", "/things/{thing}", {"thing": "a;b"}),
        ("/things/7/parts/8", "/{proxy+}", {"proxy": "things/7/parts/8"}),
        ("/things/7/8", "/{proxy+}", {"proxy": "things/7/8"}),
        ("/elsewhere", "/{proxy+}", {"proxy": "elsewhere"}),
    ],
)
def test_the_most_specific_route_answers_and_captures_only_its_own(
    client: Client, path: str, route: str, params: dict[str, str]
) -> None:
    told = client.send("GET", path).json

    assert (told["route"], told["params"]) == (route, params)


def test_the_query_reaches_the_app(client: Client) -> None:
    assert client.send("GET", "/things?limit=1&limit=2&empty=").json["query"] == {"limit": ["1", "2"], "empty": [""]}


@pytest.mark.parametrize("headers", [[], [("Authorization", "Token abc")], [("Authorization", "Token \xe9")]])
def test_a_path_without_any_route_is_not_found(client: Client, headers: list[tuple[str, str]]) -> None:
    answer = client.raw("GET", "/", headers)

    assert answer.status == 404
    assert answer.json["status_code"] == 2000


# Methods.


def test_head_answers_without_a_body(client: Client) -> None:
    got, head = client.send("GET", "/things"), client.send("HEAD", "/things")

    assert head.status == 200
    assert head.headers["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "CONNECT", "BREW"])
def test_the_app_answers_methods_that_it_does_not_know(client: Client, method: str) -> None:
    answer = client.send(method, "/things")

    assert answer.status == 405
    assert sorted(answer.headers["Allow"].split(", ")) == sorted(METHODS)
    assert answer.json["Code"] == "MethodNotAllowedError"


# Bodies.


def test_a_chunked_body_arrives_whole(client: Client) -> None:
    chunks = b"5\r\nhello\r\n6;note=1\r\n world\r\n0\r\nTrailer: gone\r\n\r\n"

    assert client.send("PUT", "/things", chunks, Transfer_Encoding="chunked").json["body"] == "hello world"


def test_a_body_of_ten_megabytes_is_taken(client: Client) -> None:
    assert client.send("PUT", "/things", b"x" * 10 * MEGABYTE).json["size"] == 10 * MEGABYTE


def test_a_larger_body_is_refused_and_the_connection_goes_on(client: Client) -> None:
    answer = client.send("PUT", "/things", b"x" * (10 * MEGABYTE + 1))

    assert answer.status == 413
    assert answer.json["status_code"] == 2000
    assert answer.json["status_message"] == clihooks.TOO_LARGE
    assert answer.json["timestamp"].endswith("Z")


def test_a_larger_chunked_body_is_refused_and_the_connection_goes_on(client: Client) -> None:
    chunk = b"100000\r\n" + b"x" * MEGABYTE + b"\r\n"

    assert client.send("PUT", "/things", chunk * 11 + b"0\r\n\r\n", Transfer_Encoding="chunked").status == 413


def test_a_client_that_waits_to_send_is_told_to(client: Client) -> None:
    asked = client.raw("PUT", "/things", [("Content-Length", "5"), ("Expect", "100-continue")])
    client.sock.sendall(b"hello")

    assert asked.status == 100
    assert client.read("PUT").json["body"] == "hello"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("Content-Length", "five")], b"hello"),
        ([("Content-Length", "-5")], b"hello"),
        ([("Transfer-Encoding", "chunked")], b"hello\r\n"),
    ],
)
def test_a_body_without_a_sound_length_is_refused_and_the_connection_closed(
    last_client: Client, headers: list[tuple[str, str]], body: bytes
) -> None:
    answer = last_client.raw("PUT", "/things", headers, body)

    assert answer.status == 400
    assert answer.json["status_code"] == 2000
    assert answer.headers["Connection"] == "close"
    assert last_client.reader.read() == b""


def test_a_body_that_ends_early_is_refused(last_client: Client) -> None:
    last_client.sock.sendall(b"PUT /things HTTP/1.1\r\nContent-Length: 10\r\n\r\nhello")
    last_client.sock.shutdown(socket.SHUT_WR)

    assert last_client.read("PUT").status == 400


def test_a_broken_request_line_is_answered_with_an_envelope(last_client: Client) -> None:
    answer = last_client.raw("GET", "/things and more", [])

    assert answer.status == 400
    assert answer.json["status_code"] == 2000


# Headers.


def test_a_header_with_two_values_is_sent_twice(port: int) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", "/things")
        answer = connection.getresponse()

        assert answer.headers.get_all("X-Twice") == ["one", "two"]
        assert answer.headers.get_all("Content-Type") == ["application/json; charset=utf-8"]


# What API Gateway is told.


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    clihooks.install()
    made: dict[str, Any] = CFNSwaggerGenerator().generate_swagger(example_app())
    return made


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("DEFAULT_4XX", None, 2000),
        ("DEFAULT_5XX", None, 3000),
        ("MISSING_AUTHENTICATION_TOKEN", "404", 2000),
        ("INVALID_SIGNATURE", "404", 2000),
        ("REQUEST_TOO_LARGE", "413", 2000),
        ("THROTTLED", "429", 2000),
        ("INTEGRATION_TIMEOUT", "504", 3000),
    ],
)
def test_what_api_gateway_says_itself_is_an_envelope(
    document: dict[str, Any], name: str, status: str | None, code: int
) -> None:
    response = document["x-amazon-apigateway-gateway-responses"][name]
    template = response["responseTemplates"]["application/json"]
    body = json.loads(template.replace("$context.error.messageString", '"Forbidden"'))

    assert response.get("statusCode") == status
    assert body["status_code"] == code
    assert body["status_message"]


def test_a_throttled_partner_is_told_when_to_come_back(document: dict[str, Any]) -> None:
    throttled = document["x-amazon-apigateway-gateway-responses"]["THROTTLED"]

    assert throttled["responseParameters"] == {"gatewayresponse.header.Retry-After": "'1'"}


def test_every_path_parameter_is_declared_once(document: dict[str, Any]) -> None:
    declared = {
        path: [parameter["name"] for parameter in methods["get"].get("parameters", [])]
        for path, methods in document["paths"].items()
    }

    assert declared == {
        "/things": [],
        "/things/special": [],
        "/things/{thing}": ["thing"],
        "/things/{thing}/parts": ["thing"],
        "/{proxy+}": ["proxy"],
    }
