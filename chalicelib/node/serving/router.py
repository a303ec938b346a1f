"""Which URLs exist, what they answer to which method, and who may call them."""

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
    """An authenticated request at one of our endpoints."""

    request: Request
    params: Mapping[str, str]
    """The URL's variable segments, decoded."""
    partner: Partner
    grant: Grant
    now: datetime
    url: str
    """This endpoint's absolute URL, as the caller knows it, without the query."""
    base_url: str


Handler = Callable[[Call], Response]
InterfaceT = TypeVar("InterfaceT")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[InterfaceT]):
    """One path of one role's tree, as declared: a function of its interface per method, others get 405 (TRA-18)."""

    role: Role
    _: KW_ONLY
    module: str
    path: str
    """Below the node's base URL, variable segments in braces."""
    methods: Mapping[str, Callable[[InterfaceT, Call], Response]]
    """The functions that answer, of whatever object serves the interface."""
    before_registration: bool = False
    """Serves callers who are not registered yet (VER-12, CRD-25)."""
    interface: str = ""
    """``sender``, ``receiver`` or nothing, for the route table."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """What the ``Allow`` header names."""
        return (*self.methods, "OPTIONS")

    def served_by(self, interface: InterfaceT) -> ServedEndpoint:
        """The endpoint with the object behind it."""
        return ServedEndpoint(self, {method: partial(answer, interface) for method, answer in self.methods.items()})

    def admits(self, partner: Partner, grant: Grant) -> bool:
        """Whether this caller may call here at all."""
        if grant.kind is GrantKind.SPENT:
            return self.module == "credentials"
        return self.before_registration or (partner.is_active and grant.kind is not GrantKind.INVITATION)


@dataclass(frozen=True, slots=True)
class ServedEndpoint:
    """An endpoint, and what answers there."""

    endpoint: Endpoint[Any]
    handlers: Mapping[str, Handler]

    def handler(self, method: str) -> Handler:
        """The handler of this method.

        Raises:
            MethodNotAllowed: the interface does not define it.
        """
        try:
            return self.handlers[method]
        except KeyError:
            endpoint = self.endpoint
            raise MethodNotAllowed(f"{endpoint.module} does not support {method} here", endpoint.allowed) from None


def tree(role: Role) -> str:
    """Where a role's endpoints begin; a 2.1.1 endpoint carries no role, so each role has its own tree (VER-10)."""
    return f"/ocpi/{role}"


def version_root(role: Role) -> str:
    """Where the endpoints of this version begin."""
    return f"{tree(role)}/{VERSION}"


class Router:
    """Finds the endpoint that a path addresses."""

    def __init__(self, served: Iterable[ServedEndpoint]) -> None:
        self._by_shape = {self._shape(each.endpoint.path): each for each in served}

    @property
    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        """All that are served, in the order in which they are looked at."""
        return tuple(served.endpoint for served in self._by_shape.values())

    @staticmethod
    def _shape(path: str) -> tuple[str | None, ...]:
        return tuple(None if step.startswith("{") else step for step in path.split("/")[1:])

    def match(self, path: str) -> tuple[ServedEndpoint, dict[str, str]]:
        """The endpoint at ``path`` (still percent-encoded) and its decoded parameters; a trailing slash is no matter.

        Raises:
            NotFound: the path addresses nothing.
        """
        steps = path.removesuffix("/").split("/")[1:]
        for shape, served in self._by_shape.items():
            # A variable step takes anything but nothing: an empty id names no object.
            if len(shape) == len(steps) and all(
                want == step or (want is None and step) for want, step in zip(shape, steps, strict=True)
            ):
                names = (name[1:-1] for name in served.endpoint.path.split("/")[1:] if name.startswith("{"))
                values = (step for want, step in zip(shape, steps, strict=True) if want is None)
                return served, {name: unquote(value) for name, value in zip(names, values, strict=True)}
        raise NotFound("there is nothing at this URL")
