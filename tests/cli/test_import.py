"""``import``: in pieces that the node takes, safe to repeat, with every failure named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.importing import MOST_BYTES, chunks
from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def tariffs(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"T{n}", "currency": "EUR", **more} for n in range(count)]


def file_of(objects: Any) -> str:
    path = Path("objects.json")
    path.write_text(json.dumps(objects), encoding="utf-8")
    return str(path)


def test_a_list_goes_in_by_99_at_a_time(run: Run, server: OperatorServer) -> None:
    result = run("import", "tariffs", file_of(tariffs(200)))

    assert result.exit_code == 0
    assert [len(asked.body) for asked in server.asked] == [99, 99, 2]
    assert list(server.own["tariffs"].values()) == tariffs(200)


def test_large_objects_go_in_by_3_mb_at_a_time(run: Run, server: OperatorServer) -> None:
    run("import", "tariffs", file_of(tariffs(5, note="x" * 1_000_000)))

    assert [len(asked.body) for asked in server.asked] == [3, 2]
    assert all(asked.size <= MOST_BYTES + 1 for asked in server.asked)


def test_what_is_too_large_by_itself_goes_alone() -> None:
    small, large = b"1", b"2" * (MOST_BYTES + 1)

    assert list(chunks([small, large, small])) == [[small], [large], [small]]


def test_counts_and_progress_are_told(run: Run, server: OperatorServer) -> None:
    server.own["tariffs"] = {"T0": tariffs(1)[0], "T1": {"id": "T1"}}

    result = run("import", "tariffs", file_of(tariffs(150)))

    assert [line.split() for line in result.stdout.splitlines()] == [
        ["created", "148"],
        ["updated", "1"],
        ["unchanged", "1"],
        ["failed", "0"],
    ]
    assert result.stderr.splitlines() == ["tariffs: 99 of 150", "tariffs: 150 of 150"]


def test_importing_again_changes_nothing(run: Run) -> None:
    file = file_of(tariffs(120))
    run("import", "tariffs", file)

    again = run("import", "tariffs", file, "--json")

    assert json.loads(again.stdout) == {"created": 0, "updated": 0, "unchanged": 120, "failed": [], "warnings": []}


def test_failures_are_listed_by_number_id_and_reason_and_end_with_1(run: Run) -> None:
    objects = [*tariffs(100), {"id": "BAD", "wrong": "currency: is missing"}]

    result = run("import", "tariffs", file_of(objects))

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].split() == ["101", "BAD", "currency:", "is", "missing"]


def test_failures_in_json_are_numbered_from_the_first_object_of_the_file(run: Run) -> None:
    objects = [*tariffs(100), {"id": "BAD", "wrong": "currency: is missing"}]

    result = run("import", "tariffs", file_of(objects), "--json")

    assert json.loads(result.stdout)["failed"] == [{"index": 100, "id": "BAD", "error": "currency: is missing"}]


def test_an_ocpi_answer_can_be_imported(run: Run, server: OperatorServer) -> None:
    run("import", "tariffs", file_of({"data": tariffs(2), "status_code": 1000}))

    assert len(server.own["tariffs"]) == 2


def test_stdin_can_be_imported(run: Run, server: OperatorServer) -> None:
    result = run("import", "tariffs", "-", stdin=json.dumps(tariffs(2)))

    assert result.exit_code == 0
    assert len(server.own["tariffs"]) == 2


def test_an_empty_list_is_fine(run: Run, server: OperatorServer) -> None:
    assert run("import", "tariffs", file_of([])).exit_code == 0
    assert server.asked == []


def test_a_node_that_fails_midway_leaves_word_how_far_it_came(run: Run, server: OperatorServer) -> None:
    server.refuses, server.patience = (503, {"error": "the store is down", "details": []}), 1

    result = run("import", "tariffs", file_of(tariffs(150)))

    assert result.exit_code == 1
    assert "the store is down" in result.stderr
    assert "99 of 150 were sent (99 created, 0 updated, 0 unchanged, 0 failed). Import again" in result.stderr


@pytest.mark.parametrize("content", ["{", '{"id": "T1"}', '"T1"'])
def test_what_is_no_list_is_refused(run: Run, server: OperatorServer, content: str) -> None:
    result = run("import", "tariffs", "-", stdin=content)

    assert result.exit_code == 2
    assert server.asked == []


def test_a_missing_file_is_named(run: Run) -> None:
    result = run("import", "tariffs", "nowhere.json")

    assert result.exit_code == 2
    assert "nowhere.json" in result.stderr


def test_sessions_can_be_given_to_a_partner(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    run("import", "sessions", file_of([{"id": "S1"}]), "--for", "NL/BLU")

    assert server.asked[-1].query == {"partner": "b1"}


def test_what_everybody_gets_is_for_nobody_alone(run: Run, server: OperatorServer) -> None:
    assert run("import", "tariffs", file_of(tariffs(1)), "--for", "NL/BLU").exit_code == 2
    assert server.asked == []


def test_partners_are_told_unless_that_is_not_wanted(run: Run, server: OperatorServer) -> None:
    run("import", "tariffs", file_of(tariffs(1)))
    run("import", "tariffs", file_of(tariffs(100)), "--no-push")

    assert [asked.query for asked in server.asked] == [{}, {"push": "no"}, {"push": "no"}]


def test_a_long_import_tells_its_progress_in_a_hundred_lines_at_most(run: Run) -> None:
    result = run("import", "tariffs", file_of(tariffs(99 * 110)))

    lines = result.stderr.splitlines()
    assert 50 <= len(lines) <= 100
    assert lines[-1] == "tariffs: 10890 of 10890"
