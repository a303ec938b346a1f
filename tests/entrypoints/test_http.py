"""Nothing but the node speaks to partners: whatever Chalice would answer by itself, the envelope answers instead."""

from __future__ import annotations

import gzip
import json

import pytest

from chalicelib.bootstrap.company import Company
from chalicelib.ocpi.parties import Role
from tests import make
from tests.entrypoints.conftest import Call

VERSIONS = "/ocpi/cpo/versions"


def invited(company: Company) -> str:
    return company.registrations.invite(Role.EMSP).token.secret


def test_a_partner_finds_our_versions_under_the_public_url(call: Call, company: Company) -> None:
    """VER-01, VER-12."""
    answer = call("GET", VERSIONS, token=invited(company))

    assert answer.status == 200
    assert answer.json["data"] == [{"version": "2.1.1", "url": "https://node.example/ocpi/cpo/2.1.1"}]
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_without_a_token_every_method_is_401(call: Call, method: str) -> None:
    """TRA-03, TRA-10."""
    answer = call(method, VERSIONS)

    assert (answer.status, answer.json["status_code"]) == (401, 2000)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_defined_is_405_with_allow(call: Call, company: Company, method: str) -> None:
    """TRA-18."""
    answer = call(method, VERSIONS, token=invited(company))

    assert (answer.status, answer.json["status_code"]) == (405, 2000)
    assert answer.headers["Allow"] == "GET, OPTIONS"


@pytest.mark.parametrize(
    "path", ["/", "/ocpi", "/ocpi/cpo/2.2.1", "/ocpi/cpo/2.1.1/locations/a/b/c/d/e/f", "/favicon.ico"]
)
def test_an_unknown_path_is_404_in_the_envelope(call: Call, company: Company, path: str) -> None:
    """TRA-17."""
    answer = call("GET", path, token=invited(company))

    assert (answer.status, answer.json["status_code"]) == (404, 2000)


def test_an_unknown_path_of_the_operator_api_is_answered_by_the_operator_api(call: Call) -> None:
    answer = call("GET", "/operator/no/such/path/at/all/here")

    assert answer.status == 401
    assert "operator key" in answer.json["error"] or "Bearer" in answer.json["error"]


@pytest.mark.parametrize("content_type", ["text/plain", "", "Application/JSON", "application/merge-patch+json", "x"])
def test_no_content_type_is_unsupported(call: Call, company: Company, content_type: str) -> None:
    """TRA-09, Q-06."""
    body = json.dumps(make.credentials("their-token", "https://nowhere.invalid/versions")).encode()

    answer = call(
        "POST",
        "/ocpi/cpo/2.1.1/credentials",
        token=invited(company),
        body=body,
        headers={"Content-Type": content_type},
    )

    assert (answer.status, answer.json["status_code"]) == (200, 3001)


def test_a_compressed_body_is_read(call: Call, company: Company) -> None:
    """Q-26."""
    body = gzip.compress(b'{"token": "x"}')

    answer = call(
        "POST",
        "/ocpi/cpo/2.1.1/credentials",
        token=invited(company),
        body=body,
        headers={"Content-Encoding": "gzip"},
    )

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert "url is missing" in answer.json["status_message"]


def test_a_body_that_only_claims_to_be_compressed_is_400(call: Call, company: Company) -> None:
    answer = call(
        "POST",
        "/ocpi/cpo/2.1.1/credentials",
        token=invited(company),
        body=b"\x1f\x8bnonsense",
        headers={"Content-Encoding": "gzip"},
    )

    assert (answer.status, answer.json["status_code"]) == (400, 2000)


def test_head_and_options_carry_no_body(call: Call, company: Company) -> None:
    """Q-26."""
    head = call("HEAD", VERSIONS, token=invited(company))
    options = call("OPTIONS", VERSIONS)

    assert (head.status, head.body) == (405, "")
    assert (options.status, options.body, options.headers["Allow"]) == (204, "", "GET, OPTIONS")


def test_the_callers_correlation_id_comes_back_and_a_harmful_one_does_not(call: Call) -> None:
    theirs = call("GET", VERSIONS, headers={"X-Request-ID": "abc-123"})
    harmful = call("GET", VERSIONS, headers={"X-Request-ID": 'abc"} {"level": "'})

    assert theirs.headers["X-Correlation-ID"] == "abc-123"
    assert harmful.headers["X-Correlation-ID"].isalnum()


@pytest.mark.parametrize(("path", "status"), [(VERSIONS, 200), ("/operator", 500)])
def test_a_node_that_cannot_even_start_answers_in_the_envelope(
    aws: None, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    """TRA-38."""
    from app import app

    monkeypatch.setenv("OCPI_PARTY_ID", "TOO LONG")
    event = {
        "requestContext": {"resourcePath": path, "httpMethod": "GET"},
        "headers": {"x-request-id": "find-me", "authorization": "Token any"},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }

    answer = app(event, None)

    assert answer["statusCode"] == status
    frame = json.loads(answer["body"])
    assert frame["status_code"] == 3000
    assert "find-me" in frame["status_message"]
