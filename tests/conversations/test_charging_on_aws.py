"""What sessions, CDRs and tokens cost on DynamoDB, and that they are found there by more than their ids."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.modules.tokens.interface import normal_form
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.conversations.on_aws import CallCount, pair_on_aws
from tests.conversations.test_on_aws import stage_of
from tests.resources import Stage
from tests.world import Pair

SESSIONS, CDRS, TOKENS = ModuleID.SESSIONS, ModuleID.CDRS, ModuleID.TOKENS
CDRS_URL = "/ocpi/emsp/2.1.1/cdrs"


@pytest.fixture
def pair(new_stage: Callable[[], Stage]) -> Pair:
    return pair_on_aws(new_stage(), new_stage())


def with_cards(pair: Pair, count: int = 12) -> Pair:
    """The CPO has been sent some cards of one contract, whitelisted for good."""
    for n in range(count):
        card = make.token(f"04:a{n:02}", whitelist="ALWAYS", auth_id="NL-MSP-7")
        assert pair.to_cpo("PUT", pair.at_receiver(TOKENS, card["uid"]), card).status == 201
    return pair


def test_a_token_is_found_by_its_uid_in_two_calls(pair: Pair) -> None:
    """Q-52: in any spelling, among many."""
    with_cards(pair)

    with CallCount(stage_of(pair.cpo)) as made:
        (found,) = pair.cpo.ports.stores[TOKENS].find("by_uid", normal_form("04-A07"))

    assert (found.stored.id, found.owner) == ("04:a07", "theirs/NL/MSP")
    assert made == {"Query": 1, "BatchGetItem": 1}


def test_a_driver_is_let_in_by_the_whitelist_in_three_calls(pair: Pair) -> None:
    """TOK-06, TOK-23: the token, and who our partners are."""
    with_cards(pair)
    authorize = pair.cpo.company.authorizer.authorize

    with CallCount(stage_of(pair.cpo)) as made:
        verdict = authorize("04A07")

    assert (verdict.allowed, verdict.decided_by) == ("ALLOWED", "whitelist")
    assert made == {"Query": 2, "BatchGetItem": 1}
    for nobody in ("04A99", "", "x" * 255, "🚗" * 255):
        assert authorize(nobody).decided_by == "nobody"


def test_an_emsp_answers_in_as_many_calls_as_there_are_objects_to_look_at(pair: Pair) -> None:
    """TOK-11, TOK-15, Q-53: once the caller is known, and it is noted that they were in touch this minute."""
    pair.put_in(TOKENS, make.token("04:A7"))
    pair.to_emsp("PUT", pair.at_emsp("locations", "LOC1"), make.location("LOC1"))
    url = "/ocpi/emsp/2.1.1/tokens"
    pair.to_emsp("POST", f"{url}/04%3AA7/authorize")

    with CallCount(stage_of(pair.emsp)) as exact:
        assert pair.to_emsp("POST", f"{url}/04%3AA7/authorize").data == {"allowed": "ALLOWED"}
    with CallCount(stage_of(pair.emsp)) as with_place:
        pair.to_emsp("POST", f"{url}/04%3AA7/authorize", {"location_id": "LOC1"})
    with CallCount(stage_of(pair.emsp)) as spelled_otherwise:
        assert pair.to_emsp("POST", f"{url}/04a7/authorize").data == {"allowed": "ALLOWED"}

    assert exact == {"GetItem": 1}
    assert with_place == {"GetItem": 2}
    assert spelled_otherwise == {"GetItem": 1, "Query": 1, "BatchGetItem": 1}


def test_a_meter_value_costs_two_calls_and_a_cdr_three(pair: Pair) -> None:
    """SES-05, CDR-04, CDR-08."""
    url = pair.at_emsp("sessions", "S1")
    pair.to_emsp("PUT", url, make.session("S1"))
    pair.to_emsp("POST", CDRS_URL, make.cdr("C0"))

    with CallCount(stage_of(pair.emsp)) as meter_value:
        assert pair.to_emsp("PATCH", url, {"kwh": 2, "last_updated": "2026-02-01T00:00:00Z"}).code == 1000
    with CallCount(stage_of(pair.emsp)) as cdr:
        assert pair.to_emsp("POST", CDRS_URL, make.cdr("C1")).status == 201
    with CallCount(stage_of(pair.emsp)) as repeat:
        assert pair.to_emsp("POST", CDRS_URL, make.cdr("C1")).status == 200

    assert meter_value == {"GetItem": 1, "UpdateItem": 1}
    assert cdr == {"GetItem": 1, "BatchGetItem": 1, "UpdateItem": 1}
    assert repeat == {"GetItem": 1, "BatchGetItem": 1}


def test_a_session_finds_its_emsp_by_the_contract_and_ends_with_its_cdr(pair: Pair) -> None:
    """SES-13, SES-14, CDR-21, Q-47."""
    with_cards(pair, 3)
    own = pair.cpo.company.own_objects

    own[SESSIONS].put("C1", (), make.session("C1", auth_id="NL-MSP-7"))
    own[CDRS].put("C1", (), make.cdr("C1", auth_id="NL-MSP-7"))
    pair.cpo.pump()

    held = pair.to_emsp("GET", pair.at_emsp("sessions", "C1")).data
    assert (held["status"], held["kwh"], held["auth_id"]) == ("COMPLETED", 12.5, "NL-MSP-7")
    assert own[CDRS].stored("C1").metadata["posted"]["url"] == f"https://emsp.example{CDRS_URL}/C1"
    page = pair.to_cpo("GET", "/ocpi/cpo/2.1.1/sessions", query={"date_from": "2026-01-01T00:00:00Z"})
    assert [each["id"] for each in page.data] == ["C1"]


def test_a_ruling_stays_with_its_token(pair: Pair) -> None:
    """TOK-14, Q-52: and the token is still found by its uid."""
    pair.put_in(TOKENS, make.token("04:A7"))

    pair.emsp.company.own_objects[TOKENS].set_metadata("04:A7", authorization={"allowed": "NO_CREDIT"})
    pair.emsp.company.own_objects[TOKENS].patch("04:A7", (), {"issuer": "Other Mobility"})

    reply = pair.to_emsp("POST", "/ocpi/emsp/2.1.1/tokens/04A7/authorize")
    assert reply.data == {"allowed": "NO_CREDIT"}


@pytest.mark.parametrize("cdr_id", ["C1", "ü" * 36, "🚗" * 255])
def test_contradictions_are_kept_once_each(pair: Pair, cdr_id: str) -> None:
    """CDR-08, CDR-18, Q-49: whatever the id is."""
    for cost in (1, 2, 3, 2):
        pair.to_emsp("POST", CDRS_URL, make.cdr(cdr_id, total_cost=cost))

    kept = pair.emsp.ports.quarantine.of(pair.emsp.partners()[0].id)

    assert [each.id for each in kept] == [cdr_id, cdr_id]
