"""What a partner that is sick costs the others: how long a change takes to reach them, as a ratio of two runs.

Run: ``make bench``, or ``python -m benchmarks.deliveries``. Ten partners are told of changes that come at a steady
rate: the node's own code and messages, memory stores, threads for Lambda's workers, and everything ten times as fast as
in the real world. Partners answer in 0.2 s there; one hangs for 10 s, refuses every connection, or answers garbage.
Trust the ratio, not the milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table as Sheet

from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Response
from tests.node.delivery_traffic import Traffic

FASTER = 10
PARTNERS = 10
TARIFFS = 20
CHANGES = 100
PER_SECOND = 25
WORKERS = 20
"""Fewer than the 80 lanes of ten partners: an account that has little of Lambda to give."""
RUNS = 5


def well() -> None:
    """An answer that takes its time."""
    time.sleep(0.2 / FASTER)


def hangs() -> None:
    """Nothing, until we give up."""
    time.sleep(10 / FASTER)
    raise Unreachable("no answer within 10 s")


def refuses() -> None:
    """Nobody listens."""
    raise Unreachable("connection refused", unsent=True)


def garbage() -> Response:
    """What a proxy says on behalf of a node that it does not find."""
    well()
    return Response(200, {"content-type": "text/html"}, b"<html>It works!</html>")


SICK: Final[Mapping[str, Callable[[], Response | None]]] = {
    "all well": well,
    "one hangs": hangs,
    "one refuses": refuses,
    "one answers garbage": garbage,
}


@dataclass(frozen=True)
class Outcome:
    """What one run showed."""

    p95_ms: float
    """Of the delays of all changes, until each of the nine others had heard of them."""
    asked: int
    """Requests that the tenth partner got."""


def run(tenth: Callable[[], Response | None]) -> Outcome:
    """Nine partners that are well, and another.

    Raises:
        AssertionError: one of the nine does not hold in the end what we have.
    """
    traffic = Traffic([*[well] * (PARTNERS - 1), tenth], FASTER)
    *others, last = traffic.receivers
    with traffic.workers(WORKERS):
        began = time.perf_counter()
        for number in range(CHANGES):
            time.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
            traffic.change(f"T{number % TARIFFS}", number)
        ours = traffic.tariffs()
        if not all(receiver.wait_for(ours) for receiver in others):
            raise AssertionError("a partner that is well was not told everything")
        asked = last.requests
    delays = sorted(delay for receiver in others for delay in traffic.delays(receiver))
    return Outcome(delays[int(len(delays) * 0.95)] * 1000, asked)


def measure() -> Sheet:
    """A row for each kind of tenth partner: the median of some runs, and as a ratio to those where all are well."""
    rounds = [{name: run(tenth) for name, tenth in SICK.items()} for _ in range(RUNS)]
    usual = median(each["all well"].p95_ms for each in rounds)
    sheet = Sheet(f"{CHANGES} changes to ten partners", "the nine others, p95 ms", "ratio", "requests to the tenth")
    for name in SICK:
        p95_ms = median(each[name].p95_ms for each in rounds)
        asked = median(each[name].asked for each in rounds)
        sheet.add_row(name, f"{p95_ms:.0f}", f"{p95_ms / usual:.2f}", f"{asked:.0f}")
    return sheet


def main() -> None:
    """Measure and print."""
    Console().print(measure())


if __name__ == "__main__":
    main()
