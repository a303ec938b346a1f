"""The mutants fit the code as it is and break every family of rules; ``make mutants`` tries them out, not this."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from cli.support import CHAPTERS, Mutant, mutants_of, proofs_of, rules_of
from tests.mutants.running import Copy, proven, verdicts

ROOT = Path(__file__).parents[1]
MUTANTS = mutants_of(ROOT)
AT_LEAST = 80
AT_LEAST_OF_A_FAMILY = 3

every_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: re.sub(r"\W+", "-", mutant.name))


@cache
def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def functions_of(path: str) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, ast.FunctionDef))


@cache
def cited() -> Mapping[tuple[str, str], frozenset[str]]:
    """By file and function, the rules that the test cites."""
    return {(proof.path, proof.name): proof.rules for proofs in proofs_of(ROOT).values() for proof in proofs}


@every_mutant
def test_a_mutant_changes_one_place_of_the_code_and_leaves_it_python(mutant: Mutant) -> None:
    text = text_of(mutant.file)

    assert text.count(mutant.snippet) == 1
    assert ast.dump(ast.parse(text.replace(mutant.snippet, mutant.replacement))) != ast.dump(ast.parse(text))


@every_mutant
def test_the_tests_of_a_mutant_exist_and_cite_its_rules(mutant: Mutant) -> None:
    cites = [cited().get(function, frozenset()) for function in mutant.functions]

    assert mutant.tests
    assert [name for path, name in mutant.functions if name not in functions_of(path)] == []
    assert {*mutant.rules} <= frozenset[str]().union(*cites)
    assert not mutant.rules or all(each & {*mutant.rules} for each in cites)


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


def test_the_runner_tells_what_is_noticed_from_what_is_not(tmp_path: Path) -> None:
    """In a project of one function and its test: noticed, alive, no longer Python, or of code that moved."""
    project, named = tmp_path / "project", ("tests/test_it.py::test_it",)
    for name in ("cli/support.py", "tests/mutants/outcomes.py"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text_of(name), encoding="utf-8")
    options = 'def pytest_addoption(parser):\n    parser.addoption("--sample-seed")\n'
    (project / "tests" / "conftest.py").write_text(options, encoding="utf-8")
    (project / "product.py").write_text("def answer() -> int:\n    return 42\n", encoding="utf-8")
    test = "from product import answer\n\n\ndef test_it() -> None:\n    assert answer() == 42\n"
    (project / "tests" / "test_it.py").write_text(test, encoding="utf-8")
    changes = {
        "noticed": ("42", "43"),
        "alive": ("answer() -> int", "answer() -> float"),
        "no Python": ("return 42", "return (42"),
        "another error": ("42", "unknown"),
        "moved": ("43", "44"),
    }
    mutants = [
        Mutant(area="", name=name, file="product.py", snippet=snippet, replacement=to, rules=(), tests=named)
        for name, (snippet, to) in changes.items()
    ]
    copy = Copy(project, tmp_path / "copy")

    assert proven([copy], mutants) == ""
    problems = {verdict.mutant.name: verdict.problem for verdict in verdicts([copy], mutants)}

    assert problems.pop("no Python").startswith("pytest ended with 4, which is no verdict")
    assert problems == {
        "noticed": "",
        "alive": "test_it.py::test_it passes",
        "another error": "test_it.py::test_it ends by NameError",
        "moved": "its snippet stands 0 times in product.py",
    }
    assert (tmp_path / "copy" / "product.py").read_bytes() == (project / "product.py").read_bytes()
