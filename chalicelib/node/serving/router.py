"""Which URLs exist, what they answer to which method, and who may call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of one role's tree, with a handler per method; other methods are answered 405 (TRA-18)."""

    role: Role
    _: KW_ONLY
    module: str
    path: str
    """Below the node's base URL, variable segments in braces."""
    methods: Mapping[str, Handler]
    before_registration: bool = False
    """Serves callers who are not registered yet (VER-12, CRD-25)."""
    interface: str = ""
    """``sender``, ``receiver`` or nothing, for the route table."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """What the ``Allow`` header names."""
        return (*self.methods, "OPTIONS")

    def handler(self, method: str) -> Handler:
        """The handler of this method.

        Raises:
            MethodNotAllowed: the interface does not define it.
        """
        try:
            return self.methods[method]
        except KeyError:
            raise MethodNotAllowed(f"{self.module} does not support {method} here", self.allowed) from None

    def admits(self, partner: Partner, grant: Grant) -> bool:
        """Whether this caller may call here at all."""
        if grant.kind is GrantKind.SPENT:
            return self.module == "credentials"
        return self.before_registration or (partner.is_active and grant.kind is not GrantKind.INVITATION)


def tree(role: Role) -> str:
    """Where a role's endpoints begin; a 2.1.1 endpoint carries no role, so each role has its own tree (VER-10)."""
    return f"/ocpi/{role}"


def version_root(role: Role) -> str:
    """Where the endpoints of this version begin."""
    return f"{tree(role)}/{VERSION}"


class Router:
    """Finds the endpoint that a path addresses."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._by_shape = {self._shape(endpoint.path): endpoint for endpoint in self.endpoints}

    @staticmethod
    def _shape(path: str) -> tuple[str | None, ...]:
        return tuple(None if step.startswith("{") else step for step in path.split("/")[1:])

    def match(self, path: str) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint at ``path`` (still percent-encoded) and its decoded parameters; a trailing slash is no matter.

        Raises:
            NotFound: the path addresses nothing.
        """
        steps = path.removesuffix("/").split("/")[1:]
        for shape, endpoint in self._by_shape.items():
            # A variable step takes anything but nothing: an empty id names no object.
            if len(shape) == len(steps) and all(
                want == step or (want is None and step) for want, step in zip(shape, steps, strict=True)
            ):
                names = (name[1:-1] for name in endpoint.path.split("/")[1:] if name.startswith("{"))
                values = (step for want, step in zip(shape, steps, strict=True) if want is None)
                return endpoint, {name: unquote(value) for name, value in zip(names, values, strict=True)}
        raise NotFound("there is nothing at this URL")
