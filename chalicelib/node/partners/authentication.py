"""A cache of authenticated callers, so that a burst of requests with one token reads the store once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.node.partners.partner import GrantKind
from chalicelib.node.partners.store import Authentication
from chalicelib.ocpi.parties import Role


class Authenticator(Protocol):
    """Finds the partner that a token was issued to; a ``PartnerStore`` does."""

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """The grant and its partner; None if the token is unknown or expired."""


class CachedAuthenticator:
    """An authenticator that caches active partners with their current token for ``ttl_s`` seconds.

    Nothing else is cached: a token must work the moment it is issued, and invitations, registrations under way and
    overlaps of tokens must be seen as they are. If another process revokes a token or suspends a partner, the token
    still works in this process until its entry expires.
    """

    def __init__(self, store: Authenticator, clock: Callable[[], datetime], ttl_s: float = 3) -> None:
        self._store = store
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)
        self._cache: dict[tuple[Role, str], tuple[datetime, Authentication]] = {}

    def authenticate(self, our_role: Role, token_hash: str) -> Authentication | None:
        """The token's grant and partner, as far as it is for our endpoints of this role; None if unknown or expired."""
        cache, now = self._cache, self._clock()
        cached_at, authentication = cache.get((our_role, token_hash), (None, None))
        if authentication is not None and cached_at is not None and cached_at <= now < cached_at + self._ttl:
            return authentication
        authentication = self._store.authenticate(our_role, token_hash)
        if authentication is not None and _is_cacheable(authentication):
            # Into the dict from before the read: if clear() was called meanwhile, that dict is not in use any more.
            cache[our_role, token_hash] = (now, authentication)
        return authentication

    def clear(self) -> None:
        """Drop all entries; to be called after every save of a partner."""
        self._cache = {}


def _is_cacheable(authentication: Authentication) -> bool:
    grant, partner = authentication.grant, authentication.partner
    is_lasting = grant.kind is GrantKind.CURRENT and grant.expires_at is None
    return is_lasting and partner.is_active and not partner.fading
