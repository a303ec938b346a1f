"""Puts a node together: with ``keepers``, the only file that knows every class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chalicelib.bootstrap.ports import Ports, fresh_id, fresh_token, utc_now
from chalicelib.bootstrap.received import ReceivedModules, disappearances, received_modules
from chalicelib.modules import MODULES
from chalicelib.modules.cdrs.posting import CdrReceiver
from chalicelib.modules.commands.relay import Relay, Terms
from chalicelib.modules.commands.results import Results
from chalicelib.modules.commands.sending import Commands
from chalicelib.modules.credentials.interface import CredentialsEndpoint
from chalicelib.modules.credentials.introduction import Identity, Introduction
from chalicelib.modules.credentials.registration import Registrations
from chalicelib.modules.tokens.asking import Authorizer
from chalicelib.modules.tokens.authorize import Authorize, decide
from chalicelib.modules.tokens.owners import TokenOwners
from chalicelib.modules.versions import interface as versions
from chalicelib.modules.versions.interface import Published
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.events.publishing import EventPublisher
from chalicelib.node.outbound import Outbound
from chalicelib.node.owning.own import OwnObjects
from chalicelib.node.partners.authentication import CachedAuthenticator
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitBreakers, OnReachable
from chalicelib.node.partners.contacts import ContactRecorder
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.registry import PartnerRegistry
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling.crawl import Crawler
from chalicelib.node.pushing.delivery import Deliverer
from chalicelib.node.pushing.fan_out import FanOut
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.node.pushing.records import DeliveryRecords
from chalicelib.node.pushing.requests import PushClient
from chalicelib.node.pushing.retries import Retries
from chalicelib.node.receiving.quarantine import QuarantineRetry
from chalicelib.node.receiving.receiver import OnUnknownObject, Receiver
from chalicelib.node.serving.node import Node
from chalicelib.node.serving.router import Endpoint, Router
from chalicelib.node.serving.sender import Sender
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.settings import Settings, SettingsError


class NoPublicUrlError(SettingsError):
    """We do not know where partners reach us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """One party's node in all its parts: what partners call, what the host calls, what the queues drive."""

    settings: Settings
    node: Node
    own_objects: Mapping[ModuleID, OwnObjects]
    registrations: Registrations
    authorizer: Authorizer
    commands: Commands
    results: Results
    crawler: Crawler
    quarantine_retry: QuarantineRetry
    publisher: EventPublisher
    outbound: Outbound
    fan_out: FanOut
    breakers: CircuitBreakers
    on_reachable: OnReachable
    deliverer: Deliverer
    retries: Retries
    ports: Ports
    public_url: Callable[[], str]

    def versions_url(self, role: Role) -> str:
        """What we give to partners so that they find this role's tree."""
        return versions.versions_url(self.public_url(), role)


def build_company(settings: Settings, ports: Ports) -> Company:
    """The node of this party on these ports."""
    authenticator = CachedAuthenticator(ports.partners, ports.clock)
    partners = ports.partners
    observer = ContactRecorder(ports.observer, partners, ports.clock)
    outbound = Outbound(ports.web, observer, ports.clock)
    public_url = _public_url(settings, partners)
    announcer = EventAnnouncer(ports.event_queue, ports.clock, wanted=settings.events)

    def published(role: Role) -> Published:
        # As the router has it, which is built later: what we say we serve is what we serve.
        return Published(versions.versions_url(public_url(), role), versions.roots(role, router.endpoints))

    identity = Identity(settings.party, _business_details(settings))
    registrations = Registrations(
        Introduction(identity, outbound, ports.clock, published, settings.required_modules),
        PartnerRegistry(partners, ports.clock, _registrations_told(announcer), saved=authenticator.forget),
        outbound,
        ports.clock,
        ports.fresh_token,
        ports.fresh_id,
    )
    commands = _commands(ports, outbound, public_url, announcer)
    terms = Terms(settings.commands, settings.command_timeout_s)
    received = received_modules(ports, announcer)

    def on_unknown_object(partner: Partner, module: ModuleID) -> None:
        crawler.catch_up(partner, module)

    router = Router(
        build_endpoints(ports, received, on_unknown_object, registrations, commands, terms, settings.page_limit)
    )

    def on_reachable(partner: Partner) -> None:
        """Queue what they missed while nothing reached them, and ask them for what we missed (Q-57, OFF-04)."""
        ports.push_queues.retry(RetryDue(partner.id, after=""), cause=f"{ports.clock():%Y-%m-%dT%H:%M:%S}")
        crawler.catch_up(partner)

    breakers = CircuitBreakers(ports.breakers, ports.clock, _breaks_told(announcer), on_reachable)
    crawler = Crawler(
        MODULES,
        received.receive_all,
        disappearances(ports, announcer),
        partners,
        ports.pulls,
        ports.pull_queue,
        ports.quarantine,
        breakers,
        outbound,
        observer,
        ports.clock,
        ports.fresh_id,
        settings.page_limit,
    )
    deliverer = Deliverer(
        MODULES,
        ports.stores,
        DeliveryRecords(partners, ports.outbox, breakers),
        PushClient(settings.party, outbound, registrations.refreshed, ports.clock),
        ports.observer,
        ports.clock,
    )
    return Company(
        settings=settings,
        node=Node(router, settings.roles, authenticator, observer, ports.clock, registrations.successor_used),
        own_objects=_own(settings, ports),
        registrations=registrations,
        authorizer=Authorizer(ports.stores[ModuleID.TOKENS], partners, outbound, ports.clock, decide),
        commands=commands,
        crawler=crawler,
        publisher=_publisher(ports),
        quarantine_retry=QuarantineRetry(MODULES, received.receive_one, ports.stores, ports.quarantine, ports.clock),
        results=Results(ports.commands, partners, ports.command_queues, outbound, ports.clock),
        outbound=outbound,
        fan_out=FanOut(MODULES, ports.stores, partners, ports.push_queues, ports.sleep),
        breakers=breakers,
        on_reachable=on_reachable,
        deliverer=deliverer,
        retries=Retries(partners, ports.outbox, breakers, ports.push_queues, outbound, ports.clock),
        ports=ports,
        public_url=public_url,
    )


def _commands(ports: Ports, outbound: Outbound, public_url: Callable[[], str], announcer: EventAnnouncer) -> Commands:
    return Commands(
        ports.commands,
        ports.stores[ModuleID.TOKENS],
        ports.stores[ModuleID.SESSIONS],
        outbound,
        public_url,
        ports.clock,
        ports.fresh_command_id,
        announcer,
    )


def _publisher(ports: Ports) -> EventPublisher:
    return EventPublisher(
        MODULES,
        ports.stores,
        ports.partners,
        ports.commands,
        ports.event_queue,
        ports.event_bus,
        ports.event_feed,
        ports.clock,
    )


def _registrations_told(announcer: EventAnnouncer) -> Callable[[Partner, int], None]:
    """What tells the host that a partner registered or is gone."""

    def told(partner: Partner, version: int) -> None:
        kind = EventKind.REGISTERED if partner.is_registered else EventKind.UNREGISTERED
        announcer.partner(partner, kind, version=version)

    return told


def _breaks_told(announcer: EventAnnouncer) -> Callable[[Partner, CircuitBreaker], None]:
    """What tells the host that a partner broke down or recovered."""

    def told(partner: Partner, breaker: CircuitBreaker) -> None:
        if breaker.broken_since:
            announcer.partner(partner, EventKind.BROKEN, breaker.problem, breaker.version)
        else:
            announcer.partner(partner, EventKind.RECOVERED, version=breaker.version)

    return told


def _own(settings: Settings, ports: Ports) -> Mapping[ModuleID, OwnObjects]:
    """What the host puts in, by module: of those modules that our roles own."""
    addressee = TokenOwners(ports.stores[ModuleID.TOKENS]).of
    return {
        identifier: OwnObjects(module, ports.stores[identifier], ports.push_queues, ports.clock, addressee)
        for identifier, module in _paced(settings.session_pause_s).items()
        if module.owner in settings.roles
    }


def _paced(session_pause_s: int) -> Mapping[ModuleID, Module]:
    """The modules, with the pause between two pushes of a session that the settings ask for."""
    sessions = MODULES[ModuleID.SESSIONS]
    paced = replace(sessions, sending=replace(sessions.sending, least_pause_s=session_pause_s))
    return {**MODULES, ModuleID.SESSIONS: paced}


def build_endpoints(
    ports: Ports,
    received: ReceivedModules,
    on_unknown_object: OnUnknownObject,
    registrations: Registrations,
    commands: Commands,
    terms: Terms,
    page_limit: int,
) -> Iterable[Endpoint]:
    """Every OCPI endpoint of both trees: versions, credentials, and each module from the side that the role is on."""
    relay = Relay(
        ports.stores,
        MODULES,
        ports.commands,
        ports.command_queues,
        ports.web,
        ports.partners,
        ports.fresh_command_id,
        terms,
    )
    stores, counters = ports.stores, ports.partners
    for role in Role:
        served = [*CredentialsEndpoint(registrations).endpoints(role)]
        for identifier, module in MODULES.items():
            store = stores[identifier]
            if module.owner is role:
                served += Sender(module, store, page_limit).endpoints()
            elif identifier is ModuleID.CDRS:
                served += CdrReceiver(received.cdrs).endpoints()
            else:
                served += Receiver(received.by_module[identifier], counters, on_unknown_object).endpoints()
            if identifier is ModuleID.TOKENS and module.owner is role:
                served += Authorize(store, stores[ModuleID.LOCATIONS], counters).endpoints()
        served += (relay if role is Role.CPO else commands).endpoints()
        yield from versions.endpoints(role, versions.roots(role, served), ports.partners)
        yield from served


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


class _Nowhere:
    """A port that leads nowhere: for the route table, which needs no node behind it."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"the route table has no {name}")


def route_table() -> tuple[Endpoint, ...]:
    """Every endpoint, as declared; their handlers must not be called."""
    nowhere: Any = _Nowhere()
    ports = Ports(**{each.name: nowhere for each in fields(Ports)} | {"stores": dict.fromkeys(MODULES, nowhere)})
    registrations = Registrations(nowhere, nowhere, nowhere, utc_now, fresh_token, fresh_id)
    received, commands = received_modules(ports, nowhere), Commands(*[nowhere] * 9)
    return tuple(build_endpoints(ports, received, nowhere, registrations, commands, Terms((), 0), 1))
