"""What the operator API is made of: an operation, what it is asked, what it replies, and how both are read."""

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
    """The key is good, but not for this."""

    http_status = 403


@dataclass(frozen=True, slots=True)
class OperatorCall:
    """An authenticated request of the host."""

    company: Company
    request: Request
    steps: Mapping[str, str]
    """The URL's variable segments, decoded."""
    roles: frozenset[str] = frozenset()
    """What the bearer's key is good for beyond what every key is."""

    def require(self, role: str, why: str) -> None:
        """Nothing, if the bearer's key has this role.

        Raises:
            Forbidden: it has not.
        """
        if role not in self.roles:
            raise Forbidden(f"{why}; create a key for it with: python -m cli keys create NAME --role {role}")

    @property
    def json(self) -> Any:
        """The body.

        Raises:
            InvalidJson: it is none.
        """
        return parse(self.request.body)

    @property
    def partner(self) -> Partner:
        """The partner that the URL names.

        Raises:
            NotFound: there is none.
        """
        return self._partner(self.steps["partner"])

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
        """The key behind which a list goes on, as a store takes it; empty for its beginning."""
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
            if identifier == self.steps["module"]:
                return module
        raise NotFound(f"there is no module {self.steps['module']!r}; there are {', '.join(MODULES)}")

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
        """The part ids in the URL.

        Raises:
            NotFound: the module's objects have no parts at that depth.
        """
        ids = tuple(self.steps[name] for name in ("evse_uid", "connector_id") if name in self.steps)
        if len(ids) >= len(self.module.levels):
            raise NotFound(f"{self.module.identifier} have no parts at that depth")
        return ids

    def texts(self, required: Collection[str] = (), optional: Collection[str] = ()) -> dict[str, str]:
        """The body as an object of these text fields.

        Raises:
            InvalidJson: it is none.
            InvalidParameters: a field is missing, unknown, or no text of a line at most.
        """
        return self.fields(required, optional)

    def fields(
        self, required: Collection[str] = (), optional: Collection[str] = (), flags: Collection[str] = ()
    ) -> dict[str, Any]:
        """The body as an object of these text fields, and flags that may be left out.

        Raises:
            InvalidJson: it is none.
            InvalidParameters: a field is missing, unknown, or no text of a line at most; a flag is not true or false.
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
    """What the host is answered."""

    value: Any
    status: int = 200


def own_result_reply(kept: OwnResult) -> OperatorReply:
    """What became of an object that the host put in."""
    answer = {"outcome": kept.outcome, "object": json.loads(kept.body), "warnings": list(map(warning, kept.warnings))}
    return OperatorReply(answer, 201 if kept.outcome == "created" else 200)


def warning(remark: Deviation) -> str:
    """What the spec only warns about, in a line."""
    return f"{remark.path} {remark.what} ({remark.rule})"


def shown_time(moment: datetime | None) -> str | None:
    """The moment as the host is shown it, if there is one."""
    return format_date_time(moment) if moment else None


OperatorHandler = Callable[[OperatorCall], OperatorReply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method at one path of this API."""

    method: str
    path: str
    summary: str
    handler: OperatorHandler
    body: str = ""
    """The name of the body's schema in the OpenAPI file; empty where none is expected."""
    query: tuple[str, ...] = ()
    """The query parameters that it knows."""
    reply: str = ""
    """The name of the answer's schema in the OpenAPI file; empty where that says nothing of it."""
