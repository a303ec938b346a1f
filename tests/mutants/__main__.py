"""Tries the mutants out: ``python -m tests.mutants``; ``--help`` says how to choose among them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from cli.support import Mutant, mutants_of
from tests.mutants.running import Copy, Verdict, proven, verdicts

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Says what became of each mutant; 1 where one is alive."""
    asked = _asked(arguments)
    chosen = [mutant for mutant in mutants_of(ROOT) if _is_asked_for(mutant, asked)]
    if not chosen:
        print("No mutant is called so: see --list.")
        return 2
    if asked.list:
        for mutant in chosen:
            print(f"{mutant.area:12} {mutant.name} ({', '.join(mutant.rules) or mutant.file})")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Copy(ROOT, Path(folder) / str(number)) for number in range(min(asked.workers, len(chosen)))]
        began = time.monotonic()
        print(f"{len(chosen)} mutants; their tests without any mutant ...", flush=True)
        if problem := proven(copies, chosen):
            print(f"{problem}\nThe tests have to pass before they can tell anything.")
            return 1
        print(f"... pass, in {time.monotonic() - began:.0f} s", flush=True)
        alive = [verdict for verdict in _told(verdicts(copies, chosen), len(chosen)) if verdict.problem]
        print(f"{len(chosen) - len(alive)} of {len(chosen)} were noticed, in {time.monotonic() - began:.0f} s.")
    _tell_of(alive)
    return 1 if alive else 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--name", default="", help="only those whose name has this in it")
    parser.add_argument("--rule", default="", help="only those that break this rule, such as PAG-05, or family, as PAG")
    parser.add_argument("--area", default="", help="only those of this file of tests/mutants, such as pages")
    parser.add_argument("--list", action="store_true", help="name them and try nothing out")
    parser.add_argument("--workers", type=int, default=2, help="how many at a time (2)")
    return parser.parse_args(arguments)


def _is_asked_for(mutant: Mutant, asked: argparse.Namespace) -> bool:
    return (
        asked.name in mutant.name
        and asked.area in ("", mutant.area)
        and (not asked.rule or any(asked.rule in (rule, rule.partition("-")[0]) for rule in mutant.rules))
    )


def _told(found: Iterable[Verdict], total: int) -> Iterator[Verdict]:
    for number, verdict in enumerate(found, 1):
        fate = "ALIVE" if verdict.problem else "noticed"
        line = f"{number:4}/{total} {fate:8}{verdict.seconds:5.1f} s  {verdict.mutant.area}: {verdict.mutant.name}"
        print(line, flush=True)
        yield verdict


def _tell_of(alive: Sequence[Verdict]) -> None:
    for verdict in alive:
        mutant = verdict.mutant
        print(f"\nALIVE: {mutant.name} ({mutant.file}; {', '.join(mutant.rules) or 'no rule'})\n  {verdict.problem}")
    if alive:
        print(
            "\nA named test passes: sharpen it, or name in tests/mutants one that notices and cites the rule.\n"
            "A snippet stands not exactly once: the code has moved, so write the mutant for what it is now."
        )


if __name__ == "__main__":
    sys.exit(main())
