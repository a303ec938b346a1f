"""What a partner that hangs costs the others: how long a charge point's answer takes to them, as a ratio of two runs.

Run: ``make bench``, or ``python -m benchmarks.commands``. A thousand commands from three partners at once, and as many
answers of charge points at once; the node's own code, memory stores, threads for Lambda's workers, and a network twenty
times as fast as the real one, where partners answer in 80 to 400 ms and one hangs for 10 s. Trust the ratio, not the
milliseconds.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from statistics import median

from rich.console import Console
from rich.table import Table as Sheet

from chalicelib.ocpi.parties import Party
from tests.node.command_traffic import PARTIES, Traffic

EACH = 334
FASTER = 20
HANGING, *OTHERS = PARTIES
LANES = 8 * len(PARTIES)
"""Lambda polls each lane with a worker of its own."""
RUNS = 5


def network() -> None:
    """An answer of a partner that is well."""
    time.sleep(random.uniform(0.08, 0.4) / FASTER)  # noqa: S311 - jitter, not a secret


def run(*, hangs: bool) -> list[float]:
    """The other partners' latencies in seconds, sorted, while the first of them is well, or hangs."""
    others_done = threading.Event()

    def hang() -> None:
        # Until we give up, and no longer than there is something to measure.
        others_done.wait(10 / FASTER)

    pauses: dict[Party, Callable[[], object]] = {HANGING: hang if hangs else network}
    traffic = Traffic(pauses | dict.fromkeys(OTHERS, network))
    with traffic.workers(LANES):
        at_once = traffic.start_all(EACH)
        began = traffic.charge_points_answer()
        answered = all(traffic.ears[party].wait_for(EACH) for party in OTHERS)
        others_done.set()
        answered = traffic.ears[HANGING].wait_for(EACH) and answered
    once = {f"/results/{number}": 1 for number in range(EACH)}
    if not answered or at_once != Counter({"200 1000 ACCEPTED": EACH * len(PARTIES)}):
        raise AssertionError(f"not every command was answered: {at_once}")
    if any(ears.begun != once for ears in traffic.ears.values()):
        raise AssertionError("a command was answered more than once")
    return sorted(moment - began for party in OTHERS for moment in traffic.ears[party].heard_at.values())


def part(latencies: list[float], share: float) -> float:
    """The latency, in milliseconds, that this share of the answers stays below."""
    return latencies[int(len(latencies) * share)] * 1000


def measure() -> Sheet:
    """A row for each percentile: the median of some runs where all are well, and of as many where one hangs."""
    runs = [(run(hangs=False), run(hangs=True)) for _ in range(RUNS)]
    sheet = Sheet(f"the others' {len(runs[0][0])} answers", "all well ms", "one hangs ms", "ratio")
    for share in (0.5, 0.95, 0.99):
        well, beside = (median(part(each[side], share) for each in runs) for side in (0, 1))
        sheet.add_row(f"{share:.0%}", f"{well:.0f}", f"{beside:.0f}", f"{beside / well:.2f}")
    return sheet


def main() -> None:
    """Measure and print."""
    Console().print(measure())


if __name__ == "__main__":
    main()
