"""``get``: lists, objects and parts of them, our own and received ones."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def location(location_id: str) -> dict[str, Any]:
    connector = {"id": "1", "standard": "IEC_62196_T2"}
    return {
        "id": location_id,
        "name": "Rosenplatz",
        "evses": [{"uid": "101-1", "status": "AVAILABLE", "connectors": [connector]}],
        "last_updated": "2026-05-05T12:00:00Z",
    }


def test_a_list_has_a_line_per_object_and_says_how_to_go_on(run: Run, server: OperatorServer) -> None:
    server.own["locations"] = {name: location(name) for name in ("L1", "L2", "L3")}

    result = run("get", "locations", "--limit", "2")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["id", "L1", "L2"]
    assert "2 of 3" in result.stderr
    assert "--offset 2" in result.stderr


def test_a_list_in_json_is_what_the_node_answered(run: Run, server: OperatorServer) -> None:
    server.own["locations"] = {"L1": location("L1")}

    assert json.loads(run("get", "locations", "--json").stdout) == {"total": 1, "items": [location("L1")]}


def test_an_object_is_shown_whole(run: Run, server: OperatorServer) -> None:
    server.own["locations"] = {"L 1/a": location("L 1/a")}

    assert json.loads(run("get", "locations", "L 1/a").stdout) == location("L 1/a")


def test_parts_of_an_own_object_are_asked_from_the_node(run: Run, server: OperatorServer) -> None:
    server.own["locations"] = {"L1": location("L1")}

    run("get", "locations", "L1", "101-1", "1")

    assert server.asked[-1].path == ["locations", "L1", "101-1", "1"]


def test_an_unknown_object_ends_with_1(run: Run) -> None:
    result = run("get", "tariffs", "NONE")

    assert result.exit_code == 1
    assert "no such object" in result.stderr


def test_a_tariff_has_no_parts(run: Run) -> None:
    assert run("get", "tariffs", "T1", "1").exit_code == 2


def test_received_objects_are_listed_by_partner(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.received["locations"] = {"L1": location("L1")}

    result = run("get", "locations", "--partner", "NL/BLU", "--after", "L0")

    assert server.asked[-1].path == ["partners", "b1", "locations"]
    assert server.asked[-1].query == {"after": "L0", "limit": "50"}
    assert "--after L9" in result.stderr


def test_a_part_of_a_received_object_is_found_in_it(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.received["locations"] = {"L1": location("L1")}

    result = run("get", "locations", "L1", "101-1", "1", "--partner", "b1")

    assert json.loads(result.stdout) == {"id": "1", "standard": "IEC_62196_T2"}


def test_a_missing_part_of_a_received_object_names_those_there_are(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.received["locations"] = {"L1": location("L1")}

    result = run("get", "locations", "L1", "999", "--partner", "b1")

    assert result.exit_code == 1
    assert "101-1" in result.stderr
