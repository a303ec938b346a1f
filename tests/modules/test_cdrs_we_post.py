"""Proves that our own CDRs reach the eMSP once and never change, and that the host sees whether they have arrived."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.node.owning.drafts import FinalObject
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.desk import Answer, Desk
from tests.rules.scripted import HOST, PARTY, TOKEN, ScriptedPartner, frame
from tests.world import Caller, World, pair, register

Json = dict[str, Any]

CDRS = ModuleID.CDRS
LIST = "/ocpi/cpo/2.1.1/cdrs"
ENDPOINT = f"https://{HOST}/ocpi/emsp/cdrs"


@dataclass
class Posting:
    """A CPO's host, and the eMSP it posts to, which answers a POST with ``location`` and a GET with ``shows``."""

    host: Desk
    partner: ScriptedPartner
    calls: Caller
    """Calls the CPO as the eMSP."""
    location: str | None = f"{ENDPOINT}/C1"
    shows: Any = None

    def answer(self, request: Request) -> Response:
        if request.method == "GET":
            return frame(self.shows)
        told = frame(status=201)
        return Response(201, {"location": self.location} if self.location is not None else {}, told.body)

    def put_in(self, cdr: Json) -> Answer:
        """What the host is answered, the CDR delivered meanwhile."""
        answer = self.host("POST", "/cdrs", cdr, query={"partner": self.host.company.partners()[0].id})
        self.host.company.pump()
        return answer

    def posting(self, **query: str) -> Answer:
        return self.host("GET", "/cdrs/C1/posting", query=query)


def posting() -> Posting:
    world = World()
    cpo = world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
    partner = ScriptedPartner(world, Role.EMSP, {"cdrs": ENDPOINT})
    there = Posting(Desk(cpo), partner, partner.register_with(cpo))
    partner.answer = there.answer
    partner.asked.clear()
    return there


def test_a_cdr_is_posted_once_however_often_it_is_delivered() -> None:
    """CDR-09, CDR-20, CDR-21: at once, whole, and to the endpoint itself."""
    there = posting()

    assert there.put_in(make.cdr("C1")).status == 201
    news = Delivery(there.host.company.partners()[0].id, Announcement(CDRS, "c1", 1))
    for _ in range(3):
        there.host.company.deliver(news)
    assert there.put_in(make.cdr("C1")).json["outcome"] == "unchanged"

    assert there.partner.calls == [f"POST {ENDPOINT}"]
    (sent,) = there.partner.bodies
    assert sent == there.host("GET", "/cdrs/C1").json
    assert sent | {"last_updated": ""} == sent | make.cdr("C1", location=sent["location"]) | {"last_updated": ""}


def test_a_cdr_is_stamped_when_it_is_made_and_never_again() -> None:
    """CDR-09, CDR-19: not even before anybody has seen it."""
    there = posting()
    there.host("POST", "/cdrs", make.cdr("C1"), query={"partner": there.host.company.partners()[0].id})
    own = there.host.company.company.own_objects[CDRS]
    there.host.company.world.clock.pass_(days=1)

    assert there.host("POST", "/cdrs", make.cdr("C1", last_updated="2026-02-02T00:00:00Z")).status == 200
    for change in ({"total_cost": 9}, {"remark": "Thanks"}):
        with pytest.raises(FinalObject):
            own.patch("C1", (), change)
        with pytest.raises(FinalObject):
            own.put("C1", (), make.cdr("C1", **change))

    there.host.company.pump()
    assert [body["last_updated"] for body in there.partner.bodies] == ["2026-03-01T12:00:00Z"]
    assert own.get("c1")["total_cost"] == 3.13


@pytest.mark.parametrize(
    ("location", "url"),
    [
        (f"{ENDPOINT}/C1", f"{ENDPOINT}/C1"),
        ("/ocpi/emsp/2.0/cdrs/1", f"https://{HOST}/ocpi/emsp/2.0/cdrs/1"),
        ("1", f"https://{HOST}/ocpi/emsp/1"),
        ("//other.example/1", "https://other.example/1"),
        (None, None),
        ("", None),
        (" ", None),
        ("http://[no-host", None),
    ],
)
def test_where_they_keep_it_is_remembered_in_whatever_form_they_say_it(location: str | None, url: str | None) -> None:
    """CDR-21, Q-67: and a CDR that was taken is not posted again only because we cannot read where it is."""
    there = posting()
    there.location = location

    there.put_in(make.cdr("C1"))
    there.put_in(make.cdr("C1"))

    assert there.posting().json == {
        "party": str(PARTY),
        "partner": there.host.company.partners()[0].id,
        "posted_at": "2026-03-01T12:00:00Z",
        "url": url,
    }
    assert there.partner.calls == [f"POST {ENDPOINT}"]


def test_a_cdr_that_has_not_arrived_has_been_posted_nowhere() -> None:
    """CDR-20, CDR-21."""
    there = posting()
    there.partner.answer = lambda _request: frame(status=500, code=3000)

    there.put_in(make.cdr("C1"))

    assert there.posting().json == {"party": str(PARTY), "posted_at": None, "url": None}
    assert there.posting(fetch="yes").json == there.posting().json
    assert there.host("GET", "/cdrs/C2/posting").status == 404
    there.partner.answer = there.answer
    there.host.company.world.clock.pass_(hours=1)
    there.host.company.look()
    assert there.posting().json["url"] == f"{ENDPOINT}/C1"


@pytest.mark.parametrize("location", [f"{ENDPOINT}/C1", "/ocpi/emsp/cdrs/C1", None])
def test_the_host_sees_what_they_show_of_it(location: str | None) -> None:
    """CDR-21, Q-67: at the URL they gave, or below their endpoint where they gave none."""
    there = posting()
    there.location = location
    there.put_in(make.cdr("C1"))
    ours = there.host("GET", "/cdrs/C1").json

    there.shows = ours | {"total_time": 2.0, "remark": None, "stop_date_time": "2026-01-01T02:00:00.000Z"}
    same = there.posting(fetch="yes")
    there.shows = ours | {"total_cost": 4}
    other = there.posting(fetch="yes")
    there.shows = None
    nothing = there.posting(fetch="yes")

    assert there.partner.calls[1:] == [f"GET {ENDPOINT}/C1"] * 3
    assert (same.status, same.json["is_equal"]) == (200, True)
    assert (other.status, other.json["is_equal"], other.json["theirs"]["total_cost"]) == (200, False, 4)
    assert (nothing.status, nothing.json["is_equal"], nothing.json["theirs"]) == (200, False, None)


def test_a_partner_that_does_not_show_it_is_said_to_have_failed() -> None:
    """CDR-21, TRA-14."""
    there = posting()
    there.put_in(make.cdr("C1"))
    there.partner.answer = lambda _request: frame(status=404, code=2000)

    answer = there.posting(fetch="yes")

    assert answer.status == 502
    assert answer.error == "GET of the CDR was answered with HTTP 404 and OCPI status 2000"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/C1",
        "//evil.example/C1",
        f"https://{HOST}@evil.example/C1",
        f"https://{HOST}:8443/C1",
        f"http://{HOST}/C1",
    ],
)
def test_our_token_does_not_go_where_the_partner_never_registered(location: str) -> None:
    """CDR-21, Q-59."""
    there = posting()
    world = there.host.company.world
    asked: list[Request] = []
    for host in ("evil.example", f"{HOST}@evil.example", f"{HOST}:8443"):
        world.hosts[host] = lambda request: asked.append(request) or frame(make.cdr("C1"))  # type: ignore[func-returns-value]
    there.location = location
    there.put_in(make.cdr("C1"))

    answer = there.posting(fetch="yes")

    assert (answer.status, "host that is not theirs" in answer.error) == (409, True)
    assert asked == []
    assert there.partner.calls == [f"POST {ENDPOINT}"]
    assert all(TOKEN in request.headers["authorization"] for request in there.partner.asked)


def test_of_a_former_partner_nothing_is_fetched() -> None:
    """CDR-21, CRD-22."""
    there = posting()
    there.put_in(make.cdr("C1"))
    there.host.company.company.registrations.unregister(there.host.company.partners()[0])

    answer = there.posting(fetch="yes")

    assert (answer.status, "no longer a partner" in answer.error) == (409, True)


def test_the_list_shows_each_emsp_its_own_cdrs() -> None:
    """CDR-01, CDR-02, CDR-03."""
    there = pair()
    other = there.world.company("other.example", Party.of("NL", "TWO"), frozenset({Role.EMSP}))
    register(other, there.cpo, Role.CPO)
    there.put_in(CDRS, make.cdr("C1"))
    there.cpo.company.own_objects[CDRS].put("C2", (), make.cdr("C2"), other.party)

    there.pump()

    page = there.to_cpo("GET", LIST)
    assert ([each["id"] for each in page.data], page.headers["x-total-count"]) == (["C1"], "1")
    assert there.to_cpo("GET", LIST, query={"date_to": "2026-01-05T00:00:00Z"}).data == []
    assert there.to_cpo("GET", f"{LIST}/C1").outcome == (404, 2000)
    assert there.to_cpo("POST", LIST, make.cdr("C1")).outcome == (405, 2000)
    assert [company.received(CDRS, there.cpo.party, "c2") is not None for company in (there.emsp, other)] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        (
            "CDR-12",
            {"charging_periods": [make.cdr()["charging_periods"][0] | {"start_date_time": "2026-01-01T01:00:00Z"}]},
        ),
        ("CDR-13", {"total_time": 7200}),
        ("CDR-13", {"total_parking_time": 3}),
        ("CDR-15", {"location": make.location(evses=[make.evse("E1"), make.evse("E2")])}),
    ],
)
def test_what_we_only_warn_others_about_we_do_not_send(rule: str, wrong: Json) -> None:
    """CDR-12, CDR-13, CDR-15."""
    there = pair()

    with pytest.raises(InvalidParameters, match=rule):
        there.put_in(CDRS, make.cdr("C1", **wrong))

    assert there.cpo.queues.announcements == []


def test_tariffs_travel_with_the_cdr_also_those_that_are_free() -> None:
    """CDR-16."""
    there = posting()
    free = make.tariff("FREE", elements=[{"price_components": [{"type": "FLAT", "price": 0.0, "step_size": 0}]}])

    there.put_in(make.cdr("C1", tariffs=[free], total_cost=0))

    (sent,) = there.partner.bodies
    assert (sent["tariffs"][0]["id"], sent["total_cost"]) == ("FREE", 0)
    assert json.loads(json.dumps(sent)) == sent
