"""The port that stores partners, the grants of their tokens, their counters and contacts, and operator keys."""

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
    """An authenticated caller: the grant of the token that it sent, and the partner that the token was issued to."""

    grant: Grant
    partner: Partner


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key to the operator API; only its hash is stored."""

    name: str
    roles: frozenset[str] = frozenset()
    """Additional permissions, such as ``help-desk``."""


class PartnerStore(Protocol):
    """The port that stores partners and all that belongs to them."""

    def get(self, partner_id: str) -> Partner | None:
        """The partner, or None; strongly consistent; one call."""

    def all(self) -> list[Partner]:
        """Every partner, oldest first, registered or not."""

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        """The saved partner, with the next version. Everything is written in one transaction.

        A registered partner *claims* its party: no other partner with the same ``our_role`` can be registered as it.

        Args:
            partner: what to write; ``version`` is the one that was read, 0 for a new partner.
            issue: grants of tokens to write.
            revoke: hashes of tokens to delete; one that is also issued stays.
            release: a party whose claim by this partner to give up.

        Raises:
            Conflict: the partner has changed since it was read.
            PartyTaken: another partner has claimed the party (Q-34).
        """

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """The grant and partner of a token for our endpoints of this role; None if it is unknown or expired.

        Strongly consistent; two calls.
        """

    def count(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters, such as one per deviation; one call."""

    def counters(self, partner_id: str) -> dict[str, int]:
        """All of the partner's counters by name; one call."""

    def record_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """Record that a request failed with this problem then, or succeeded if it is None; one call."""

    def contacts(self, partner_id: str) -> list[Contact]:
        """The partner's contacts, ordered by module and direction; one call."""

    def operator_key(self, key_hash: str) -> OperatorKey | None:
        """The operator key with this hash, or None."""

    def save_operator_key(self, key_hash: str, key: OperatorKey) -> None:
        """Accept this key from now on."""

    def operator_keys(self) -> dict[str, OperatorKey]:
        """All operator keys by their hash."""

    def remove_operator_key(self, key_hash: str) -> None:
        """Accept this key no longer."""

    def public_url(self) -> str | None:
        """Our public base URL as it was recorded at the last deployment, or None."""

    def record_public_url(self, url: str) -> None:
        """Record our public base URL."""


class PartyTaken(Exception):
    """Another partner with the same ``our_role`` is registered as this party."""
