"""``outbox``: what waits for a partner is listed, tried again or dropped, and ``partners show`` says how it stands."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def failure(module: str = "cdrs", object_id: str = "C1", **facts: Any) -> dict[str, Any]:
    return {
        "module": module,
        "id": object_id,
        "path": [],
        "reason": "POST was answered with HTTP 200, OCPI status 2001",
        "attempts": 1,
        "since": "2026-05-05T11:00:00Z",
        "failed_at": "2026-05-05T12:00:00Z",
        "next_try": None,
        **facts,
    }


@pytest.fixture(autouse=True)
def blue(server: OperatorServer) -> None:
    server.partners = [partner("b1", party="NL/BLU")]


def cells(line: str) -> list[str]:
    return re.split(" {2,}", line.strip())


def test_what_waits_is_a_table_with_the_next_try(run: Run, server: OperatorServer) -> None:
    server.failures = [failure(), failure("tariffs", "T1", next_try="2026-05-05T12:01:00Z", attempts=2)]

    lines = run("outbox", "list", "NL/BLU").stdout.splitlines()

    assert cells(lines[0]) == ["object", "since", "attempts", "failed_at", "next_try", "reason"]
    assert cells(lines[1])[0::4] == ["cdrs/C1", "given up"]
    assert cells(lines[2])[0::4] == ["tariffs/T1", "2026-05-05T12:01:00Z"]


def test_only_one_module_is_listed_if_that_is_asked_for(run: Run, server: OperatorServer) -> None:
    server.failures = [failure(), failure("tariffs", "T1")]

    found = json.loads(run("outbox", "list", "NL/BLU", "--module", "tariffs", "--json").stdout)

    assert [each["id"] for each in found["failures"]] == ["T1"]


def test_every_page_is_listed(run: Run, server: OperatorServer) -> None:
    pages = iter([{"failures": [failure()], "after": "cdrs/C1"}, {"failures": [failure("cdrs", "C2")], "after": None}])
    server.says["GET partners/b1/outbox"] = lambda: next(pages)

    assert len(run("outbox", "list", "NL/BLU").stdout.splitlines()) == 3
    assert [asked.query for asked in server.asked[1:]] == [{}, {"after": "cdrs/C1"}]


def test_a_partner_is_shown_with_the_first_of_what_waits(run: Run, server: OperatorServer) -> None:
    server.failures = [failure("tariffs", f"T{number}") for number in range(25)]
    server.says["GET partners/b1"] = partner("b1", backlog=25)

    result = run("partners", "show", "NL/BLU")

    assert result.stdout.count("tariffs/T") == 20
    assert "... and 5 more: python -m cli outbox list NL/BLU" in result.stderr


def test_an_object_is_tried_again(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/outbox/cdrs/C1/retry"] = {"retried": 1}

    result = run("outbox", "retry", "NL/BLU", "cdrs", "C1")

    assert result.exit_code == 0
    assert "1 queued" in result.stderr


def test_everything_is_tried_again_page_by_page(run: Run, server: OperatorServer) -> None:
    answers = iter([{"retried": 500, "after": "cdrs/C500"}, {"retried": 7, "after": None}])
    server.says["POST partners/b1/outbox/retry"] = lambda: next(answers)

    result = run("outbox", "retry", "NL/BLU", "--all")

    assert "500 queued so far" in result.stderr
    assert "507 queued, " in result.stderr
    assert [asked.query for asked in server.asked if asked.method == "POST"] == [{}, {"after": "cdrs/C500"}]


@pytest.mark.parametrize("asked", [(), ("cdrs",), ("cdrs", "C1", "--all")])
def test_what_is_to_be_retried_has_to_be_said(run: Run, asked: tuple[str, ...]) -> None:
    result = run("outbox", "retry", "NL/BLU", *asked)

    assert result.exit_code == 2
    assert "give MODULE and ID, or --all" in result.stderr


def test_nothing_is_dropped_before_you_are_sure(run: Run, server: OperatorServer) -> None:
    server.says["DELETE partners/b1/outbox/cdrs/C1"] = {"dropped": 1}

    assert run("outbox", "drop", "NL/BLU", "cdrs", "C1", stdin="n\n").exit_code == 1
    assert "DELETE" not in [asked.method for asked in server.asked]
    assert run("outbox", "drop", "NL/BLU", "cdrs", "C1", "--yes").exit_code == 0
    assert server.asked[-1].method == "DELETE"


def test_a_partner_is_shown_by_module_and_direction(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1"] = partner(
        "b1",
        contacts=[
            {
                "module": "cdrs",
                "direction": "out",
                "last_success": None,
                "last_failure": "12:00",
                "problem": "HTTP 500",
            },
            {"module": "tokens", "direction": "in", "last_success": "11:00", "last_failure": None, "problem": None},
        ],
        backlogs=[{"module": "cdrs", "objects": 3, "given_up": 1, "oldest": "10:00"}],
        pulls=[{"module": "tokens", "completed_at": "09:00", "state": "done"}],
        breaker={"state": "open", "problem": "timed out", "broken_since": "08:00", "until": "12:15"},
        tallies={},
    )

    result = run("partners", "show", "b1")

    lines = result.stdout.splitlines()
    table = lines[next(number for number, line in enumerate(lines) if line.startswith("module")) :]
    assert [cells(line) for line in table] == [
        ["module", "direction", "last_success", "last_failure", "waiting", "since", "pulled", "problem"],
        ["cdrs", "out", "12:00", "3 (1 given up)", "10:00", "HTTP 500"],
        ["tokens", "in", "11:00"],
        ["tokens", "out", "09:00"],
    ]
    assert "Not reached since 08:00: timed out" in result.stderr
    assert "Next look: 12:15" in result.stderr


@pytest.mark.parametrize(
    ("state", "said"),
    [("credentials_broken", "python -m cli partners rotate"), ("waiting", "They asked us to wait until 12:15")],
)
def test_why_a_partner_is_not_called_is_said_in_words(run: Run, server: OperatorServer, state: str, said: str) -> None:
    breaker = {"state": state, "problem": "HTTP 401", "broken_since": "08:00", "until": "12:15"}
    server.says["GET partners/b1"] = partner("b1", breaker=breaker)

    assert said in run("partners", "show", "b1").stderr
