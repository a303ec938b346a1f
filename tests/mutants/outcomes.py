"""A plugin for pytest that writes down what became of each test: how it ended, and by which exception."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

WRITTEN_TO = "MUTANTS_OUTCOMES"
"""The environment variable that names the file."""

_outcomes: dict[str, tuple[str, str]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes a failure with the name of its exception, the first one of each test; one outside the test is an error."""
    report = yield
    if report.when == "call" or report.failed:
        outcome = "error" if report.failed and report.when != "call" else report.outcome
        exception = call.excinfo.typename if call.excinfo else ""
        if _outcomes.get(item.nodeid, ("passed", ""))[0] == "passed":
            _outcomes[item.nodeid] = (outcome, exception)
    return report


def pytest_sessionfinish() -> None:
    """Writes all of them down."""
    Path(os.environ[WRITTEN_TO]).write_text(json.dumps(_outcomes), encoding="utf-8")
