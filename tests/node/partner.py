"""A partner whose answers a test dictates, in front of the real one."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from chalicelib.node.pushing.outbox import OutboxEntry
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import CompanyInWorld, Pair, Server, pair

Json = dict[str, Any]


def said(status: int = 200, code: int | None = 1000, data: Any = None) -> Response:
    """An answer; without a code, one that is no envelope."""
    if code is None:
        return Response(status, {}, b"<html>")
    frame = {"status_code": code, "timestamp": "2026-03-01T12:00:00Z"} | ({} if data is None else {"data": data})
    return Response(status, {}, json.dumps(frame).encode())


@dataclass
class Partner:
    """The receiver in a pair: dictated answers first, by method, then what its node really answers."""

    there: Pair
    real: Server
    module: ModuleID = ModuleID.LOCATIONS
    """One of those that are pushed to it: by default it is the eMSP, and the CPO pushes."""
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
        asked = list(self.asked)
        self.asked.clear()
        return [
            (each.method, unquote(each.url.partition("/2.1.1/")[2]), json.loads(each.body) if each.body else None)
            for each in asked
        ]

    def requests(self) -> list[str]:
        """The same in short: method and path below the owner's root."""
        return [f"{method} {path.replace(f'/{self.owner.party}/', ' ')}" for method, path, _ in self.news()]

    @property
    def owner(self) -> CompanyInWorld:
        """Who pushes to it."""
        return self.there.owner(self.module)

    def change(self, path: tuple[str, ...], patch: Json, object_id: str = "LOC1") -> None:
        """The CPO's host changes a location."""
        self.there.cpo.company.own_objects[ModuleID.LOCATIONS].patch(object_id, path, patch)

    @property
    def backlog(self) -> list[OutboxEntry]:
        """What the owner's outbox holds for it."""
        return self.owner.ports.outbox.entries(self.owner.partners()[0].id)

    def held(self, object_id: str, module: ModuleID = ModuleID.LOCATIONS) -> Json | None:
        """What its node holds of an owner's object."""
        found: Json | None = self.there.receiver(module).received(module, self.there.owner(module).party, object_id)
        return found

    def own(self, object_id: str, module: ModuleID = ModuleID.LOCATIONS) -> Json:
        """The owner's object."""
        return self.there.owner(module).company.own_objects[module].get(object_id)


def partner(*locations: Json, of: ModuleID = ModuleID.LOCATIONS) -> Partner:
    """The receiver of a module in a pair whose eMSP was told of these locations already, LOC1 if none."""
    there = pair()
    host = urlsplit(there.receiver(of).base_url).netloc
    found = Partner(there, there.world.hosts[host], of)
    there.world.hosts[host] = found
    there.cpo.company.own_objects[ModuleID.LOCATIONS].import_all(locations or [make.location()])
    there.pump()
    found.asked.clear()
    there.world.clock.pass_(hours=1)
    return found
