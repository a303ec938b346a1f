"""A partner whose answers the test writes: it keeps the spec until told otherwise, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.bootstrap.company import build_company
from chalicelib.node.partners.partner import Grant, Partner
from chalicelib.ocpi.auth import AuthToken, presented_tokens
from chalicelib.ocpi.errors import AddressNotAllowed, Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.memory import MemoryPartnerStore
from tests.world import Caller, CompanyInWorld, Reply, World

Json = Any
Answer = Response | Exception | Callable[[Request], Response]
"""What a request is met with; an exception stands for a network that fails."""


def frame(data: Json = None, *, http: int = 200, **fields: Json) -> Response:
    """An envelope around ``data``; ``fields`` replace what stands in it."""
    inside = {"data": data, "status_code": 1000, "timestamp": make.STAMP} | fields
    return Response(http, {"content-type": "application/json"}, json.dumps(inside).encode())


def refusal(http: int, status_code: int = 2000, message: str = "no") -> Response:
    """An answer that says no."""
    return frame(http=http, status_code=status_code, status_message=message)


FAILURES: Mapping[str, Answer] = {
    "refused": Unreachable("GET partner.example: connection refused"),
    "timeout": Unreachable("GET partner.example: no answer within 8 s"),
    "TLS failure": Unreachable("GET partner.example: certificate has expired"),
    "private address": AddressNotAllowed("GET partner.example: leads to a private address"),
    "401": refusal(401),
    "403": refusal(403),
    "404": refusal(404),
    "405": refusal(405),
    "500": refusal(500, 3000),
    "502 in HTML": Response(502, {}, b"<html>Bad gateway</html>"),
    "200 in HTML": Response(200, {}, b"<html>Welcome</html>"),
    "a redirect": Response(302, {"location": "https://elsewhere.example/"}),
    "not JSON": Response(200, {}, b"{'data': []}"),
    "nothing at all": Response(200),
    "2001": refusal(200, 2001),
    "3001": refusal(200, 3001),
    "no data": frame(),
    "no status_code": Response(200, {}, b'{"data": []}'),
    "status_code in words": frame([], status_code="OK"),
    "a bare list": Response(200, {}, b"[]"),
    "a string as data": frame("2.1.1"),
    "an empty list": frame([]),
    "an empty object": frame({}),
    "a list of nulls": frame([None]),
}
"""Everything that is no answer to any of the three requests of a handshake."""


@dataclass
class ScriptedPartner:
    """A platform at ``https://<host>`` that serves versions, details and credentials, and takes every push.

    ``script`` has the answers that the test wants instead, by method and path.
    """

    world: World
    role: Role = Role.EMSP
    """What they play."""
    host: str = "partner.example"
    party: Party = field(default_factory=lambda: Party.of("NL", "ABC"))
    token: str = "B-token-of-the-partner-1"
    """What we have to send to them, as their credentials say."""
    modules: list[str] = field(default_factory=lambda: ["credentials", "locations", "tariffs"])
    script: dict[tuple[str, str], Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.hosts[self.host] = self._answer

    # --- what they say --------------------------------------------------------------------------------------------

    def url(self, path: str) -> str:
        return f"https://{self.host}{path}"

    @property
    def versions_url(self) -> str:
        return self.url("/versions")

    def credentials(self, **fields: Json) -> Json:
        """Theirs, for us."""
        party = {"party_id": self.party.party_id, "country_code": self.party.country_code}
        return make.credentials(self.token, self.versions_url) | party | fields

    def details(self, *more: Json) -> Json:
        """Their modules, and what else the test lets them list."""
        listed = [{"identifier": module, "url": self.url(f"/2.1.1/{module}")} for module in self.modules]
        return {"version": "2.1.1", "endpoints": [*listed, *more]}

    # --- what they answer -----------------------------------------------------------------------------------------

    def answers(self, method: str, path: str, answer: Answer) -> None:
        """From now on."""
        self.script[method, path] = answer

    def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.script.get((request.method, request.url), self._as_the_spec_says)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer(request)

    def _as_the_spec_says(self, request: Request) -> Response:
        match request.method, request.url:
            case "GET", "/versions":
                return frame([{"version": "2.1.1", "url": self.url("/2.1.1")}])
            case "GET", "/2.1.1":
                return frame(self.details())
            case "POST" | "PUT" | "GET", "/2.1.1/credentials":
                return frame(self.credentials())
            case "GET", _:
                return refusal(404)
        return frame()

    # --- what they were asked -------------------------------------------------------------------------------------

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Method and path of each request so far, in order."""
        return [(request.method, request.url) for request in self.requests]

    @property
    def tokens(self) -> list[str]:
        """The token of each request so far, in order."""
        return [presented_tokens(request.headers)[0].secret for request in self.requests]

    def forget(self) -> None:
        """Begin to remember anew."""
        self.requests.clear()


@dataclass
class Meeting:
    """Our node and a scripted partner that has to do with it."""

    ours: CompanyInWorld
    partner: ScriptedPartner

    @property
    def world(self) -> World:
        return self.ours.world

    @property
    def root(self) -> str:
        """Where our endpoints for this partner begin."""
        return f"/ocpi/{self.partner.role.other}/2.1.1"

    @property
    def credentials_path(self) -> str:
        return f"{self.root}/credentials"

    @property
    def versions_path(self) -> str:
        return f"/ocpi/{self.partner.role.other}/versions"

    @property
    def known(self) -> Partner:
        """The newest partner as our store has it."""
        return self.ours.partners()[-1]

    @property
    def token_in_post(self) -> str:
        """The token that we sent to the partner for its own use: B."""
        (post,) = [request for request in self.partner.requests if request.method == "POST"]
        return str(json.loads(post.body)["token"])

    def caller(self, token: str) -> Caller:
        """The partner, when it calls us with this token."""
        return Caller(self.world, "ours.example", token)

    def invited(self) -> Caller:
        """The partner with a fresh invitation."""
        return self.caller(self.ours.company.registrations.invite(self.partner.role).token.secret)

    def post(self, caller: Caller, **fields: Json) -> Reply:
        """The partner registers, with credentials in which ``fields`` are replaced."""
        return caller("POST", self.credentials_path, self.partner.credentials(**fields))

    def put(self, caller: Caller, **fields: Json) -> Reply:
        """The partner replaces its credentials."""
        return caller("PUT", self.credentials_path, self.partner.credentials(**fields))

    def registered(self) -> Caller:
        """The partner after it registered with us, with the token that we gave it."""
        reply = self.post(self.invited())
        assert reply.outcome == (200, 1000), reply.frame
        return self.caller(reply.data["token"])

    def register(self) -> Partner:
        """The partner after we registered with it, with the token ``A-token-of-the-partner``."""
        token = AuthToken("A-token-of-the-partner")
        return self.ours.company.registrations.register(self.partner.versions_url, token, self.partner.role)

    def is_admitted(self, token: str) -> bool:
        """Whether a token opens our modules to this partner."""
        # To an eMSP this is a list, to a CPO an address that answers 405.
        status = self.caller(token)("GET", f"{self.root}/locations").status
        assert status in (200, 401, 405)
        return status != 401


def meeting(their_role: Role = Role.EMSP, **settings: Any) -> Meeting:
    """Our node ``DE/CPO`` in both roles, and a partner ``NL/ABC`` in this one, who have not met yet."""
    world = World()
    ours = world.company("ours.example", Party.of("DE", "CPO"), **settings)
    return Meeting(ours, ScriptedPartner(world, their_role))


class FailingPartners(MemoryPartnerStore):
    """A store that fails at its next save, before or after it has written."""

    fails = ""

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        when, self.fails = self.fails, ""
        saved = partner if when == "before" else super().save(partner, issue=issue, revoke=revoke, release=release)
        if when:
            raise TimeoutError("the store does not answer")
        return saved

    @classmethod
    def of(cls, met: Meeting) -> FailingPartners:
        """Our store, from now on; what it held before is forgotten."""
        ours, partners = met.ours, cls(met.world.clock)
        ours.ports = replace(ours.ports, partners=partners)
        ours.company = build_company(ours.settings, ours.ports)
        return partners
