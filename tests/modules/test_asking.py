"""Proves when a CPO asks the eMSP whether a driver may charge, when it decides itself, and what answers mean to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.modules.tokens.driver_authorizer import Verdict
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.rules.scripted import HOST, ScriptedPartner, frame
from tests.world import Caller, CompanyInWorld, World

Json = dict[str, Any]

TOKENS = ModuleID.TOKENS
ENDPOINT = f"https://{HOST}/tokens"
PLACE = {"location_id": "LOC1", "evse_uids": ["E1"]}


def allowed(**more: Any) -> Response:
    return frame({"allowed": "ALLOWED", **more})


@dataclass
class Charging:
    """A CPO that holds a token of an eMSP, and that eMSP, which answers as a test says."""

    cpo: CompanyInWorld
    emsp: ScriptedPartner
    calls: Caller
    """Calls the CPO as the eMSP."""
    answer: Callable[[], Response] = field(default=allowed)

    @property
    def world(self) -> World:
        return self.cpo.world

    def hand_over(self, token: Json) -> None:
        """Let the CPO know this token."""
        url = f"/ocpi/cpo/2.1.1/tokens/NL/ABC/{token['uid']}"
        assert self.calls("PUT", url, token).status == 201

    def authorize(self, uid: str = "K1", location: Json | None = None, token_type: str | None = None) -> Verdict:
        return self.cpo.company.authorizer.authorize(uid, token_type, location)

    @property
    def asked(self) -> list[tuple[str, Json]]:
        """What the eMSP was asked: method and URL, and the query."""
        return [(call, dict(each.query)) for call, each in zip(self.emsp.calls, self.emsp.asked, strict=True)]

    @property
    def counted(self) -> list[str]:
        partner = self.cpo.partners()[0]
        counters = self.cpo.ports.partners.counters(partner.id)
        return [name for name in counters if name.startswith("lenient")]


def charging(**token: Any) -> Charging:
    world = World()
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
    emsp = ScriptedPartner(world, Role.EMSP, {"tokens": ENDPOINT})
    there = Charging(cpo, emsp, emsp.register_with(cpo))
    emsp.answer = lambda _request: there.answer()
    there.hand_over(make.token(**token))
    emsp.asked.clear()
    return there


def unreachable() -> Response:
    raise Unreachable("no answer in time")


# --- by whom it is decided -----------------------------------------------------------------------------------------

TABLE = [
    # whitelist, valid, what decides without asking, what counts if nobody answers
    ("ALWAYS", True, "ALLOWED", ""),
    ("ALWAYS", False, "BLOCKED", ""),
    ("ALLOWED", True, "ALLOWED", ""),
    ("ALLOWED", False, "", "BLOCKED"),
    ("ALLOWED_OFFLINE", True, "", "ALLOWED"),
    ("ALLOWED_OFFLINE", False, "", "BLOCKED"),
    ("NEVER", True, "", "NOT_ALLOWED"),
    ("NEVER", False, "", "NOT_ALLOWED"),
]
whole_table = pytest.mark.parametrize(("whitelist", "valid", "at_once", "offline"), TABLE)
asked_rows = pytest.mark.parametrize(("whitelist", "valid", "offline"), [(w, v, o) for w, v, a, o in TABLE if not a])


@whole_table
@pytest.mark.parametrize("said", ["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
def test_the_whitelist_says_who_decides(said: str, whitelist: str, valid: bool, at_once: str, offline: str) -> None:
    """TOK-06, TOK-21, TOK-23, Q-77, SES-13: and nothing but this token is asked about."""
    there = charging(whitelist=whitelist, valid=valid)
    there.answer = lambda: frame({"allowed": said})

    verdict = there.authorize()

    assert verdict.allowed == (at_once or said)
    assert there.asked == ([] if at_once else [(f"POST {ENDPOINT}/K1/authorize", {"type": "RFID"})])
    expected = ("whitelist", "WHITELIST") if at_once else ("real-time", "AUTH_REQUEST")
    assert (verdict.decided_by, verdict.auth_method) == expected
    assert verdict.token is not None
    assert (verdict.partner_id, verdict.token["uid"]) == (there.cpo.partners()[0].id, "K1")


@whole_table
@pytest.mark.parametrize(
    "answer", [unreachable, *(lambda status=status: Response(status, {}, b"") for status in (502, 503, 504))]
)
def test_an_emsp_out_of_reach_leaves_the_decision_to_the_token(
    answer: Callable[[], Response], whitelist: str, valid: bool, at_once: str, offline: str
) -> None:
    """TOK-06, TOK-21, Q-77, SES-13."""
    there = charging(whitelist=whitelist, valid=valid)
    there.answer = answer

    verdict = there.authorize()

    assert verdict.allowed == (at_once or offline)
    assert (verdict.decided_by, verdict.auth_method) == ("whitelist" if at_once else "offline", "WHITELIST")
    assert len(there.emsp.calls) == (0 if at_once else 1)


@asked_rows
@pytest.mark.parametrize(
    "answer",
    [
        frame({"allowed": "ALLOWED"}, status=404, code=2000),
        frame({"allowed": "ALLOWED"}, status=404),
        frame({"allowed": "ALLOWED"}, code=2002),
        frame({"allowed": "ALLOWED"}, code=2003),
        frame({"allowed": "ALLOWED"}, code=3000),
        frame({"allowed": "ALLOWED"}, status=500),
        frame({"allowed": "ALLOWED"}, status=401),
        frame({"allowed": "ALLOWED"}, status=429),
        Response(200, {}, b'{"allowed":"ALLOWED"}'),
        Response(200, {}, b"<html>ALLOWED</html>"),
        Response(200, {}, b""),
        Response(200, {}, b'{"status_code":"1000","data":{"allowed":"ALLOWED"}}'),
        frame(),
        frame([{"allowed": "ALLOWED"}]),
        frame("ALLOWED"),
        frame({}),
        frame({"allowed": None}),
        frame({"allowed": True}),
        frame({"allowed": "allowed"}),
        frame({"allowed": "ALLOWED", "location": "LOC1"}),
        frame({"allowed": "ALLOWED", "location": {}}),
    ],
    ids=lambda answer: f"{answer.status} {answer.body.decode()[:60]}",
)
def test_whatever_else_is_answered_is_a_refusal(answer: Response, whitelist: str, valid: bool, offline: str) -> None:
    """TOK-21, Q-53: an eMSP that does answer is not offline."""
    there = charging(whitelist=whitelist, valid=valid)
    there.answer = lambda: answer

    verdict = there.authorize()

    assert (verdict.allowed, verdict.decided_by) == ("NOT_ALLOWED", "real-time")


def test_an_emsp_without_a_tokens_endpoint_cannot_be_asked() -> None:
    """TOK-18, TOK-21."""
    there = charging(whitelist="ALLOWED_OFFLINE")
    partner = there.cpo.partners()[0]
    there.cpo.ports.partners.save(partner.with_changes(endpoints={}))

    assert (there.authorize().allowed, there.emsp.calls) == ("ALLOWED", [])


# --- what is asked, and what is made of the answer -----------------------------------------------------------------


@pytest.mark.parametrize("location", [None, {"location_id": "LOC1"}, PLACE, PLACE | {"connector_ids": ["1"]}])
def test_the_place_is_sent_along_as_far_as_it_is_known(location: Json | None) -> None:
    """TOK-12, TOK-20."""
    there = charging(whitelist="NEVER", type="OTHER")

    assert there.authorize(location=location).allowed == "ALLOWED"

    (asked,) = there.emsp.asked
    assert there.asked == [(f"POST {ENDPOINT}/K1/authorize", {"type": "OTHER"})]
    assert (json.loads(asked.body) if asked.body else None) == location
    assert ("content-type" in asked.headers) == (location is not None)


@pytest.mark.parametrize(
    ("where", "verdict"),
    [
        (None, "ALLOWED"),
        ({"location_id": "LOC1"}, "ALLOWED"),
        ({"location_id": "LOC1", "evse_uids": []}, "ALLOWED"),
        ({"location_id": "LOC1", "evse_uids": ["E2", "E1"]}, "ALLOWED"),
        ({"location_id": "LOC1", "evse_uids": ["E1"], "connector_ids": ["1"]}, "ALLOWED"),
        ({"location_id": "LOC1", "evse_uids": ["E1"], "connector_ids": ["2"]}, "NOT_ALLOWED"),
        ({"location_id": "LOC1", "evse_uids": ["E2"]}, "NOT_ALLOWED"),
        ({"location_id": "LOC2"}, "NOT_ALLOWED"),
        ({"location_id": "LOC2", "evse_uids": ["E1"]}, "NOT_ALLOWED"),
    ],
)
def test_allowed_elsewhere_is_not_allowed_here(where: Json | None, verdict: str) -> None:
    """TOK-15, TOK-21."""
    there = charging(whitelist="NEVER")
    there.answer = lambda: allowed(**({"location": where} if where else {}))

    found = there.authorize(location=PLACE | {"connector_ids": ["1"]})

    assert (found.allowed, found.decided_by) == (verdict, "real-time")
    assert there.authorize().allowed == "ALLOWED"


def test_what_the_emsp_says_to_the_driver_is_passed_on() -> None:
    """TOK-14, TOK-15."""
    there = charging(whitelist="NEVER")
    info = {"language": "nl", "text": "Welkom"}
    there.answer = lambda: allowed(info=info, location=PLACE)

    verdict = there.authorize(location=PLACE)

    assert (verdict.info, verdict.location) == (info, PLACE)


@pytest.mark.parametrize("info", [{"language": "", "text": ""}, {"language": "en", "text": ""}, {"text": "Hi"}, {}])
def test_a_text_that_says_nothing_stops_nobody_and_is_counted(info: Json) -> None:
    """Q-73."""
    there = charging(whitelist="NEVER")
    there.answer = lambda: allowed(info=info)

    verdict = there.authorize()

    assert (verdict.allowed, verdict.info) == ("ALLOWED", None)
    assert [name for name in there.counted if "tokens info has no language or no text" in name] != []


@pytest.mark.parametrize("profile", Profile)
def test_a_verdict_of_their_own_is_no_permission_and_counted(profile: Profile) -> None:
    """TOK-14, TOK-21, Q-20."""
    there = charging(whitelist="NEVER")
    there.cpo.company.registrations.update(there.cpo.partners()[0], profile=profile)
    there.answer = lambda: frame({"allowed": "OFFLINE"})

    assert there.authorize().allowed == "NOT_ALLOWED"

    is_counted = any("FMT-11 tokens allowed" in name for name in there.counted)
    assert is_counted == (profile is Profile.LENIENT)


def test_nothing_is_pulled_to_authorize() -> None:
    """TOK-23: not even for a uid that we do not know."""
    there = charging()

    verdict = there.authorize("K9")

    assert (verdict.allowed, verdict.decided_by, verdict.partner_id) == ("NOT_ALLOWED", "nobody", None)
    assert there.emsp.asked == []
