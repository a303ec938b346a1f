"""Proves that the operator API lets in the bearer of a key only, says plainly what is wrong, and tends partners."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from chalicelib.entrypoints.operator import api
from chalicelib.modules import MODULES
from chalicelib.node.conflicts import Conflict
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.desk import KEY, Desk, desks
from tests.node.faults import with_failing_stores
from tests.world import World

# --- the door ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", KEY, "Bearer", "Bearer nope", f"Token {KEY}", f"Basic {KEY}", f"Bearer {KEY}x"])
def test_nobody_comes_in_without_a_key(key: str) -> None:
    desk = desks().cpo

    for operation in api.OPERATIONS:
        answer = desk(operation.method, operation.path.removeprefix("/operator"), key=key)

        assert answer.status == 401
        assert answer.response.headers["content-type"] == "application/json"
        assert "Authorization: Bearer" in answer.error
        assert KEY not in answer.error


@pytest.mark.parametrize("key", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
def test_the_bearer_of_a_key_comes_in(key: str) -> None:
    assert desks().cpo("GET", "", key=key).status == 200


def test_a_key_that_was_withdrawn_opens_nothing() -> None:
    desk = desks().cpo
    for digest in desk.company.ports.partners.operator_keys():
        desk.company.ports.partners.remove_operator_key(digest)

    assert desk("GET", "").status == 401


def test_a_token_of_a_partner_is_no_key() -> None:
    """TRA-06: and a key is no token."""
    there = desks()

    assert there.cpo("GET", "/partners", key=f"Bearer {there.pair.to_cpo.token}").status == 401
    assert there.pair.to_cpo("GET", "/ocpi/cpo/versions", headers={"authorization": f"Token {KEY}"}).status == 401


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("GET", "/nothing/at/this/url/x", None, 404, "there is nothing at this URL"),
        ("POST", "", None, 405, "POST is not supported here"),
        ("GET", "/partners/register", None, 404, "there is no partner 'register'"),
        ("DELETE", "/locations/LOC1/E1", None, 405, "DELETE is not supported here"),
        ("DELETE", "/sessions/S1", None, 405, "the spec defines no deletion of sessions"),
        ("DELETE", "/cdrs/C1", None, 405, "the spec defines no deletion of cdrs"),
        ("DELETE", "/locations/LOC1", None, 405, "the spec defines no deletion of locations"),
        ("GET", "/planets", None, 404, "there is no module 'planets'; there are locations, sessions, cdrs, tariffs"),
        ("GET", "/planets/X", None, 404, "there is no module 'planets'"),
        ("GET", "/partners/nobody", None, 404, "there is no partner 'nobody'"),
        ("GET", "/partners/nobody/locations", None, 404, "there is no partner 'nobody'"),
        ("GET", "/locations/NONE", None, 404, "we have no such Location"),
        ("GET", "/locations/NONE/E1/1", None, 404, "we have no such Location"),
        ("GET", "/tariffs/T1/E1", None, 404, "tariffs have no parts at that depth"),
        ("PUT", "/tariffs/T1/E1/1", {}, 404, "tariffs have no parts at that depth"),
        ("PATCH", "/tariffs/NONE", {}, 404, "we have no such Tariff"),
        ("DELETE", "/tariffs/NONE", None, 404, "we have no such Tariff"),
        ("GET", "/locations//", None, 404, "we have no such Location"),
        ("GET", f"/locations/{'x' * 3000}", None, 404, "we have no such Location"),
        ("PUT", "/tariffs/T1", {"id": "T1"}, 422, "Tariff: currency is missing"),
        ("PUT", "/tariffs/T1", make.tariff("T2"), 422, "Tariff.id is not 'T1'"),
        ("PUT", "/tariffs/T1", [], 422, "Tariff"),
        ("PATCH", "/tariffs/T1", [], 422, "a PATCH is a JSON object"),
        ("PUT", "/tariffs", {}, 422, "the body is a JSON list of objects"),
        ("GET", "/tariffs?limit=abc", None, 422, "limit must be a whole number"),
        ("GET", "/tariffs?offset=-1", None, 422, "offset must be a whole number"),
        ("GET", "/tariffs?date_from=yesterday", None, 422, "date_from is not a DateTime"),
        ("POST", "/partners", [], 422, "the body is a JSON object"),
        ("POST", "/partners", {}, 422, "missing: role; unknown or no text: none"),
        ("POST", "/partners", {"role": 1, "nmae": "x"}, 422, "missing: none; unknown or no text: nmae, role"),
        ("POST", "/partners", {"role": "hub"}, 422, "role is the role that they play: cpo or emsp"),
        ("POST", "/partners", {"role": "cpo"}, 422, "this node does not act as emsp, so it cannot roam with a cpo"),
        ("POST", "/partners/register", {"role": "emsp"}, 422, "missing: token, versions_url"),
    ],
)
def test_what_is_wrong_is_said_with_a_fitting_status(method: str, path: str, body: Any, status: int, text: str) -> None:
    where, _, query = path.partition("?")
    pairs = dict([query.split("=")]) if query else {}

    answer = desks().cpo(method, where, body, query=pairs)

    assert answer.status == status
    assert text in answer.error


def test_a_method_that_is_not_allowed_comes_with_those_that_are() -> None:
    desk = desks().cpo

    assert desk("POST", "/tariffs/T1").response.headers["allow"] == "GET, PUT, PATCH, DELETE"
    assert desk("DELETE", "/locations/LOC1").response.headers["allow"] == "GET, PUT, PATCH"


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff"])
def test_a_body_that_is_not_json_is_400(raw: bytes) -> None:
    desk = desks().cpo

    assert [desk("PUT", path, raw=raw).status for path in ("/tariffs", "/tariffs/T1")] == [400, 400]
    assert desk("POST", "/partners", raw=raw).status == 400


def test_a_body_of_more_than_six_megabytes_is_not_read() -> None:
    answer = desks().cpo("PUT", "/tariffs", raw=b"[" + b" " * 6 * 1024 * 1024 + b"]")

    assert answer.status == 413


def test_our_own_failure_is_500_and_can_be_found_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    desk = desks().cpo
    with_failing_stores(desk.company, "get")

    with caplog.at_level(logging.ERROR):
        answer = desk("GET", "/tariffs/T1")

    assert (answer.status, answer.json) == (500, {"error": "unexpected failure", "details": ["call-1"]})
    assert "unexpected failure in GET /operator/tariffs/T1" in caplog.text


def test_who_meets_too_many_others_is_told_to_come_again() -> None:
    desk = desks().cpo
    with_failing_stores(desk.company, "create", times=1000, error=Conflict)

    answer = desk("PUT", "/tariffs/T1", make.tariff("T1"))

    assert (answer.status, answer.error) == (503, "too many writers at once: please send it again")


def test_any_path_is_answered_and_never_with_an_accident() -> None:
    desk = desks().cpo
    desk("PUT", "/tariffs/T1", make.tariff("T1"))

    for path in ("/", "//", "/%2F", "/partners/%00", "/tariffs/%F0%9F%9A%97", "/tariffs/T1/", "/tariffs/T%31"):
        answer = desk("GET", path)

        assert answer.status in (200, 404), path
    assert desk("GET", "/tariffs/T%31").json["id"] == "T1"


# --- partners ------------------------------------------------------------------------------------------------------


def test_the_node_says_who_it_is() -> None:
    """VER-10."""
    assert desks().cpo("GET", "").json == {
        "name": "Company DE/CPO",
        "party": "DE/CPO",
        "roles": ["cpo"],
        "stage": "test",
        "versions_urls": {"cpo": "https://cpo.example/ocpi/cpo/versions"},
    }


def test_two_hosts_register_with_each_other_and_part_again() -> None:
    """CRD-21, CRD-17, CRD-30."""
    world = World()
    cpo = Desk(world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO})))
    emsp = Desk(world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP})))

    invited = cpo("POST", "/partners", {"role": "emsp", "name": "Blue"})
    assert invited.status == 201
    assert set(invited.json) == {"id", "token", "expires_at", "versions_url"}
    assert invited.json["expires_at"] == "2026-03-08T12:00:00Z"
    assert cpo("GET", f"/partners/{invited.json['id']}").json["state"] == "invited"

    asked = {"versions_url": invited.json["versions_url"], "token": invited.json["token"], "role": "cpo"}
    registered = emsp("POST", "/partners/register", asked)
    assert (registered.status, registered.json["state"], registered.json["party"]) == (201, "registered", "DE/CPO")

    (partner,) = cpo("GET", "/partners").json["partners"]
    assert {
        key: partner[key] for key in ("name", "state", "our_role", "their_role", "party", "profile", "backlog")
    } == {
        "name": "Blue",
        "state": "registered",
        "our_role": "cpo",
        "their_role": "emsp",
        "party": "NL/MSP",
        "profile": "lenient",
        "backlog": 0,
    }
    assert set(partner["endpoints"]) == {"credentials", "commands", *MODULES}
    assert invited.json["token"] not in str([partner, registered.json])

    rotated = emsp("PUT", f"/partners/{registered.json['id']}/credentials")
    assert (rotated.status, rotated.json["state"]) == (200, "registered")
    ended = emsp("DELETE", f"/partners/{registered.json['id']}")
    assert (ended.status, ended.json["state"]) == (200, "unregistered")
    assert cpo("GET", f"/partners/{partner['id']}").json["state"] == "unregistered"
    assert emsp("PUT", f"/partners/{registered.json['id']}/credentials").status == 404


def test_a_partner_that_cannot_be_reached_is_502_and_stays_on_record() -> None:
    """CRD-24."""
    desk = desks().cpo
    asked = {"versions_url": "https://gone.example/versions", "token": "secret-token", "role": "emsp"}

    answer = desk("POST", "/partners/register", asked)

    assert answer.status == 502
    assert "gone.example: connection refused" in answer.error
    partner = desk("GET", "/partners").json["partners"][-1]
    assert (partner["state"], partner["party"]) == ("pending", None)
    assert "connection refused" in partner["problem"]
    assert "secret-token" not in str([answer.json, partner])


@pytest.mark.parametrize("token", ["", "two words", "x" * 65, "tökn"])
def test_a_token_that_cannot_be_one_is_refused_before_anything_is_sent(token: str) -> None:
    """TRA-07."""
    there = desks()
    mark = len(there.pair.world.traffic)

    asked = {"versions_url": "https://emsp.example/ocpi/emsp/versions", "token": token, "role": "emsp"}
    answer = there.cpo("POST", "/partners/register", asked)

    assert answer.status == 422
    assert not token or token not in answer.error
    assert there.pair.world.since(mark) == []


def test_a_partner_is_renamed_and_read_in_another_profile() -> None:
    there = desks()
    url = f"/partners/{there.emsp_id}"

    assert there.cpo("PATCH", url, {"name": "Blue", "profile": "strict"}).json["profile"] == "strict"
    refused = there.cpo("PATCH", url, {"profile": "generous"})

    assert (refused.status, refused.error) == (422, "profile is strict or lenient")
    partner = there.cpo("GET", url).json
    assert (partner["name"], partner["profile"], partner["state"]) == ("Blue", "strict", "registered")


def test_a_partner_may_be_let_send_incomplete_locations() -> None:
    """Q-31: only by true and false, and not unless the host says so."""
    there = desks()
    url, setting = f"/partners/{there.emsp_id}", "accept_incomplete_locations"

    before = there.cpo("GET", url).json[setting]
    allowed = there.cpo("PATCH", url, {setting: True}).json[setting]
    refused = there.cpo("PATCH", url, {setting: "yes"})

    assert (before, allowed, there.cpo("GET", url).json[setting]) == (False, True, True)
    assert (refused.status, refused.error) == (422, f"{setting} is true or false")
    assert there.cpo("PATCH", url, {setting: False, "name": "Blue"}).json[setting] is False


def test_a_party_that_another_connection_has_claimed_is_a_conflict() -> None:
    """Q-34."""
    there = desks()
    twin = there.pair.world.company("twin.example", there.pair.emsp.party, frozenset({Role.EMSP}))
    invited = Desk(twin)("POST", "/partners", {"role": "cpo"}).json
    asked = {"versions_url": invited["versions_url"], "token": invited["token"], "role": "emsp"}

    answer = there.cpo("POST", "/partners/register", asked)

    assert answer.status == 409
    assert "NL/MSP is registered by another connection: unregister that first" in answer.error
