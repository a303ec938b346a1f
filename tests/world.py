"""A small world for conversations: companies with real nodes on memory stores, joined by function calls."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib import bootstrap
from chalicelib.bootstrap import Company
from chalicelib.modules import MODULES
from chalicelib.node.own import Kept
from chalicelib.node.partners import Partner
from chalicelib.node.ports import Delivery, Tend, theirs
from chalicelib.node.telemetry import Exchange
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import COMMAND_TYPE, ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.outside import Outside
from chalicelib.settings import Settings
from tests.memory import (
    DelayingQueues,
    MemoryBreakers,
    MemoryBus,
    MemoryCommandQueues,
    MemoryCommands,
    MemoryEvents,
    MemoryJournal,
    MemoryObjects,
    MemoryOutbox,
    MemoryPartners,
    MemoryPullQueue,
    MemoryPulls,
    MemoryQuarantine,
    MemoryQueues,
)

Json = Any


CLIENT_OWNED = [identifier for identifier, module in MODULES.items() if not module.sending.posted]
"""The modules whose objects are put at URLs of their own; a CDR is posted."""
PUBLIC = [identifier for identifier, module in MODULES.items() if not module.sending.private]
"""The modules whose objects every partner sees."""


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


@dataclass
class Recorder:
    """An observer that remembers."""

    exchanges: list[Exchange] = field(default_factory=list)

    def about(self, partner_id: str, module: str) -> None:
        """Nothing."""

    def exchange(self, exchange: Exchange) -> None:
        """Remembers it."""
        self.exchanges.append(exchange)


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
        response = server(Request(request.method, parts.path, request.headers, query, request.body))
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


class CompanyInWorld:
    """One company: its node on memory stores, and the host's view of it."""

    def __init__(
        self, world: World, host: str, party: Party, roles: frozenset[Role], settings: Mapping[str, Any]
    ) -> None:
        self.world = world
        self.base_url = f"https://{host}"
        self.queues = DelayingQueues(world.clock) if world.delaying else MemoryQueues()
        world.companies.append(self)
        self.command_queues = MemoryCommandQueues()
        self.pull_steps = MemoryPullQueue()
        self.events = MemoryEvents()
        self.bus = MemoryBus()
        self.observer = Recorder()
        self.outside = self.ports()
        self.settings = Settings(
            **{
                "stage": "test",
                "party": party,
                "name": f"Company {party}",
                "website": None,
                "roles": roles,
                "public_url": self.base_url,
                "open_network": False,
                "page_limit": 100,
                "session_pause_s": 60,
                "commands": frozenset(COMMAND_TYPE),
                "command_timeout_s": 60,
                "required_modules": frozenset(),
                "events": True,
                "log_level": "INFO",
                "console_logs": False,
                **settings,
            }
        )
        self.company: Company = bootstrap.company(self.settings, self.outside)

    def ports(self) -> Outside:
        """The outside: memory stores, and the world as the web."""
        breakers = MemoryBreakers()
        return Outside(
            stores={module: MemoryObjects() for module in MODULES},
            partners=MemoryPartners(self.world.clock),
            queues=self.queues,
            outbox=MemoryOutbox(breakers),
            breakers=breakers,
            quarantine=MemoryQuarantine(),
            commands=MemoryCommands(),
            command_queues=self.command_queues,
            pulls=MemoryPulls(),
            pull_queue=self.pull_steps,
            event_queue=self.events,
            event_bus=self.bus,
            journal=MemoryJournal(),
            web=self.world,
            observer=self.observer,
            clock=self.world.clock,
            sleep=lambda _seconds: None,
            fresh_token=self.world.fresh_token,
            fresh_id=self.world.fresh_id,
            fresh_command_id=self.world.fresh_id,
        )

    @property
    def party(self) -> Party:
        return self.settings.party

    def pump(self) -> None:
        """Work the queues off until nothing is left that is due."""
        self.queues.wake()
        while self.queues.announcements or self.queues.deliveries:
            while self.queues.announcements:
                announcements, attempt = self.queues.announcements.pop(0)
                self.company.push.spread(announcements, attempt)
            if self.queues.deliveries:
                self.deliver(self.queues.deliveries.pop(0))

    def deliver(self, asked: Delivery | Tend) -> None:
        """Do what one message in the deliveries asks for."""
        if isinstance(asked, Tend):
            self.company.tending.tend(asked)
        else:
            self.company.deliverer.deliver(asked)

    def look(self) -> None:
        """What the schedule does each minute: look which partners something is due for, and do it."""
        self.company.tending.look()
        self.pump()

    def pump_events(self) -> list[Json]:
        """Publish what is announced; what the host has heard by now."""
        while self.events.messages:
            events, attempt = self.events.messages.pop(0)
            self.company.publisher.publish(events, attempt)
        return list(self.bus.published)

    def pump_commands(self) -> None:
        """Take the results of charge points and the timers that are due, then post what is to be posted."""
        queues, now = self.command_queues, self.world.clock.now
        for each in list(queues.results):
            command = self.outside.commands.get(each[0].command_id)
            if not each[1] or (command and command.deadline <= now):
                queues.results.remove(each)
                self.company.results.take(each[0])
        while queues.answers:
            self.company.results.post(queues.answers.pop(0)[0])

    def partners(self) -> list[Partner]:
        return self.outside.partners.all()

    def received(self, module: ModuleID, owner: Party, object_id: str) -> Json:
        """What this company holds of another's object; None if nothing."""
        stored = self.outside.stores[module].get(theirs(owner), object_id)
        return None if stored is None or stored.aside.get("deleted_at") else json.loads(stored.body)


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
        return Reply(self.world.send(Request(method, url, sent, query or {}, content)))


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


@dataclass
class Pair:
    """A CPO and an eMSP that are registered with each other."""

    world: World
    cpo: CompanyInWorld
    emsp: CompanyInWorld
    to_cpo: Caller
    """Calls the CPO with the eMSP's token."""
    to_emsp: Caller
    """Calls the eMSP with the CPO's token."""

    def pump(self) -> None:
        """Let everything be told that is to be told."""
        self.cpo.pump()
        self.emsp.pump()

    @property
    def receiver_path(self) -> str:
        """Where the eMSP keeps the CPO's objects: append the module's own path with ``for_module``."""
        return "/ocpi/emsp/2.1.1"

    def at_emsp(self, module: str, *steps: str) -> str:
        """The path of one of the CPO's objects at the eMSP."""
        party = self.cpo.party
        return "/".join([f"/ocpi/emsp/2.1.1/{module}/{party.country_code}/{party.party_id}", *steps])

    # --- the same from the point of view of a module, whoever owns it ----------------------------------------------

    def owner(self, module: ModuleID) -> CompanyInWorld:
        """Who owns the module's objects, serves their list and pushes them."""
        return self.cpo if MODULES[module].owner is Role.CPO else self.emsp

    def receiver(self, module: ModuleID) -> CompanyInWorld:
        """Who is pushed to, and pulls."""
        return self.emsp if MODULES[module].owner is Role.CPO else self.cpo

    def to_receiver(self, module: ModuleID) -> Caller:
        """Calls the receiver with the owner's token."""
        return self.to_emsp if MODULES[module].owner is Role.CPO else self.to_cpo

    def to_owner(self, module: ModuleID) -> Caller:
        """Calls the owner with the receiver's token."""
        return self.to_cpo if MODULES[module].owner is Role.CPO else self.to_emsp

    def list_at_owner(self, module: ModuleID) -> str:
        """The path of the owner's list."""
        return f"/ocpi/{MODULES[module].owner}/2.1.1/{module}"

    def at_receiver(self, module: ModuleID, *steps: str) -> str:
        """The path of one of the owner's objects at the receiver; CDRs are reached without a party."""
        root = f"/ocpi/{MODULES[module].owner.other}/2.1.1/{module}"
        party = self.owner(module).party
        prefix = root if module is ModuleID.CDRS else f"{root}/{party.country_code}/{party.party_id}"
        return "/".join([prefix, *steps])

    def put_in(self, module: ModuleID, value: Json) -> Kept:
        """What the owner's host puts in, for this receiver where the module is private."""
        own, party = self.owner(module).company.own[module], self.receiver(module).party
        return own.put(value[MODULES[module].id_field], (), value, party)


def register(initiator: CompanyInWorld, responder: CompanyInWorld, responder_role: Role) -> Partner:
    """The responder as the initiator knows it, after a real handshake between the two."""
    invitation = responder.company.registrations.invite(responder_role.other)
    return initiator.company.registrations.register(
        responder.company.versions_url(responder_role), invitation.token, responder_role
    )


def pair(world: World | None = None, **emsp_settings: Any) -> Pair:
    """Two companies, registered: the eMSP started it."""
    world = world or World()
    cpo = world.company("cpo.example", Party("DE", "CPO"), frozenset({Role.CPO}))
    emsp = world.company("emsp.example", Party("NL", "MSP"), frozenset({Role.EMSP}), **emsp_settings)
    register(emsp, cpo, Role.CPO)
    token_of = {side.base_url: side.partners()[-1].token_we_send for side in (cpo, emsp)}
    to_cpo, to_emsp = token_of[emsp.base_url], token_of[cpo.base_url]
    assert to_cpo is not None
    assert to_emsp is not None
    return Pair(
        world, cpo, emsp, Caller(world, "cpo.example", to_cpo.secret), Caller(world, "emsp.example", to_emsp.secret)
    )


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
