"""Routing: the URLs that exist, their methods and handlers, and who may call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

from chalicelib.node.partners.partner import Grant, GrantKind, Partner
from chalicelib.ocpi.errors import MethodNotAllowed, NotFound
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import VERSION
from chalicelib.ocpi.parties import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An authenticated request to one of our endpoints, as its handler gets it."""

    request: Request
    params: Mapping[str, str]
    """The URL's variable segments, decoded."""
    partner: Partner
    grant: Grant
    """The grant of the token that the caller sent."""
    now: datetime
    url: str
    """The absolute URL that was requested, without the query."""
    base_url: str
    """Our public address."""


Handler = Callable[[Call], Response]
InterfaceT = TypeVar("InterfaceT")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[InterfaceT]):
    """One URL with its methods, as a module declares it; other methods are answered with 405 (TRA-18).

    ``InterfaceT`` is the class whose methods handle the requests, such as ``Sender``.
    """

    role: Role
    _: KW_ONLY
    module: str
    path: str
    """Below the node's base URL, with variable segments in braces: ``/ocpi/cpo/2.1.1/locations/{location_id}``."""
    methods: Mapping[str, Callable[[InterfaceT, Call], Response]]
    """By HTTP method, the function of the interface that handles it."""
    before_registration: bool = False
    """Whether callers that are not registered yet may call it (VER-12, CRD-25)."""
    interface: str = ""
    """``sender``, ``receiver`` or empty, for the route table in docs/routes.md."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods for the ``Allow`` header."""
        return (*self.methods, "OPTIONS")

    def served_by(self, interface: InterfaceT) -> ServedEndpoint:
        """The endpoint, its requests handled by this object."""
        return ServedEndpoint(self, {method: partial(answer, interface) for method, answer in self.methods.items()})

    def admits(self, partner: Partner, grant: Grant) -> bool:
        """Whether the state of the partner and the kind of its token allow calling this endpoint."""
        if grant.kind is GrantKind.SPENT:
            return self.module == "credentials"
        return self.before_registration or (partner.is_active and grant.kind is not GrantKind.INVITATION)


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """An endpoint with the handlers of its methods."""

    endpoint: Endpoint[Any]
    handlers: Mapping[str, Handler]

    def handler(self, method: str) -> Handler:
        """The handler of this method.

        Raises:
            MethodNotAllowed: the endpoint does not have this method.
        """
        try:
            return self.handlers[method]
        except KeyError:
            endpoint = self.endpoint
            raise MethodNotAllowed(f"{endpoint.module} does not support {method} here", endpoint.allowed) from None


def tree(role: Role) -> str:
    """The base path of one role: an endpoint of OCPI 2.1.1 names no role, so each role has its own (VER-10)."""
    return f"/ocpi/{role}"


def version_root(role: Role) -> str:
    """The base path of a role's endpoints of version 2.1.1."""
    return f"{tree(role)}/{VERSION}"


class Router:
    """Finds the endpoint that a path addresses."""

    def __init__(self, served: Iterable[ServedEndpoint]) -> None:
        self._by_shape = {self._shape(each.endpoint.path): each for each in served}

    @property
    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        """All endpoints, in the order in which they are matched."""
        return tuple(served.endpoint for served in self._by_shape.values())

    @staticmethod
    def _shape(path: str) -> tuple[str | None, ...]:
        """The path's segments, None for a variable one."""
        return tuple(None if segment.startswith("{") else segment for segment in path.split("/")[1:])

    def match(self, path: str) -> tuple[ServedEndpoint, dict[str, str]]:
        """The endpoint at ``path`` and its decoded parameters; a trailing slash makes no difference.

        Args:
            path: percent-encoded.

        Raises:
            NotFound: no endpoint has this path.
        """
        segments = path.removesuffix("/").split("/")[1:]
        for shape, served in self._by_shape.items():
            # A variable segment must not be empty: an empty id names no object.
            if len(shape) == len(segments) and all(
                want == segment or (want is None and segment) for want, segment in zip(shape, segments, strict=True)
            ):
                names = (name[1:-1] for name in served.endpoint.path.split("/")[1:] if name.startswith("{"))
                values = (segment for want, segment in zip(shape, segments, strict=True) if want is None)
                return served, {name: unquote(value) for name, value in zip(names, values, strict=True)}
        raise NotFound("there is nothing at this URL")
