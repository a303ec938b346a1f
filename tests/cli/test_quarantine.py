"""``quarantine retry`` and ``drop``: what was not taken is taken after all, one entry or all of them, or dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.ocpi.reading import Profile
from tests import make
from tests.cli.conftest import Run
from tests.cli.operator_server import Asked, OperatorServer, partner, serving
from tests.entrypoints.desk import Desk
from tests.node.pulling import Crawl, answered


def kept(entry: str, object_id: str, reason: str = "too long") -> dict[str, Any]:
    at = "2026-05-05T12:00:00Z"
    return {"entry": entry, "module": "locations", "id": object_id, "reason": reason, "at": at, "object": {}}


@pytest.fixture(autouse=True)
def blue(server: OperatorServer) -> None:
    server.partners = [partner("b1")]


def test_the_list_says_how_each_entry_is_called(run: Run, server: OperatorServer) -> None:
    server.says["GET partners/b1/quarantine"] = {"items": [kept("e1", "L1")]}

    lines = run("quarantine", "list", "b1").stdout.splitlines()

    assert [line.split()[:3] for line in lines] == [["entry", "module", "id"], ["e1", "locations", "L1"]]


def test_an_entry_is_taken_and_it_is_said_what_became_of_it(run: Run, server: OperatorServer) -> None:
    server.says["POST partners/b1/quarantine/e1/retry"] = {"outcome": "updated"}

    assert run("quarantine", "retry", "NL/BLU", "e1").stdout.split() == ["outcome", "updated"]
    assert json.loads(run("quarantine", "retry", "b1", "e1", "--json").stdout) == {"outcome": "updated"}


def test_an_entry_that_is_refused_again_says_why(run: Run, server: OperatorServer) -> None:
    server.refuses, server.patience = (422, {"error": "refused again: city is missing", "details": []}), 1

    result = run("quarantine", "retry", "b1", "e1")

    assert result.exit_code == 1
    assert "refused again: city is missing" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("e1", "--all")])
def test_it_is_either_one_entry_or_all_of_them(arguments: tuple[str, ...], run: Run, server: OperatorServer) -> None:
    assert run("quarantine", "retry", "b1", *arguments).exit_code == 2
    assert server.asked == []


def test_dropping_asks_first(run: Run, server: OperatorServer) -> None:
    assert run("quarantine", "drop", "b1", "e1", stdin="n\n").exit_code == 1
    assert [asked.method for asked in server.asked] == ["GET"]

    assert run("quarantine", "drop", "b1", "e1", stdin="y\n").exit_code == 0
    assert run("quarantine", "drop", "b1", "e1", "--yes").exit_code == 0
    dropped = [asked.path for asked in server.asked if asked.method == "DELETE"]
    assert dropped == [["partners", "b1", "quarantine", "e1"]] * 2


# --- with a real node behind it --------------------------------------------------------------------------------------


class RealServer(OperatorServer):
    """The operator API of a node."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def answer(self, asked: Asked) -> tuple[int, Any]:
        body = {} if asked.body is None else {"body": asked.body}
        answer = self._desk(asked.method, "/" + "/".join(asked.path), query=asked.query, **body)
        return answer.status, answer.json


@pytest.fixture
def crawl() -> Crawl:
    """A host that has pulled two locations with addresses that are too long, and one that nobody can read."""
    crawl = Crawl()
    crawl.us.company.registrations.update(crawl.them, profile=Profile.STRICT)
    broken = [make.location("L1", address="a" * 60), make.location("L2", country=7), make.location("L3", city="c" * 60)]
    crawl.run(answered(broken))
    return crawl


@pytest.fixture
def node(crawl: Crawl) -> Iterator[dict[str, str]]:
    with serving(RealServer(Desk(crawl.us))) as running:
        yield {"OCPI_OPERATOR_URL": running.url}


def test_all_are_taken_but_those_that_are_refused_again(run: Run, crawl: Crawl, node: dict[str, str]) -> None:
    """TRA-39: once the partner is read leniently."""
    assert run("partners", "set", "DE/CPO", "--profile", "lenient", **node).exit_code == 0

    result = run("quarantine", "retry", "DE/CPO", "--all", **node)

    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[:4] == [["created", "2"], ["updated", "0"], ["known", "0"], ["refused", "1"]]
    [stays] = crawl.quarantine
    assert lines[-1][:3] == [stays.entry, "locations", "L2"]
    assert "country" in result.stdout
    assert result.exit_code == 1
    assert [each for each in ("L1", "L2", "L3") if crawl.holds(each)] == ["L1", "L3"]


def test_a_second_time_only_what_is_left_is_tried(run: Run, crawl: Crawl, node: dict[str, str]) -> None:
    run("partners", "set", "DE/CPO", "--profile", "lenient", **node)
    run("quarantine", "retry", "DE/CPO", "--all", **node)
    assert run("quarantine", "drop", "DE/CPO", crawl.quarantine[0].entry, "--yes", **node).exit_code == 0

    result = run("quarantine", "retry", "DE/CPO", "--all", "--json", **node)

    assert (result.exit_code, json.loads(result.stdout)) == (0, {"created": 0, "updated": 0, "known": 0, "refused": []})
