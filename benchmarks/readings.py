"""What it costs to read what partners send, beside parsing it once, as ratios within one run.

Run: ``make bench``, or ``python -m benchmarks.readings``. The node's own code, with answers that lie ready. Trust the
ratio, not the milliseconds: one that grows tells of a body that is parsed, copied or written out more often.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table as Sheet

from chalicelib.modules import MODULES
from chalicelib.modules.locations.objects import Location
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pulling.pages import ListPage
from chalicelib.node.telemetry import NoObserver
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile, parse, read
from tests import make

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOCATIONS = 1_000
RUNS = 7
CPO = Partner(id="p1", our_role=Role.EMSP, state=State.REGISTERED, token_we_send=AuthToken("a-token-of-theirs"))


class Ready:
    """A web on which one answer lies ready, whatever is asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing."""

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:  # noqa: ARG002
        """The answer."""
        return Response(200, {"content-type": "application/json"}, self.body)


def asking(body: bytes) -> Callable[[], Any]:
    """What asks a partner that answers this."""
    outbound = Outbound(Ready(body), NoObserver(), lambda: NOW)
    return lambda: outbound.send(CPO, ModuleID.LOCATIONS, "GET", "https://cpo.example/locations")


def fetching(body: bytes) -> Callable[[], ListPage]:
    """What fetches a page that says this."""
    ask, module = asking(body), MODULES[ModuleID.LOCATIONS]
    return lambda: ListPage.of(ask(), module)


def cpu_ms(action: Callable[[], object], rounds: int) -> float:
    """CPU time of the quickest of some runs, per call."""
    action()
    times = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(rounds):
            action()
        times.append((time.process_time() - began) * 1000 / rounds)
    return min(times)


def held_kb(action: Callable[[], object]) -> float:
    """The memory that is held once the action is done, by what it gives."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    result = action()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return (after - before) / 1e3


def measure() -> Sheet:
    """A row for each kind of body."""
    location = make.location("LOC1", evses=[make.evse(f"E{n}") for n in range(8)])
    page = json.dumps({"status_code": 1000, "data": [location | {"id": f"LOC{n}"} for n in range(LOCATIONS)]}).encode()
    taken, whole = json.dumps({"status_code": 1000}).encode(), json.dumps(location).encode()
    works: list[tuple[str, bytes, Callable[[], object], int]] = [
        ("answer to a push", taken, asking(taken), 1_000),
        (f"page of {LOCATIONS}", page, fetching(page), 1),
        ("location that is PUT", whole, lambda: read(Location, whole, Profile.LENIENT, NOW), 100),
    ]
    sheet = Sheet("body", "CPU ms", "parsing alone ms", "ratio", "KB held", "parsed alone KB", "ratio")
    for name, body, work, rounds in works:
        ours, alone = cpu_ms(work, rounds), cpu_ms(lambda body=body: parse(body), rounds)  # type: ignore[misc]
        held, value = held_kb(work), held_kb(lambda body=body: parse(body))  # type: ignore[misc]
        times = (f"{ours:.3f}", f"{alone:.3f}", f"{ours / alone:.2f}")
        sheet.add_row(name, *times, f"{held:.1f}", f"{value:.1f}", f"{held / value:.2f}")
    return sheet


def main() -> None:
    """Measure and print."""
    Console().print(measure())


if __name__ == "__main__":
    main()
