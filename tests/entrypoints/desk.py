"""The host at its desk: calls of the operator API of a company in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from chalicelib.entrypoints.operator import api
from chalicelib.modules import MODULES
from chalicelib.node.partners.store import OperatorKey
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests.world import CompanyInWorld, Pair, pair

KEY = "ocpi_a-key-of-the-host"

_NOTHING: Any = object()


@dataclass(frozen=True)
class Answer:
    """An answer of the operator API."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)

    @property
    def error(self) -> str:
        assert self.json["details"] == []
        return str(self.json["error"])


@dataclass(frozen=True)
class Desk:
    """A company's operator API, and whoever holds a key to it."""

    company: CompanyInWorld

    def __post_init__(self) -> None:
        self.company.ports.partners.save_operator_key(
            hashlib.sha256(KEY.encode()).hexdigest(), OperatorKey("test", frozenset({"help-desk"}))
        )

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = _NOTHING,
        *,
        raw: bytes = b"",
        key: str = f"Bearer {KEY}",
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request below ``/operator``."""
        content = raw if body is _NOTHING else json.dumps(body).encode()
        headers = {"authorization": key, "x-correlation-id": "call-1"}
        request = Request(method=method, url=f"/operator{path}", headers=headers, query=query or {}, body=content)
        return Answer(api.answer(self.company.company, request))


@dataclass(frozen=True)
class Desks:
    """Both hosts of a registered pair, and the ids by which they know the other's partner."""

    pair: Pair
    cpo: Desk
    emsp: Desk
    emsp_id: str
    """What the CPO calls the eMSP."""
    cpo_id: str
    """What the eMSP calls the CPO."""

    def owner(self, module: ModuleID) -> Desk:
        """The host of whoever owns the module's objects."""
        return self.cpo if MODULES[module].owner is Role.CPO else self.emsp

    def other(self, module: ModuleID) -> Desk:
        """The host of whoever receives them."""
        return self.emsp if MODULES[module].owner is Role.CPO else self.cpo

    def named(self, module: ModuleID) -> dict[str, str]:
        """The query that names the only partner, where a module needs to know for whom its objects are."""
        return {"partner": self.emsp_id} if MODULES[module].sending.private else {}

    def put_in(self, module: ModuleID, value: Any) -> Answer:
        """What the owner's host is answered to one object, or to a list of them."""
        one = "" if isinstance(value, list) else f"/{quote(value[MODULES[module].id_field], safe='')}"
        return self.owner(module)("PUT", f"/{module}{one}", value, query=self.named(module))


def desks() -> Desks:
    """The hosts of a CPO and an eMSP that are registered with each other."""
    there = pair()
    ids = [company.partners()[0].id for company in (there.cpo, there.emsp)]
    return Desks(there, Desk(there.cpo), Desk(there.emsp), *ids)
