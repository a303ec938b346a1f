"""Breaks copies of the tree, several side by side, and looks whether the tests that should notice do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from cli.support import Mutant
from tests.mutants.outcomes import WRITTEN_TO

_NOT_COPIED: Final = (".git", ".venv", ".local", ".*_cache", "build", "__pycache__")
_OPTIONS: Final = ("-p", "no:xdist", "-p", "tests.mutants.outcomes", "--sample-seed=1", "--tb=line")
"""Of big products always the same sample, whether with a mutant or without."""
_LONGEST_RUN_S: Final = 120.0
_LONGEST_PROOF_S: Final = 1200.0
"""For all named tests, one after the other."""
_NO_BEHAVIOUR: Final = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError")
"""How a test fails that has not come to the behaviour that it is about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant.

    Args:
        problem: why it counts as alive; empty where each named test noticed it.
    """

    mutant: Mutant
    problem: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """What pytest made of some tests: how it ended, and by test how that ended and by which exception."""

    exit_code: int
    outcomes: Mapping[str, tuple[str, str]]
    said: str

    def of(self, test: str) -> list[tuple[str, str]]:
        """How the test ended, or each case of it."""
        return [found for name, found in self.outcomes.items() if name == test or name.startswith(f"{test}[")]


class Copy:
    """A copy of the tree that may be broken."""

    def __init__(self, project: Path, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        shutil.copytree(project, folder, ignore=shutil.ignore_patterns(*_NOT_COPIED))

    @contextmanager
    def broken_by(self, mutant: Mutant) -> Iterator[None]:
        """As long as this lasts, the copy has the change.

        Raises:
            ValueError: what is to be replaced does not stand in the file exactly once.
        """
        file = self._folder / mutant.file
        text, stat = file.read_text(encoding="utf-8"), file.stat()
        if text.count(mutant.snippet) != 1:
            raise ValueError(f"its snippet stands {text.count(mutant.snippet)} times in {mutant.file}")
        file.write_text(text.replace(mutant.snippet, mutant.replacement), encoding="utf-8")
        # By its time, Python knows whether byte code is of this text.
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + next(self._numbers) * 10**9))
        try:
            yield
        finally:
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def run(self, tests: Iterable[str], within_s: float) -> Run:
        """What pytest makes of these tests here.

        Raises:
            TimeoutExpired: they took too long.
        """
        written_to = self._folder / "outcomes.json"
        written_to.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_OPTIONS, *tests],
            cwd=self._folder,
            env={**os.environ, WRITTEN_TO: str(written_to)},
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )
        outcomes = json.loads(written_to.read_text(encoding="utf-8")) if written_to.exists() else {}
        found = {name: (outcome, exception) for name, (outcome, exception) in outcomes.items()}
        return Run(done.returncode, found, done.stdout + done.stderr)


def proven(copies: Sequence[Copy], mutants: Iterable[Mutant]) -> str:
    """Why the named tests cannot tell anything: one is not there, or fails without any mutant; empty where they can."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    shares = [share for number in range(len(copies)) if (share := tests[number :: len(copies)])]
    with ThreadPoolExecutor(len(copies)) as pool:
        runs = list(pool.map(lambda copy, share: copy.run(share, _LONGEST_PROOF_S), copies, shares))
    return "\n".join(run.said for run in runs if run.exit_code)


def verdicts(copies: Sequence[Copy], mutants: Iterable[Mutant]) -> Iterator[Verdict]:
    """What becomes of each mutant, as it is known."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def verdict(mutant: Mutant) -> Verdict:
        copy, began = free.get(), time.monotonic()
        try:
            problem = _problem(copy, mutant)
        finally:
            free.put(copy)
        return Verdict(mutant, problem, time.monotonic() - began)

    with ThreadPoolExecutor(len(copies)) as pool:
        for done in as_completed([pool.submit(verdict, mutant) for mutant in mutants]):
            yield done.result()


def _problem(copy: Copy, mutant: Mutant) -> str:
    try:
        with copy.broken_by(mutant):
            return problem_of(mutant, copy.run(mutant.tests, _LONGEST_RUN_S))
    except ValueError as moved:
        return str(moved)
    except subprocess.TimeoutExpired:
        return f"its tests took more than {_LONGEST_RUN_S:.0f} s"


def problem_of(mutant: Mutant, run: Run) -> str:
    """Why the mutant counts as alive after this run of its tests; empty where each of them noticed it."""
    if run.exit_code not in (0, 1):
        return f"pytest ended with {run.exit_code}, which is no verdict: {run.said.strip().splitlines()[-1][:200]}"
    return "; ".join(filter(None, (_unnoticed(test, run.of(test)) for test in mutant.tests)))


def _unnoticed(test: str, outcomes: Sequence[tuple[str, str]]) -> str:
    if any(outcome == "failed" and exception not in _NO_BEHAVIOUR for outcome, exception in outcomes):
        return ""
    wrong = next((f"ends by {exception}" for outcome, exception in outcomes if outcome != "passed"), "passes")
    return f"{test.rpartition('/')[2]} {wrong}"
