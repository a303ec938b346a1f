"""A session that goes on in a world whose queues take their time, and what its partner hears of it, and when."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import Pair, World, pair

Json = dict[str, Any]

SESSIONS = ModuleID.SESSIONS
PERIOD = {"start_date_time": make.STAMP, "dimensions": [{"type": "ENERGY", "volume": 2.5}]}


@dataclass
class Charging:
    """A session of a CPO in a world whose queues take their time, and what its eMSP was sent, and when."""

    there: Pair = field(default_factory=lambda: pair(World(delaying=True)))
    sent: list[tuple[datetime, str, Json]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.there.world.clock.now
        real = self.there.world.hosts["emsp.example"]

        def watched(request: Request) -> Response:
            if "/sessions/" in request.url:
                self.sent.append((self.there.world.clock.now, request.method, json.loads(request.body or b"{}")))
            return real(request)

        self.there.world.hosts["emsp.example"] = watched

    def start(self, **fields: Any) -> None:
        self.there.put_in(SESSIONS, make.session("S1", **fields))
        self.there.pump()

    def change(self, **fields: Any) -> None:
        self.there.cpo.company.own_objects[SESSIONS].patch("S1", (), fields)
        self.there.pump()

    def wait(self, seconds: float) -> None:
        self.there.world.wait(seconds=seconds)

    @property
    def story(self) -> list[tuple[int, str]]:
        """In which second what was sent, from the beginning."""
        return [(int((when - self.began).total_seconds()), method) for when, method, _ in self.sent]

    @property
    def held(self) -> Json:
        found = self.there.emsp.received(SESSIONS, self.there.cpo.party, "S1")
        return dict(found)

    @property
    def own(self) -> Json:
        return self.there.cpo.company.own_objects[SESSIONS].get("S1")


def charging(**fields: Any) -> Charging:
    """A session that has just begun."""
    found = Charging()
    found.start(**fields)
    return found
