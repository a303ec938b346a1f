"""``get``: lists, objects and parts of them, our own and received ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

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


def test_what_the_partner_does_not_list_any_more_is_said_below_its_objects(run: Run, server: OperatorServer) -> None:
    """TAR-15, Q-28."""
    server.partners = [partner("b1")]
    gone = {"L2": "2026-05-05T12:00:00Z"}
    server.says["GET partners/b1/locations"] = {"items": [location("L1"), location("L2")], "gone": gone, "next": None}

    result = run("get", "locations", "--partner", "b1")

    assert [line.split()[0] for line in result.stdout.splitlines()] == ["id", "L1", "L2"]
    assert result.stderr == "L2 is not listed by them any more, since 2026-05-05T12:00:00Z\n"


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


def test_own_sessions_are_listed_by_id_and_go_on_behind_the_last(run: Run, server: OperatorServer) -> None:
    server.own["sessions"] = {"S1": {"id": "S1", "status": "ACTIVE", "kwh": 3.5}}

    result = run("get", "sessions", "--after", "S0")

    assert server.asked[-1].query == {"after": "S0", "limit": "50"}
    assert result.stdout.splitlines()[1].split() == ["S1", "ACTIVE", "3.5"]
    assert "--after S9" in result.stderr


@pytest.mark.parametrize("module", ["sessions", "cdrs"])
def test_own_objects_for_a_partner_are_listed_in_the_order_of_creation(
    module: str, run: Run, server: OperatorServer
) -> None:
    server.partners = [partner("b1")]
    server.own[module] = {name: {"id": name, "auth_id": "NL-BLU-1"} for name in ("X2", "X1", "X3")}

    result = run("get", module, "--for", "NL/BLU", "--limit", "2")

    assert server.asked[-1].query == {"partner": "b1", "offset": "0", "limit": "2"}
    assert [line.split()[0] for line in result.stdout.splitlines()[1:]] == ["X2", "X1"]
    assert "--offset 2" in result.stderr


@pytest.mark.parametrize("arguments", [("locations",), ("sessions", "--partner", "b1")])
def test_only_own_sessions_and_cdrs_are_for_somebody(arguments: tuple[str, ...], run: Run) -> None:
    assert run("get", *arguments, "--for", "b1").exit_code == 2


def test_a_line_about_a_token_says_whether_it_is_good(run: Run, server: OperatorServer) -> None:
    server.own["tokens"] = {"K1": {"uid": "K1", "type": "RFID", "valid": False, "whitelist": "NEVER"}}

    assert run("get", "tokens").stdout.splitlines()[1].split() == ["K1", "RFID", "no", "NEVER"]
