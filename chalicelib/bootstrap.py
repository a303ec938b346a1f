"""Puts a node together: the only file that knows every class."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.modules.cdrs.posting import CdrReceiver
from chalicelib.modules.credentials.interface import CredentialsEndpoint
from chalicelib.modules.credentials.introduction import Identity, Introduction
from chalicelib.modules.credentials.registration import Registrations
from chalicelib.modules.sessions.ending import SessionEnds
from chalicelib.modules.tokens.asking import Authorizer
from chalicelib.modules.tokens.authorize import Authorize, decide
from chalicelib.modules.tokens.owners import TokenOwners
from chalicelib.modules.versions import interface as versions
from chalicelib.modules.versions.interface import Published
from chalicelib.node.admissions import CachedAdmissions
from chalicelib.node.attempts import Sleep
from chalicelib.node.delivery import Deliverer
from chalicelib.node.node import Node
from chalicelib.node.outbound import Outbound
from chalicelib.node.own import OwnObjects
from chalicelib.node.ports import ObjectStore, Outbox, PartnerStore, Quarantine, Queues, Web
from chalicelib.node.push import Push
from chalicelib.node.receiver import Receiver, nothing_known
from chalicelib.node.roster import Roster
from chalicelib.node.router import Endpoint, Router
from chalicelib.node.sender import Sender
from chalicelib.node.telemetry import Observer, Silence
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID
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


@dataclass(frozen=True, slots=True)
class Outside:
    """The ports, fulfilled: what differs between AWS, a local run and a test."""

    stores: Mapping[ModuleID, ObjectStore]
    partners: PartnerStore
    queues: Queues
    outbox: Outbox
    quarantine: Quarantine
    web: Web
    observer: Observer = field(default_factory=Silence)
    clock: Callable[[], datetime] = utc_now
    sleep: Sleep = time.sleep
    fresh_token: Callable[[], AuthToken] = fresh_token
    fresh_id: Callable[[], str] = fresh_id


@dataclass(frozen=True, slots=True)
class Company:
    """One party's node in all its parts: what partners call, what the host calls, what the queues drive."""

    settings: Settings
    node: Node
    own: Mapping[ModuleID, OwnObjects]
    registrations: Registrations
    authorizer: Authorizer
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
    router = Router(endpoints(registrations, outside, settings.page_limit))
    tokens = outside.stores[ModuleID.TOKENS]
    addressee = TokenOwners(tokens).of
    return Company(
        settings=settings,
        node=Node(router, settings.roles, admissions, outside.observer, outside.clock, registrations.successor_used),
        own={
            identifier: OwnObjects(
                module, outside.stores[identifier], outside.queues, outside.clock, outside.sleep, addressee
            )
            for identifier, module in MODULES.items()
            if module.owner in settings.roles
        },
        registrations=registrations,
        authorizer=Authorizer(tokens, partners, outbound, outside.clock, decide),
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
        ),
        outside=outside,
        public_url=public_url,
    )


def endpoints(registrations: Registrations, outside: Outside, page_limit: int) -> Iterable[Endpoint]:
    """Every OCPI endpoint of both trees: versions, credentials, and each module from the side that the role is on."""
    stores, tallies, sleep = outside.stores, outside.partners, outside.sleep
    sessions = SessionEnds(stores[ModuleID.SESSIONS], stores[ModuleID.CDRS], MODULES[ModuleID.CDRS], sleep)
    for role in Role:
        served = [*CredentialsEndpoint(registrations).endpoints(role)]
        for identifier, module in MODULES.items():
            store = stores[identifier]
            if module.owner is role:
                served += Sender(module, store, page_limit).endpoints()
            elif identifier is ModuleID.CDRS:
                served += CdrReceiver(store, tallies, outside.quarantine, sleep, sessions.ended).endpoints()
            else:
                elsewhere = sessions.corrected if identifier is ModuleID.SESSIONS else nothing_known
                served += Receiver(module, store, tallies, sleep, elsewhere).endpoints()
            if identifier is ModuleID.TOKENS and module.owner is role:
                served += Authorize(store, stores[ModuleID.LOCATIONS], tallies).endpoints()
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


def on_aws(settings: Settings, observer: Observer) -> Outside:
    """The ports on DynamoDB, SQS and the real web; nothing connects before it is used."""
    from chalicelib.adapters.aws import Clients
    from chalicelib.adapters.dynamodb import Table
    from chalicelib.adapters.dynamodb_objects import DynamoObjects
    from chalicelib.adapters.dynamodb_outbox import DynamoOutbox
    from chalicelib.adapters.dynamodb_partners import DynamoPartners
    from chalicelib.adapters.dynamodb_quarantine import DynamoQuarantine
    from chalicelib.adapters.http import Web as PublicWeb
    from chalicelib.adapters.sqs import SqsQueues

    clients = Clients()

    def table(name: str) -> Table:
        return Table(settings.table(name), clients.dynamodb)

    return Outside(
        stores={module: DynamoObjects(table(module)) for module in MODULES},
        partners=DynamoPartners(table("partners"), utc_now),
        queues=SqsQueues(settings.queue("changes"), settings.queue("deliveries.fifo"), clients.sqs),
        outbox=DynamoOutbox(table("outbox")),
        quarantine=DynamoQuarantine(table("quarantine")),
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
    outside = Outside(dict.fromkeys(MODULES, nowhere), nowhere, nowhere, nowhere, nowhere, nowhere)
    registrations = Registrations(nowhere, nowhere, nowhere, utc_now, fresh_token, fresh_id)
    return tuple(endpoints(registrations, outside, 1))
