"""The breakers: one per partner, each version written once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitBreakerStore, CircuitState
from tests.stores.crawling import at


def test_who_never_failed_has_a_closed_one_and_stands_nowhere(breakers: CircuitBreakerStore) -> None:
    """N-42."""
    assert breakers.breaker("p1") == CircuitBreaker("p1")
    assert breakers.breakers() == {}


@pytest.mark.parametrize("state", CircuitState)
def test_a_breaker_is_remembered_whole(breakers: CircuitBreakerStore, state: CircuitState) -> None:
    """N-42."""
    first = CircuitBreaker("p1", state, 5, 2, at(1.5), at(61.000001), "HTTP 500: süß", "print", version=1)
    other = CircuitBreaker("p2", state, version=1)

    breakers.save_breaker(first)
    breakers.save_breaker(other)

    assert breakers.breaker("p1") == first
    assert breakers.breakers() == {"p1": first, "p2": other}


@pytest.mark.parametrize("version", [1, 2, 4])
def test_whoever_writes_second_is_told_so(breakers: CircuitBreakerStore, version: int) -> None:
    """N-42: of two workers that count a failure, one counts again."""
    breaker = CircuitBreaker("p1", failures=1, version=1)
    breakers.save_breaker(breaker)
    breakers.save_breaker(replace(breaker, failures=2, version=2))

    with pytest.raises(Conflict):
        breakers.save_breaker(replace(breaker, failures=9, version=version))

    assert breakers.breaker("p1").failures == 2
