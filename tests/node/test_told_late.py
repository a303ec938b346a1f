"""Proves that a session arrives as it is in the end, however late and in whatever order its changes are announced."""

from __future__ import annotations

from chalicelib.node.objects import OURS
from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.charging import PERIOD, Charging, charging

SESSIONS = ModuleID.SESSIONS
END = {"status": "COMPLETED", "end_datetime": "2026-03-01T13:00:00Z"}


def test_a_turn_tells_what_has_changed_since_it_was_told_ahead() -> None:
    """Q-48: its announcement stands for all that changes until it leaves, not only for what its version was."""
    there = Charging()
    own = there.there.cpo.company.own_objects[SESSIONS]
    there.there.put_in(SESSIONS, make.session("S1"))
    own.patch("S1", (), {"kwh": 2})
    there.there.pump()
    there.wait(10)
    there.change(kwh=3)

    there.wait(120)

    assert there.held == there.own
    assert there.held["kwh"] == 3


def late() -> Charging:
    """A session that was finished five minutes after a change that nobody has heard of yet."""
    there = charging()
    there.wait(120)
    queues = there.there.cpo.queues
    there.there.cpo.company.own_objects[SESSIONS].patch("S1", (), {"charging_periods": [PERIOD]})
    held_back = list(queues.announcements)
    queues.announcements.clear()
    there.wait(300)
    there.change(**END)
    queues.announcements += held_back
    return there


def test_what_changed_before_the_end_is_told_even_after_it() -> None:
    """SES-10, Q-47, Q-57: a worker that died is repeated minutes later."""
    there = late()

    there.there.pump()

    assert there.held == there.own
    assert there.held["charging_periods"] == [PERIOD]


def test_the_end_is_told_once() -> None:
    """SES-10: SQS delivers some messages twice, and earlier news that tell no more are none."""
    there = late()
    there.there.pump()
    told, queues = len(there.sent), there.there.cpo.queues

    stored = there.there.cpo.ports.stores[SESSIONS].get(OURS, "S1")
    assert stored is not None
    for version in range(1, stored.version + 1):
        queues.announcements.append(([Announcement(SESSIONS, "S1", version, (), ("kwh", "status"))], 0))
    there.there.pump()

    assert there.sent[told:] == []
