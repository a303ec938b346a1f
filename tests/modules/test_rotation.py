"""Tokens are replaced while the connection lives: by their PUT, by ours, at the same time; nobody is locked out."""

from __future__ import annotations

import threading

import pytest

from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.modules.scripted import FAILURES, Answer, Meeting, ScriptedPartner, frame, meeting, refusal
from tests.world import Reply

CREDENTIALS = "/2.1.1/credentials"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


def pushed(met: Meeting) -> list[tuple[str, str]]:
    """With which tokens, and to which paths, a change of ours was pushed."""
    met.partner.forget()
    tariffs = met.ours.company.own_objects[ModuleID.TARIFFS]
    tariffs.put("T1", (), make.tariff("T1", currency="EUR" if b"SEK" in tariffs_body(met) else "SEK"))
    met.ours.pump()
    return list(zip(met.partner.tokens, (path for _, path in met.partner.asked), strict=True))


def tariffs_body(met: Meeting) -> bytes:
    stored = met.ours.ports.stores[ModuleID.TARIFFS].get("ours", "T1")
    return stored.body if stored else b""


# --- their PUT -------------------------------------------------------------------------------------------------------


def test_their_put_is_answered_with_a_fresh_token(met: Meeting) -> None:
    """CRD-15, CRD-27."""
    caller = met.registered()
    data = met.put(caller, token="B2").data

    assert data["token"] not in (caller.token, met.partner.token, "B2")
    assert data["url"] == f"https://ours.example{met.versions_path}"
    assert met.is_admitted(data["token"])


def test_their_put_makes_us_look_again_and_believe_what_is_new(met: Meeting) -> None:
    """CRD-14, CRD-15, CRD-02: url, business details, endpoints; with the new token."""
    caller = met.registered()
    met.partner.forget()
    met.partner.answers("GET", "/moved", frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}]))
    moved = [{"identifier": module, "url": met.partner.url(f"/new/{module}")} for module in ("credentials", "tariffs")]
    met.partner.answers("GET", "/2.1.1", frame({"version": "2.1.1", "endpoints": moved}))

    met.put(
        caller, token="B2", url=met.partner.url("/moved"), business_details=make.business_details(name="Blue Limited")
    )

    assert list(zip(met.partner.tokens, met.partner.asked, strict=True)) == [
        ("B2", ("GET", "/moved")),
        ("B2", ("GET", "/2.1.1")),
    ]
    assert met.known.versions_url == met.partner.url("/moved")
    assert met.known.endpoints == {each["identifier"]: each["url"] for each in moved}
    assert met.known.business_details == {"name": "Blue Limited"}


def test_the_versions_are_fetched_again_although_nothing_changed(met: Meeting) -> None:
    """CRD-14."""
    caller = met.registered()
    met.partner.forget()

    met.put(caller)

    assert met.partner.asked == [("GET", "/versions"), ("GET", "/2.1.1")]


def test_pushes_use_their_new_token_and_endpoints_at_once() -> None:
    """CRD-15, CRD-14, CRD-07."""
    met = meeting(Role.EMSP)
    caller = met.registered()
    moved = [{"identifier": module, "url": met.partner.url(f"/new/{module}")} for module in ("credentials", "tariffs")]
    met.partner.answers("GET", "/2.1.1", frame({"version": "2.1.1", "endpoints": moved}))

    met.put(caller, token="B2")

    assert pushed(met) == [("B2", "/new/tariffs/DE/CPO/T1")]


@pytest.mark.parametrize("status", [401, 403])
def test_their_old_token_is_tried_again_for_a_minute_where_the_new_one_is_refused(status: int) -> None:
    """Q-40, Q-02: once."""
    met = meeting(Role.EMSP)
    met.put(met.registered(), token="B2")
    path = "/2.1.1/tariffs/DE/CPO/T1"

    def old_one_only(request: Request) -> Response:
        return frame() if request.headers["authorization"] == "Token B-token-of-the-partner-1" else refusal(status)

    for method in ("PUT", "PATCH"):
        met.partner.answers(method, path, old_one_only)

    assert pushed(met) == [("B2", path), ("B-token-of-the-partner-1", path)]
    met.world.clock.pass_(seconds=60)
    assert [token for token, _ in pushed(met)] == ["B2"]


def test_our_old_token_stays_good_for_a_minute(met: Meeting) -> None:
    """Q-40, CRD-15: as long as the new one is not used."""
    caller = met.registered()
    met.put(caller)

    assert met.is_admitted(caller.token)
    met.world.clock.pass_(seconds=59)
    assert met.is_admitted(caller.token)

    met.world.clock.pass_(seconds=1)
    assert not met.is_admitted(caller.token)


def test_the_first_use_of_the_new_token_ends_the_old_one(met: Meeting) -> None:
    """Q-40, CRD-15: at any endpoint."""
    for path in (met.versions_path, met.credentials_path, f"{met.root}/locations"):
        caller = met.registered()
        fresh = met.caller(met.put(caller).data["token"])
        assert met.is_admitted(caller.token)

        assert fresh("GET", path).status in (200, 405)

        assert not met.is_admitted(caller.token)
        assert met.is_admitted(fresh.token)
        fresh("DELETE", met.credentials_path)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_new_token_may_change_or_end_the_registration_at_once(met: Meeting, method: str) -> None:
    """CRD-15, CRD-17: its first use settles the rotation, and does not stand in its own way."""
    fresh = met.caller(met.put(met.registered()).data["token"])

    assert fresh(method, met.credentials_path, met.partner.credentials()).outcome == (200, 1000)


def test_a_put_whose_answer_got_lost_can_be_sent_again(met: Meeting) -> None:
    """Q-40: with the old token, during the overlap; what the lost answer held is dead."""
    caller = met.registered()
    lost = met.put(caller).data["token"]

    found = met.put(caller).data["token"]

    assert not met.is_admitted(lost)
    assert met.is_admitted(found)


@pytest.mark.parametrize("path", ["/versions", "/2.1.1"])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_put_that_fails_changes_nothing(failure: Answer, path: str) -> None:
    """CRD-11."""
    met = meeting()
    caller = met.registered()
    before = met.known
    met.partner.answers("GET", path, failure)

    reply = met.put(caller, token="B2")

    assert reply.outcome == (200, 3001)
    assert met.known == before
    assert met.is_admitted(caller.token)
    met.partner.script.clear()
    assert met.put(caller, token="B2").outcome == (200, 1000)


def test_a_put_that_is_not_understood_changes_nothing(met: Meeting) -> None:
    """CRD-19, CRD-20, CRD-12, CRD-13."""
    caller = met.registered()
    before = met.known

    assert caller("PUT", met.credentials_path, raw=b"{").outcome == (400, 2000)
    assert met.put(caller, country_code="NLD").outcome == (200, 2001)
    met.partner.answers("GET", "/versions", frame([{"version": "2.2.1", "url": met.partner.url("/2.2.1")}]))
    assert met.put(caller).outcome == (200, 3002)
    met.partner.script.clear()
    met.partner.modules.remove("credentials")
    assert met.put(caller).outcome == (200, 3003)

    assert met.known == before
    assert met.is_admitted(caller.token)


def test_becoming_another_party_needs_the_operator(met: Meeting) -> None:
    """Q-34, CRD-28: else 2001, nobody is called back, and the party that they were stays theirs."""
    caller = met.registered()
    met.partner.forget()

    refused = met.put(caller, party_id="NEW")

    assert refused.outcome == (200, 2001)
    assert met.partner.requests == []
    assert met.known.party == Party.of("NL", "ABC")

    met.ours.company.registrations.update(met.known, party=Party.of("NL", "NEW"))
    assert met.put(caller, party_id="new").outcome == (200, 1000)
    assert met.known.party == Party.of("NL", "NEW")
    other = Meeting(met.ours, ScriptedPartner(met.world, met.partner.role, host="other.example"))
    assert other.post(other.invited()).outcome == (200, 1000)


def test_two_puts_at_the_same_time_are_one_rotation(met: Meeting) -> None:
    """CRD-15: one of them gets a token, which works."""
    caller, both_in = met.registered(), threading.Barrier(2)
    replies: list[Reply] = []

    def together(_request: Request) -> Response:
        both_in.wait(timeout=10)
        return frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}])

    met.partner.answers("GET", "/versions", together)
    puts = [threading.Thread(target=lambda: replies.append(met.put(caller))) for _ in range(2)]
    for put in puts:
        put.start()
    for put in puts:
        put.join()

    assert sorted(reply.code for reply in replies) == [1000, 2000]
    (winner,) = [reply for reply in replies if reply.code == 1000]
    assert met.is_admitted(winner.data["token"])
