"""Builds the node of one company from its parts, package by package, each on those below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from chalicelib.bootstrap.ports import Ports
from chalicelib.bootstrap.receivers import disappearances, received_modules
from chalicelib.bootstrap.routes import InterfaceParts, module_paths, served_endpoints
from chalicelib.modules import MODULES
from chalicelib.modules.commands.checks import CommandChecks
from chalicelib.modules.commands.received import ReceivedCommands
from chalicelib.modules.commands.relay import CommandRelay
from chalicelib.modules.commands.results import CommandResults
from chalicelib.modules.commands.sending import ResponseUrls, SentCommands
from chalicelib.modules.credentials.exchange import CredentialsExchange, Identity
from chalicelib.modules.credentials.registration import Registrations
from chalicelib.modules.tokens.authorize import decide
from chalicelib.modules.tokens.driver_authorizer import DriverAuthorizer
from chalicelib.modules.tokens.owners import TokenOwners
from chalicelib.modules.versions.interface import PublishedEndpoints, versions_url
from chalicelib.node.events.announcing import EventAnnouncer, EventKind
from chalicelib.node.events.publishing import EventPublisher, EventSources
from chalicelib.node.outbound import Outbound
from chalicelib.node.owning.own_objects import OwnObjects
from chalicelib.node.partners.authentication import CachedAuthenticator
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitBreakers, OnReachable
from chalicelib.node.partners.contacts import ContactRecorder
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.registry import PartnerRegistry
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling.crawl import Crawler
from chalicelib.node.pulling.page_objects import ListedObjects
from chalicelib.node.pulling.pages import PageFetcher
from chalicelib.node.pulling.progress import PullProgress
from chalicelib.node.pulling.schedule import PullSchedule
from chalicelib.node.pushing.delivery import Deliverer
from chalicelib.node.pushing.fan_out import FanOut
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.node.pushing.records import DeliveryRecords
from chalicelib.node.pushing.requests import PushClient
from chalicelib.node.pushing.retries import Retries
from chalicelib.node.receiving.quarantine import QuarantineRetry
from chalicelib.node.serving.node import Node
from chalicelib.node.serving.router import Router
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.settings import Settings, SettingsError


class NoPublicUrlError(SettingsError):
    """We do not know where partners reach us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The node of one company in all its parts: what partners call, what the host calls, what workers call.

    A company is one party of OCPI, in one role or both. The host is the back end of the company that runs this node.
    """

    settings: Settings
    ports: Ports
    node: Node
    own_objects: Mapping[ModuleID, OwnObjects]
    registrations: Registrations
    authorizer: DriverAuthorizer
    sent_commands: SentCommands
    command_results: CommandResults
    pull_schedule: PullSchedule
    crawler: Crawler
    quarantine_retry: QuarantineRetry
    publisher: EventPublisher
    outbound: Outbound
    fan_out: FanOut
    breakers: CircuitBreakers
    on_reachable: OnReachable
    deliverer: Deliverer
    retries: Retries
    public_url: Callable[[], str]

    def versions_url(self, role: Role) -> str:
        """The versions URL of this role of ours, which we give to partners."""
        return versions_url(self.public_url(), role)


def build_company(settings: Settings, ports: Ports) -> Company:
    """The node of this party on these ports."""
    partners, clock = ports.partners, ports.clock
    public_url = _public_url(settings, partners)
    announcer = EventAnnouncer(ports.event_queue, clock, enabled=settings.events)
    observer = ContactRecorder(ports.observer, partners, clock)
    outbound = Outbound(ports.web, observer, clock)
    authenticator = CachedAuthenticator(partners, clock)
    registry = PartnerRegistry(partners, clock, _when_registration_changes(announcer), on_saved=authenticator.clear)
    registrations = Registrations(
        _credentials_exchange(settings, ports, outbound, public_url),
        registry,
        outbound,
        clock,
        ports.fresh_token,
        ports.fresh_id,
    )

    def on_reachable(partner: Partner) -> None:
        """Queue what the partner missed while it was unreachable, and pull what we missed (Q-57, OFF-04)."""
        ports.push_queues.retry(RetryDue(partner.id, after=""), cause=f"{clock():%Y-%m-%dT%H:%M:%S}")
        pull_schedule.catch_up(partner)

    breakers = CircuitBreakers(ports.breakers, clock, _when_breaker_changes(announcer), on_reachable)
    received = received_modules(ports, announcer)
    progress = PullProgress(ports.pulls, ports.pull_queue)
    pull_schedule = PullSchedule(MODULES, progress, breakers, clock, ports.fresh_id, settings.page_limit)
    listed = ListedObjects(received.receive_all, disappearances(ports, announcer), ports.pulls, ports.quarantine, clock)
    fetcher = PageFetcher(outbound, breakers, observer)
    deliverer = Deliverer(
        MODULES,
        ports.stores,
        DeliveryRecords(partners, ports.outbox, breakers),
        PushClient(settings.party, outbound, registrations.refresh_endpoints, clock),
        ports.observer,
        clock,
    )
    response_urls = ResponseUrls(public_url=public_url, fresh_id=ports.fresh_command_id)
    sent_commands = SentCommands(ports.commands, ports.stores, outbound, response_urls, clock, announcer)
    interfaces = InterfaceParts(
        stores=ports.stores,
        counters=partners,
        received=received,
        on_unknown_object=pull_schedule.catch_up,
        registrations=registrations,
        relay=_relay(settings, ports),
        sent_commands=sent_commands,
        page_limit=settings.page_limit,
    )
    router = Router(served_endpoints(interfaces))
    return Company(
        settings=settings,
        ports=ports,
        node=Node(router, settings.roles, authenticator, observer, clock, registrations.confirm_rotation),
        own_objects=_own_objects(settings, ports),
        registrations=registrations,
        authorizer=DriverAuthorizer(ports.stores[ModuleID.TOKENS], partners, outbound, clock, decide),
        sent_commands=sent_commands,
        command_results=CommandResults(ports.commands, partners, ports.command_queues, outbound, clock),
        pull_schedule=pull_schedule,
        crawler=Crawler(MODULES, partners, progress, fetcher, listed, clock),
        quarantine_retry=QuarantineRetry(MODULES, received.receive_one, ports.stores, ports.quarantine, clock),
        publisher=EventPublisher(
            EventSources(MODULES, ports.stores, partners, ports.commands),
            ports.event_queue,
            ports.event_bus,
            ports.event_feed,
            clock,
        ),
        outbound=outbound,
        fan_out=FanOut(MODULES, ports.stores, partners, ports.push_queues, ports.sleep),
        breakers=breakers,
        on_reachable=on_reachable,
        deliverer=deliverer,
        retries=Retries(partners, ports.outbox, breakers, ports.push_queues, outbound, clock),
        public_url=public_url,
    )


def _credentials_exchange(
    settings: Settings, ports: Ports, outbound: Outbound, public_url: Callable[[], str]
) -> CredentialsExchange:
    business_details = {"name": settings.name} | ({"website": settings.website} if settings.website else {})

    def published(role: Role) -> PublishedEndpoints:
        return PublishedEndpoints(versions_url(public_url(), role), module_paths(role))

    identity = Identity(settings.party, business_details)
    return CredentialsExchange(identity, outbound, ports.clock, published, settings.required_modules)


def _relay(settings: Settings, ports: Ports) -> CommandRelay:
    return CommandRelay(
        CommandChecks(settings.commands, MODULES, ports.stores, ports.web),
        ReceivedCommands(ports.commands, ports.fresh_command_id, settings.command_timeout_s),
        ports.stores[ModuleID.TOKENS],
        ports.command_queues,
        ports.partners,
    )


def _own_objects(settings: Settings, ports: Ports) -> Mapping[ModuleID, OwnObjects]:
    """The objects that the host creates, by module: those of the modules that our roles own."""
    addressee = TokenOwners(ports.stores[ModuleID.TOKENS]).party_of
    return {
        identifier: OwnObjects(module, ports.stores[identifier], ports.push_queues, ports.clock, addressee)
        for identifier, module in _paced(settings.session_pause_s).items()
        if module.owner in settings.roles
    }


def _paced(session_pause_s: int) -> Mapping[ModuleID, Module]:
    """The modules, with the pause between two pushes of one session as configured."""
    sessions = MODULES[ModuleID.SESSIONS]
    paced = replace(sessions, sending=replace(sessions.sending, min_pause_s=session_pause_s))
    return {**MODULES, ModuleID.SESSIONS: paced}


def _when_registration_changes(announcer: EventAnnouncer) -> Callable[[Partner, int], None]:
    """A function that announces to the host that a partner registered or unregistered."""

    def announce(partner: Partner, version: int) -> None:
        kind = EventKind.REGISTERED if partner.is_registered else EventKind.UNREGISTERED
        announcer.partner(partner, kind, version=version)

    return announce


def _when_breaker_changes(announcer: EventAnnouncer) -> Callable[[Partner, CircuitBreaker], None]:
    """A function that announces to the host that a partner became unreachable, or reachable again."""

    def announce(partner: Partner, breaker: CircuitBreaker) -> None:
        if breaker.broken_since:
            announcer.partner(partner, EventKind.BROKEN, breaker.problem, breaker.version)
        else:
            announcer.partner(partner, EventKind.RECOVERED, version=breaker.version)

    return announce


def _public_url(settings: Settings, partners: PartnerStore) -> Callable[[], str]:
    """A function that gives our public URL: as configured, else as the last deployment recorded it."""
    found: list[str] = [settings.public_url] if settings.public_url else []

    def public_url() -> str:
        if not found:
            recorded = partners.public_url()
            if recorded is None:
                raise NoPublicUrlError("OCPI_PUBLIC_URL is not set and no deployment has recorded one")
            found.append(recorded)
        return found[0]

    return public_url
