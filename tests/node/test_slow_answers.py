"""Proves that a partner whose every answer takes its time costs a delivery less time than its worker has."""

from __future__ import annotations

import pytest

from chalicelib.ocpi.http import Request, Response
from tests.node.partner import Partner, partner, said

A_WORKER_HAS_S = 60


def slow(there: Partner, seconds: float) -> None:
    """Each answer about an object takes so long, and none is known to them."""
    real = there.real

    def answer(request: Request) -> Response:
        if "/locations/" not in request.url:
            return real(request)
        there.there.world.clock.pass_(seconds=seconds)
        return said(404, 2003)

    there.real = answer


@pytest.mark.parametrize("seconds", [10, 15, 19])
def test_who_answers_slowly_is_not_asked_for_longer_than_a_worker_lives(seconds: float) -> None:
    """N-42, Q-57: what was not told in time is dirty, and told later."""
    there = partner()
    slow(there, seconds)
    there.change(("E1",), {"status": "CHARGING"})
    began, mark = there.there.world.clock.now, len(there.there.world.traffic)

    there.there.pump()

    assert (there.there.world.clock.now - began).total_seconds() < A_WORKER_HAS_S
    told = [each for each in there.there.world.since(mark) if "/2.1.1/locations/" in each.path]
    assert [each.request.method for each in told] == ["PATCH", "GET", "PUT", "PUT"][: len(told)]
    waits = [each.timeout_s or A_WORKER_HAS_S for each in told]
    assert waits == sorted(waits, reverse=True)
    assert waits[0] == 20
    (missed,) = there.backlog
    assert missed.attempts == 1
