"""Proves that what a partner could not be told is told later, and that modules which moved are found again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.partner import State
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.node.faults import Failing, run_on
from tests.node.partner import Partner, partner, said
from tests.world import CLIENT_OWNED, register

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


def change(there: Partner, path: tuple[str, ...], patch: Json, object_id: str = "LOC1") -> None:
    there.there.cpo.company.own_objects[LOCATIONS].patch(object_id, path, patch)
    there.there.pump()


# --- into the outbox -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
def test_who_does_not_let_us_in_or_cannot_answer_is_not_asked_again_at_once(status: int) -> None:
    """Q-02, Q-23, Q-57, TRA-25: no retry storm."""
    there = partner()
    there.will("PATCH", said(status, 2000))

    change(there, ("E1",), {"status": "CHARGING"})

    assert there.requests() == ["PATCH locations LOC1/E1"]
    (failure,) = there.backlog
    assert (failure.announcement.id, failure.announcement.path, failure.attempts) == ("LOC1", ("E1",), 1)
    assert f"PATCH was answered with HTTP {status}" in failure.reason
    assert there.held("LOC1") != there.own("LOC1")


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_who_cannot_be_reached_is_told_later(method: str) -> None:
    """Q-57, OFF-03: nothing is lost, and nothing raised."""
    there = partner()
    tariffs = there.there.cpo.company.own_objects[TARIFFS]
    if method == "DELETE":
        tariffs.put("T1", (), make.tariff("T1"))
        there.there.pump()
    there.there.world.down.add("emsp.example")

    if method == "PATCH":
        change(there, ("E1",), {"status": "CHARGING"})
    elif method == "PUT":
        tariffs.put("T1", (), make.tariff("T1"))
    else:
        tariffs.delete("T1")
    there.there.pump()

    (failure,) = there.backlog
    assert "refused" in failure.reason
    assert failure.announcement.removed is (method == "DELETE")


@pytest.mark.parametrize(
    "answer", [said(200, 2001), said(200, 3000), said(400, 2001), said(404, 2000), said(301, None)]
)
def test_a_put_that_is_refused_is_on_record_with_what_they_said(answer: Response) -> None:
    """TRA-14."""
    there = partner()
    there.will("PUT", answer)

    there.there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    there.there.pump()

    assert f"HTTP {answer.status}" in there.backlog[0].reason


def test_who_gave_us_no_token_is_not_called() -> None:
    """TRA-02, Q-57."""
    there = partner()
    there.there.cpo.ports.partners.save(there.there.cpo.partners()[0].with_changes(token_we_send=None))

    change(there, ("E1",), {"status": "CHARGING"})

    assert there.requests() == []
    assert "register first" in there.backlog[0].reason


def test_one_partner_that_is_down_does_not_keep_news_from_the_others() -> None:
    """Q-57."""
    there = partner()
    other = there.there.world.company("other.example", Party.of("FR", "OTH"), frozenset({Role.EMSP}))
    register(other, there.there.cpo, Role.CPO)
    there.there.world.down.add("emsp.example")

    change(there, ("E1",), {"status": "CHARGING"})

    assert other.received(LOCATIONS, there.there.cpo.party, "LOC1") == there.own("LOC1")
    assert len(there.backlog) == 1


# --- and out again -------------------------------------------------------------------------------------------------


def test_a_later_change_brings_what_was_missed_with_it() -> None:
    """Q-57, OFF-03: the change of another part does not settle the one that never arrived."""
    there = partner()
    there.there.world.down.add("emsp.example")
    change(there, (), {"city": "Gouda"})
    change(there, ("E1",), {"status": "BLOCKED"})
    there.there.world.down.clear()

    change(there, ("E1",), {"status": "CHARGING"})

    assert there.requests() == ["PUT locations LOC1"]
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_what_was_missed_is_told_once_the_partner_answers_again() -> None:
    """Q-57: as it is then, each object once, whatever happened meanwhile."""
    there = partner(*(make.location(f"LOC{n}") for n in range(30)))
    there.there.world.down.add("emsp.example")
    for status in ("CHARGING", "BLOCKED", "RESERVED"):
        for n in range(25):
            change(there, ("E1",), {"status": status}, f"LOC{n}")
    there.there.world.down.clear()
    there.there.world.clock.pass_(hours=1)

    there.there.cpo.look()

    assert sorted(there.requests()) == sorted(f"PATCH locations LOC{n}/E1" for n in range(25))
    assert all(there.held(f"LOC{n}") == there.own(f"LOC{n}") for n in range(30))
    assert there.backlog == []


def test_a_partner_to_whom_nothing_else_happened_is_told_when_it_is_due() -> None:
    """Q-57, OFF-03."""
    there = partner()
    there.there.world.down.add("emsp.example")
    change(there, ("E1",), {"status": "CHARGING"})
    there.there.world.down.clear()
    there.there.world.clock.pass_(minutes=1)

    there.there.cpo.look()

    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_nobody_looks_after_those_who_are_no_partners_any_more() -> None:
    """CRD-17: neither at the next minute, nor because a message says so."""
    there = partner()
    there.there.world.down.add("emsp.example")
    change(there, ("E1",), {"status": "CHARGING"})
    known = there.there.cpo.partners()[0]
    there.there.cpo.ports.partners.save(known.with_changes(state=State.UNREGISTERED))
    there.there.world.clock.pass_(days=1)

    mark = len(there.there.world.traffic)
    there.there.cpo.look()
    for partner_id in (known.id, "nobody"):
        for after in (None, ""):
            there.there.cpo.deliver(RetryDue(partner_id, after))

    assert there.there.cpo.queues.deliveries == []
    assert there.there.world.since(mark) == []


def test_who_is_no_longer_registered_is_told_nothing_that_was_queued() -> None:
    """CRD-17: and misses nothing."""
    there = partner()
    there.there.cpo.company.own_objects[LOCATIONS].patch("LOC1", ("E1",), {"status": "CHARGING"})
    there.there.cpo.company.fan_out.fan_out(*there.there.cpo.queues.announcements.pop())
    known = there.there.cpo.partners()[0]
    there.there.cpo.ports.partners.save(known.with_changes(state=State.UNREGISTERED))

    there.there.pump()

    assert there.requests() == []
    assert there.there.cpo.ports.outbox.entries(known.id) == []


# --- where they are ------------------------------------------------------------------------------------------------


def move(there: Partner, module: ModuleID, url: str | None) -> None:
    """The receiver publishes another URL for a module, or none, and answers 404 at the old one."""
    real, receiver = there.real, there.there.receiver(module)
    old = f"/ocpi/{MODULES[module].owner.other}/2.1.1/{module}"

    def moved(request: Request) -> Response:
        if request.url.startswith(f"{old}/"):
            return said(404, None)
        if url and request.url.startswith(urlsplit(url).path):
            there.asked.append(request)
            path = old + request.url.removeprefix(urlsplit(url).path.rstrip("/"))
            return real(
                Request(
                    method=request.method, url=path, headers=request.headers, query=request.query, body=request.body
                )
            )
        response = real(request)
        gone = f'"identifier": "{module}", "url": "{receiver.base_url}{old}"'.encode()
        new = (
            f'"identifier": "{module}", "url": "{url}"' if url else '"identifier": "other", "url": "https://x.example"'
        )
        return Response(response.status, response.headers, response.body.replace(gone, new.encode()))

    there.real = moved


@pytest.mark.parametrize("tail", ["", "/"])
@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_module_that_moved_without_a_word_is_found_again(module: ModuleID, tail: str) -> None:
    """VER-13, TRA-33: with or without a trailing slash."""
    there = partner(of=module)
    new = f"{there.there.receiver(module).base_url}/new/place{tail}"
    move(there, module, new)

    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()

    assert there.held("X1", module) == there.own("X1", module)
    assert there.asked[-1].url == f"/new/place/{there.owner.party}/X1"
    assert there.owner.partners()[0].endpoints[module] == new
    assert there.backlog == []


def test_a_deletion_follows_a_module_that_moved() -> None:
    """VER-13, TAR-14: 404 at the old place does not mean that the tariff is gone."""
    there = partner()
    there.there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    there.there.pump()
    move(there, TARIFFS, "https://emsp.example/new")

    there.there.cpo.company.own_objects[TARIFFS].delete("T1")
    there.there.pump()

    assert there.held("T1", TARIFFS) is None


def test_a_module_that_they_no_longer_serve_harms_nobody() -> None:
    """VER-13, OFF-02, Q-57: what they missed of it is queued for nobody."""
    there = partner()
    move(there, LOCATIONS, None)

    change(there, ("E1",), {"status": "CHARGING"})
    assert len(there.backlog) == 1
    known = there.there.cpo.partners()[0]
    assert LOCATIONS not in known.endpoints

    there.there.world.clock.pass_(days=1)
    there.there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    there.asked.clear()
    for _ in range(3):
        there.there.cpo.look()

    assert there.requests() == ["PUT tariffs T1"]
    assert len(there.backlog) == 1


def test_what_they_missed_of_a_module_arrives_when_they_serve_it_again() -> None:
    """VER-13, Q-57."""
    there = partner()
    real, before = there.real, there.there.cpo.partners()[0].endpoints
    move(there, LOCATIONS, None)
    change(there, ("E1",), {"status": "CHARGING"})
    there.there.world.clock.pass_(hours=1)
    there.there.cpo.look()
    there.real = real
    there.there.cpo.ports.partners.save(there.there.cpo.partners()[0].with_changes(endpoints=before))

    there.there.world.clock.pass_(days=1)
    there.there.cpo.look()

    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_a_look_for_a_moved_module_that_fails_ends_in_the_outbox_too() -> None:
    """VER-13, Q-57: an exception would repeat the whole batch."""
    there = partner()
    there.real = lambda _request: said(404, None)
    run_on(there.there.cpo, partners=Failing(there.there.cpo.ports.partners, "save", error=Conflict))

    change(there, ("E1",), {"status": "CHARGING"})

    assert len(there.backlog) == 1
