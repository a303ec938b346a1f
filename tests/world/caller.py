"""A partner that speaks HTTP itself, and the answers that it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chalicelib.ocpi.http import Request, Response
from tests.world.network import Json, World


@dataclass
class Caller:
    """A partner's side of one connection, for tests that speak HTTP themselves."""

    world: World
    host: str
    token: str

    def __call__(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """The answer to one request; ``path`` may be a whole URL."""
        url = path if path.startswith("https://") else f"https://{self.host}{path}"
        content = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        sent = {"authorization": f"Token {self.token}", **(headers or {})}
        return Reply(self.world.send(Request(method=method, url=url, headers=sent, query=query or {}, body=content)))


@dataclass(frozen=True)
class Reply:
    """An answer, ready to be asserted on."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self.response.headers

    @property
    def frame(self) -> Json:
        return json.loads(self.response.body)

    @property
    def code(self) -> int:
        return int(self.frame["status_code"])

    @property
    def message(self) -> str:
        return str(self.frame.get("status_message", ""))

    @property
    def data(self) -> Json:
        return self.frame.get("data")

    @property
    def outcome(self) -> tuple[int, int]:
        """HTTP status and OCPI status code."""
        return self.status, self.code


def crawl(call: Caller, path: str, query: Mapping[str, str] | None = None) -> Iterator[Reply]:
    """The pages of a list, following ``Link`` as a client must (PAG-15)."""
    reply = call("GET", path, query=query)
    yield reply
    while "link" in reply.headers:
        reply = call("GET", next_link(reply))
        yield reply


def next_link(reply: Reply) -> str:
    """The URL in the ``Link`` header."""
    link = reply.headers["link"]
    assert link.endswith('>; rel="next"')
    return link.removeprefix("<").removesuffix('>; rel="next"')
