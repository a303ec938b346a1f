"""Proves that a change of something we do not hold makes us ask its owner for it, now and then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.pulling import work_off
from tests.world import CLIENT_OWNED, Pair, pair

LOCATIONS = ModuleID.LOCATIONS


def changed(there: Pair, module: ModuleID, object_id: str = "X1") -> tuple[int, list[ModuleID]]:
    """What the owner is answered to a change of an object, and which lists the receiver pulls then."""
    url = there.at_receiver(module, object_id)
    status = there.to_receiver(module)("PATCH", url, {"last_updated": "2026-03-01T12:00:00Z"}).status
    steps = there.receiver(module).pull_steps.steps
    assert all(delay_s <= 60 for _, delay_s in steps)
    return status, [step.module for step, _ in steps]


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_patch_that_comes_before_its_object_makes_us_look_for_it(module: ModuleID) -> None:
    """Q-46: the answer is 404, and soon we hold what the owner has."""
    there = pair()
    owner, receiver = there.owner(module), there.receiver(module)
    there.put_in(module, make.object_of(module, "X1"))
    owner.queues.announcements.clear()

    assert changed(there, module) == (404, [module])
    work_off(receiver)

    assert receiver.received(module, owner.party, MODULES[module].key_of("X1")) is not None
    assert changed(there, module) == (200, [])


def test_an_evse_that_comes_before_its_location_makes_us_look_for_it() -> None:
    """Q-46, LOC-14."""
    there = pair()

    evse = make.location()["evses"][0]
    answer = there.to_emsp("PUT", there.at_emsp("locations", "X1", evse["uid"]), evse)

    assert answer.outcome == (404, 2003)
    assert [step.module for step, _ in there.emsp.pull_steps.steps] == [LOCATIONS]


def test_whoever_goes_on_changing_what_there_is_not_is_asked_now_and_then() -> None:
    """Q-46, PAG-17."""
    there = pair()

    pulls = 0
    for _ in range(60):
        status, begun = changed(there, LOCATIONS)
        assert status == 404
        pulls += len(begun)
        work_off(there.emsp)
        there.world.clock.now += timedelta(seconds=20)

    assert pulls == 4


def test_what_is_not_theirs_is_not_looked_for() -> None:
    """TRA-30: nor what is asked for, or taken away."""
    there = pair()

    assert there.to_emsp("PATCH", "/ocpi/emsp/2.1.1/locations/FR/XXX/X1", {"name": "Other"}).status == 404
    assert there.to_emsp("GET", there.at_emsp("locations", "X1")).status == 404
    assert there.to_emsp("DELETE", there.at_emsp("tariffs", "X1")).status == 404

    assert there.emsp.pull_steps.steps == []
