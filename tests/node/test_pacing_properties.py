"""Proves that pacing loses nothing and keeps its pauses, whatever happens to a session and whenever."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.node.charging import PERIOD, charging

Json = dict[str, Any]

CHANGES = st.one_of(
    st.integers(0, 400).map(lambda n: {"kwh": n / 4}),
    st.integers(0, 400).map(lambda n: {"total_cost": n / 4}),
    st.sampled_from([{"meter_id": "M1"}, {"meter_id": None}, {"charging_periods": [PERIOD]}]),
    st.sampled_from(["PENDING", "ACTIVE"]).map(lambda status: {"status": status}),
)
GAPS = st.one_of(st.sampled_from([0, 0.5, 1, 58, 59, 60, 61, 120]), st.floats(0, 130))
ENDS = st.sampled_from([{}, {"status": "COMPLETED"}, {"status": "INVALID", "kwh": 500}])


@settings(max_examples=150, deadline=None)
@given(changes=st.lists(st.tuples(GAPS, CHANGES), max_size=8), gap=GAPS, end=ENDS)
def test_whatever_happens_the_partner_holds_the_last_state_and_hears_no_more_than_once_a_minute(
    changes: list[tuple[float, Json]], gap: float, end: Json
) -> None:
    """Q-48, SES-10, SES-12."""
    there = charging(status="PENDING")
    for wait, change in [*changes, (gap, end)]:
        there.wait(wait)
        there.change(**change)
    there.wait(3600)

    assert there.held == there.own
    status, urgent = "PENDING", there.began - timedelta(minutes=2)
    for (earlier, _, _), (later, _, body) in itertools.pairwise(there.sent):
        if body.get("status", status) != status:
            status, urgent = body["status"], later
        # A worker takes its milliseconds, now more and now less. What a change of status overtook may come twice.
        assert later - earlier > timedelta(seconds=59.9) or later - urgent < timedelta(seconds=61)


@settings(max_examples=100, deadline=None)
@given(changes=st.lists(st.tuples(GAPS, CHANGES, st.booleans()), max_size=6), gap=GAPS, end=ENDS)
def test_whenever_the_partner_was_away_it_holds_the_last_state_in_the_end(
    changes: list[tuple[float, Json, bool]], gap: float, end: Json
) -> None:
    """Q-48, Q-57, SES-10: what it missed is told with the next news, or once it is back."""
    there = charging(status="PENDING")
    for wait, change, away in [*changes, (gap, end, True)]:
        there.there.world.down.clear()
        if away:
            there.there.world.down.add("emsp.example")
        there.wait(wait)
        there.change(**change)
    there.wait(61)
    there.there.world.down.clear()
    there.wait(24 * 3600)
    partner = there.there.cpo.partners()[0]

    there.there.cpo.look()

    assert there.held == there.own
    assert there.there.cpo.ports.outbox.entries(partner.id) == []
