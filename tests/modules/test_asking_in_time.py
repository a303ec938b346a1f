"""Proves which token a driver's card is, of how many eMSPs, and that all that is asked is answered in three seconds."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.modules.tokens.driver_authorizer import AUTHORIZE_TIMEOUT_S
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.errors import NotFound
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.desk import Desk
from tests.modules.test_asking import PLACE, allowed, charging, unreachable
from tests.rules.scripted import HOST, frame
from tests.world import CompanyInWorld, World, register

Json = dict[str, Any]

TOKENS = ModuleID.TOKENS


# --- in time -------------------------------------------------------------------------------------------------------


def timeouts(world: World) -> list[float]:
    """How long each authorization was waited for."""
    asked = [each for each in world.traffic if each.path.endswith("/authorize")]
    return [-1.0 if each.timeout_s is None else each.timeout_s for each in asked]


def test_a_driver_waits_three_seconds_at_most() -> None:
    """TOK-21, Q-53."""
    there = charging(whitelist="NEVER")

    there.authorize()

    (timeout_s,) = timeouts(there.world)
    assert AUTHORIZE_TIMEOUT_S == 3
    assert 2.9 < timeout_s <= 3


def test_a_second_try_with_our_former_token_waits_for_what_is_left() -> None:
    """TOK-21, Q-40: during a rotation, too."""
    there = charging(whitelist="NEVER")
    partner = there.cpo.partners()[0]
    until = there.world.clock.now + timedelta(minutes=1)
    there.cpo.ports.partners.save(partner.with_changes(former_token_we_send=AuthToken("former"), overlap_until=until))
    answers = [frame(status=401, code=2000), allowed()]

    def slowly(_request: Request) -> Response:
        there.world.clock.pass_(seconds=2)
        return answers.pop(0)

    there.emsp.answer = slowly
    assert there.authorize().allowed == "ALLOWED"

    first, second = timeouts(there.world)
    assert 2.9 < first <= 3
    assert 0.9 < second <= 1


def two_emsps(first: Json, second: Json) -> tuple[CompanyInWorld, CompanyInWorld, CompanyInWorld]:
    """A CPO, and two eMSPs that both have the token K1; the second has told of it later."""
    world = World()
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
    emsps = [
        world.company(f"{name}.example", Party(country_code="NL", party_id=name.upper()), frozenset({Role.EMSP}))
        for name in ("one", "two")
    ]
    for emsp, token in zip(emsps, (first, second), strict=True):
        register(emsp, cpo, Role.CPO)
        world.clock.pass_(minutes=1)
        emsp.company.own_objects[TOKENS].put("K1", (), make.token("K1") | token)
        emsp.pump()
    return cpo, emsps[0], emsps[1]


def asked_hosts(cpo: CompanyInWorld) -> list[str]:
    return [each.host for each in cpo.world.traffic if each.path.endswith("/authorize")]


def test_two_slow_emsps_share_the_three_seconds() -> None:
    """TOK-07, TOK-21, Q-52."""
    cpo, _, two = two_emsps({"whitelist": "NEVER"}, {"whitelist": "NEVER"})
    real = cpo.world.hosts["two.example"]

    def slowly(request: Request) -> Response:
        cpo.world.clock.pass_(seconds=2.5)
        return real(request)

    cpo.world.hosts["two.example"] = slowly
    two.company.own_objects[TOKENS].set_metadata("K1", authorization={"allowed": "NO_CREDIT"})

    assert cpo.company.authorizer.authorize("K1").allowed == "ALLOWED"

    assert asked_hosts(cpo) == ["two.example", "one.example"]
    first, second = timeouts(cpo.world)
    assert (2.9 < first <= 3, 0.4 < second <= 0.5) == (True, True)


def test_whom_there_is_no_time_left_to_ask_is_out_of_reach() -> None:
    """TOK-06, TOK-21."""
    cpo, _, _ = two_emsps({"whitelist": "ALLOWED_OFFLINE"}, {"whitelist": "NEVER"})

    def too_slow(_request: Request) -> Response:
        cpo.world.clock.pass_(seconds=3)
        return unreachable()

    cpo.world.hosts["two.example"] = too_slow

    verdict = cpo.company.authorizer.authorize("K1")

    assert (verdict.allowed, verdict.decided_by) == ("ALLOWED", "offline")
    assert asked_hosts(cpo) == []


# --- whose card ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "whose"),
    [
        ({}, {}, "NL/TWO"),
        ({}, {"valid": False}, "NL/ONE"),
        ({}, {"whitelist": "ALWAYS", "valid": False}, "NL/ONE"),
        ({"whitelist": "NEVER"}, {"whitelist": "ALWAYS"}, "NL/TWO"),
    ],
)
def test_of_two_with_one_uid_the_likelier_is_charged_and_somebody_is_told(
    first: Json, second: Json, whose: str, caplog: pytest.LogCaptureFixture
) -> None:
    """TOK-07, Q-52: a valid token before one that is not, then the latest."""
    cpo, *_ = two_emsps(first, second)

    with caplog.at_level(logging.WARNING):
        verdict = cpo.company.authorizer.authorize("k1")

    partner = cpo.ports.partners.get(verdict.partner_id or "")
    assert partner is not None
    assert (verdict.allowed, str(partner.party)) == ("ALLOWED", whose)
    assert [record.getMessage() for record in caplog.records] != []
    assert all("K1" not in record.getMessage() for record in caplog.records)


def test_a_valid_token_is_asked_about_before_a_later_one_that_is_not() -> None:
    """TOK-07, Q-52: no driver waits for the answer about a token that is no longer good."""
    cpo, *_ = two_emsps({"whitelist": "NEVER"}, {"whitelist": "NEVER", "valid": False})

    assert cpo.company.authorizer.authorize("K1").allowed == "ALLOWED"

    assert asked_hosts(cpo) == ["one.example"]


def test_if_nobody_allows_it_the_likeliest_says_why() -> None:
    """TOK-07, Q-52."""
    cpo, one, two = two_emsps({"whitelist": "NEVER"}, {"whitelist": "NEVER"})
    one.company.own_objects[TOKENS].set_metadata("K1", authorization={"allowed": "EXPIRED"})
    two.company.own_objects[TOKENS].set_metadata("K1", authorization={"allowed": "NO_CREDIT"})

    assert cpo.company.authorizer.authorize("K1").allowed == "NO_CREDIT"


def test_a_token_of_a_former_partner_charges_no_more() -> None:
    """TOK-21: although it is still known, valid, and always allowed."""
    there = charging(whitelist="ALWAYS")
    assert there.authorize().allowed == "ALLOWED"

    there.cpo.company.registrations.unregister(there.cpo.partners()[0])

    verdict = there.authorize()
    assert (verdict.allowed, verdict.decided_by) == ("NOT_ALLOWED", "nobody")


@pytest.mark.parametrize("read", ["04:A2:F1", "04a2f1", "04-A2-f1", "04 A2 F1"])
def test_a_uid_is_recognised_in_the_reader_s_spelling_and_asked_about_in_the_emsp_s(read: str) -> None:
    """Q-52, TRA-28."""
    there = charging(uid="04:a2:F1", whitelist="NEVER")

    assert there.authorize(read).allowed == "ALLOWED"

    assert there.emsp.calls == [f"POST https://{HOST}/tokens/04%3Aa2%3AF1/authorize"]


@pytest.mark.parametrize(("token_type", "verdict"), [(None, "ALLOWED"), ("OTHER", "ALLOWED"), ("RFID", "NOT_ALLOWED")])
def test_only_tokens_of_the_type_that_was_read_count(token_type: str | None, verdict: str) -> None:
    """TOK-04."""
    assert charging(type="OTHER").authorize(token_type=token_type).allowed == verdict


@pytest.mark.parametrize("uid", ["", "x" * 255, "ü", "🚗", "K1/../K2"])
def test_a_uid_that_is_none_is_nobodys(uid: str) -> None:
    assert charging().authorize(uid).decided_by == "nobody"


# --- a company that is both ----------------------------------------------------------------------------------------


def own(**token: Any) -> Desk:
    """A company that is both CPO and eMSP, and has issued the token K1."""
    company = World().company("both.example", Party.of("DE", "ALL"))
    company.company.own_objects[TOKENS].put("K1", (), make.token("K1", **token))
    return Desk(company)


@pytest.mark.parametrize("whitelist", ["ALWAYS", "NEVER"])
@pytest.mark.parametrize(("valid", "allowed_"), [(True, "ALLOWED"), (False, "BLOCKED")])
def test_our_own_driver_is_decided_on_here_without_asking_ourselves(valid: bool, allowed_: str, whitelist: str) -> None:
    """TOK-06, TOK-14."""
    desk = own(valid=valid, whitelist=whitelist)

    verdict = desk.company.company.authorizer.authorize("k-1")

    assert (verdict.allowed, verdict.decided_by, verdict.partner_id) == (allowed_, "our own token", None)
    assert verdict.auth_method == "AUTH_REQUEST"
    assert desk.company.world.traffic == []


def test_what_we_rule_about_our_own_token_counts_here_as_well() -> None:
    """TOK-13, TOK-14, TOK-15."""
    desk = own()
    authorize = desk.company.company.authorizer.authorize
    ruling = {"locations": [{"location_id": "LOC1"}], "info": {"language": "en", "text": "Hello"}}
    assert desk("PUT", "/tokens/K1/authorization", ruling).status == 200

    here, elsewhere, nowhere = (
        authorize("K1", None, PLACE),
        authorize("K1", None, {"location_id": "X"}),
        authorize("K1"),
    )

    assert (here.allowed, here.location, here.info) == ("ALLOWED", PLACE, ruling["info"])
    assert (elsewhere.allowed, nowhere.allowed) == ("NOT_ALLOWED", "NOT_ALLOWED")
    assert "say where" in nowhere.reason


def test_a_ruling_goes_with_its_token_alone() -> None:
    """TOK-16."""
    with pytest.raises(NotFound):
        own().company.company.own_objects[TOKENS].set_metadata("K2", authorization={"allowed": "BLOCKED"})
