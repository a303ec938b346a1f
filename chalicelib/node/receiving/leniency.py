"""Counters of what was forgiven, by partner, rule and place: no leniency is silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Deviation


class Counters(Protocol):
    """Named counters of each partner; a ``PartnerStore`` has them."""

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add these numbers to the partner's counters of these names; one call."""


def count_deviations(counters: Counters, partner_id: str, module: ModuleID, deviations: Iterable[Deviation]) -> None:
    """Count deviations by rule, module, path and what is wrong; one call, or none if there are no deviations."""
    counts: dict[str, int] = {}
    for deviation in deviations:
        name = f"lenient {deviation.rule} {module} {deviation.path} {deviation.what}"
        counts[name] = counts.get(name, 0) + 1
    if counts:
        counters.count(partner_id, counts)
