"""Proves when partners hear of a session: at once what is urgent, and the rest together, a minute after the last."""

from __future__ import annotations

import pytest

from chalicelib.node.objects import OURS
from chalicelib.node.owning.drafts import FinalObject
from tests import make
from tests.node.charging import PERIOD, SESSIONS, charging
from tests.node.faults import Broken, with_failing_stores


def test_the_first_push_leaves_at_once() -> None:
    """Q-48, SES-12."""
    there = charging()

    assert there.story == [(0, "PUT")]
    assert there.held == there.own


def test_changes_within_a_minute_wait_and_are_told_together() -> None:
    """Q-48: as they are by then, in one PATCH."""
    there = charging()
    for kwh in (2.0, 2.5, 3.0):
        there.wait(10)
        there.change(kwh=kwh)
    there.change(total_cost=0.75)
    assert len(there.sent) == 1

    there.wait(60)

    assert there.story == [(0, "PUT"), (60, "PATCH")]
    assert there.sent[1][2] == {"kwh": 3.0, "total_cost": 0.75, "last_updated": there.own["last_updated"]}
    assert there.held == there.own


def test_a_change_after_a_quiet_minute_leaves_at_once() -> None:
    """Q-48."""
    there = charging()
    there.wait(61)

    there.change(kwh=2.0)

    assert there.story == [(0, "PUT"), (61, "PATCH")]


def test_a_meter_that_never_rests_is_told_once_a_minute() -> None:
    """Q-48."""
    there = charging()
    for n in range(60):
        there.wait(5)
        there.change(kwh=2.0 + n / 10)
    there.wait(120)

    assert there.story == [(0, "PUT"), *((60 * n, "PATCH") for n in range(1, 7))]
    assert there.held == there.own


def test_a_status_leaves_at_once_and_takes_with_it_what_waits() -> None:
    """Q-48: and what it took is not told a second time."""
    there = charging(status="PENDING")
    there.wait(10)
    there.change(kwh=2.0)
    there.wait(10)

    there.change(status="ACTIVE")
    there.wait(300)

    assert there.story == [(0, "PUT"), (20, "PATCH")]
    assert there.sent[1][2].keys() == {"kwh", "status", "last_updated"}
    assert there.held == there.own


def test_charging_periods_that_wait_go_with_a_status_as_a_whole() -> None:
    """Q-48: receivers merge them differently."""
    there = charging(status="PENDING")
    there.wait(10)
    there.change(charging_periods=[PERIOD])

    there.change(status="ACTIVE")
    there.wait(300)

    assert there.story == [(0, "PUT"), (10, "PUT")]
    assert there.held == there.own


@pytest.mark.parametrize("final", ["COMPLETED", "INVALID"])
def test_the_last_push_is_at_once_and_nothing_is_told_after_it(final: str) -> None:
    """Q-48, SES-10: neither what waited before nor what the host tries afterwards."""
    there = charging()
    there.wait(10)
    there.change(kwh=2.0)
    there.wait(10)

    there.change(status=final, kwh=2.5, end_datetime="2026-03-01T12:00:20Z")
    assert len(there.sent) == 2
    assert there.held == there.own
    with pytest.raises(FinalObject):
        there.change(kwh=3.0)
    there.wait(3600)

    assert [second for second, _ in there.story] == [0, 20]
    assert there.held == there.own


def test_what_is_late_when_the_session_ends_is_told_by_the_end() -> None:
    """SES-10, Q-48: nothing can be told after it, so it tells what may be still on its way."""
    there = charging()
    there.wait(10)
    there.change(charging_periods=[PERIOD])
    there.there.world.clock.pass_(seconds=55)

    there.there.cpo.company.own_objects[SESSIONS].patch("S1", (), {"status": "COMPLETED"})
    news = there.there.cpo.queues.announcements.pop()
    there.there.cpo.company.fan_out.fan_out(*news)
    there.wait(3600)

    assert [method for _, method in there.story] == ["PUT", "PUT"]
    assert there.held == there.own


def test_the_end_is_told_whole_where_the_push_before_it_may_be_on_its_way() -> None:
    """SES-10, SES-12, Q-48: nothing is told after it that could mend what got lost."""
    there = charging()
    there.wait(3600)
    there.change(kwh=3)
    there.wait(10)

    there.change(status="COMPLETED")
    there.wait(3600)

    assert [method for _, method in there.story] == ["PUT", "PATCH", "PUT"]
    assert there.held == there.own


@pytest.mark.parametrize("status", ["ACTIVE", "COMPLETED"])
def test_a_crash_between_word_and_deed_loses_nothing(status: str) -> None:
    """Q-48, SES-12: the host repeats what it could not write, and the partner hears of it."""
    there = charging(status="PENDING")
    there.wait(10)
    there.change(kwh=2.0)
    whole = with_failing_stores(there.there.cpo, "put")

    for _ in range(2):
        try:
            there.change(kwh=2.5, status=status)
        except Broken:
            there.wait(5)
    assert there.there.cpo.ports.stores[SESSIONS].get(OURS, "S1") == whole.stores[SESSIONS].get(OURS, "S1")
    there.wait(3600)

    assert there.own["status"] == status
    assert there.held == there.own


def test_what_is_announced_and_never_written_is_not_told() -> None:
    """Q-48: what waited before it is."""
    there = charging()
    there.wait(10)
    there.change(kwh=2.0)
    with_failing_stores(there.there.cpo, "put")

    with pytest.raises(Broken):
        there.change(total_cost=0.5)
    there.wait(3600)

    assert there.story == [(0, "PUT"), (60, "PATCH")]
    assert there.held == there.own


def test_sessions_of_one_list_leave_each_in_its_turn() -> None:
    """Q-48: at once what is new or urgent, later what was told just now."""
    there = charging()
    there.wait(10)
    values = [make.session("S1", kwh=9.5), make.session("S2")]

    done = there.there.cpo.company.own_objects[SESSIONS].import_all(values, there.there.emsp.party)
    there.there.pump()
    assert (done.created, done.updated) == (1, 1)
    there.wait(300)

    assert there.story == [(0, "PUT"), (10, "PUT"), (60, "PATCH")]
    assert [body.get("id") for _, _, body in there.sent] == ["S1", "S2", None]
    assert there.held == there.own


@pytest.mark.parametrize("earlier", [True, False])
def test_what_is_not_to_be_told_takes_no_turn(earlier: bool) -> None:
    """Q-48: or what is to be told would wait for it, and be lost with it."""
    there = charging()
    there.wait(10)
    if earlier:
        there.change(kwh=2.0)
    own = there.there.cpo.company.own_objects[SESSIONS]
    own.import_all([make.session("S1", kwh=2.5)], there.there.emsp.party, push=False)

    there.change(kwh=3.0)
    there.wait(300)

    assert there.story == [(0, "PUT"), (60, "PATCH")]
    assert there.held == there.own
