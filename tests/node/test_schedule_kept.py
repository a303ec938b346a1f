"""Proves that the schedule of what fails again and again is not used up sooner by whatever else goes well."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.node.pushing.outbox import RETRY_DELAYS
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.breaking import change, pass_to
from tests.node.partner import Partner, partner

CDRS, TARIFFS = ModuleID.CDRS, ModuleID.TARIFFS
A_MINUTE = timedelta(minutes=1)


def broken_for(there: Partner, *modules: ModuleID) -> list[Request]:
    """The partner is there, but fails with all that it is told of these modules; what that was."""
    real, told = there.real, list[Request]()

    def fail(request: Request) -> Response:
        if request.method not in ("POST", "PUT") or not any(f"/{module}" in request.url for module in modules):
            return real(request)
        told.append(request)
        return Response(500)

    there.real = fail
    return told


def given_up(there: Partner) -> list[str]:
    return [missed.announcement.id for missed in there.backlog if missed.due_at is None]


@pytest.mark.parametrize("module", [CDRS, TARIFFS])
def test_one_object_that_fails_is_not_tried_with_each_other_one_that_arrives(module: ModuleID) -> None:
    """Q-57: nor given up for that."""
    there = partner()
    told = broken_for(there, module)
    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()

    for _ in range(240):
        change(there)
        pass_to(there, A_MINUTE)

    assert given_up(there) == []
    assert 4 * 4 <= len(told) <= 4 * 4 + 5


def test_what_waited_for_longer_than_the_schedule_has_all_of_it_before_it() -> None:
    """Q-57: its partner was away, and is back but for this."""
    there = partner()
    known, registrations = there.owner.partners()[0], there.owner.company.registrations
    registrations.update(known, is_suspended=True)
    there.there.put_in(CDRS, make.cdr("C1"))
    there.there.pump()
    there.there.world.clock.pass_(days=20)
    registrations.update(known, is_suspended=False)
    told = broken_for(there, CDRS)

    for _ in range(240):
        change(there)
        pass_to(there, A_MINUTE)

    assert given_up(there) == []
    assert 4 <= len(told) <= 6


def test_probes_that_go_well_do_not_use_up_the_schedule() -> None:
    """Q-57, N-42: their versions are there, and nothing else works for half a day."""
    there = partner()
    told = broken_for(there, CDRS)
    for number in range(8):
        there.there.put_in(CDRS, make.cdr(f"C{number}"))
    there.there.pump()

    for _ in range(12 * 60):
        pass_to(there, A_MINUTE)
    assert max(missed.attempts for missed in there.backlog) > len(RETRY_DELAYS)
    assert given_up(there) == []
    assert len(told) < 12 * 4 * 8
