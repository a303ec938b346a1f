"""The frame around answers: ours is always the same, theirs is opened whatever it looks like."""

from __future__ import annotations

import gc
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ocpi.answer import NO_ANSWER, Answer
from chalicelib.ocpi.envelope import data_of, failure, json_list, read_answer, success
from chalicelib.ocpi.errors import (
    ClientError,
    InvalidParameters,
    MethodNotAllowed,
    NotTaken,
    OcpiError,
    TooManyRequests,
    UnableToUseApi,
)
from chalicelib.ocpi.http import Response
from tests.rules import envelopes
from tests.rules.strategies import JSON

NOW = datetime(2026, 3, 1, 12, 0, 0, 999_999, UTC)


def every_error(kind: type[OcpiError] = OcpiError) -> list[type[OcpiError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in every_error(below))]


@given(st.lists(JSON), st.booleans())
def test_a_success_frames_its_data_as_it_is(values: list[Any], created: bool) -> None:
    """TRA-11, TRA-12, TRA-26, TRA-27: ready JSON is passed on, not read again."""
    answer = success(NOW, json_list(json.dumps(value).encode() for value in values), created=created)

    assert envelopes.objections(answer, NOW) == []
    assert answer.status == (201 if created else 200)
    assert json.loads(answer.body) == {"data": values, "status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}


def test_a_success_without_data_has_no_data() -> None:
    """TRA-12, Q-14."""
    assert json.loads(success(NOW).body) == {"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}


@pytest.mark.parametrize("kind", [kind for kind in every_error() if kind not in (MethodNotAllowed, TooManyRequests)])
@given(message=st.text())
def test_every_error_is_framed(kind: type[OcpiError], message: str) -> None:
    """TRA-10, TRA-11, TRA-16: a short message, whatever was said."""
    answer = failure(NOW, NotTaken(message, NO_ANSWER) if kind is NotTaken else kind(message))

    assert envelopes.objections(answer, NOW) == []
    assert (answer.status, json.loads(answer.body)["status_code"]) == (kind.http_status, kind.status_code)
    assert len(json.loads(answer.body)["status_message"]) <= 500


def test_errors_that_know_more_say_it_in_headers() -> None:
    """TRA-18, Q-23."""
    assert failure(NOW, MethodNotAllowed("no", ["GET", "PUT"])).headers["allow"] == "GET, PUT"
    assert failure(NOW, TooManyRequests("slowly", 7)).headers["retry-after"] == "7"
    assert failure(NOW, InvalidParameters("no")).headers.keys() == {"content-type"}


def test_only_the_layer_below_the_envelope_uses_http_errors() -> None:
    """TRA-16: JSON at an existing URL is never an HTTP error; errors of single modules are as the one they refine."""
    tree = [kind for kind in every_error(ClientError) if kind.__module__ == ClientError.__module__]
    statuses = {kind.__name__: (kind.http_status, kind.status_code) for kind in tree}

    assert {name for name, (status, _) in statuses.items() if status == 200} == {
        *("ClientError", "InvalidParameters", "NotEnoughInformation", "UnknownLocation"),
    }
    assert {code for status, code in statuses.values() if status >= 400} == {2000, 2003}
    # The operator API answers in its own way.
    for kind in (each for each in every_error(ClientError) if ".entrypoints." not in each.__module__):
        refined = next(base for base in kind.__mro__ if base in tree and issubclass(base, ClientError))
        assert kind.http_status == refined.http_status


def theirs(status: int, frame: Any) -> Answer:
    return read_answer(Response(status, {}, frame if isinstance(frame, bytes) else json.dumps(frame).encode()))


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("code", [1000, 1001, 1999])
def test_a_success_of_theirs_opens(status: int, code: int) -> None:
    """TRA-14, Q-14: with or without the fields that may be missing."""
    assert data_of(theirs(status, {"status_code": code, "data": [1]}), "GET x") == [1]
    assert data_of(theirs(status, {"status_code": code, "status_message": None, "data": None}), "GET x") is None


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 500, 503])
@pytest.mark.parametrize(
    "frame", [{"status_code": 2000}, {"status_code": 2001, "data": {"a": 1}}, {"status_code": 3000}]
)
def test_everything_else_of_theirs_is_a_failure_with_both_statuses(status: int, frame: dict[str, Any]) -> None:
    """TRA-13, TRA-14: its data is not looked at."""
    with pytest.raises(
        UnableToUseApi, match=rf"GET x was answered with HTTP {status} and OCPI status {frame['status_code']}"
    ):
        data_of(theirs(status, frame), "GET x")


@given(
    st.integers(100, 599),
    st.binary() | JSON | st.fixed_dictionaries({"status_code": JSON}, optional={"data": JSON, "status_message": JSON}),
)
def test_any_answer_of_theirs_opens_or_is_a_failure(status: int, frame: Any) -> None:
    """TRA-14: nothing else is ever raised, and a push counts as taken by the same measure."""
    answer = theirs(status, frame)
    code = answer.status_code

    try:
        data_of(answer, "GET x")
    except UnableToUseApi:
        assert not answer.is_accepted or code is None
    else:
        assert answer.is_accepted
        assert 200 <= status < 300
        assert code is not None
        assert 1000 <= code < 2000


def test_what_is_kept_of_an_answer_is_what_its_body_says_and_not_the_body() -> None:
    """A page of ten thousand objects is held in memory once."""
    page = [{"id": f"LOC{n}"} for n in range(10_000)]
    response = Response(200, {"X-Total-Count": "10000"}, json.dumps({"status_code": 1000, "data": page}).encode())

    answer = read_answer(response)

    assert data_of(answer, "GET x") == page
    assert answer.headers["x-total-count"] == "10000"
    assert response.body not in gc.get_referents(answer)


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"[]", b"null", b'{"status_code": "OK"}', b'{"status_code": true}', b'"x"']
)
def test_a_success_without_an_envelope_takes_a_push_but_opens_nothing(body: bytes) -> None:
    """TRA-14, Q-14: whether the body is left out, or is JSON that says nothing."""
    answer = read_answer(Response(200, {}, body))

    assert (answer.is_json, answer.is_accepted, answer.is_success, answer.status_code) == (True, True, False, None)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"\xff",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"[" * 300 + b"]" * 300,
        b'"\\ud800"',
        b"9" * 5000,
    ],
)
@pytest.mark.parametrize("status", [200, 201, 404, 500])
def test_a_body_that_we_do_not_read_takes_no_push(status: int, body: bytes) -> None:
    """Q-14: even beside a success."""
    answer = read_answer(Response(status, {}, body))

    assert (answer.is_json, answer.is_accepted, answer.is_success, answer.status_code) == (False, False, False, None)
