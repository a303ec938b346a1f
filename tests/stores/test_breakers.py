"""The breakers: one per partner, each version written once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitBreakerStore, CircuitState
from tests.stores.crawling import at


def test_who_never_failed_has_a_closed_one_and_stands_nowhere(breakers: CircuitBreakerStore) -> None:
    """N-42."""
    assert breakers.breaker("p1") == CircuitBreaker(partner_id="p1")
    assert breakers.breakers() == {}


@pytest.mark.parametrize("state", CircuitState)
def test_a_breaker_is_remembered_whole(breakers: CircuitBreakerStore, state: CircuitState) -> None:
    """N-42."""
    first = CircuitBreaker(
        partner_id="p1",
        state=state,
        failures=5,
        pauses=2,
        broken_since=at(1.5),
        until=at(61.000001),
        problem="HTTP 500: süß",
        token="print",
        version=1,
    )
    other = CircuitBreaker(partner_id="p2", state=state, version=1)

    breakers.save_breaker(first)
    breakers.save_breaker(other)

    assert breakers.breaker("p1") == first
    assert breakers.breakers() == {"p1": first, "p2": other}


@pytest.mark.parametrize("version", [1, 2, 4])
def test_whoever_writes_second_is_told_so(breakers: CircuitBreakerStore, version: int) -> None:
    """N-42: of two workers that count a failure, one counts again."""
    breaker = CircuitBreaker(partner_id="p1", failures=1, version=1)
    breakers.save_breaker(breaker)
    breakers.save_breaker(replace(breaker, failures=2, version=2))

    with pytest.raises(Conflict):
        breakers.save_breaker(replace(breaker, failures=9, version=version))

    assert breakers.breaker("p1").failures == 2
