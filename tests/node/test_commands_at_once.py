"""Proves that of many commands at once each is answered exactly twice, and that who hangs holds up nobody else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from chalicelib.ocpi.parties import Party
from tests.node.command_traffic import PARTIES, PATIENCE_S, Traffic

EACH = 60
LANES = 8
"""So many results of one partner are posted side by side at most."""


def expected() -> Counter[str]:
    """One POST at each ``response_url``."""
    return Counter(f"/results/{number}" for number in range(EACH))


def test_each_of_many_commands_has_one_answer_at_once_and_one_later() -> None:
    """CMD-02, CMD-04: although every message comes twice."""
    traffic = Traffic({party: lambda: None for party in PARTIES})

    with traffic.workers(pollers=12):
        at_once = traffic.start_all(EACH)
        traffic.charge_points_answer()
        answered = [ears.wait_for(EACH) for ears in traffic.ears.values()]

    assert at_once == {"200 1000 ACCEPTED": 3 * EACH}
    assert answered == [True] * 3
    assert [ears.begun for ears in traffic.ears.values()] == [expected()] * 3


def test_a_partner_that_hangs_holds_up_nobody_else() -> None:
    """CMD-04, CMD-14: it fills its own lanes, so one poller more than those serves all the others."""
    released = threading.Event()
    hanging, *others = PARTIES
    pauses: dict[Party, Callable[[], object]] = {party: lambda: None for party in others}
    pauses[hanging] = lambda: released.wait(PATIENCE_S)
    traffic = Traffic(pauses)

    with traffic.workers(pollers=LANES + 1):
        at_once = traffic.start_all(EACH)
        traffic.charge_points_answer()
        others_answered = [traffic.ears[party].wait_for(EACH) for party in others]
        hung, finished = sum(traffic.ears[hanging].begun.values()), len(traffic.ears[hanging].heard_at)
        released.set()
        traffic.ears[hanging].wait_for(EACH)

    assert at_once == {"200 1000 ACCEPTED": 3 * EACH}
    assert (others_answered, finished) == ([True, True], 0)
    assert 0 < hung <= LANES
    assert [ears.begun for ears in traffic.ears.values()] == [expected()] * 3
