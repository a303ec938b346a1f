"""A partner that answers as a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.world import Caller, CompanyInWorld, World

HOST = "partner.example"
PARTY = Party.of("NL", "ABC")
TOKEN = "the-token-you-must-send"

Json = Any


def frame(data: Json = None, *, status: int = 200, code: int = 1000, **more: Json) -> Response:
    """An envelope as any platform might write it."""
    body = {"status_code": code, "timestamp": "2026-03-01T12:00:00Z", "data": data, **more}
    return Response(status, {"content-type": "application/json"}, json.dumps(body).encode())


def taken(_request: Request) -> Response:
    """The answer of somebody who takes everything and has nothing."""
    return frame()


class ScriptedPartner:
    """Registered with a node, on ``https://partner.example`` and wherever its ``endpoints`` are.

    ``answer`` is given every request but those for versions and details, by method and whole URL.
    """

    def __init__(
        self,
        world: World,
        role: Role = Role.EMSP,
        endpoints: Mapping[str, str] | None = None,
        answer: Callable[[Request], Response] = taken,
    ) -> None:
        self.world = world
        self.role = role
        self.endpoints = {"credentials": f"https://{HOST}/credentials"} | dict(endpoints or {})
        self.answer = answer
        self.asked: list[Request] = []
        for url in (f"https://{HOST}/", *self.endpoints.values()):
            host = url.split("/")[2]
            world.hosts[host] = lambda request, host=host: self._answered(host, request)  # type: ignore[misc]

    def _answered(self, host: str, request: Request) -> Response:
        whole = Request(
            method=request.method,
            url=f"https://{host}{request.url}",
            headers=request.headers,
            query=request.query,
            body=request.body,
        )
        match whole.url:
            case "https://partner.example/versions":
                return frame([{"version": "2.1.1", "url": f"https://{HOST}/2.1.1"}])
            case "https://partner.example/2.1.1":
                listed = [{"identifier": name, "url": url} for name, url in self.endpoints.items()]
                return frame({"version": "2.1.1", "endpoints": listed})
        self.asked.append(whole)
        return self.answer(whole)

    def register_with(self, node: CompanyInWorld, party: Party = PARTY) -> Caller:
        """Calls the node with the token that it gave us for our registration."""
        company = node.company
        invitation = company.registrations.invite(self.role)
        host, tree = node.base_url.removeprefix("https://"), f"/ocpi/{self.role.other}"
        ours = make.credentials(
            TOKEN, f"https://{HOST}/versions", country_code=party.country_code, party_id=party.party_id
        )
        reply = Caller(self.world, host, invitation.token.secret)("POST", f"{tree}/2.1.1/credentials", ours)
        assert reply.outcome == (200, 1000)
        return Caller(self.world, host, reply.data["token"])

    @property
    def bodies(self) -> list[Json]:
        """What was sent to us, oldest first."""
        return [json.loads(request.body) for request in self.asked if request.body]

    @property
    def calls(self) -> list[str]:
        """Method and URL of what we were asked, oldest first."""
        return [f"{request.method} {request.url}" for request in self.asked]
