"""Big products of parametrised tests: a sample of each by default, all of them with ``--deep``.

A test that is marked ``product`` runs as many of its cases as it takes for every value of every parameter to occur, and
some more, drawn by a seed. The seed is that of the day unless ``--sample-seed`` says another; a run prints it.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import pytest

SHARE: Final = 0.15
"""Of a product's cases run at least."""


def covering(cases: Sequence[Mapping[str, Hashable]], seed: str, share: float = SHARE) -> list[int]:
    """The places of a sample of ``cases``, in order: at least this share, with every value of every parameter."""
    order = list(range(len(cases)))
    random.Random(seed).shuffle(order)  # noqa: S311 - a sample, not a secret
    missing = {value for case in cases for value in case.items()}
    chosen: list[int] = []
    for place in order:
        if not missing.isdisjoint(cases[place].items()):
            chosen.append(place)
            missing -= set(cases[place].items())
    rest = [place for place in order if place not in chosen]
    return sorted(chosen + rest[: max(0, round(share * len(cases)) - len(chosen))])


def sample(items: list[pytest.Item], seed: int) -> list[pytest.Item]:
    """Those of the items that a run with this seed leaves out."""
    left_out: list[pytest.Item] = []
    products = [item for item in items if item.get_closest_marker("product")]
    for name, group in groupby(products, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        chosen = set(covering([_values(case) for case in cases], f"{seed} {name}"))
        left_out += [case for place, case in enumerate(cases) if place not in chosen]
    return left_out


def _values(item: pytest.Item) -> dict[str, str]:
    """The case's value of each parameter, as far as it tells it from the others."""
    found: Any = item
    return {name: repr(value) for name, value in found.callspec.params.items()}
