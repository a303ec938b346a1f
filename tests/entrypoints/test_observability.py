"""What an operator can see from outside: one line and one measurement per exchange, findable, and without secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints.observability import Telemetry
from chalicelib.node.telemetry import Exchange
from chalicelib.ocpi.parties import Role
from chalicelib.settings import Settings
from tests.entrypoints.conftest import ENVIRONMENT, Call

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """The JSON lines printed since the last look."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def exchange(**facts: Any) -> Exchange:
    """A push of ours that was taken."""
    usual: dict[str, Any] = {
        "direction": "out",
        "partner_id": "p1",
        "module": "locations",
        "method": "PUT",
        "path": "/locations/DE/CPO/LOC1",
        "http_status": 201,
        "status_code": 1000,
        "latency_ms": 12.5,
    }
    return Exchange(**usual | facts)


def test_each_request_is_one_json_line_with_partner_and_module(call: Call, company: Company, lines: Lines) -> None:
    invitation = company.registrations.invite(Role.EMSP)
    lines()

    call("GET", "/ocpi/cpo/versions", token=invitation.token.secret, headers={"X-Request-ID": "abc-123"})

    (line,) = [line for line in lines() if "level" in line]
    assert line["correlation_id"] == "abc-123"
    assert (line["partner"], line["module"]) == (invitation.partner.id, "versions")
    assert (line["direction"], line["method"], line["http_status"], line["status_code"]) == ("in", "GET", 200, 1000)
    assert line["level"] == "INFO"


def test_a_request_without_an_id_is_given_one(call: Call, aws: None, lines: Lines) -> None:
    answer = call("GET", "/ocpi/cpo/versions")

    (line,) = [line for line in lines() if "level" in line]
    assert line["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert line["level"] == "WARNING"


def test_each_exchange_is_measured_by_partner_module_and_direction(lines: Lines) -> None:
    telemetry = Telemetry(Settings.from_environment(ENVIRONMENT))

    telemetry.record_exchange(exchange(http_status=200, status_code=2001))

    (measured,) = [line for line in lines() if "_aws" in line]
    assert (measured["partner"], measured["module"], measured["direction"]) == ("p1", "locations", "out")
    assert (measured["Requests"], measured["Failures"], measured["Latency"]) == ([1.0], [1.0], [12.5])
    assert measured["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "ocpi"


@pytest.mark.parametrize(
    ("facts", "failed"),
    [
        ({}, 0.0),
        ({"http_status": 200, "status_code": None}, 0.0),
        ({"http_status": 404, "status_code": 2000}, 1.0),
        ({"http_status": 200, "status_code": 3000}, 1.0),
        ({"http_status": 0, "status_code": None, "problem": "refused"}, 1.0),
    ],
)
def test_a_failure_is_an_http_error_an_ocpi_error_or_no_answer(
    lines: Lines, facts: dict[str, Any], failed: float
) -> None:
    telemetry = Telemetry(Settings.from_environment(ENVIRONMENT))

    telemetry.record_exchange(exchange(**facts))

    (measured,) = [line for line in lines() if "_aws" in line]
    assert measured["Failures"] == [failed]


def test_keys_of_one_event_do_not_stay_for_the_next(lines: Lines) -> None:
    telemetry = Telemetry(Settings.from_environment(ENVIRONMENT))

    with telemetry.event("one", "id-1"):
        telemetry.set_context("p1", "locations")
    with telemetry.event("two", "id-2"):
        logging.getLogger("chalicelib.test").info("hello")

    (line,) = lines()
    assert line["correlation_id"] == "id-2"
    assert "partner" not in line


def test_an_unexpected_failure_is_logged_with_the_reference_that_the_partner_was_given(
    call: Call, company: Company, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRA-38."""
    token = company.registrations.invite(Role.EMSP).token.secret
    # The store is gone from under the node: what a lost table permission looks like.
    company.ports.partners._table._client().delete_table(TableName="ocpi-dev-partners")  # type: ignore[attr-defined]
    lines()

    answer = call("GET", "/ocpi/cpo/versions", token=token, headers={"X-Request-ID": "find-me"})

    assert (answer.status, answer.json["status_code"]) == (200, 3000)
    assert "find-me" in answer.json["status_message"]
    (line,) = [line for line in lines() if line.get("level") == "ERROR"]
    assert line["correlation_id"] == "find-me"
    assert "ResourceNotFoundException" in line["exception"]


def test_on_a_terminal_an_exchange_is_one_readable_line(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry = Telemetry(Settings.from_environment({**ENVIRONMENT, "OCPI_CONSOLE_LOGS": "yes"}))

    telemetry.record_exchange(exchange(problem="slow"))

    line = capsys.readouterr().out
    assert line.endswith("DE/CPO -> p1 PUT /locations/DE/CPO/LOC1 201/1000 12 ms  slow\n")
    assert line.count("\n") == 1


def test_no_token_and_no_key_ever_appears_in_a_line(
    call: Call, company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    """N-65: whatever is sent, refused or fails, the logs know no secret."""
    logging.getLogger("chalicelib").setLevel("DEBUG")
    invitation = company.registrations.invite(Role.EMSP)
    secrets = [
        invitation.token.secret,
        "wrong-token-5f3a",
        "their-token-77aa",
        "ocpi_operator-key-1234",
        "body-secret-9",
    ]
    body = json.dumps(
        {
            "token": "their-token-77aa",
            "url": "https://203.0.113.1.invalid/versions",
            "business_details": {"name": "x"},
            "party_id": "ABC",
            "country_code": "NL",
        }
    ).encode()

    call("POST", "/ocpi/cpo/2.1.1/credentials", token=invitation.token.secret, body=body)
    call("POST", "/ocpi/cpo/2.1.1/credentials", token=invitation.token.secret, body=b'{"token": "body-secret-9')
    call("GET", "/ocpi/cpo/2.1.1/credentials", token=invitation.token.secret)
    call("GET", "/ocpi/cpo/2.1.1/locations?token=body-secret-9", token="wrong-token-5f3a")
    call("GET", "/operator/partners", headers={"Authorization": "Bearer ocpi_operator-key-1234"})

    printed = capsys.readouterr()
    assert "/ocpi/cpo/2.1.1/credentials" in printed.out
    assert [secret for secret in secrets if secret in printed.out + printed.err] == []
