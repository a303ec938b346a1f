"""Ports that fail: wrappers around the ones in memory, and companies that run on them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chalicelib.bootstrap.company import build_company
from chalicelib.bootstrap.ports import Ports
from tests.world import CompanyInWorld


class Broken(Exception):
    """Our own infrastructure failed."""


class Failing:
    """A port whose call ``name`` fails, before it has done anything, ``times`` times."""

    def __init__(self, port: Any, name: str, times: int = 1, error: type[Exception] = Broken) -> None:
        self._port, self._name, self._error = port, name, error
        self.left = times

    def __getattr__(self, name: str) -> Any:
        if name == self._name and self.left:
            return self._fail
        return getattr(self._port, name)

    def _fail(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        raise self._error(self._name)


def run_on(company: CompanyInWorld, **ports: Any) -> None:
    """Let the company's node go on with other ports."""
    company.ports = replace(company.ports, **ports)
    company.company = build_company(company.settings, company.ports)


def with_failing_stores(company: CompanyInWorld, name: str, times: int = 1, error: type[Exception] = Broken) -> Ports:
    """Let a call of every store of the company fail; answers with the ports as they were."""
    whole = company.ports
    run_on(company, stores={module: Failing(store, name, times, error) for module, store in whole.stores.items()})
    return whole


def at_once(*actions: Callable[[], object]) -> None:
    """Runs the actions in threads that start together; an exception of one fails the test."""
    start, problems = threading.Barrier(len(actions)), []

    def run(action: Callable[[], object]) -> None:
        start.wait()
        try:
            action()
        except Exception as problem:  # noqa: BLE001 - told by the assertion below
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [], problems
