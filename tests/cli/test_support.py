"""Proves which tests count as proof of a rule, and what is said where the table of rules and the tests disagree."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.support import contradictions, proofs_of, rules_of, support_markdown

HEAD = "rule,level,who,summary,exempt,open\n"


def project(tmp_path: Path, *rules: str, **tests: str) -> Path:
    """A project with a table of rules and with test files."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rules.csv").write_text(HEAD + "".join(f"{rule}\n" for rule in rules), encoding="utf-8")
    (tmp_path / "tests").mkdir()
    for name, text in tests.items():
        (tmp_path / "tests" / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def row_of(rule: str, text: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {rule} |")]
    return found


@pytest.mark.parametrize(
    "test",
    [
        'def test_x() -> None:\n    """TRA-03, TRA-10: why."""\n',
        'def test_x() -> None:\n    """It is so.\n\n    TRA-03, (TRA-10).\n    """\n',
        "def test_x() -> None:\n    assert True  # TRA-03 and TRA-10\n",
        "@pytest.mark.parametrize('x', [1])  # TRA-03, TRA-10\ndef test_x(x):\n    pass\n",
        "@pytest.mark.parametrize('x', [1, 2], ids=['TRA-03 first', 'TRA-10'])\ndef test_x(x):\n    pass\n",
        "@pytest.mark.parametrize('x', [pytest.param(1, id='TRA-03/TRA-10')])\ndef test_x(x):\n    pass\n",
        'class Test:\n    def test_x(self):\n        """TRA-03, TRA-10."""\n',
    ],
)
def test_a_test_proves_what_its_docstring_its_comments_and_its_cases_cite(tmp_path: Path, test: str) -> None:
    proofs = proofs_of(project(tmp_path, test_it=test))

    assert {rule: [(each.path, each.name) for each in found] for rule, found in proofs.items()} == {
        "TRA-03": [("tests/test_it.py", "test_x")],
        "TRA-10": [("tests/test_it.py", "test_x")],
    }


@pytest.mark.parametrize(
    "text",
    [
        '"""TRA-03."""\n\ndef test_x():\n    pass\n',
        'def helper():\n    """TRA-03."""\n',
        "# TRA-03\ndef test_x():\n    pass\n\n# TRA-03\n",
        "def test_x():\n    assert refused() == 'no token (TRA-03)'\n",
        "@pytest.mark.parametrize('rule', ['TRA-03'])\ndef test_x(rule):\n    pass\n",
        'def test_x():\n    """Q-03, XTRA-03, TRA-3x."""\n',
    ],
)
def test_what_is_said_elsewhere_is_no_proof(tmp_path: Path, text: str) -> None:
    assert proofs_of(project(tmp_path, test_it=text)) == {}


def test_only_the_ends_of_a_range_count(tmp_path: Path) -> None:
    there = project(tmp_path, test_it='def test_x():\n    """TRA-03 to TRA-05, 07."""\n')

    assert sorted(proofs_of(there)) == ["TRA-03", "TRA-05"]


def test_only_files_that_pytest_collects_count(tmp_path: Path) -> None:
    assert proofs_of(project(tmp_path, make='def test_x():\n    """TRA-03."""\n')) == {}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("TRA-03,M,S,No token.,,", []),
        ("TRA-03,M,S,No token.,,but for one", []),
        ("TRA-03,M,S,No token.,because,", ["TRA-03 is exempt, but test_x proves it"]),
        ("TRA-04,M,S,No token.,because,", ["TRA-03 is no rule, but test_x cites it"]),
        (
            "TRA-04,M,S,No token.,,",
            ["TRA-04 is neither proven nor exempt", "TRA-03 is no rule, but test_x cites it"],
        ),
        (
            "TRA-04,M,S,No token.,,but for one",
            ["TRA-04 is neither proven nor exempt", "TRA-03 is no rule, but test_x cites it"],
        ),
        (
            "TRA-04,M,S,No token.,because,but for one",
            ["TRA-04 is both exempt and partly open", "TRA-03 is no rule, but test_x cites it"],
        ),
    ],
)
def test_the_table_and_the_tests_must_agree(tmp_path: Path, rule: str, said: list[str]) -> None:
    there = project(tmp_path, rule, test_it='def test_x():\n    """TRA-03."""\n')

    assert contradictions(rules_of(there), proofs_of(there)) == said


def test_of_many_proofs_three_are_named_and_those_first_that_cite_the_least(tmp_path: Path) -> None:
    broad = 'def test_broad():\n    """TRA-03, TRA-04."""\n'
    narrow = "".join(f'def test_{n}():\n    """TRA-03."""\n' for n in "cab")
    there = project(tmp_path, "TRA-03,M,S,No token.,,", "TRA-04,M,S,Odd token.,,", test_a=broad, test_b=narrow)

    text = support_markdown(there)

    names = "<br>".join(f"[`test_{n}`](../tests/test_b.py)" for n in "abc")
    assert row_of("TRA-03", text) == f"| TRA-03 | M | S | No token. | {names}<br>and 1 more |"
    assert row_of("TRA-04", text) == "| TRA-04 | M | S | Odd token. | [`test_broad`](../tests/test_a.py) |"
    assert row_of("Transport", text) == "| Transport | 2 | 2 | 0 | 0 | 0 |"


MUTANT = """
[[mutants]]
name = "a token is not needed"
file = "product.py"
snippet = "if not token:"
replacement = "if False:"
rules = ["TRA-03"]
tests = ["tests/test_a.py::test_broad[no header]", "tests/test_a.py::test_broad[an empty one]"]
"""


def test_proofs_that_notice_a_mutant_of_the_rule_come_first_and_are_marked(tmp_path: Path) -> None:
    broad = 'def test_broad():\n    """TRA-03, TRA-04."""\n'
    narrow = "".join(f'def test_{n}():\n    """TRA-03."""\n' for n in "ab")
    there = project(tmp_path, "TRA-03,M,S,No token.,,", "TRA-04,M,S,Odd token.,,", test_a=broad, test_b=narrow)
    (there / "tests" / "mutants").mkdir()
    (there / "tests" / "mutants" / "transport.toml").write_text(MUTANT, encoding="utf-8")

    text = support_markdown(there)

    names = "<br>".join(f"[`test_{n}`](../tests/test_b.py)" for n in "ab")
    broad = "[`test_broad`](../tests/test_a.py)"
    assert row_of("TRA-03", text) == f"| TRA-03 | M | S | No token. | {broad} \\*<br>{names} |"
    assert row_of("TRA-04", text) == f"| TRA-04 | M | S | Odd token. | {broad} |"
    assert row_of("Transport", text) == "| Transport | 2 | 2 | 0 | 0 | 1 |"


def test_what_is_not_proven_says_so(tmp_path: Path) -> None:
    rules = ("TRA-03,M,S,No token.,,but for one", "TRA-04,M,S,Odd token.,because,", "TRA-05,I,S,Odd scheme.,,")

    text = support_markdown(project(tmp_path, *rules, test_it='def test_x():\n    """TRA-03."""\n'))

    assert row_of("TRA-03", text).endswith("| [`test_x`](../tests/test_it.py)<br>In part: but for one |")
    assert row_of("TRA-04", text).endswith("| Exempt: because |")
    assert row_of("TRA-05", text).endswith("| **Nothing** |")
    assert row_of("Transport", text) == "| Transport | 3 | 0 | 1 | 1 | 0 |"
