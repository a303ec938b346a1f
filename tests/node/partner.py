"""A partner whose answers a test dictates, in front of the real one."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from chalicelib.node.ports import Failure
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import Pair, Server, pair

Json = dict[str, Any]


def said(status: int = 200, code: int | None = 1000, data: Any = None) -> Response:
    """An answer; without a code, one that is no envelope."""
    if code is None:
        return Response(status, {}, b"<html>")
    frame = {"status_code": code, "timestamp": "2026-03-01T12:00:00Z"} | ({} if data is None else {"data": data})
    return Response(status, {}, json.dumps(frame).encode())


@dataclass
class Partner:
    """The eMSP of a pair: dictated answers first, by method, then what its node really answers."""

    there: Pair
    real: Server
    answers: dict[str, list[Response]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        if "/2.1.1/" in request.url:
            self.asked.append(request)
            if self.answers[request.method]:
                return self.answers[request.method].pop(0)
        return self.real(request)

    def will(self, method: str, *answers: Response) -> None:
        """Answer the next requests of this method so."""
        self.answers[method] += answers

    def news(self) -> list[tuple[str, str, Json | None]]:
        """What it was sent at its module endpoints since the last look: method, decoded path below it, body."""
        root, asked = "/ocpi/emsp/2.1.1/", list(self.asked)
        self.asked.clear()
        return [
            (each.method, unquote(each.url.partition(root)[2]), json.loads(each.body) if each.body else None)
            for each in asked
        ]

    def requests(self) -> list[str]:
        """The same in short: method and path below the owner's root."""
        return [f"{method} {path.replace('/DE/CPO/', ' ')}" for method, path, _ in self.news()]

    @property
    def backlog(self) -> list[Failure]:
        """What the CPO's outbox holds for it."""
        return self.there.cpo.outside.outbox.of(self.there.cpo.partners()[0].id)

    def held(self, object_id: str, module: ModuleID = ModuleID.LOCATIONS) -> Json | None:
        """What its node holds of a CPO's object."""
        found: Json | None = self.there.emsp.received(module, self.there.cpo.party, object_id)
        return found

    def own(self, object_id: str, module: ModuleID = ModuleID.LOCATIONS) -> Json:
        """The CPO's object."""
        return self.there.cpo.company.own[module].get(object_id)


def partner(*locations: Json) -> Partner:
    """An eMSP that was told of these locations already, LOC1 if none."""
    there = pair()
    found = Partner(there, there.world.hosts["emsp.example"])
    there.world.hosts["emsp.example"] = found
    there.cpo.company.own[ModuleID.LOCATIONS].import_all(locations or [make.location()])
    there.pump()
    found.asked.clear()
    there.world.clock.pass_(hours=1)
    return found
