"""``authorize``, ``tokens``, ``cdrs`` and ``quarantine``: each command asks the right thing and shows the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def verdict(allowed: str = "ALLOWED", **facts: Any) -> dict[str, Any]:
    return {
        "allowed": allowed,
        "decided_by": "real-time",
        "reason": "the eMSP said so",
        "auth_method": "AUTH_REQUEST",
        "partner": "b1",
        "token": {"uid": "K1", "type": "RFID", "auth_id": "NL-BLU-1"},
        "info": None,
        "location": None,
        **facts,
    }


def test_a_driver_who_may_charge_ends_with_0_and_is_told_who_decided_and_why(run: Run, server: OperatorServer) -> None:
    server.says["POST authorize"] = verdict()

    result = run("authorize", "K1", "--type", "RFID", "--location", "LOC1", "--evse", "E1", "--connector", "1")

    assert result.exit_code == 0
    assert server.asked[-1].body == {
        "uid": "K1",
        "type": "RFID",
        "location_id": "LOC1",
        "evse_uid": "E1",
        "connector_id": "1",
    }
    assert [line.split(maxsplit=1) for line in result.stdout.splitlines()[:1]] == [["allowed", "ALLOWED"]]
    assert "real-time" in result.stdout
    assert "the eMSP said so" in result.stdout
    assert "RFID K1 NL-BLU-1" in result.stdout


@pytest.mark.parametrize("allowed", ["BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_a_driver_who_may_not_charge_ends_with_1(allowed: str, run: Run, server: OperatorServer) -> None:
    server.says["POST authorize"] = verdict(allowed, token=None, info={"language": "en", "text": "Top up"})

    result = run("authorize", "K1")

    assert result.exit_code == 1
    assert server.asked[-1].body == {"uid": "K1"}
    assert allowed in result.stdout
    assert "Top up" in result.stdout


def test_a_verdict_in_json_is_what_the_node_answered(run: Run, server: OperatorServer) -> None:
    server.says["POST authorize"] = verdict("BLOCKED")

    result = run("authorize", "K1", "--json")

    assert json.loads(result.stdout) == verdict("BLOCKED")
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [("--evse", "E1"), ("--location", "LOC1", "--connector", "1")])
def test_a_place_is_named_from_the_outside_in(arguments: tuple[str, ...], run: Run, server: OperatorServer) -> None:
    assert run("authorize", "K1", *arguments).exit_code == 2
    assert server.asked == []


def test_a_ruling_is_put_whole(run: Run, server: OperatorServer) -> None:
    server.says["PUT tokens/K 1/authorization"] = {"allowed": "ALLOWED"}
    places = ("LOC1/E1", "LOC2", "LOC1/E2", "LOC2/E9")

    result = run(
        "tokens", "rule", "K 1", "--allowed", "ALLOWED", "--info", "en:Hi: there", "--needs-location",
        *(word for place in places for word in ("--location", place)),
    )  # fmt: skip

    assert result.exit_code == 0
    assert server.asked[-1].body == {
        "allowed": "ALLOWED",
        "info": {"language": "en", "text": "Hi: there"},
        "needs_location": True,
        "locations": [{"location_id": "LOC1", "evse_uids": ["E1", "E2"]}, {"location_id": "LOC2"}],
    }
    assert json.loads(result.stdout) == {"allowed": "ALLOWED"}


@pytest.mark.parametrize("arguments", [(), ("--info", "Top up"), ("--info", "en:"), ("--allowed", "YES")])
def test_what_is_no_ruling_is_not_sent(arguments: tuple[str, ...], run: Run, server: OperatorServer) -> None:
    assert run("tokens", "rule", "K1", *arguments).exit_code == 2
    assert server.asked == []


def test_a_ruling_is_shown_and_ended(run: Run, server: OperatorServer) -> None:
    server.says["GET tokens/K1/authorization"] = {"allowed": "BLOCKED"}
    server.says["DELETE tokens/K1/authorization"] = {"outcome": "deleted"}

    shown, ended = run("tokens", "ruling", "K1"), run("tokens", "unrule", "K1")

    assert json.loads(shown.stdout) == {"allowed": "BLOCKED"}
    assert ended.exit_code == 0
    assert server.asked[-1].method == "DELETE"


def test_a_cdr_is_posted_and_its_doubts_are_told(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.says["POST cdrs"] = {"outcome": "created", "object": {"id": "C1"}, "warnings": ["colour was dropped"]}

    result = run("cdrs", "post", "-", "--for", "NL/BLU", stdin='{"id": "C1"}')

    assert (server.asked[-1].body, server.asked[-1].query) == ({"id": "C1"}, {"partner": "b1"})
    assert [line.split() for line in result.stdout.splitlines()] == [["outcome", "created"], ["id", "C1"]]
    assert "colour was dropped" in result.stderr


def test_what_is_not_json_is_not_posted(run: Run, server: OperatorServer) -> None:
    assert run("cdrs", "post", "-", stdin="{").exit_code == 2
    assert server.asked == []


def test_a_posting_says_where_and_when(run: Run, server: OperatorServer) -> None:
    url = "https://blue.example/cdrs/1"
    server.says["GET cdrs/C1/posting"] = {"party": "NL/BLU", "posted_at": "2026-05-05T12:00:00Z", "url": url}

    result = run("cdrs", "posting", "C1")

    assert server.asked[-1].query == {}
    assert url in result.stdout
    assert result.stderr == ""


def test_a_posting_that_has_not_happened_says_where_to_look(run: Run, server: OperatorServer) -> None:
    server.says["GET cdrs/C1/posting"] = {"party": "NL/BLU", "posted_at": None, "url": None}

    assert "outbox list NL/BLU" in run("cdrs", "posting", "C1").stderr


def test_what_the_partner_has_is_fetched_and_compared(run: Run, server: OperatorServer) -> None:
    theirs = {"id": "C1", "total_cost": 3.13}
    server.says["GET cdrs/C1/posting"] = {"posted_at": "2026-05-05T12:00:00Z", "theirs": theirs, "is_equal": False}

    result = run("cdrs", "posting", "C1", "--fetch")

    assert server.asked[-1].query == {"fetch": "yes"}
    assert result.exit_code == 1
    assert "is equal   no" in result.stdout
    assert json.loads(result.stdout[result.stdout.index("{") :]) == theirs


def kept(module: str, object_id: str, cost: int) -> dict[str, Any]:
    reason, at = "another content than before", "2026-05-05T12:00:00Z"
    facts = {"entry": f"e{cost}", "module": module, "id": object_id, "reason": reason, "at": at}
    return facts | {"object": {"total_cost": cost}}


def test_the_quarantine_has_a_line_for_each_content(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.says["GET partners/b1/quarantine"] = {"items": [kept("cdrs", "C1", 1), kept("cdrs", "C1", 2)]}

    lines = run("quarantine", "list", "NL/BLU").stdout.splitlines()

    columns = [line.split()[:3] for line in lines]
    assert columns == [["entry", "module", "id"], ["e1", "cdrs", "C1"], ["e2", "cdrs", "C1"]]


def test_all_that_is_kept_under_an_id_is_shown(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    mine = [kept("cdrs", "C1", 1), kept("cdrs", "C1", 2)]
    server.says["GET partners/b1/quarantine"] = {"items": [*mine, kept("cdrs", "C2", 3)]}

    assert json.loads(run("quarantine", "show", "b1", "cdrs", "C1").stdout) == mine
    assert run("quarantine", "show", "b1", "cdrs", "C9").exit_code == 1


def test_an_empty_quarantine_says_so(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.says["GET partners/b1/quarantine"] = {"items": []}

    result = run("quarantine", "list", "b1")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing" in result.stderr
