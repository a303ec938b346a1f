"""Proves that a partner that was away is asked for what it could not tell us, as soon as it answers again."""

from __future__ import annotations

from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import Pair, pair

TOKENS, LOCATIONS = ModuleID.TOKENS, ModuleID.LOCATIONS


def away(there: Pair) -> None:
    """The eMSP changes a token while the CPO does not answer, and hears nothing of it."""
    there.world.down.add("cpo.example")
    there.put_in(TOKENS, make.token("K1"))
    there.pump()
    there.world.down.clear()
    there.world.clock.pass_(minutes=10)


def pulled(there: Pair) -> list[ModuleID]:
    return sorted(step.module for step, _ in there.emsp.pull_steps.steps)


def test_whoever_answers_again_is_asked_for_all_that_it_owns() -> None:
    """OFF-04: the target of the pushes pulls, once, when it finds the other side reachable again."""
    there = pair()
    away(there)

    there.put_in(TOKENS, make.token("K2"))
    there.pump()

    assert pulled(there) == sorted([LOCATIONS, ModuleID.SESSIONS, ModuleID.CDRS, ModuleID.TARIFFS])
    assert all(0 <= delay_s <= 60 for _, delay_s in there.emsp.pull_steps.steps)


def test_a_location_that_was_pushed_in_vain_is_there_after_the_outage() -> None:
    """OFF-04, OFF-03: nothing is replayed by the one who could not push; the other one looks."""
    there = pair()
    there.world.down.add("emsp.example")
    there.put_in(LOCATIONS, make.location("L1"))
    there.cpo.queues.announcements.clear()
    there.world.down.clear()
    away(there)
    there.put_in(TOKENS, make.token("K2"))
    there.pump()

    while there.emsp.pull_steps.steps:
        there.emsp.company.crawler.crawl_page(there.emsp.pull_steps.steps.pop(0)[0])

    assert there.emsp.received(LOCATIONS, there.cpo.party, "L1") == there.cpo.company.own_objects[LOCATIONS].get("L1")


def test_a_partner_that_only_refuses_is_not_asked() -> None:
    """OFF-04: whoever answers, even with a refusal, was never away."""
    there = pair()
    real = there.world.hosts["cpo.example"]
    there.world.hosts["cpo.example"] = there.world.hosts["emsp.example"]
    there.put_in(TOKENS, make.token("K1"))
    there.pump()
    there.world.hosts["cpo.example"] = real
    there.world.clock.pass_(minutes=10)

    there.put_in(TOKENS, make.token("K2"))
    there.pump()

    assert pulled(there) == []


def test_what_was_pulled_just_now_is_not_pulled_again() -> None:
    """OFF-04, PAG-17."""
    there = pair()
    partner = there.emsp.partners()[0]
    for module in there.emsp.company.pull_schedule.pullable(partner):
        there.emsp.company.pull_schedule.start(partner, module)
    there.emsp.pull_steps.steps.clear()
    there.world.down.add("cpo.example")
    there.put_in(TOKENS, make.token("K1"))
    there.pump()
    there.world.down.clear()
    there.world.clock.pass_(minutes=2)

    there.put_in(TOKENS, make.token("K2"))
    there.pump()

    assert pulled(there) == []
