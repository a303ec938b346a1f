"""What was forgiven, counted by partner, rule and place, so that no leniency is silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Deviation


class Counters(Protocol):
    """Counts what was forgiven; a ``PartnerStore`` does."""

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters."""


def count_deviations(counters: Counters, partner_id: str, module: ModuleID, deviations: Iterable[Deviation]) -> None:
    """Count what was forgiven, by rule, place and fault; one call, or none."""
    counts: dict[str, int] = {}
    for deviation in deviations:
        name = f"lenient {deviation.rule} {module} {deviation.path} {deviation.what}"
        counts[name] = counts.get(name, 0) + 1
    if counts:
        counters.count(partner_id, counts)
