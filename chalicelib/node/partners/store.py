"""The port that stores partners, the tokens we issued to them, and what we counted about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.node.partners.contacts import Contact
from chalicelib.node.partners.partner import Grant, Partner
from chalicelib.ocpi.parties import Party, Role


@dataclass(frozen=True, slots=True)
class Authentication:
    """A grant and the partner it belongs to."""

    grant: Grant
    partner: Partner


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key to the operator API, known by its hash alone."""

    name: str
    roles: frozenset[str] = frozenset()
    """What its holder may do beyond what every holder may, such as ``help-desk``."""


class PartnerStore(Protocol):
    """Our partners, the tokens we issued to them, and what we counted about them."""

    def get(self, partner_id: str) -> Partner | None:
        """The partner, strongly consistent."""

    def all(self) -> list[Partner]:
        """Every partner, oldest first, registered or not."""

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        """Write the partner, tokens to issue and token hashes to revoke, in one transaction.

        ``partner.version`` is the one that was read (0: new); the answer has the next. A registered partner claims its
        party for its role; ``release`` gives a claim up.

        Raises:
            Conflict: the partner changed meanwhile.
            PartyTaken: another connection of this role has claimed the party (Q-34).
        """

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """Whom the token admits to this role's tree, strongly consistent; None if it is unknown or expired."""

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters, such as one per deviation; one call."""

    def counters(self, partner_id: str) -> dict[str, int]:
        """The partner's counters."""

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """Remember that it went well with the partner then, or failed with this problem; one call."""

    def contacts(self, partner_id: str) -> list[Contact]:
        """When we were last in touch with the partner, by module and direction; one call."""

    def operator_key(self, key_hash: str) -> OperatorKey | None:
        """The operator key with this hash, or None."""

    def save_operator_key(self, key_hash: str, key: OperatorKey) -> None:
        """Let this key in."""

    def operator_keys(self) -> dict[str, OperatorKey]:
        """All operator keys by their hash."""

    def remove_operator_key(self, key_hash: str) -> None:
        """Let this key in no longer."""

    def public_url(self) -> str | None:
        """Where partners reach us, as recorded at the last deployment."""

    def record_public_url(self, url: str) -> None:
        """Remember where partners reach us."""


class PartyTaken(Exception):
    """Another connection of the same role has claimed this party."""
