"""Proves how an eMSP answers whether its driver may charge: by the token, and by what its host rules about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.entrypoints.desk import Desks, desks
from tests.modules.test_tokens import both_profiles
from tests.node.pushing import read_as
from tests.world import Reply

Json = dict[str, Any]

TOKENS, LOCATIONS = ModuleID.TOKENS, ModuleID.LOCATIONS

ALLOWED = {"allowed": "ALLOWED"}
AT_LOC1 = {"location_id": "LOC1"}
INFO = {"language": "en", "text": "Please call us"}


def issued(profile: Profile = Profile.LENIENT, *, locations: int = 0, **fields: Any) -> Desks:
    """An eMSP with the token K1, read in this profile, and a CPO that shares so many locations with it.

    The first has the EVSEs E1 and E2, of which E1 has the connectors 1 and 2.
    """
    there = desks()
    # What the eMSP thinks of the CPO is what counts here.
    read_as(there.pair, profile, LOCATIONS)
    evses = [make.evse("E1", connectors=[make.connector("1"), make.connector("2")]), make.evse("E2")]
    for n in range(1, locations + 1):
        there.cpo("PUT", f"/locations/LOC{n}", make.location(f"LOC{n}", evses=evses))
    there.emsp("PUT", "/tokens/K1", make.token("K1", **fields))
    there.pair.pump()
    return there


def ask(
    there: Desks,
    body: Any = None,
    uid: str = "K1",
    *,
    raw: bytes | None = None,
    query: Mapping[str, str] | None = None,
) -> Reply:
    path = f"/ocpi/emsp/2.1.1/tokens/{uid}/authorize"
    return there.pair.to_emsp("POST", path, body, raw=raw, query=query)


def rule(there: Desks, ruling: Json) -> None:
    assert there.emsp("PUT", "/tokens/K1/authorization", ruling).status == 200


def counted(there: Desks) -> list[str]:
    partner = there.pair.emsp.partners()[0]
    return [name for name in there.pair.emsp.ports.partners.counters(partner.id) if name.startswith("lenient")]


# --- what the driver gets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"])
@pytest.mark.parametrize(("valid", "verdict"), [(True, "ALLOWED"), (False, "BLOCKED")])
def test_without_a_ruling_the_token_decides(valid: bool, verdict: str, whitelist: str) -> None:
    """TOK-14, TOK-18, Q-77: whatever its whitelist type is."""
    reply = ask(issued(valid=valid, whitelist=whitelist))

    assert (reply.outcome, reply.data) == ((200, 1000), {"allowed": verdict})


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize("info", [None, INFO])
@pytest.mark.parametrize("allowed", ["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_what_the_host_rules_is_answered_and_is_no_error(allowed: str, info: Json | None, valid: bool) -> None:
    """TOK-14, Q-53: HTTP 200 and status 1000 for every verdict."""
    there = issued(valid=valid)
    rule(there, {"allowed": allowed} | ({"info": info} if info else {}))

    reply = ask(there)

    assert reply.outcome == (200, 1000)
    assert reply.data == {"allowed": allowed} | ({"info": info} if info else {})


def test_a_ruling_is_read_kept_through_changes_of_the_token_and_taken_back() -> None:
    """TOK-14."""
    there, path = issued(), "/tokens/K1/authorization"
    assert there.emsp("GET", path).status == 404

    put = there.emsp("PUT", path, {"allowed": "NO_CREDIT"})
    there.emsp("PATCH", "/tokens/K1", {"issuer": "Other Mobility"})
    there.emsp("PUT", "/tokens/K1", make.token("K1", visual_number="7"))

    assert put.json == there.emsp("GET", path).json
    assert put.json["allowed"] == "NO_CREDIT"
    assert ask(there).data == {"allowed": "NO_CREDIT"}
    assert there.emsp("DELETE", path).json == {"outcome": "deleted"}
    assert (there.emsp("GET", path).status, ask(there).data) == (404, ALLOWED)


def test_what_is_ruled_is_not_told_to_partners() -> None:
    """TOK-19: a ruling is no change of the token."""
    there = issued()
    mark = len(there.pair.world.traffic)

    rule(there, {"allowed": "BLOCKED", "info": INFO})
    there.pair.pump()

    assert there.pair.world.since(mark) == []
    assert "authorization" not in there.emsp("GET", "/tokens/K1").json


# --- which token ---------------------------------------------------------------------------------------------------


@both_profiles
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 404),
        ({"type": ""}, 404),
        ({"type": "RFID"}, 404),
        ({"type": "OTHER"}, 200),
        ({"token_type": "OTHER"}, 200),
        ({"type": "OTHER", "token_type": "RFID"}, 200),
        ({"type": "RFID", "token_type": "OTHER"}, 404),
        ({"type": "", "token_type": "OTHER"}, 200),
    ],
)
def test_the_type_has_two_names_and_a_default(query: dict[str, str], status: int, profile: Profile) -> None:
    """TOK-11, TOK-16, Q-50."""
    reply = ask(issued(profile, type="OTHER"), query=query)

    assert reply.status == status
    assert reply.code == (1000 if status == 200 else 2000)


@pytest.mark.parametrize("name", ["type", "token_type"])
def test_a_type_that_does_not_exist_means_other(name: str) -> None:
    """TOK-11, Q-20, Q-50: forgiven and counted; strictly it is refused."""
    there = issued(type="OTHER")

    assert ask(there, query={name: "APP_USER"}).outcome == (200, 1000)

    assert [line for line in counted(there) if f"FMT-11 tokens ?{name} " in line] != []
    assert ask(issued(Profile.STRICT, type="OTHER"), query={name: "APP_USER"}).outcome == (200, 2001)


@pytest.mark.parametrize("path", ["K1", "K1/authorize/x", "authorize"])
def test_the_last_step_of_the_url_is_required(path: str) -> None:
    """TOK-11."""
    there = issued()

    assert there.pair.to_emsp("POST", f"/ocpi/emsp/2.1.1/tokens/{path}").outcome == (404, 2000)
    assert there.pair.to_emsp("GET", "/ocpi/emsp/2.1.1/tokens/K1/authorize").outcome == (405, 2000)


def test_a_token_that_we_did_not_issue_is_not_there() -> None:
    """TOK-16."""
    there = issued()

    for uid in ("K2", "x" * 2000, "%20"):
        assert ask(there, uid=uid).outcome == (404, 2000)


def test_a_uid_in_another_spelling_is_the_same_card() -> None:
    """TOK-11, Q-52: but an exact match comes first."""
    there = desks()
    there.emsp("PUT", "/tokens/04:A2", make.token("04:A2", valid=True))
    there.emsp("PUT", "/tokens/04a2", make.token("04a2", valid=False))

    assert ask(there, uid="04:A2").data == ALLOWED
    assert ask(there, uid="04a2").data == {"allowed": "BLOCKED"}
    assert ask(there, uid="04-A2").outcome == (200, 1000)
    assert ask(there, uid="04a3").outcome == (404, 2000)


# --- the forms of the body -----------------------------------------------------------------------------------------


@both_profiles
@pytest.mark.parametrize("raw", [b"", b"  \r\n", b"null", b'""'])
def test_no_body_in_any_form_asks_without_a_place(raw: bytes, profile: Profile) -> None:
    """TOK-12, Q-79."""
    there = issued(profile)

    reply = ask(there, raw=raw)

    assert (reply.outcome, reply.data) == ((200, 1000), ALLOWED)
    assert counted(there) == []


@pytest.mark.parametrize("body", [{}, {"location_id": None}, {"evse_uids": []}, {"evse_uids": ["E1"]}])
def test_references_to_nothing_are_no_references(body: Json) -> None:
    """TOK-12, Q-79: forgiven and counted; strictly they lack what is required."""
    there, strict = issued(), issued(Profile.STRICT)

    lenient = ask(there, body)

    assert (lenient.outcome, lenient.data) == ((200, 1000), ALLOWED)
    assert [line for line in counted(there) if "tokens location_id is missing" in line] != []
    refused = ask(strict, body)
    assert (refused.outcome, "location_id" in refused.message) == ((200, 2001), True)


@both_profiles
@pytest.mark.parametrize(
    "body", [[], 7, "LOC1", {"location_id": 7.5}, {"location_id": ""}, AT_LOC1 | {"evse_uids": "E1"}]
)
def test_a_body_that_is_no_references_is_refused(body: Any, profile: Profile) -> None:
    """TOK-12, TRA-16; a number that stands for a text is forgiven (Q-16)."""
    reply = ask(issued(profile), body)

    forgiven = profile is Profile.LENIENT and body == {"location_id": 7.5}
    assert reply.outcome == ((200, 1000) if forgiven else (200, 2001))


@both_profiles
def test_a_body_that_is_no_json_is_a_bad_request(profile: Profile) -> None:
    """TOK-12, TRA-15."""
    assert ask(issued(profile), raw=b"{").outcome == (400, 2000)


@pytest.mark.parametrize("empty", [None, []])
def test_empty_lists_of_evses_and_connectors_are_no_lists(empty: Any) -> None:
    """Q-79, TRA-36."""
    reply = ask(issued(locations=1), AT_LOC1 | {"evse_uids": empty, "connector_ids": empty})

    assert reply.data == ALLOWED | {"location": AT_LOC1}
