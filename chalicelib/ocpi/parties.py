"""A party, and the role that it plays on a connection. Spec: credentials.md 2.1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Role(StrEnum):
    """The role of a party on a connection. No endpoint of 2.1.1 names a role, so each role has its own tree of URLs."""

    CPO = "cpo"
    EMSP = "emsp"

    @property
    def other(self) -> Role:
        """The role of the other side."""
        return Role.EMSP if self is Role.CPO else Role.CPO


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Party:
    """A company by its ISO 3166 alpha-2 country and ISO 15118 id, upper case (Q-33)."""

    country_code: str
    party_id: str

    @classmethod
    def of(cls, country_code: str, party_id: str) -> Self:
        """The party of these two ids in any letter case.

        Raises:
            ValueError: not two letters and three letters or digits (FMT-17).
        """
        country, party = country_code.upper(), party_id.upper()
        if not re.fullmatch(r"[A-Z]{2}", country) or not re.fullmatch(r"[A-Z0-9]{3}", party):
            raise ValueError(f"a party is two letters and three letters or digits, not {country_code!r} {party_id!r}")
        return cls(country_code=country, party_id=party)

    def __str__(self) -> str:
        return f"{self.country_code}/{self.party_id}"
