"""Every OCPI endpoint in the URL trees of both roles, and the object that serves it; the route table needs no node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chalicelib.bootstrap.receivers import ReceivedModules
from chalicelib.modules import MODULES
from chalicelib.modules.cdrs import receiver
from chalicelib.modules.cdrs.receiver import CdrReceiver
from chalicelib.modules.commands import relay, sending
from chalicelib.modules.commands.relay import CommandRelay
from chalicelib.modules.commands.sending import SentCommands
from chalicelib.modules.credentials import interface as credentials
from chalicelib.modules.credentials.interface import CredentialsEndpoint
from chalicelib.modules.credentials.registration import Registrations
from chalicelib.modules.tokens import authorize
from chalicelib.modules.tokens.authorize import AuthorizeEndpoint
from chalicelib.modules.versions import interface as versions
from chalicelib.modules.versions.interface import Versions
from chalicelib.node.objects import ObjectStore
from chalicelib.node.receiving.leniency import Counters
from chalicelib.node.receiving.receiver import OnUnknownObject, Receiver, receiver_endpoints
from chalicelib.node.serving.router import Endpoint, ServedEndpoint
from chalicelib.node.serving.sender import Sender, sender_endpoints
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Role

InterfaceT = TypeVar("InterfaceT")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceParts:
    """The parts of a node from which its OCPI interfaces are built."""

    stores: Mapping[ModuleID, ObjectStore]
    counters: Counters
    received: ReceivedModules
    on_unknown_object: OnUnknownObject
    registrations: Registrations
    relay: CommandRelay
    sent_commands: SentCommands
    page_limit: int


@dataclass(frozen=True, slots=True)
class Interface(Generic[InterfaceT]):
    """The endpoints of one interface, and a function that builds the object that serves them."""

    endpoints: Iterable[Endpoint[InterfaceT]]
    build: Callable[[InterfaceParts], InterfaceT]


def route_table() -> tuple[Endpoint[Any], ...]:
    """Every endpoint of both trees, as declared."""
    return tuple(endpoint for role in Role for each in _tree(role) for endpoint in each.endpoints)


def served_endpoints(parts: InterfaceParts) -> Iterable[ServedEndpoint]:
    """Every endpoint of both trees, with the object that serves it."""
    for role in Role:
        for each in _tree(role):
            interface = each.build(parts)
            yield from (endpoint.served_by(interface) for endpoint in each.endpoints)


def module_paths(role: Role) -> Mapping[str, str]:
    """The path of each module's endpoint in this role's tree, below the base URL, by its identifier (VER-03)."""
    return versions.paths_of(endpoint for each in _modules(role) for endpoint in each.endpoints)


def _tree(role: Role) -> Iterable[Interface[Any]]:
    yield Interface(versions.endpoints(role), lambda parts: Versions(role, module_paths(role), parts.counters))
    yield from _modules(role)


def _modules(role: Role) -> Iterable[Interface[Any]]:
    """Credentials, and each module from this role's side: as sender or as receiver."""
    yield Interface(credentials.endpoints(role), lambda parts: CredentialsEndpoint(parts.registrations))
    for module in MODULES.values():
        yield from _sent(module) if module.owner is role else [_received(module)]
    if role is Role.CPO:
        yield Interface(relay.endpoints(), lambda parts: parts.relay)
    else:
        yield Interface(sending.endpoints(), lambda parts: parts.sent_commands)


def _sent(module: Module) -> Iterable[Interface[Any]]:
    identifier = module.identifier
    yield Interface(sender_endpoints(module), lambda parts: Sender(module, parts.stores[identifier], parts.page_limit))
    if identifier is ModuleID.TOKENS:
        yield Interface(
            authorize.endpoints(),
            lambda parts: AuthorizeEndpoint(
                parts.counters, tokens=parts.stores[identifier], locations=parts.stores[ModuleID.LOCATIONS]
            ),
        )


def _received(module: Module) -> Interface[Any]:
    identifier = module.identifier
    if identifier is ModuleID.CDRS:
        return Interface(receiver.endpoints(), lambda parts: CdrReceiver(parts.received.cdrs))
    return Interface(
        receiver_endpoints(module),
        lambda parts: Receiver(parts.received.by_module[identifier], parts.counters, parts.on_unknown_object),
    )
