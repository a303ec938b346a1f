"""A network of hosts with one clock, joined by function calls."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Party, Role
from tests.world.company import CompanyInWorld

Json = Any


class Clock:
    """Time that passes only when told to, and a millisecond with each look, so that no two writes are simultaneous."""

    def __init__(self, now: datetime = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def pass_(self, **amount: float) -> None:
        """Let time pass, in the words of ``timedelta``."""
        self.now += timedelta(**amount)


@dataclass(frozen=True)
class Traffic:
    """One request that crossed the network, and its answer; None when the host was down."""

    request: Request
    response: Response | None
    timeout_s: float | None = None
    """How long the sender would have waited; None: as long as it waits for anything."""

    @property
    def host(self) -> str:
        return urlsplit(self.request.url).netloc

    @property
    def path(self) -> str:
        return urlsplit(self.request.url).path

    @property
    def json(self) -> Json:
        return json.loads(self.request.body)


Server = Callable[[Request], Response]
"""A host: gets requests whose url is the path below it."""


class World:
    """A network of hosts with one clock; ``traffic`` is everything that was sent on it.

    Queues deliver at once what is to be delivered later, unless it is a ``delaying`` world.
    """

    def __init__(self, *, delaying: bool = False) -> None:
        self.clock = Clock()
        self.delaying = delaying
        self.companies: list[CompanyInWorld] = []
        self.hosts: dict[str, Server] = {}
        self.down: set[str] = set()
        self.traffic: list[Traffic] = []
        self._ids = itertools.count(1)

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing: every host of this world may be called."""

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The answer of the host that the URL names.

        Raises:
            Unreachable: there is none, or it is down.
        """
        parts = urlsplit(request.url)
        server = self.hosts.get(parts.netloc)
        if server is None or parts.netloc in self.down:
            self.traffic.append(Traffic(request, None, timeout_s))
            raise Unreachable(f"{request.method} {parts.netloc}: connection refused", unsent=True)
        query = dict(parse_qsl(parts.query)) | dict(request.query)
        response = server(
            Request(method=request.method, url=parts.path, headers=request.headers, query=query, body=request.body)
        )
        self.traffic.append(Traffic(request, response, timeout_s))
        return response

    def company(
        self, host: str, party: Party, roles: frozenset[Role] = frozenset(Role), **settings: Any
    ) -> CompanyInWorld:
        """A company whose node is reachable at ``https://<host>``."""
        found = CompanyInWorld(self, host, party, roles, settings)
        self.serve(host, found)
        return found

    def serve(self, host: str, company: CompanyInWorld) -> None:
        """Make a company reachable at ``https://<host>``."""
        self.hosts[host] = lambda request: company.company.node.handle(request, f"https://{host}", "test")

    def fresh_token(self) -> AuthToken:
        """Tokens that a test can recognise."""
        return AuthToken(f"secret-token-number-{next(self._ids):06}")

    def fresh_id(self) -> str:
        """Partner ids in order."""
        return f"p{next(self._ids)}"

    def wait(self, **amount: float) -> None:
        """Let time pass in a delaying world, while every company does in time what falls due."""
        until = self.clock.now + timedelta(**amount)
        while dues := [due for each in self.companies if (due := each.queues.next_due()) and due <= until]:
            self.clock.now = max(self.clock.now, min(dues))
            for company in self.companies:
                company.pump()
        self.clock.now = max(self.clock.now, until)

    def since(self, mark: int) -> list[Traffic]:
        """What was sent since ``len(traffic)`` was ``mark``."""
        return self.traffic[mark:]
