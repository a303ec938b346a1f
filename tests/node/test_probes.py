"""Proves how a partner that is not called is probed, and what happens once it answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.node.partners.breaker import LONGEST_PAUSE, OPENS_AFTER, CircuitState
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.breaking import JITTER, breaker, change, failing, opened, pass_to, probes, until
from tests.node.partner import partner, said

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


def test_a_partner_that_is_not_called_is_asked_for_its_versions_ever_more_rarely() -> None:
    """N-42: with our token, first after a minute, at last every quarter of an hour; and nothing else is sent."""
    there = opened()
    token = there.owner.partners()[0].token_we_send
    assert token
    expected = [("GET", "https://emsp.example/ocpi/emsp/versions", token.header["authorization"])]

    for minutes in (1, 2, 4, 8, 15, 15, 15):
        pause, mark = until(there), len(there.there.world.traffic)
        assert abs(pause / timedelta(minutes=minutes) - 1) < JITTER + 0.01
        pass_to(there, pause - timedelta(seconds=1))
        change(there)
        assert there.there.world.since(mark) == []
        pass_to(there, timedelta(seconds=2))
        assert probes(there, mark) == expected
    assert timedelta(minutes=15) == LONGEST_PAUSE


def test_pauses_differ_so_that_partners_are_not_probed_together() -> None:
    """N-42."""
    assert len({until(opened()) for _ in range(4)}) > 1


@pytest.mark.parametrize("answer", [said(200, 3000), said(200, None), Response(200), said(404, None), said(401, 2000)])
def test_a_probe_that_brings_no_versions_is_none(answer: Response) -> None:
    """N-42: a page of whatever stands in front of them does not mean that they are back."""
    there = opened()
    there.there.world.down.clear()
    there.there.world.hosts["emsp.example"] = lambda _request: answer

    pass_to(there, until(there) + timedelta(seconds=1))

    assert breaker(there).needs_probe
    assert breaker(there).pauses == 2


def test_one_who_is_back_is_told_what_is_true_and_asked_what_is_new() -> None:
    """N-42, OFF-03, OFF-04, Q-57: each object once, no old message; and our own pull begins."""
    there = partner(make.location("LOC1"), make.location("LOC2"))
    there.there.world.down.add("emsp.example")
    for n in range(20):
        for object_id in ("LOC1", "LOC2"):
            there.change(("E1",), {"floor_level": str(n)}, object_id)
            there.there.pump()
    there.there.put_in(TARIFFS, make.tariff("T1"))
    there.there.pump()
    there.there.world.down.clear()

    pass_to(there, until(there) + timedelta(seconds=1))

    assert sorted(there.requests()) == ["PATCH locations LOC1/E1", "PATCH locations LOC2/E1", "PUT tariffs T1"]
    assert there.backlog == []
    assert breaker(there).is_clean
    assert [step.module for step, _ in there.owner.pull_steps.steps] == [ModuleID.TOKENS]


def test_a_partner_whose_pushes_fail_although_its_versions_answer_is_paused_ever_longer() -> None:
    """N-42: a probe is not yet a success."""
    there = partner(*(make.location(f"LOC{n}") for n in range(2 * OPENS_AFTER)))
    failing(there, said(500, 3000))
    for n in range(2 * OPENS_AFTER):
        there.change(("E1",), {"status": "CHARGING"}, f"LOC{n}")
    there.there.pump()

    for minutes in (1, 2, 4, 8, 15, 15):
        assert breaker(there).state is CircuitState.OPEN
        pause, mark = until(there), len(there.there.world.traffic)
        assert abs(pause / timedelta(minutes=minutes) - 1) < JITTER + 0.01
        pass_to(there, pause + timedelta(seconds=1))
        # The probe is taken, then as many pushes fail as open it again.
        assert 1 < len(there.there.world.since(mark)) <= 1 + OPENS_AFTER
