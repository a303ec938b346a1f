"""Proves that a crawl and the pushes share what they know about reaching a partner."""

from __future__ import annotations

import pytest

from chalicelib.node.partners.breaker import OPENS_AFTER, CircuitState
from chalicelib.node.pulling.state import PullState
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.partner import said
from tests.node.pulling import LISTED, Crawl, answered, ids, work_off


def state_of(crawl: Crawl) -> CircuitState:
    return crawl.us.company.breakers.for_partner(crawl.them).state


@pytest.mark.parametrize("away", [None, said(500, 3000), Response(502)], ids=["away", "500", "502"])
def test_a_crawl_that_fails_finds_out_that_a_partner_is_not_reached(away: Response | None) -> None:
    """N-42: a page is tried as often as it takes to know that."""
    crawl = Crawl()

    assert crawl.run(away).attempts == OPENS_AFTER

    assert state_of(crawl) is CircuitState.OPEN


@pytest.mark.parametrize("status", [401, 403])
def test_a_list_that_is_refused_shows_that_the_credentials_are_broken(status: int) -> None:
    """Q-02."""
    crawl = Crawl()

    done = crawl.run(said(status, 2000))

    assert (done.state, done.problem) == (PullState.FAILED, f"HTTP {status}, OCPI status 2000: ")
    assert state_of(crawl) is CircuitState.CREDENTIALS_BROKEN


@pytest.mark.parametrize("answer", [said(404, 2000), said(200, 2001), Response(200, {}, b"[]")])
def test_a_list_that_is_wrong_says_nothing_about_reaching_its_owner(answer: Response) -> None:
    """N-42."""
    crawl = Crawl()

    crawl.run(answer)

    assert crawl.us.company.breakers.for_partner(crawl.them).is_clean


@pytest.mark.parametrize("module", LISTED)
def test_whoever_is_not_reached_is_not_asked_for_its_lists_by_the_schedule(module: ModuleID) -> None:
    """PAG-17, N-42: but for all of them as soon as a probe goes well (OFF-04)."""
    crawl = Crawl(module)
    crawl.run(None)
    crawl.world.clock.pass_(hours=1)

    crawl.schedule.start_due(crawl.them)
    assert crawl.us.pull_steps.steps == []

    crawl.answers = [answered(ids(1, module=module))]
    crawl.us.look()
    work_off(crawl.us)
    assert crawl.now.state is PullState.DONE
    assert crawl.us.company.breakers.for_partner(crawl.them).is_clean


def test_a_page_waits_as_long_as_the_partner_asks_for() -> None:
    """Q-23: and it is not taken for dead."""
    crawl = Crawl()
    busy = Response(429, {"retry-after": "77"})
    crawl.answers = [busy, answered([])]

    crawl.schedule.start(crawl.them, crawl.module)

    assert work_off(crawl.us, crawl.module) == [0, 77]
    assert crawl.now.state is PullState.DONE


def test_a_crawl_that_goes_well_has_what_was_missed_told() -> None:
    """Q-57: whichever way we find out that they are there."""
    crawl = Crawl(ModuleID.LOCATIONS)
    crawl.world.down.add(crawl.host)
    crawl.pair.put_in(ModuleID.TOKENS, make.token("K1"))
    crawl.pair.pump()
    crawl.world.down.clear()

    crawl.run(answered([]))
    crawl.pair.pump()

    assert crawl.owner.received(ModuleID.TOKENS, crawl.us.party, "K1") is not None
