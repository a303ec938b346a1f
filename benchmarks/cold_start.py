"""What a cold start costs: importing the app from its package, and answering once, with byte code and without.

Run: ``python -m benchmarks.cold_start``. It packs the app for this machine, as a deployment does for Lambda's, which
needs a package index and some ten seconds. Trust the ratio, not the milliseconds: Lambda's processors are others.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table as Sheet

from tests.infra.stage import ROOT, copy_project
from tests.infra.unpacked import Unpacked, unpack_here

RUNS = 10
WORK = {"import app": "import app", "import app, answer once": "import app; app.app(EVENT, None)"}


def cpu_ms(unpacked: Unpacked, work: str) -> float:
    """CPU time of the quickest of several processes, without what Python needs to start."""
    program = f"import time; began = time.process_time(); {work}; print(time.process_time() - began)"
    return min(float(unpacked.run(program).splitlines()[-1]) for _ in range(RUNS)) * 1000


def measure(unpacked: Unpacked) -> Sheet:
    """A row for each piece of work; the byte code is gone afterwards."""
    compiled = {name: cpu_ms(unpacked, work) for name, work in WORK.items()}
    for cache in list(unpacked.task.rglob("__pycache__")):
        shutil.rmtree(cache)
    sheet = Sheet("cold start", "CPU ms", "without byte code", "ratio")
    for name, work in WORK.items():
        bare = cpu_ms(unpacked, work)
        sheet.add_row(name, f"{compiled[name]:.0f}", f"{bare:.0f}", f"{bare / compiled[name]:.2f}")
    return sheet


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        Console().print(measure(unpack_here(copy_project(ROOT, Path(folder) / "project"))))


if __name__ == "__main__":
    main()
