"""A short memory of whom we let in, so that a burst of requests with one token reads it from the store once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.node.partners.partner import GrantKind
from chalicelib.node.partners.store import Authentication
from chalicelib.ocpi.parties import Role


class Authenticator(Protocol):
    """Tells whom a token admits; a ``PartnerStore`` does."""

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """The grant and its partner, or None."""


class CachedAuthenticator:
    """Remembers registered partners with their current token for a few seconds.

    Nothing else: a token must work the moment it is issued, and what is changing (an invitation, a registration, an
    overlap) must be seen as it is. A token revoked in another process works on for those few seconds here, and so does
    that of a partner that was suspended there.
    """

    def __init__(self, store: Authenticator, clock: Callable[[], datetime], seconds: float = 3) -> None:
        self._store = store
        self._clock = clock
        self._kept = timedelta(seconds=seconds)
        self._known: dict[tuple[Role, str], tuple[datetime, Authentication]] = {}

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """Whom the token admits to this role's tree; None if it is unknown or expired."""
        known, now = self._known, self._clock()
        since, authentication = known.get((our_role, token_hash), (None, None))
        if authentication is not None and since is not None and since <= now < since + self._kept:
            return authentication
        authentication = self._store.authenticate(our_role, token_hash)
        if authentication is not None and _is_settled(authentication):
            # Into the memory from before the read: if forget() came meanwhile, that one is gone.
            known[our_role, token_hash] = (now, authentication)
        return authentication

    def forget(self) -> None:
        """Read everything afresh; call it after every save of a partner."""
        self._known = {}


def _is_settled(authentication: Authentication) -> bool:
    grant, partner = authentication.grant, authentication.partner
    lasting = grant.kind is GrantKind.CURRENT and grant.expires_at is None
    return lasting and partner.is_active and not partner.fading
