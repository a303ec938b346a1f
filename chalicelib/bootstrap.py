"""Puts a node together: with ``keepers``, the only file that knows every class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.keepers import Keepers, absences_of, keepers_of
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
from chalicelib.node.admissions import CachedAdmissions
from chalicelib.node.breaker import Breaker, Breakers, ReachedAgain
from chalicelib.node.contacts import Contacts
from chalicelib.node.delivery import Deliverer
from chalicelib.node.events import Announcer, Kind
from chalicelib.node.node import Node
from chalicelib.node.outbound import Outbound
from chalicelib.node.own import OwnObjects
from chalicelib.node.partners import Partner
from chalicelib.node.ports import PartnerStore, Tend
from chalicelib.node.publishing import Publisher
from chalicelib.node.pull import Puller
from chalicelib.node.push import Push
from chalicelib.node.quarantine import Retrial
from chalicelib.node.receiver import Overlooked, Receiver
from chalicelib.node.roster import Roster
from chalicelib.node.router import Endpoint, Router
from chalicelib.node.sender import Sender
from chalicelib.node.tending import Tending
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.outside import Outside, fresh_id, fresh_token, utc_now
from chalicelib.settings import Settings, SettingsError


class NoPublicUrlError(SettingsError):
    """We do not know where partners reach us."""


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
    retrial: Retrial
    publisher: Publisher
    outbound: Outbound
    push: Push
    breakers: Breakers
    reached_again: ReachedAgain
    deliverer: Deliverer
    tending: Tending
    outside: Outside
    public_url: Callable[[], str]

    def versions_url(self, role: Role) -> str:
        """What we give to partners so that they find this role's tree."""
        return versions.versions_url(self.public_url(), role)


def company(settings: Settings, outside: Outside) -> Company:
    """The node of this party on these ports."""
    admissions = CachedAdmissions(outside.partners, outside.clock)
    partners = outside.partners
    observer = Contacts(outside.observer, partners, outside.clock)
    outbound = Outbound(outside.web, observer, outside.clock)
    public_url = _public_url(settings, partners)
    announcer = Announcer(outside.event_queue, outside.clock, wanted=settings.events)

    def published(role: Role) -> Published:
        # As the router has it, which is built later: what we say we serve is what we serve.
        return Published(versions.versions_url(public_url(), role), versions.roots(role, router.endpoints))

    identity = Identity(settings.party, _business_details(settings))
    registrations = Registrations(
        Introduction(identity, outbound, outside.clock, published, settings.required_modules),
        Roster(partners, outside.clock, outside.sleep, announcer, changed=admissions.forget),
        outbound,
        outside.clock,
        outside.fresh_token,
        outside.fresh_id,
    )
    commands = _commands(outside, outbound, public_url, announcer)
    terms = Terms(settings.commands, settings.command_timeout_s)
    keepers = keepers_of(outside, announcer)

    def overlooked(partner: Partner, module: ModuleID) -> None:
        puller.catch_up(partner, module)

    router = Router(endpoints(outside, keepers, overlooked, registrations, commands, terms, settings.page_limit))

    def reached_again(partner: Partner) -> None:
        """Queue what they missed while nothing reached them, and ask them for what we missed (Q-57, OFF-04)."""
        outside.queues.tend(Tend(partner.id, after=""), cause=f"{outside.clock():%Y-%m-%dT%H:%M:%S}")
        puller.catch_up(partner)

    breakers = Breakers(outside.breakers, outside.clock, outside.sleep, _breaks_told(announcer), reached_again)
    puller = Puller(
        MODULES,
        keepers.takes,
        absences_of(outside, announcer),
        partners,
        outside.pulls,
        outside.pull_queue,
        outside.quarantine,
        breakers,
        outbound,
        observer,
        outside.clock,
        outside.fresh_id,
        settings.page_limit,
    )
    deliverer = Deliverer(
        settings.party,
        MODULES,
        outside.stores,
        partners,
        outside.outbox,
        breakers,
        outbound,
        outside.observer,
        outside.clock,
        outside.sleep,
        registrations.refreshed,
    )
    return Company(
        settings=settings,
        node=Node(router, settings.roles, admissions, observer, outside.clock, registrations.successor_used),
        own=_own(settings, outside),
        registrations=registrations,
        authorizer=Authorizer(outside.stores[ModuleID.TOKENS], partners, outbound, outside.clock, decide),
        commands=commands,
        puller=puller,
        publisher=_publisher(outside),
        retrial=Retrial(MODULES, keepers.takes_again, outside.stores, outside.quarantine, outside.clock),
        results=Results(outside.commands, partners, outside.command_queues, outbound, outside.clock, outside.sleep),
        outbound=outbound,
        push=Push(MODULES, outside.stores, partners, outside.queues, outside.sleep),
        breakers=breakers,
        reached_again=reached_again,
        deliverer=deliverer,
        tending=Tending(partners, outside.outbox, breakers, outside.queues, outbound, outside.clock),
        outside=outside,
        public_url=public_url,
    )


def _commands(outside: Outside, outbound: Outbound, public_url: Callable[[], str], announcer: Announcer) -> Commands:
    return Commands(
        outside.commands,
        outside.stores[ModuleID.TOKENS],
        outside.stores[ModuleID.SESSIONS],
        outbound,
        public_url,
        outside.clock,
        outside.sleep,
        outside.fresh_command_id,
        announcer,
    )


def _publisher(outside: Outside) -> Publisher:
    return Publisher(
        MODULES,
        outside.stores,
        outside.partners,
        outside.commands,
        outside.event_queue,
        outside.event_bus,
        outside.journal,
        outside.clock,
        outside.sleep,
    )


def _breaks_told(announcer: Announcer) -> Callable[[Partner, Breaker], None]:
    """What tells the host that a partner broke down or recovered."""

    def told(partner: Partner, breaker: Breaker) -> None:
        if breaker.broken_since:
            announcer.partner(partner, Kind.BROKEN, breaker.problem, breaker.version)
        else:
            announcer.partner(partner, Kind.RECOVERED, version=breaker.version)

    return told


def _own(settings: Settings, outside: Outside) -> Mapping[ModuleID, OwnObjects]:
    """What the host puts in, by module: of those modules that our roles own."""
    addressee = TokenOwners(outside.stores[ModuleID.TOKENS]).of
    return {
        identifier: OwnObjects(
            module, outside.stores[identifier], outside.queues, outside.clock, outside.sleep, addressee
        )
        for identifier, module in _paced(settings.session_pause_s).items()
        if module.owner in settings.roles
    }


def _paced(session_pause_s: int) -> Mapping[ModuleID, Module]:
    """The modules, with the pause between two pushes of a session that the settings ask for."""
    sessions = MODULES[ModuleID.SESSIONS]
    paced = replace(sessions, sending=replace(sessions.sending, least_pause_s=session_pause_s))
    return {**MODULES, ModuleID.SESSIONS: paced}


def endpoints(
    outside: Outside,
    keepers: Keepers,
    overlooked: Overlooked,
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
                served += Receiver(keepers.of[identifier], tallies, overlooked).endpoints()
            if identifier is ModuleID.TOKENS and module.owner is role:
                served += Authorize(store, stores[ModuleID.LOCATIONS], tallies).endpoints()
        served += (relay if role is Role.CPO else commands).endpoints()
        yield from versions.endpoints(role, versions.roots(role, served), outside.partners)
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
    outside = Outside(dict.fromkeys(MODULES, nowhere), *[nowhere] * 13)
    registrations = Registrations(nowhere, nowhere, nowhere, utc_now, fresh_token, fresh_id)
    keepers, commands = keepers_of(outside, nowhere), Commands(*[nowhere] * 9)
    return tuple(endpoints(outside, keepers, nowhere, registrations, commands, Terms((), 0), 1))
