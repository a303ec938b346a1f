"""Endpoints move while a connection lives: theirs are found again, and they are told of ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.bootstrap.company import build_company
from chalicelib.modules.versions.interface import PublishedEndpoints
from chalicelib.node.partners.partner import State
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.modules.scripted import FAILURES, Answer, Meeting, frame, meeting, refusal
from tests.world import CompanyInWorld, pair

CREDENTIALS = "/2.1.1/credentials"
TARIFF = "/2.1.1/tariffs/DE/CPO/T1"


@pytest.fixture(params=list(Role), ids=lambda role: f"partner is {role}")
def met(request: pytest.FixtureRequest) -> Meeting:
    return meeting(request.param)


def move(company: CompanyInWorld, host: str) -> None:
    """The company's node is reachable at another host from now on, and there alone."""
    company.settings = replace(company.settings, public_url=f"https://{host}")
    company.company = build_company(company.settings, company.ports)
    company.world.hosts.pop(company.base_url.removeprefix("https://"))
    company.world.serve(host, company)


def they_move(met: Meeting, path: str = "/new") -> None:
    """The partner serves its tariffs elsewhere and says so in its version details alone."""
    met.partner.answers("PUT", TARIFF, refusal(404))
    met.partner.answers("DELETE", TARIFF, refusal(404))
    met.partner.modules.remove("tariffs")
    moved = {"identifier": "tariffs", "url": met.partner.url(path)}
    met.partner.answers("GET", "/2.1.1", frame(met.partner.details(moved)))


def tend(met: Meeting) -> list[tuple[str, str]]:
    """What the daily schedule asks the partner."""
    met.partner.forget()
    met.ours.company.registrations.sync_endpoints(met.known)
    return met.partner.asked


# --- theirs ----------------------------------------------------------------------------------------------------------


def test_a_push_that_finds_nothing_looks_where_the_module_is_now() -> None:
    """VER-13: and what is found is kept."""
    met = meeting(Role.EMSP)
    met.registered()
    they_move(met)
    met.partner.forget()

    met.ours.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    met.ours.pump()

    assert met.partner.asked == [("PUT", TARIFF), ("GET", "/versions"), ("GET", "/2.1.1"), ("PUT", "/new/DE/CPO/T1")]
    assert met.known.endpoints["tariffs"] == met.partner.url("/new")
    assert met.ours.ports.outbox.entries(met.known.id) == []


def test_a_delete_that_finds_nothing_looks_where_the_module_is_now() -> None:
    """VER-13."""
    met = meeting(Role.EMSP)
    met.registered()
    tariffs = met.ours.company.own_objects[ModuleID.TARIFFS]
    tariffs.put("T1", (), make.tariff("T1"))
    met.ours.pump()
    they_move(met)

    tariffs.delete("T1")
    met.ours.pump()

    assert met.partner.asked[-1] == ("DELETE", "/new/DE/CPO/T1")


def test_their_endpoints_are_fetched_every_day(met: Meeting) -> None:
    """VER-13: with the token that they gave, and nothing is written where nothing changed."""
    met.registered()
    before = met.known

    assert tend(met) == [("GET", "/versions"), ("GET", "/2.1.1")]
    assert met.partner.tokens == ["B-token-of-the-partner-1"] * 2
    assert met.known == before

    they_move(met)
    tend(met)

    assert met.known.endpoints["tariffs"] == met.partner.url("/new")


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_endpoints_that_cannot_be_fetched_stay_as_they_are(failure: Answer) -> None:
    """VER-13: the operator sees why, until it works again."""
    met = meeting()
    met.registered()
    before = met.known
    met.partner.answers("GET", "/versions", failure)

    tend(met)

    assert met.known.endpoints == before.endpoints
    assert met.known.state is State.REGISTERED
    assert str(met.known.problem).startswith("their endpoints could not be fetched: GET ")
    met.partner.script.clear()
    tend(met)
    assert met.known.problem is None


def test_a_look_at_their_endpoints_forgets_no_other_problem(met: Meeting) -> None:
    """VER-13, Q-41."""
    met.register()
    before = met.known.problem
    they_move(met)

    tend(met)

    assert met.known.problem == before
    assert "without fetching our endpoints" in str(before)


def test_a_put_of_theirs_during_our_look_holds(met: Meeting) -> None:
    """VER-13, CRD-14: what it told us is newer."""
    caller = met.registered()
    old = frame(met.partner.details())
    they_move(met)

    def meanwhile(_request: Request) -> Response:
        met.partner.answers("GET", "/versions", frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}]))
        assert met.put(caller, token="B2").outcome == (200, 1000)
        met.partner.answers("GET", "/2.1.1", old)
        return frame([{"version": "2.1.1", "url": met.partner.url("/2.1.1")}])

    met.partner.answers("GET", "/versions", meanwhile)

    tend(met)

    assert met.known.endpoints["tariffs"] == met.partner.url("/new")


def test_partners_that_are_not_registered_are_left_alone(met: Meeting) -> None:
    """VER-13, CRD-17."""
    met.invited()
    assert tend(met) == []

    met.registered()("DELETE", met.credentials_path)
    assert tend(met) == []


# --- ours ------------------------------------------------------------------------------------------------------------


def test_a_partner_is_told_when_our_endpoints_changed(met: Meeting) -> None:
    """VER-11: by a PUT of our credentials, once."""
    met.registered()
    move(met.ours, "moved.example")

    assert tend(met) == [("PUT", CREDENTIALS), ("GET", "/versions"), ("GET", "/2.1.1")]
    assert tend(met) == [("GET", "/versions"), ("GET", "/2.1.1")]


def test_a_partner_that_we_registered_with_is_told_as_well(met: Meeting) -> None:
    """VER-11."""
    met.register()
    assert ("PUT", CREDENTIALS) not in tend(met)
    move(met.ours, "moved.example")

    tend(met)

    assert json.loads(met.partner.requests[0].body)["url"] == f"https://moved.example{met.versions_path}"


def test_a_partner_that_could_not_be_told_is_told_the_next_day(met: Meeting) -> None:
    """VER-11: the operator sees it until then."""
    met.registered()
    move(met.ours, "moved.example")
    met.partner.answers("PUT", CREDENTIALS, refusal(500, 3000, "closed on Sundays"))

    tend(met)
    assert "closed on Sundays" in str(met.known.problem)

    met.partner.script.clear()
    assert tend(met)[0] == ("PUT", CREDENTIALS)
    assert met.known.problem is None


def test_their_put_shows_them_our_endpoints_too(met: Meeting) -> None:
    """VER-11: so that there is nothing left to tell."""
    caller = met.registered()
    move(met.ours, "moved.example")
    caller.host = "moved.example"
    met.put(caller)

    assert ("PUT", CREDENTIALS) not in tend(met)


def test_a_real_partner_finds_us_where_we_moved() -> None:
    """VER-11, CRD-14: and its pushes arrive there."""
    both = pair()
    move(both.emsp, "moved.example")

    both.emsp.company.registrations.sync_endpoints(both.emsp.partners()[0])
    both.cpo.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    both.pump()

    assert both.cpo.partners()[0].endpoints["tariffs"] == "https://moved.example/ocpi/emsp/2.1.1/tariffs"
    assert both.emsp.received(ModuleID.TARIFFS, both.cpo.party, "T1")["id"] == "T1"


def test_a_module_more_or_elsewhere_is_a_change_and_their_order_is_none() -> None:
    """VER-11."""
    before = PublishedEndpoints("https://ours.example/versions", {"locations": "/l", "tariffs": "/t"})

    assert before.fingerprint == replace(before, paths={"tariffs": "/t", "locations": "/l"}).fingerprint
    assert before.fingerprint != replace(before, paths={"locations": "/l"}).fingerprint
    assert before.fingerprint != replace(before, paths={"locations": "/l", "tariffs": "/other"}).fingerprint
    assert before.fingerprint != replace(before, versions_url="https://moved.example/versions").fingerprint
