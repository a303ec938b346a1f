"""The host at its desk: calls of the operator API of a company in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.entrypoints import operator
from chalicelib.ocpi.http import Request, Response
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
        self.company.outside.partners.save_operator_key(hashlib.sha256(KEY.encode()).hexdigest(), "test")

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
        request = Request(method, f"/operator{path}", headers, query or {}, content)
        return Answer(operator.answer(self.company.company, request))


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


def desks() -> Desks:
    """The hosts of a CPO and an eMSP that are registered with each other."""
    there = pair()
    ids = [company.partners()[0].id for company in (there.cpo, there.emsp)]
    return Desks(there, Desk(there.cpo), Desk(there.emsp), *ids)
