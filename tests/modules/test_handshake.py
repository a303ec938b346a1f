"""The conversation of a registration, its answers handed in by the test: what is asked, and what is made of it."""

from __future__ import annotations

import json
from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.modules.credentials.handshake import Registration, register, send_credentials, their_endpoints
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.node.flows import Flow, T
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import MissingEndpoints, PartnerError, UnableToUseApi, UnsupportedVersion
from chalicelib.ocpi.http import Request, Response
from tests import make
from tests.modules.scripted import FAILURES, frame

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
A = AuthToken("A-token-given-offline")
VERSIONS_URL = "https://p.example/versions"
DETAILS_URL = "https://p.example/ocpi/2.1.1/"
CREDENTIALS_URL = "https://p.example/any/where/credentials"

VERSIONS = frame([{"version": "2.1.1", "url": DETAILS_URL}])
ANSWERED = {name: answer for name, answer in FAILURES.items() if isinstance(answer, Response)}


def listed(*endpoints: Any) -> Response:
    """Details with these endpoints beside credentials."""
    ours = {"identifier": "credentials", "url": CREDENTIALS_URL}
    return frame({"version": "2.1.1", "endpoints": [ours, *endpoints]})


def endpoint(identifier: str, url: str) -> dict[str, str]:
    return {"identifier": identifier, "url": url}


def driven(flow: Flow[T], *answers: Response) -> tuple[T, list[Request]]:
    """What the flow comes to with these answers, no more and no fewer, and what it asked."""
    asked = [next(flow), *(flow.send(read_answer(answer)) for answer in answers[:-1])]
    with pytest.raises(StopIteration) as done:
        flow.send(read_answer(answers[-1]))
    return done.value.value, asked


def endpoints(*answers: Response, required: tuple[str, ...] = ()) -> dict[str, str]:
    return driven(their_endpoints(VERSIONS_URL, A, required, NOW), *answers)[0]


def test_endpoints_are_found_with_two_requests_of_one_token() -> None:
    """CRD-02, CRD-03: versions at the URL they gave, then the details as listed, both with the token they gave."""
    found, asked = driven(
        their_endpoints(VERSIONS_URL, A, (), NOW), VERSIONS, listed(endpoint("tariffs", "https://p.example/t"))
    )

    assert found == {"credentials": CREDENTIALS_URL, "tariffs": "https://p.example/t"}
    assert [(request.method, request.url) for request in asked] == [("GET", VERSIONS_URL), ("GET", DETAILS_URL)]
    assert [request.headers for request in asked] == [{"authorization": "Token A-token-given-offline"}] * 2


@pytest.mark.parametrize(
    "others",
    [
        [{"version": "2.0", "url": "https://p.example/2.0"}, {"version": "9.9", "url": "https://p.example/9.9"}],
        [{"version": "2.2.1", "url": "/relative"}],
        [{"version": "3.0"}],
        [{"version": 2.1, "url": "https://p.example/2.1"}],
        [{"version": None, "url": None}],
        [{"version": ["2.1.1"], "url": "https://p.example/list"}],
        [{}],
    ],
)
def test_the_version_that_both_speak_is_chosen_among_any_others(others: list[Any]) -> None:
    """VER-08, VER-09."""
    versions = frame(
        [*others, {"version": "2.1.1", "url": DETAILS_URL}, {"version": "2.0", "url": "https://x.example"}]
    )

    _, asked = driven(their_endpoints(VERSIONS_URL, A, (), NOW), versions, listed())

    assert asked[1].url == DETAILS_URL


def test_a_version_that_is_listed_twice_is_the_first_one() -> None:
    """VER-09."""
    twice = frame([{"version": "2.1.1", "url": DETAILS_URL}, {"version": "2.1.1", "url": "https://p.example/second"}])

    _, asked = driven(their_endpoints(VERSIONS_URL, A, (), NOW), twice, listed())

    assert asked[1].url == DETAILS_URL


def test_a_partner_without_our_version_is_told_which_one_is_missing() -> None:
    """VER-08, CRD-12: nothing more is asked of it."""
    flow = their_endpoints(VERSIONS_URL, A, (), NOW)
    next(flow)

    with pytest.raises(UnsupportedVersion, match=r"offers 2\.0, 2\.2\.1, but not 2\.1\.1"):
        flow.send(read_answer(frame([endpoint("", "") | {"version": version} for version in ("2.2.1", "2.0")])))


@pytest.mark.parametrize(
    "unknown",
    [
        endpoint("hubclientinfo", "https://p.example/hub"),
        endpoint("xx-foo", "/relative"),
        {"identifier": "chargingprofiles", "role": "SENDER"},
        {"identifier": 7, "url": "https://p.example/7"},
        {"identifier": ["tariffs"], "url": "https://p.example/list"},
        {},
    ],
)
def test_an_unknown_module_is_ignored_whatever_it_looks_like(unknown: Any) -> None:
    """VER-09."""
    found = endpoints(VERSIONS, listed(unknown, endpoint("tariffs", "https://p.example/t")))

    assert found == {"credentials": CREDENTIALS_URL, "tariffs": "https://p.example/t"}


def test_of_a_module_listed_twice_the_first_one_counts_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """VER-09."""
    twice = listed(endpoint("tariffs", "https://p.example/1"), endpoint("tariffs", "https://p.example/2"))

    assert endpoints(VERSIONS, twice)["tariffs"] == "https://p.example/1"
    assert [record.getMessage() for record in caplog.records if "tariffs twice" in record.getMessage()] != []


@pytest.mark.parametrize(
    "url", ["/2.1.1", "2.1.1", "//p.example/2.1.1", "ftp://p.example/2.1.1", "https://", "", None, 7]
)
def test_a_url_that_cannot_be_called_is_their_failure(url: Any) -> None:
    """VER-04, CRD-11: for the version and for a module."""
    with pytest.raises(UnableToUseApi, match=r"GET versions .*url"):
        endpoints(frame([{"version": "2.1.1", "url": url}]))
    with pytest.raises(UnableToUseApi, match=r"GET version details .*url"):
        endpoints(VERSIONS, listed({"identifier": "tariffs", "url": url}))


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("failure", ANSWERED.values(), ids=ANSWERED.keys())
def test_no_endpoints_come_of_an_answer_that_is_none(failure: Response, step: int) -> None:
    """CRD-11: the error names the request that failed, and nothing is asked after it."""
    flow = their_endpoints(VERSIONS_URL, A, (), NOW)
    next(flow)
    if step:
        flow.send(read_answer(VERSIONS))

    with pytest.raises(PartnerError, match=("GET versions", "GET version details")[step]):
        flow.send(read_answer(failure))


def test_endpoints_that_we_require_must_be_there() -> None:
    """CRD-13, VER-05: credentials always are required, the rest is up to us."""
    with pytest.raises(MissingEndpoints, match="lacks the endpoints cdrs, tokens"):
        endpoints(VERSIONS, listed(), required=("tokens", "cdrs"))
    with pytest.raises(MissingEndpoints, match="lacks the endpoints credentials"):
        endpoints(VERSIONS, frame({"version": "2.1.1", "endpoints": [endpoint("tariffs", "https://p.example/t")]}))


def test_a_long_list_is_read_to_its_end_and_an_endless_one_is_their_failure() -> None:
    """VER-09, CRD-11."""
    many = [endpoint(f"module-{number}", "https://p.example") for number in range(9_000)]

    assert endpoints(VERSIONS, listed(*many, endpoint("tariffs", "https://p.example/t")))["tariffs"]
    with pytest.raises(UnableToUseApi, match="endpoints"):
        endpoints(VERSIONS, listed(*many, *many))


# --- the whole exchange ----------------------------------------------------------------------------------------------


def ours() -> dict[str, Any]:
    return make.credentials("B-token-of-ours", "https://ours.example/versions")


def theirs(**fields: Any) -> Response:
    return frame(make.credentials("C-token-of-theirs", "https://p.example/versions", **fields))


def test_a_registration_asks_three_things_in_this_order() -> None:
    """CRD-21: GET versions, GET details, one POST of our credentials; all with token A."""
    flow = register(VERSIONS_URL, A, (), ours, NOW)

    done, asked = driven(flow, VERSIONS, listed(), theirs())

    assert [(r.method, r.url) for r in asked] == [
        ("GET", VERSIONS_URL),
        ("GET", DETAILS_URL),
        ("POST", CREDENTIALS_URL),
    ]
    assert {request.headers["authorization"] for request in asked} == {"Token A-token-given-offline"}
    assert json.loads(asked[2].body) == ours()
    assert done == Registration({"credentials": CREDENTIALS_URL}, done.credentials)
    assert done.credentials.token == "C-token-of-theirs"


def test_our_token_is_made_only_when_the_post_is_about_to_leave() -> None:
    """CRD-22, CRD-23: after both looks, before the POST; not at all where a required module is missing."""
    made: list[str] = []

    def credentials() -> dict[str, Any]:
        made.append("B")
        return ours()

    flow = register(VERSIONS_URL, A, (), credentials, NOW)
    next(flow)
    flow.send(read_answer(VERSIONS))
    assert made == []
    flow.send(read_answer(listed()))
    assert made == ["B"]

    in_vain = register(VERSIONS_URL, A, ("cdrs",), credentials, NOW)
    next(in_vain)
    in_vain.send(read_answer(VERSIONS))
    with pytest.raises(MissingEndpoints):
        in_vain.send(read_answer(listed()))
    assert made == ["B"]


@pytest.mark.parametrize("http", [200, 201, 202, 204])
def test_any_success_with_their_credentials_is_a_success(http: int) -> None:
    """CRD-04, Q-38."""
    answer = Response(http, {}, theirs().body)

    done, _ = driven(send_credentials("POST", {"credentials": CREDENTIALS_URL}, A, ours(), NOW), answer)

    assert done.auth_token == AuthToken("C-token-of-theirs")


@pytest.mark.parametrize("failure", ANSWERED.values(), ids=ANSWERED.keys())
def test_credentials_answered_with_anything_else_are_refused(failure: Response) -> None:
    """CRD-24."""
    flow = send_credentials("PUT", {"credentials": CREDENTIALS_URL}, A, ours(), NOW)
    next(flow)

    with pytest.raises(UnableToUseApi, match="PUT credentials was answered"):
        flow.send(read_answer(failure))


def test_parties_in_small_letters_are_the_same_parties() -> None:
    """Q-33."""
    flow = send_credentials("POST", {"credentials": CREDENTIALS_URL}, A, ours(), NOW)

    done, _ = driven(flow, theirs(country_code="nl", party_id="aBc"))

    assert str(done.party) == "NL/ABC"


def test_credentials_do_not_show_their_token() -> None:
    """CRD-27: neither they nor what came of the handshake."""
    credentials = Credentials.model_validate(make.credentials("secret-of-theirs-1", "https://p.example/versions"))

    for shown in (repr(credentials), str(credentials), repr(Registration({}, credentials))):
        assert "secret-of-theirs-1" not in shown
        assert "NL/ABC" in shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["2.1.1", VERSIONS_URL]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "url", "endpoints", "identifier", "data", "status_code", "token"]), inner
        )
    ),
    max_leaves=12,
)
bodies = st.binary(max_size=50) | json_values.map(lambda value: json.dumps(value).encode())
answers = st.builds(Response, st.sampled_from([200, 404]), st.just({}), bodies) | json_values.map(frame)


@given(answers=st.lists(answers, min_size=3, max_size=3))
@settings(max_examples=150, deadline=None)
def test_whatever_they_answer_the_handshake_ends_in_a_registration_or_in_their_failure(answers: list[Response]) -> None:
    """CRD-11, CRD-24."""
    flow = register(VERSIONS_URL, A, (), ours, NOW)
    next(flow)

    with pytest.raises((PartnerError, StopIteration)):
        deque(map(flow.send, map(read_answer, answers)))
