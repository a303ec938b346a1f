"""The building blocks of the operator API: an operation, the call that it handles, the reply that it makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.bootstrap.company import Company
from chalicelib.modules import MODULES
from chalicelib.node.objects import LONGEST_ID, is_storable
from chalicelib.node.owning.own_objects import OwnObjects, OwnResult
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotFound
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Path
from chalicelib.ocpi.reading import Deviation, parse
from chalicelib.ocpi.types import format_date_time

ROOT: Final = "/operator"
_LONGEST_TEXT: Final = 255


class Forbidden(ClientError):
    """The operator key is valid, but lacks the role that the operation requires."""

    http_status = 403


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """An authenticated request of the host."""

    company: Company
    request: Request
    params: Mapping[str, str]
    """The parameters in the URL's path, decoded."""
    roles: frozenset[str] = frozenset()
    """The roles of the operator key, such as ``help-desk``."""

    def require(self, role: str, why: str) -> None:
        """Check that the operator key has this role.

        Args:
            role: the role that is needed.
            why: the reason, for the error.

        Raises:
            Forbidden: it has not.
        """
        if role not in self.roles:
            raise Forbidden(f"{why}; create a key for it with: python -m cli keys create NAME --role {role}")

    @property
    def json(self) -> Any:
        """The body as a JSON value.

        Raises:
            InvalidJson, InvalidParameters: it is no JSON.
        """
        return parse(self.request.body)

    @property
    def partner(self) -> Partner:
        """The partner that the URL names.

        Raises:
            NotFound: there is none.
        """
        return self._partner(self.params["partner"])

    @property
    def active_partner(self) -> Partner:
        """The partner that the URL names, unless it is suspended.

        Raises:
            NotFound: there is none.
            ClientError: it is suspended.
        """
        partner = self.partner
        if partner.is_suspended:
            raise ClientError("this partner is suspended: resume it first")
        return partner

    @property
    def after(self) -> str:
        """The cursor in the query: the key after which a list continues; empty for its beginning."""
        return self.request.query.get("after", "")[:LONGEST_ID].encode(errors="replace").decode()

    @property
    def addressee(self) -> Party | None:
        """The party of the partner that ``?partner=`` names; None without it.

        Raises:
            NotFound: there is no such partner.
            InvalidParameters: it has no party yet.
        """
        name = self.request.query.get("partner")
        if not name:
            return None
        partner = self._partner(name)
        if partner.party is None:
            raise InvalidParameters("this partner has not said yet which party it is: register first")
        return partner.party

    def _partner(self, name: str) -> Partner:
        partner = self.company.ports.partners.get(name) if is_storable(name) else None
        if partner is None:
            raise NotFound(f"there is no partner {name[:_LONGEST_TEXT]!r}")
        return partner

    @property
    def module(self) -> Module:
        """The module that the URL names.

        Raises:
            NotFound: there is none.
        """
        for identifier, module in MODULES.items():
            if identifier == self.params["module"]:
                return module
        raise NotFound(f"there is no module {self.params['module']!r}; there are {', '.join(MODULES)}")

    @property
    def own(self) -> OwnObjects:
        """Our own objects of the module that the URL names.

        Raises:
            NotFound: we own none such.
        """
        return self.own_of(self.module.identifier)

    def own_of(self, module: ModuleID) -> OwnObjects:
        """Our own objects of this module.

        Raises:
            NotFound: we own none such.
        """
        if module not in self.company.own_objects:
            raise NotFound(f"this node does not own {module}")
        return self.company.own_objects[module]

    @property
    def path(self) -> Path:
        """The ids in the URL that name a part of the object: ``evse_uid``, ``connector_id``.

        Raises:
            NotFound: the module's objects have no parts at that depth.
        """
        ids = tuple(self.params[name] for name in ("evse_uid", "connector_id") if name in self.params)
        if len(ids) >= len(self.module.levels):
            raise NotFound(f"{self.module.identifier} have no parts at that depth")
        return ids

    def texts(self, required: Collection[str] = (), optional: Collection[str] = ()) -> dict[str, str]:
        """The body as an object of these text fields, each one line of at most 255 characters.

        Raises:
            InvalidJson: it is no JSON.
            InvalidParameters: a field is missing, unknown, or no such text.
        """
        return self.fields(required, optional)

    def fields(
        self, required: Collection[str] = (), optional: Collection[str] = (), flags: Collection[str] = ()
    ) -> dict[str, Any]:
        """The body as an object of these text fields, each one line, and of optional flags that are true or false.

        Raises:
            InvalidJson: it is no JSON.
            InvalidParameters: a field is missing, unknown, or no such text; a flag is not true or false.
        """
        value = self.json
        if not isinstance(value, dict):
            raise InvalidParameters("the body is a JSON object")
        given = {name: fact for name, fact in value.items() if name not in flags}
        known = {*required, *optional}
        wrong = sorted(name for name in given if name not in known or not _is_line(given[name]))
        missing = sorted(name for name in required if name not in value)
        if missing or wrong:
            raise InvalidParameters(
                f"missing: {', '.join(missing) or 'none'}; unknown or no text: {', '.join(wrong) or 'none'}"
            )
        for name in sorted(value.keys() - given.keys()):
            if not isinstance(value[name], bool):
                raise InvalidParameters(f"{name} is true or false")
        return value


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isprintable()


@dataclass(frozen=True, slots=True)
class OperatorReply:
    """The answer to the host: a JSON value, and the HTTP status."""

    value: Any
    status: int = 200


def own_result_reply(kept: OwnResult) -> OperatorReply:
    """The reply about an object that the host created or changed: outcome, the object, and warnings."""
    answer = {"outcome": kept.outcome, "object": json.loads(kept.body), "warnings": list(map(warning, kept.warnings))}
    return OperatorReply(answer, 201 if kept.outcome == "created" else 200)


def warning(deviation: Deviation) -> str:
    """A deviation that is only a warning, as one line of text."""
    return f"{deviation.path} {deviation.what} ({deviation.rule})"


def shown_time(moment: datetime | None) -> str | None:
    """The moment as a DateTime of OCPI; None without one."""
    return format_date_time(moment) if moment else None


OperatorHandler = Callable[[OperatorCall], OperatorReply]
"""A function that carries out an operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: a method at a path of this API."""

    method: str
    path: str
    summary: str
    handler: OperatorHandler
    body_schema: str = ""
    """The name of the body's schema in the OpenAPI description; empty if there is no body."""
    query: tuple[str, ...] = ()
    """The names of its query parameters."""
    reply_schema: str = ""
    """The name of the answer's schema in the OpenAPI description; empty if it is not described."""
