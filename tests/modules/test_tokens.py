"""Proves the Tokens chapter but for authorization: the eMSP owns them, tells of them, and never takes one back."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.tokens.interface import normal_form
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import EARLIER, LATER, counters, read_as
from tests.world import Caller, Pair, pair, register

Json = dict[str, Any]

TOKENS = ModuleID.TOKENS
LIST = "/ocpi/emsp/2.1.1/tokens"

both_profiles = pytest.mark.parametrize("profile", Profile)


def url(there: Pair, uid: str = "K1") -> str:
    return there.at_receiver(TOKENS, uid)


def held(there: Pair, uid: str = "K1") -> Json:
    """The token as the CPO shows it."""
    reply = there.to_cpo("GET", url(there, uid))
    assert reply.outcome == (200, 1000)
    return dict(reply.data)


def holding(token: Json, profile: Profile = Profile.LENIENT) -> Pair:
    """A pair whose CPO holds this token."""
    there = read_as(pair(), profile, TOKENS)
    assert there.to_cpo("PUT", url(there), token).outcome == (201, 1000)
    return there


# --- at the CPO ----------------------------------------------------------------------------------------------------


def test_a_token_is_put_read_replaced_and_made_invalid() -> None:
    """TOK-01."""
    there = holding(make.token())

    assert there.to_cpo("PUT", url(there), make.token(visual_number="DF-1")).outcome == (200, 1000)
    assert there.to_cpo("PATCH", url(there), {"valid": False, "last_updated": LATER}).outcome == (200, 1000)

    assert held(there) == make.token(visual_number="DF-1", valid=False, last_updated=LATER)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_token_that_nobody_sent_is_not_there(method: str) -> None:
    """TOK-01."""
    there = holding(make.token())

    assert there.to_cpo(method, url(there, "K2"), {"valid": False}).outcome == (404, 2000)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_token_is_never_deleted(method: str) -> None:
    """TOK-01, TOK-02."""
    there = holding(make.token())

    assert there.to_cpo(method, url(there), make.token()).outcome == (405, 2000)
    assert held(there) == make.token()


def test_a_token_that_is_made_invalid_charges_no_more() -> None:
    """TOK-02, TOK-19: from the host of the eMSP to the charge point of the CPO."""
    there = pair()
    authorize = there.cpo.company.authorizer.authorize
    there.put_in(TOKENS, make.token("K1", whitelist="ALWAYS"))
    there.pump()
    assert authorize("K1").allowed == "ALLOWED"

    there.emsp.company.own_objects[TOKENS].patch("K1", (), {"valid": False})
    there.pump()

    assert authorize("K1").allowed == "BLOCKED"


def test_the_url_names_the_token_in_the_body_and_its_owner() -> None:
    """TOK-03."""
    there = holding(make.token())

    wrong = there.to_cpo("PUT", url(there), make.token("K2"))
    foreign = there.to_cpo("PUT", url(there).replace("NL/MSP", "NL/TWO"), make.token())

    assert (wrong.outcome, "Token.uid" in wrong.message) == ((200, 2001), True)
    assert foreign.outcome == (404, 2000)
    assert held(there) == make.token()


@both_profiles
@pytest.mark.parametrize("name", ["uid", "type", "auth_id", "issuer", "valid", "whitelist"])
def test_a_token_without_a_required_field_is_refused(name: str, profile: Profile) -> None:
    """TOK-05, Q-31."""
    there = read_as(pair(), profile, TOKENS)

    reply = there.to_cpo("PUT", url(there), {key: value for key, value in make.token().items() if key != name})

    assert reply.outcome == (200, 2001)
    assert name in reply.message
    assert there.to_cpo("GET", url(there)).status == 404


@pytest.mark.parametrize(("field", "taken_for"), [("type", "OTHER"), ("whitelist", "NEVER")])
def test_what_we_do_not_know_is_taken_for_what_promises_least(field: str, taken_for: str) -> None:
    """TOK-04, Q-20: strictly it is refused."""
    there = holding(make.token(**{field: "APP_USER"}))

    assert held(there)[field] == taken_for
    assert [name for name in counters(there, TOKENS) if f"FMT-11 tokens {field} " in name] != []
    strict = read_as(pair(), Profile.STRICT, TOKENS)
    assert strict.to_cpo("PUT", url(strict), make.token(**{field: "APP_USER"})).outcome == (200, 2001)


@both_profiles
def test_one_uid_of_two_types_is_one_token_and_counted(profile: Profile) -> None:
    """TOK-04, Q-51."""
    there = holding(make.token(type="RFID"), profile)

    assert there.to_cpo("PUT", url(there), make.token(type="OTHER", last_updated=EARLIER)).outcome == (200, 1000)

    assert held(there)["type"] == "OTHER"
    assert [count for name, count in counters(there, TOKENS).items() if " Q-51 " in name] == [1]


def test_whoever_says_which_type_is_meant_gets_that_or_nothing() -> None:
    """TOK-04, Q-51."""
    there = holding(make.token(type="OTHER"))

    for asked, status in (("OTHER", 200), ("RFID", 404), ("", 200), ("x", 404)):
        assert there.to_cpo("GET", url(there), query={"type": asked}).status == status
        assert there.to_cpo("PATCH", url(there), {"valid": True}, query={"type": asked}).status == status
    assert there.to_cpo("PUT", url(there), make.token(type="OTHER"), query={"type": "OTHER"}).outcome == (200, 1000)


def test_the_same_uid_of_two_emsps_is_two_tokens() -> None:
    """TOK-04, TOK-07."""
    there = holding(make.token(auth_id="NL-MSP-1"))
    other = there.world.company("other.example", Party.of("NL", "TWO"), frozenset({Role.EMSP}))
    partner = register(other, there.cpo, Role.CPO)
    assert partner.token_we_send is not None
    as_other = Caller(there.world, "cpo.example", partner.token_we_send.secret)

    assert as_other("PUT", url(there).replace("NL/MSP", "NL/TWO"), make.token(auth_id="NL-TWO-1")).status == 201

    assert held(there)["auth_id"] == "NL-MSP-1"


# --- at the eMSP ---------------------------------------------------------------------------------------------------


def test_a_token_and_what_becomes_of_it_are_told() -> None:
    """TOK-19."""
    there = pair()
    mark = len(there.world.traffic)

    there.put_in(TOKENS, make.token("K1"))
    there.pump()
    there.emsp.company.own_objects[TOKENS].patch("K1", (), {"valid": False})
    there.pump()

    put, patch = there.world.since(mark)
    assert (put.request.method, put.path) == ("PUT", "/ocpi/cpo/2.1.1/tokens/NL/MSP/K1")
    assert (patch.request.method, patch.path, patch.json["valid"]) == ("PATCH", put.path, False)
    assert patch.json.keys() == {"valid", "last_updated"}
    assert held(there) == make.token(valid=False, last_updated="2026-03-01T12:00:00Z")


def test_every_cpo_sees_the_list_in_pages_and_filtered_by_date() -> None:
    """TOK-10."""
    there = pair()
    own = there.emsp.company.own_objects[TOKENS]
    own.import_all([make.token(f"K{n}") for n in range(3)])
    there.world.clock.pass_(days=2)
    own.patch("K1", (), {"valid": False})

    page = there.to_emsp("GET", LIST, query={"limit": "2"})
    changed = there.to_emsp("GET", LIST, query={"date_from": "2026-03-02T00:00:00Z"})

    assert ([each["uid"] for each in page.data], page.headers["x-total-count"]) == (["K0", "K1"], "3")
    assert ([each["uid"] for each in changed.data], changed.headers["x-total-count"]) == (["K1"], "1")
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert there.to_emsp(method, LIST, make.token()).outcome == (405, 2000)


@pytest.mark.parametrize(
    ("uid", "form"),
    [("04:a2:F1-9 c", "04A2F19C"), ("04A2F19C", "04A2F19C"), ("NL-ABC-C1", "NLABCC1"), ("ü", "ü"), ("--", "--")],
)
def test_uids_are_compared_without_what_readers_do_to_them(uid: str, form: str) -> None:
    """Q-52: those of which nothing would be left are compared as they are."""
    assert normal_form(uid) == form
