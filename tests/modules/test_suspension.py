"""Suspended partners: nothing flows in either direction, nothing is lost, and the registration stays (N-03)."""

from __future__ import annotations

import re

import pytest

from chalicelib.bootstrap.company import build_company
from chalicelib.modules import MODULES
from chalicelib.node.pulling.state import PullState
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.desk import Desk, desks
from tests.modules.suspending import calls, from_, resumed, suspended
from tests.node.pulling import Crawl, answered, following, ids, work_off
from tests.world import Caller, register

every_module = pytest.mark.parametrize("module", list(MODULES))


# --- what they ask ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_whatever_a_suspended_partner_asks_is_answered_401(role: Role) -> None:
    """N-03, TRA-03: at every URL of its tree, in an envelope, versions and credentials included."""
    there = desks()
    desk = there.cpo if role is Role.CPO else there.emsp
    call = calls(there, desk.company)
    suspended(desk)

    for endpoint in desk.company.company.node.router.endpoints:
        for method in endpoint.methods if endpoint.role is role else ():
            reply = call(method, re.sub(r"\{\w+\}", "X1", endpoint.path), {})
            assert reply.outcome == (401, 2000), (method, endpoint.path)
            assert reply.frame["timestamp"]
            assert "suspended" in reply.message


@pytest.mark.parametrize("role", Role)
def test_a_partner_that_is_resumed_is_let_in_with_the_token_that_it_had(role: Role) -> None:
    """N-03."""
    there = desks()
    desk = there.cpo if role is Role.CPO else there.emsp
    call, before = calls(there, desk.company), desk.company.partners()[0]
    suspended(desk)

    after = resumed(desk)

    assert call("GET", f"/ocpi/{role}/versions").outcome == (200, 1000)
    assert (after.token_we_send, after.issued, after.endpoints) == (
        before.token_we_send,
        before.issued,
        before.endpoints,
    )


def test_a_suspension_is_heard_of_at_once_here_and_within_seconds_elsewhere() -> None:
    """N-03: a process remembers for three seconds whom it let in."""
    there = desks()
    us = there.cpo.company
    elsewhere = build_company(us.settings, us.ports)
    there.pair.world.hosts["elsewhere.example"] = lambda request: elsewhere.node.handle(request, us.base_url, "test")
    here = there.pair.to_cpo
    far = Caller(there.pair.world, "elsewhere.example", here.token)
    for call in (here, far):
        assert call("GET", "/ocpi/cpo/2.1.1/locations").status == 200

    suspended(there.cpo)
    assert here("GET", "/ocpi/cpo/2.1.1/locations").status == 401
    there.pair.world.clock.pass_(seconds=3)
    assert far("GET", "/ocpi/cpo/2.1.1/locations").status == 401

    resumed(there.cpo)
    for call in (here, far):
        assert call("GET", "/ocpi/cpo/2.1.1/locations").status == 200


# --- what we tell ----------------------------------------------------------------------------------------------------


@every_module
def test_a_suspended_partner_is_told_nothing_and_all_of_it_when_it_is_back(module: ModuleID) -> None:
    """N-03, OFF-03: what changes meanwhile is written down, not sent."""
    there = desks()
    desk, receiver = there.owner(module), there.pair.receiver(module)
    there.put_in(module, make.object_of(module, "X1"))
    there.pair.pump()
    suspended(desk)
    mark = len(there.pair.world.traffic)

    there.put_in(module, [make.object_of(module, "X2"), make.object_of(module, "X3")])
    there.pair.pump()

    assert from_(there, desk.company, mark) == []
    assert receiver.received(module, desk.company.party, MODULES[module].key_of("X2")) is None
    resumed(desk)
    there.pair.pump()
    held = [receiver.received(module, desk.company.party, MODULES[module].key_of(f"X{n}")) for n in (1, 2, 3)]
    assert None not in held
    assert desk("GET", f"/partners/{desk.company.partners()[0].id}").json["backlog"] == 0


def test_a_tariff_that_goes_away_meanwhile_is_gone_for_them_too_when_they_are_back() -> None:
    """N-03, TAR-16."""
    there = desks()
    there.put_in(ModuleID.TARIFFS, make.tariff("T1"))
    there.pair.pump()
    suspended(there.cpo)

    there.cpo("DELETE", "/tariffs/T1")
    there.pair.pump()
    assert there.pair.emsp.received(ModuleID.TARIFFS, there.pair.cpo.party, "T1") is not None

    resumed(there.cpo)
    there.pair.pump()
    assert there.pair.emsp.received(ModuleID.TARIFFS, there.pair.cpo.party, "T1") is None


# --- what we fetch ---------------------------------------------------------------------------------------------------


@every_module
def test_the_lists_of_a_suspended_partner_are_not_pulled_and_pulled_whole_when_it_is_back(module: ModuleID) -> None:
    """N-03, OFF-04: what it pushed meanwhile was refused."""
    crawl = Crawl(module)
    crawl.run(answered(ids(1, module=module)))
    desk = Desk(crawl.us)
    partner = suspended(desk)
    crawl.asked.clear()

    crawl.world.clock.pass_(days=8)
    crawl.schedule.start_due(partner)
    crawl.schedule.catch_up(partner)
    answer = desk("POST", f"/partners/{partner.id}/pull/{module}")
    assert (answer.status, answer.error) == (409, "this partner is suspended: resume it first")
    assert (crawl.us.pull_steps.steps, crawl.asked) == ([], [])

    crawl.answers = [answered(ids(1, 2, module=module))]
    resumed(desk)
    pull = crawl.work()
    assert (pull.state, pull.is_full) == (PullState.DONE, True)
    assert crawl.held([1, 2]) == [1, 2]


def test_a_pull_that_is_at_work_ends_with_the_suspension() -> None:
    """N-03."""
    crawl = Crawl()
    crawl.answers = [answered(ids(1), following(f"{crawl.endpoint}?offset=1"), 2)]
    crawl.schedule.start(crawl.them, crawl.module)
    (step, _), *_ = crawl.us.pull_steps.steps
    suspended(Desk(crawl.us))

    work_off(crawl.us)

    assert (crawl.now.state, crawl.asked) == (PullState.FAILED, [])
    assert step.crawl == crawl.now.crawl


# --- the registration ------------------------------------------------------------------------------------------------


def test_a_suspended_partner_is_not_tended() -> None:
    """N-03, VER-11, VER-13: not even its endpoints are fetched."""
    there = desks()
    partner = suspended(there.cpo)
    mark = len(there.pair.world.traffic)

    assert there.cpo.company.company.registrations.sync_endpoints(partner) == partner
    assert there.cpo("PUT", f"/partners/{partner.id}/credentials").status == 409

    assert there.pair.world.since(mark) == []


def test_nobody_else_becomes_the_party_of_a_suspended_partner() -> None:
    """N-03, Q-34."""
    there = desks()
    suspended(there.cpo)
    double = there.pair.world.company("double.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}))

    with pytest.raises(Exception, match="NL/MSP is registered by another connection"):
        register(double, there.pair.cpo, Role.CPO)


def test_a_suspended_partner_that_is_unregistered_is_told_and_suspended_no_more() -> None:
    """N-03, CRD-17."""
    there = desks()
    partner = suspended(there.cpo)
    mark = len(there.pair.world.traffic)

    answer = there.cpo("DELETE", f"/partners/{partner.id}").json

    assert (answer["state"], answer["is_suspended"]) == ("unregistered", False)
    assert [each.request.method for each in there.pair.world.since(mark)] == ["DELETE"]


@pytest.mark.parametrize("what", ["suspend", "resume"])
def test_who_is_not_registered_is_neither_suspended_nor_resumed(what: str) -> None:
    there = desks()
    invited = there.cpo.company.company.registrations.invite(Role.EMSP).partner

    answer = there.cpo("POST", f"/partners/{invited.id}/{what}")

    assert answer.status == 409
    assert "invited, not registered" in answer.error
    assert there.cpo("POST", f"/partners/nobody/{what}").status == 404


def test_suspending_and_resuming_twice_changes_nothing_more() -> None:
    """N-03: an operator may repeat either."""
    there = desks()

    assert suspended(there.cpo) == suspended(there.cpo)
    assert resumed(there.cpo) == resumed(there.cpo)
