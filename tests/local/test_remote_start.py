"""A driver's app starts and stops a session at a charge point of another company, on two nodes as they really run."""

from __future__ import annotations

import urllib.error
from pathlib import Path
from typing import Any

import pytest

from tests.local.test_runner import Runner, local, wait_for

START = {"token_uid": "04A1B2C3D4E5F0", "location_id": "ROSENPLATZ"}


def asked(runner: Runner, command: str, **request: Any) -> dict[str, Any]:
    """The command, sent from the eMSP to the CPO, with its answer."""
    (cpo,) = runner.ask("emsp", "/partners")["partners"]
    sent: dict[str, Any] = runner.ask("emsp", f"/partners/{cpo['id']}/commands/{command}", "POST", request)
    return sent


def after(runner: Runner, command: dict[str, Any], fact: str) -> Any:
    """What is known of a command once it has this fact."""
    return wait_for(fact, lambda: runner.ask("emsp", f"/commands/{command['id']}")[fact])


def received(runner: Runner, module: str, object_id: str) -> dict[str, Any] | None:
    """An object that the CPO sent to the eMSP."""
    (cpo,) = runner.ask("emsp", "/partners")["partners"]
    try:
        found: dict[str, Any] = runner.ask("emsp", f"/partners/{cpo['id']}/{module}/{object_id}")
    except urllib.error.HTTPError as answer:
        if answer.code == 404:
            return None
        raise
    return found


def test_a_session_is_started_grows_is_stopped_and_billed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CMD-02, CMD-04, CMD-06, CMD-18."""
    monkeypatch.setenv("OCPI_SESSION_PAUSE_S", "1")

    with local(tmp_path) as runner:
        started = asked(runner, "START_SESSION", **START)
        assert (started["stage"], started["answer"]) == ("accepted", "ACCEPTED")
        assert after(runner, started, "result") == "ACCEPTED"
        session_id = after(runner, started, "session_id")

        def session() -> dict[str, Any]:
            found = received(runner, "sessions", session_id)
            assert found is not None
            return found

        wait_for("the meter", lambda: session()["status"] == "ACTIVE" and session()["kwh"] > 0)

        stopped = asked(runner, "STOP_SESSION", session_id=session_id)
        assert after(runner, stopped, "result") == "ACCEPTED"
        wait_for("the end", lambda: session()["status"] == "COMPLETED")
        cdr = wait_for("the bill", lambda: received(runner, "cdrs", session_id))
        final = session()

    assert (cdr["total_energy"], cdr["total_cost"]) == (final["kwh"], final["total_cost"])
    assert final["auth_id"] == "NL-MSP-C1001"


def test_a_charge_point_that_does_not_answer_is_answered_for_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CMD-14."""
    monkeypatch.setenv("OCPI_COMMAND_TIMEOUT_S", "1")

    with local(tmp_path, "--charge-points", "silent") as runner:
        started = asked(runner, "START_SESSION", **START)

        assert started["answer"] == "ACCEPTED"
        assert after(runner, started, "result") == "TIMEOUT"


def test_the_command_line_follows_a_command_to_its_end(tmp_path: Path) -> None:
    """CMD-17: the runner's own key is one of a help desk."""
    unlock = ("UNLOCK_CONNECTOR", "--location", "ROSENPLATZ", "--evse", "101-1", "--connector", "1")
    with local(tmp_path, "--charge-points", "rejecting") as runner:
        done = runner.cli("--node", "emsp", "commands", "send", "DE/CPO", *unlock, "--wait")
        listed = runner.cli("commands", "list", "NL/MSP")

    assert done.returncode == 1
    assert "stage       not done" in done.stdout
    assert [line.split()[-1] for line in done.stderr.splitlines()] == ["ACCEPTED", "REJECTED"]
    assert "UNLOCK_CONNECTOR" in listed.stdout
