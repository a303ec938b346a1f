"""A partner that cannot be reached, and what its breaker says: what the tests of breakers have in common."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

from chalicelib.node.partners.breaker import OPENS_AFTER, CircuitBreaker, CircuitState
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from tests.node.partner import Partner, partner

JITTER = 0.2
"""How much longer or shorter than it should be a pause may be."""
_NUMBERS = itertools.count()


def change(there: Partner) -> None:
    """One change, delivered."""
    there.change((), {"postal_code": str(next(_NUMBERS))})
    there.there.pump()


def breaker(there: Partner) -> CircuitBreaker:
    return there.owner.ports.breakers.breaker(there.owner.partners()[0].id)


def failing(there: Partner, answer: Response | None = None) -> Callable[[], None]:
    """The partner answers every push so, or not at all; undone by what this answers with."""
    real = there.real

    def fail(request: Request) -> Response:
        if "/2.1.1/" not in request.url:
            return real(request)
        if answer is None:
            raise Unreachable("timed out")
        return answer

    def again() -> None:
        there.real = real

    there.real = fail
    return again


def opened() -> Partner:
    """A partner that does not answer, and is not called any more."""
    there = partner()
    there.there.world.down.add("emsp.example")
    for _ in range(OPENS_AFTER):
        change(there)
    assert breaker(there).state is CircuitState.OPEN
    return there


def probes(there: Partner, mark: int) -> list[tuple[str, str, str]]:
    """What was sent since then, and with which token."""
    sent = [each.request for each in there.there.world.since(mark)]
    return [(each.method, each.url, each.headers["authorization"]) for each in sent]


def until(there: Partner) -> timedelta:
    """How long it is until the partner is called again."""
    due = breaker(there).until
    assert due
    return due - there.there.world.clock.now


def pass_to(there: Partner, pause: timedelta) -> None:
    there.there.world.clock.now += pause
    there.owner.look()
