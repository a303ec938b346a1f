"""The sample of a big product: every value occurs, one seed draws one sample, and ``--deep`` runs all."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sampling import covering

CASES = [{"path": path, "body": body} for path, body in itertools.product(range(30), range(20))]


@given(st.integers())
def test_every_value_of_every_parameter_occurs(seed: int) -> None:
    chosen = [CASES[place] for place in covering(CASES, str(seed), share=0)]

    assert {case["path"] for case in chosen} == set(range(30))
    assert {case["body"] for case in chosen} == set(range(20))
    assert len(chosen) < 100


@pytest.mark.parametrize(("share", "least"), [(0.15, 90), (0.5, 300), (1.0, 600)])
def test_the_sample_has_the_share_that_is_asked_for(share: float, least: int) -> None:
    chosen = covering(CASES, "1", share)

    assert len(chosen) == len(set(chosen)) == least


def test_one_seed_draws_one_sample_and_another_seed_another() -> None:
    assert covering(CASES, "1") == covering(CASES, "1")
    assert covering(CASES, "1") != covering(CASES, "2")


def test_values_that_come_together_are_covered_together() -> None:
    cases = [{"method": place, "path": place, "body": body} for place in range(3) for body in range(2)]

    assert {cases[place]["path"] for place in covering(cases, "1", share=0)} == {0, 1, 2}


@pytest.mark.product
@pytest.mark.parametrize("one", range(5))
@pytest.mark.parametrize("other", range(5))
def test_a_marked_test_runs_a_sample(one: int, other: int, request: pytest.FixtureRequest) -> None:
    """As this very run shows: of its 25 cases there are fewer, or with ``--deep`` all."""
    name = request.node.nodeid.partition("[")[0]
    ran = [item for item in request.session.items if item.nodeid.startswith(name)]

    assert (len(ran) == 25) is bool(request.config.option.deep)
    assert 0 <= one < 5 > other
