"""Proves what becomes of a session's charging periods when a CPO patches them, whichever way it means that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.modules.sessions.lifecycle import expand_patch
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.test_sessions import at, both_profiles, held, holding, period, url
from tests.node.pushing import kept


@pytest.mark.parametrize(
    ("given_", "then"),
    [
        ([period(1), period(2, 9), period(3)], [period(1), period(2, 9), period(3)]),
        ([period(0)], [period(0)]),
        ([period(3)], [period(1), period(2), period(3)]),
        ([period(3), period(3, 5)], [period(1), period(2), period(3), period(3, 5)]),
        ([period(2, 9), period(3)], [period(1), period(2, 9), period(3)]),
        ([period(4), period(3)], [period(1), period(2), period(3), period(4)]),
        ([], None),
        (None, None),
    ],
    ids=["all", "earlier", "behind", "two at once", "overlapping", "in no order", "empty", "null"],
)
def test_patched_periods_replace_follow_or_join_those_we_know(given_: Any, then: Any) -> None:
    """Q-48, SES-15."""
    there = holding(make.session(charging_periods=[period(1), period(2)]))

    reply = there.to_emsp("PATCH", url(there), {"charging_periods": given_, "last_updated": at(5)})

    assert reply.outcome == (200, 1000)
    assert held(there).get("charging_periods") == then


@both_profiles
@pytest.mark.parametrize(
    "given_", ["x", 7, {"a": 1}, [None], ["x"], [{}], [period(3) | {"start_date_time": 5}], [{"start_date_time": "x"}]]
)
def test_malformed_periods_are_refused_and_change_nothing(given_: Any, profile: Profile) -> None:
    """Q-48, TRA-16."""
    whole = make.session(charging_periods=[period(1), period(2)])
    there = holding(whole, profile)

    reply = there.to_emsp("PATCH", url(there), {"charging_periods": given_, "last_updated": at(5)})

    assert reply.outcome == (200, 2001)
    assert "charging_periods" in reply.message
    assert held(there) == kept(whole)


hours = st.lists(st.integers(0, 23), min_size=1, max_size=6)


@given(known=hours, new=hours)
def test_what_is_patched_in_is_there_and_nothing_that_is_not_replaced_is_lost(known: list[int], new: list[int]) -> None:
    """Q-48."""
    stored = [period(hour, 1) for hour in sorted(known)]
    given_ = [period(hour, 2) for hour in new]

    after = expand_patch({"charging_periods": stored}, {"charging_periods": given_})["charging_periods"]

    assert all(each in after for each in given_)
    lost = [each for each in stored if each not in after]
    assert min(new) <= min(known) or all(each["start_date_time"] in {at(hour) for hour in new} for each in lost)
    assert len(after) == len(given_) + len(stored) - len([h for h in known if h in new or min(new) <= min(known)])
