"""Proves whose results an eMSP takes at a ``response_url``, in which frames, and that the first one counts."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.parties import Party
from tests.modules.commanding import OURS, commanding

Json = Any


@pytest.mark.parametrize(
    ("body", "result", "raw"),
    [
        ({"result": "ACCEPTED"}, "ACCEPTED", "ACCEPTED"),
        ({"result": "TIMEOUT", "message": {"language": "en", "text": "x"}}, "TIMEOUT", "TIMEOUT"),
        ({"CommandResponse": "REJECTED"}, "REJECTED", "REJECTED"),
        ({"CommandResponse": {"result": "REJECTED"}}, "REJECTED", "REJECTED"),
        ({"data": {"result": "ACCEPTED"}, "status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"},)
        + ("ACCEPTED",) * 2,
        ({"data": "ACCEPTED", "status_code": 1000}, "ACCEPTED", "ACCEPTED"),
        ("ACCEPTED", "ACCEPTED", "ACCEPTED"),
        ({"result": "EVSE_OCCUPIED"}, "REJECTED", "EVSE_OCCUPIED"),
    ],
)
def test_the_result_is_taken_bare_or_wrapped(body: Json, result: str, raw: str) -> None:
    """CMD-06, CMD-05, Q-56."""
    there = commanding()
    command = there.send()

    reply = there.post(command, body)

    assert reply.outcome == (200, 1000)
    assert there.now(command).result == result
    assert there.told(command) == ["answered ACCEPTED", f"result {raw}"]


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"", (400, 2000)),
        (b"ACCEPTED", (400, 2000)),
        (b"{}", (200, 2001)),
        (b"[]", (200, 2001)),
        (b"null", (200, 2001)),
        (b'{"result": null}', (200, 2001)),
        (b'{"result": 1}', (200, 2001)),
        (b'{"data": null, "status_code": 1000}', (200, 2001)),
        (b'{"data": {}, "status_code": 2000}', (200, 2001)),
    ],
)
def test_a_body_without_a_result_is_refused_and_changes_nothing(raw: bytes, outcome: tuple[int, int]) -> None:
    """CMD-06, CMD-13."""
    there = commanding()
    command = there.send()

    reply = there.calls("POST", command.response_url, raw=raw)

    assert reply.outcome == outcome
    assert there.now(command) == command


def test_the_first_result_counts_and_the_others_are_remembered() -> None:
    """CMD-06: each is answered as taken, or the CPO would send it again."""
    there = commanding()
    command = there.send()

    replies = [there.post(command, {"result": one}) for one in ("TIMEOUT", "ACCEPTED", "TIMEOUT")]

    assert [reply.outcome for reply in replies] == [(200, 1000)] * 3
    assert there.now(command).result == "TIMEOUT"
    assert there.told(command)[1:] == [
        "result TIMEOUT",
        "result ACCEPTED, too late: TIMEOUT counts",
        "result TIMEOUT, too late: TIMEOUT counts",
    ]


@pytest.mark.parametrize(
    "path", ["START_SESSION/p999", "STOP_SESSION/{id}", "start_session/{id}", "START_SESSION/" + "x" * 300]
)
def test_a_result_of_a_command_that_we_did_not_send_is_not_found(path: str) -> None:
    """CMD-06, CMD-16: nor of another command than it was."""
    there = commanding()
    command = there.send()

    reply = there.calls("POST", f"{OURS}/{path.format(id=command.id)}", {"result": "ACCEPTED"})

    assert reply.outcome == (404, 2000)
    assert there.now(command) == command


def test_a_result_from_another_partner_is_not_found() -> None:
    """CMD-06: who knows the URL is not yet who was asked."""
    there = commanding()
    stranger = there.cpo.register_with(there.emsp, Party.of("DE", "XYZ"))
    command = there.send()

    assert stranger("POST", command.response_url, {"result": "ACCEPTED"}).outcome == (404, 2000)
    assert there.now(command) == command


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_response_url_takes_nothing_but_a_post(method: str) -> None:
    """CMD-15."""
    there = commanding()
    command = there.send()

    body = None if method in ("GET", "DELETE") else {"result": "ACCEPTED"}

    assert there.calls(method, command.response_url, body).outcome == (405, 2000)
    assert there.now(command) == command
