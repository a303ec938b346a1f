"""Puts a node together: the only file that knows every class."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.cdrs.keeping import CdrKeeper
from chalicelib.modules.cdrs.posting import CdrReceiver
from chalicelib.modules.commands.relay import Relay, Terms
from chalicelib.modules.commands.results import Results
from chalicelib.modules.commands.sending import Commands
from chalicelib.modules.credentials.interface import CredentialsEndpoint
from chalicelib.modules.credentials.introduction import Identity, Introduction
from chalicelib.modules.credentials.registration import Registrations
from chalicelib.modules.sessions.ending import SessionEnds
from chalicelib.modules.tokens.asking import Authorizer
from chalicelib.modules.tokens.authorize import Authorize, decide
from chalicelib.modules.tokens.owners import TokenOwners
from chalicelib.modules.versions import interface as versions
from chalicelib.modules.versions.interface import Published
from chalicelib.node.absence import Absence
from chalicelib.node.admissions import CachedAdmissions
from chalicelib.node.attempts import Sleep
from chalicelib.node.commands import CommandQueues, CommandStore
from chalicelib.node.delivery import Deliverer
from chalicelib.node.keeping import Keeper, nothing_known
from chalicelib.node.node import Node
from chalicelib.node.outbound import Outbound
from chalicelib.node.own import OwnObjects
from chalicelib.node.ports import ObjectStore, Outbox, PartnerStore, Quarantine, Queues, Web
from chalicelib.node.pull import Puller, Take
from chalicelib.node.pulls import PullQueue, PullStore
from chalicelib.node.push import Push
from chalicelib.node.receiver import Receiver
from chalicelib.node.roster import Roster
from chalicelib.node.router import Endpoint, Router
from chalicelib.node.sender import Sender
from chalicelib.node.telemetry import Observer, Silence
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.settings import Settings, SettingsError


class NoPublicUrlError(SettingsError):
    """We do not know where partners reach us."""


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def fresh_token() -> AuthToken:
    """A token of 256 random bits, in 43 characters."""
    return AuthToken(secrets.token_urlsafe(32))


def fresh_id() -> str:
    """An id for a partner: short enough to type, too long to guess twice."""
    return secrets.token_hex(5)


def fresh_command_id() -> str:
    """An id for a command: it is part of a URL, and of many within a month no two may be alike."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports, fulfilled: what differs between AWS, a local run and a test."""

    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    queues: Queues
    outbox: Outbox
    quarantine: Quarantine
    commands: CommandStore
    command_queues: CommandQueues
    pulls: PullStore
    pull_queue: PullQueue
    web: Web
    observer: Observer = field(default_factory=Silence)
    clock: Callable[[], datetime] = utc_now
    sleep: Sleep = time.sleep
    fresh_token: Callable[[], AuthToken] = fresh_token
    fresh_id: Callable[[], str] = fresh_id
    fresh_command_id: Callable[[], str] = fresh_command_id


@dataclass(frozen=True, slots=True)
class Company:
    """One party's node in all its parts: what partners call, what the host calls, what the queues drive."""

    settings: Settings
    node: Node
    own: Mapping[ModuleID, OwnObjects]
    registrations: Registrations
    authorizer: Authorizer
    commands: Commands
    results: Results
    puller: Puller
    outbound: Outbound
    push: Push
    deliverer: Deliverer
    outside: Outside
    public_url: Callable[[], str]

    def versions_url(self, role: Role) -> str:
        """What we give to partners so that they find this role's tree."""
        return versions.versions_url(self.public_url(), role)


def company(settings: Settings, outside: Outside) -> Company:
    """The node of this party on these ports."""
    admissions = CachedAdmissions(outside.partners, outside.clock)
    partners = outside.partners
    outbound = Outbound(outside.web, outside.observer, outside.clock)
    public_url = _public_url(settings, partners)

    def published(role: Role) -> Published:
        # As the router has it, which is built later: what we say we serve is what we serve.
        return Published(versions.versions_url(public_url(), role), versions.roots(role, router.endpoints))

    identity = Identity(settings.party, _business_details(settings))
    registrations = Registrations(
        Introduction(identity, outbound, outside.clock, published, settings.required_modules),
        Roster(partners, outside.clock, outside.sleep, changed=admissions.forget),
        outbound,
        outside.clock,
        outside.fresh_token,
        outside.fresh_id,
    )
    tokens = outside.stores[ModuleID.TOKENS]
    commands = Commands(
        outside.commands,
        tokens,
        outside.stores[ModuleID.SESSIONS],
        outbound,
        public_url,
        outside.clock,
        outside.sleep,
        outside.fresh_command_id,
    )
    terms = Terms(settings.commands, settings.command_timeout_s)
    keepers = _keepers(outside)
    router = Router(endpoints(outside, keepers, registrations, commands, terms, settings.page_limit))
    puller = Puller(
        MODULES,
        keepers.takes,
        _absences(outside),
        partners,
        outside.pulls,
        outside.pull_queue,
        outside.quarantine,
        outbound,
        outside.observer,
        outside.clock,
        outside.fresh_id,
        settings.page_limit,
    )
    modules = _paced(settings.session_pause_s)
    addressee = TokenOwners(tokens).of
    return Company(
        settings=settings,
        node=Node(router, settings.roles, admissions, outside.observer, outside.clock, registrations.successor_used),
        own={
            identifier: OwnObjects(
                module, outside.stores[identifier], outside.queues, outside.clock, outside.sleep, addressee
            )
            for identifier, module in modules.items()
            if module.owner in settings.roles
        },
        registrations=registrations,
        authorizer=Authorizer(tokens, partners, outbound, outside.clock, decide),
        commands=commands,
        puller=puller,
        results=Results(outside.commands, partners, outside.command_queues, outbound, outside.clock, outside.sleep),
        outbound=outbound,
        push=Push(MODULES, outside.stores, partners, outside.queues, outside.sleep),
        deliverer=Deliverer(
            settings.party,
            MODULES,
            outside.stores,
            partners,
            outside.outbox,
            outside.queues,
            outbound,
            outside.observer,
            outside.clock,
            outside.sleep,
            registrations.refreshed,
            puller.catch_up,
        ),
        outside=outside,
        public_url=public_url,
    )


def _paced(session_pause_s: int) -> Mapping[ModuleID, Module]:
    """The modules, with the pause between two pushes of a session that the settings ask for."""
    sessions = MODULES[ModuleID.SESSIONS]
    paced = replace(sessions, sending=replace(sessions.sending, least_pause_s=session_pause_s))
    return {**MODULES, ModuleID.SESSIONS: paced}


def endpoints(
    outside: Outside,
    keepers: _Keepers,
    registrations: Registrations,
    commands: Commands,
    terms: Terms,
    page_limit: int,
) -> Iterable[Endpoint]:
    """Every OCPI endpoint of both trees: versions, credentials, and each module from the side that the role is on."""
    relay = Relay(
        outside.stores,
        MODULES,
        outside.commands,
        outside.command_queues,
        outside.web,
        outside.partners,
        outside.fresh_command_id,
        terms,
    )
    stores, tallies = outside.stores, outside.partners
    for role in Role:
        served = [*CredentialsEndpoint(registrations).endpoints(role)]
        for identifier, module in MODULES.items():
            store = stores[identifier]
            if module.owner is role:
                served += Sender(module, store, page_limit).endpoints()
            elif identifier is ModuleID.CDRS:
                served += CdrReceiver(keepers.cdrs).endpoints()
            else:
                served += Receiver(keepers.of[identifier], tallies).endpoints()
            if identifier is ModuleID.TOKENS and module.owner is role:
                served += Authorize(store, stores[ModuleID.LOCATIONS], tallies).endpoints()
        served += (relay if role is Role.CPO else commands).endpoints()
        yield from versions.endpoints(role, versions.roots(role, served), outside.partners)
        yield from served


@dataclass(frozen=True, slots=True)
class _Keepers:
    """What keeps the partners' objects, whether they push them or we pull them."""

    of: Mapping[ModuleID, Keeper]
    cdrs: CdrKeeper

    @property
    def takes(self) -> Mapping[ModuleID, Take]:
        """What takes an object that was pulled, by its module."""
        found: dict[ModuleID, Take] = {identifier: keeper.take for identifier, keeper in self.of.items()}
        return found | {CDRS.identifier: self.cdrs.pulled}


def _keepers(outside: Outside) -> _Keepers:
    stores, tallies, sleep = outside.stores, outside.partners, outside.sleep
    sessions = SessionEnds(stores[ModuleID.SESSIONS], stores[ModuleID.CDRS], MODULES[ModuleID.CDRS], sleep)
    elsewhere = {ModuleID.SESSIONS: sessions.corrected}
    keepers = {
        identifier: Keeper(module, stores[identifier], tallies, sleep, elsewhere.get(identifier, nothing_known))
        for identifier, module in MODULES.items()
        if not module.sending.posted
    }
    return _Keepers(keepers, CdrKeeper(stores[ModuleID.CDRS], tallies, outside.quarantine, sleep, sessions.ended))


def _absences(outside: Outside) -> Mapping[ModuleID, Absence]:
    """For the modules whose objects expire when their owner lists them no longer (Q-28)."""
    return {
        identifier: Absence(outside.stores[identifier], outside.sleep)
        for identifier in (ModuleID.LOCATIONS, ModuleID.TARIFFS)
    }


def _public_url(settings: Settings, partners: PartnerStore) -> Callable[[], str]:
    found: list[str] = [settings.public_url] if settings.public_url else []

    def public_url() -> str:
        if not found:
            recorded = partners.public_url()
            if recorded is None:
                raise NoPublicUrlError("OCPI_PUBLIC_URL is not set and no deployment has recorded one")
            found.append(recorded)
        return found[0]

    return public_url


def _business_details(settings: Settings) -> dict[str, str]:
    return {"name": settings.name} | ({"website": settings.website} if settings.website else {})


def on_aws(settings: Settings, observer: Observer) -> Outside:
    """The ports on DynamoDB, SQS and the real web; nothing connects before it is used."""
    from chalicelib.adapters.aws import Clients
    from chalicelib.adapters.dynamodb import Table
    from chalicelib.adapters.dynamodb_commands import DynamoCommands
    from chalicelib.adapters.dynamodb_objects import DynamoObjects
    from chalicelib.adapters.dynamodb_outbox import DynamoOutbox
    from chalicelib.adapters.dynamodb_partners import DynamoPartners
    from chalicelib.adapters.dynamodb_pulls import DynamoPulls
    from chalicelib.adapters.dynamodb_quarantine import DynamoQuarantine
    from chalicelib.adapters.http import Web as PublicWeb
    from chalicelib.adapters.sqs import SqsQueues
    from chalicelib.adapters.sqs_commands import SqsCommandQueues
    from chalicelib.adapters.sqs_pulls import SqsPulls

    clients = Clients()

    def table(name: str) -> Table:
        return Table(settings.table(name), clients.dynamodb)

    return Outside(
        stores={module: DynamoObjects(table(module)) for module in MODULES},
        partners=DynamoPartners(table("partners"), utc_now),
        queues=SqsQueues(settings.queue("changes"), settings.queue("deliveries.fifo"), clients.sqs),
        outbox=DynamoOutbox(table("outbox")),
        quarantine=DynamoQuarantine(table("quarantine")),
        commands=DynamoCommands(table("commands")),
        pulls=DynamoPulls(table("pulls")),
        pull_queue=SqsPulls(settings.queue("pulls"), clients.sqs),
        command_queues=SqsCommandQueues(
            settings.queue("commands"),
            settings.queue("command-results"),
            settings.queue("command-answers.fifo"),
            clients.sqs,
        ),
        web=PublicWeb(open_network=settings.open_network),
        observer=observer,
    )


def partner_store(settings: Settings) -> PartnerStore:
    """Our partners and operator keys on DynamoDB; the command line uses it to create the first key."""
    return on_aws(settings, Silence()).partners


class _Nowhere:
    """A port that leads nowhere: for the route table, which needs no node behind it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"the route table has no {name}")


def route_table() -> tuple[Endpoint, ...]:
    """Every endpoint, as declared; their handlers must not be called."""
    nowhere: Any = _Nowhere()
    outside = Outside(dict.fromkeys(MODULES, nowhere), *[nowhere] * 9)
    registrations = Registrations(nowhere, nowhere, nowhere, utc_now, fresh_token, fresh_id)
    return tuple(endpoints(outside, _keepers(outside), registrations, Commands(*[nowhere] * 8), Terms((), 0), 1))
