"""The mutants fit the code as it is and break every family of rules; ``make mutants`` tries them out, not this."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from cli.support import CHAPTERS, Mutant, mutants_of, proofs_of, rules_of
from tests.mutants.running import Copy, Run, problem_of, verdicts

ROOT = Path(__file__).parents[1]
MUTANTS = mutants_of(ROOT)
AT_LEAST = 80
AT_LEAST_OF_A_FAMILY = 3


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def functions_of(path: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, ast.FunctionDef))


def test_each_mutant_changes_one_place_of_the_code_and_leaves_it_python() -> None:
    """A mutant that is named here is to be written for the code as it is now."""
    counts = {mutant.name: text_of(mutant.file).count(mutant.snippet) for mutant in MUTANTS}

    assert {name: times for name, times in counts.items() if times != 1} == {}
    for mutant in MUTANTS:
        text = text_of(mutant.file)
        ast.parse(text.replace(mutant.snippet, mutant.replacement), mutant.name)
        assert mutant.snippet != mutant.replacement, mutant.name


def test_the_tests_of_each_mutant_exist() -> None:
    named = {(mutant.name, *function) for mutant in MUTANTS for function in mutant.functions}

    assert [mutant.name for mutant in MUTANTS if not mutant.tests] == []
    assert {(name, path, test) for name, path, test in named if test not in functions_of(path)} == set()


def test_the_tests_of_each_mutant_cite_its_rules() -> None:
    """Each of them one at least, and together all."""
    cites = {(proof.path, proof.name): proof.rules for proofs in proofs_of(ROOT).values() for proof in proofs}
    missing: dict[str, set[str]] = {}
    for mutant in MUTANTS:
        found = {function: cites.get(function, frozenset()) for function in mutant.functions}
        missing[mutant.name] = {*mutant.rules} - frozenset[str]().union(*found.values())
        if mutant.rules:
            missing[mutant.name] |= {name for (_, name), rules in found.items() if rules.isdisjoint(mutant.rules)}

    assert {name: lacking for name, lacking in missing.items() if lacking} == {}


def test_mutants_are_told_apart_by_their_names() -> None:
    assert [name for name, times in Counter(mutant.name for mutant in MUTANTS).items() if times > 1] == []


def test_every_family_of_rules_has_mutants() -> None:
    """And there are enough of them in all."""
    known = {rule.id for rule in rules_of(ROOT)}
    broken = defaultdict[str, set[str]](set)
    for rule in {rule for mutant in MUTANTS for rule in mutant.rules}:
        broken[rule[:3]].add(rule)

    assert {rule for rules in broken.values() for rule in rules} <= known
    assert {family for family in CHAPTERS if len(broken[family]) < AT_LEAST_OF_A_FAMILY} == set()
    assert len(MUTANTS) >= AT_LEAST


# --- the runner ----------------------------------------------------------------------------------------------------

IT = "tests/test_it.py::test_it"
MUTANT = Mutant(
    area="", name="a wrong answer", file="product.py", snippet="42", replacement="43", rules=(), tests=(IT, f"{IT}[b]")
)


def ends_by(exception: str) -> str:
    return "; ".join(f"test_it.py::{name} ends by {exception}" for name in ("test_it", "test_it[b]"))


@pytest.mark.parametrize(
    ("run", "problem"),
    [
        (Run(1, {f"{IT}[a]": ("passed", ""), f"{IT}[b]": ("failed", "AssertionError")}, ""), ""),
        (Run(1, {f"{IT}[a]": ("failed", "KeyError"), f"{IT}[b]": ("passed", "")}, ""), "test_it.py::test_it[b] passes"),
        (Run(0, {f"{IT}[a]": ("passed", "")}, ""), "test_it.py::test_it passes; test_it.py::test_it[b] passes"),
        (Run(1, {f"{IT}[b]": ("error", "OSError")}, ""), ends_by("OSError")),
        (Run(1, {f"{IT}[b]": ("failed", "NameError")}, ""), ends_by("NameError")),
        (Run(4, {}, "\nSyntaxError: '('\n"), "pytest ended with 4, which is no verdict: SyntaxError: '('"),
    ],
)
def test_a_mutant_is_noticed_where_each_of_its_tests_fails_by_what_the_code_does(run: Run, problem: str) -> None:
    """And neither by an error around the test, nor by code that cannot run at all."""
    assert problem_of(MUTANT, run) == problem


def test_a_mutant_is_tried_out_in_a_copy_that_is_whole_afterwards(tmp_path: Path) -> None:
    project, named = tmp_path / "project", replace(MUTANT, tests=(IT,))
    for name in ("cli/support.py", "tests/mutants/outcomes.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text_of(name), encoding="utf-8")
    options = 'def pytest_addoption(parser):\n    parser.addoption("--sample-seed")\n'
    (project / "tests" / "conftest.py").write_text(options, encoding="utf-8")
    (project / "product.py").write_text("def answer() -> int:\n    return 42\n", encoding="utf-8")
    test = "from product import answer\n\n\ndef test_it() -> None:\n    assert answer() == 42\n"
    (project / "tests" / "test_it.py").write_text(test, encoding="utf-8")
    copy = Copy(project, tmp_path / "copy")

    tried_out = verdicts([copy], [named, replace(named, snippet="41")])
    found = {verdict.mutant.snippet: verdict.problem for verdict in tried_out}

    assert found == {"42": "", "41": "its snippet stands 0 times in product.py"}
    assert (tmp_path / "copy" / "product.py").read_bytes() == (project / "product.py").read_bytes()
