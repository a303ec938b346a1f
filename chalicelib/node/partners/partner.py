"""A partner as a value, and the grants of the tokens that we issued to it.

A *grant* is what we store of a token that we issued: its hash, and what it is valid for. During the *overlap*, the
minute after credentials were exchanged anew, the replaced tokens are still valid next to the new ones (Q-40).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile


class State(StrEnum):
    """The state of the registration."""

    INVITED = "invited"
    """We issued a token for the registration, and wait for their POST of credentials."""
    PENDING = "pending"
    """We started a registration that has not succeeded yet."""
    REGISTERED = "registered"
    """Credentials were exchanged."""
    UNREGISTERED = "unregistered"
    """One side has ended the registration; the objects that they sent us stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """A connection to another party in one role. A party that plays both roles is two partners."""

    id: str
    our_role: Role
    """What we are to them, CPO or eMSP; they call our endpoints of this role."""
    state: State
    name: str = ""
    party: Party | None = None
    """Their country code and party id; None until it is known."""
    versions_url: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Their endpoints' URLs, by module."""
    business_details: Mapping[str, Any] = field(default_factory=dict)
    token_we_send: AuthToken | None = None
    """The token that they issued to us."""
    former_token_we_send: AuthToken | None = None
    """The one before: tried if they refuse the new one, until ``overlap_until`` (Q-40)."""
    overlap_until: datetime | None = None
    """The end of the overlap of their tokens."""
    issued: tuple[str, ...] = ()
    """Hashes of the tokens that we issued to them and have not revoked."""
    fading: tuple[str, ...] = ()
    """Those of ``issued`` that a newer token replaces: revoked as soon as that one is used (Q-40)."""
    shown: str = ""
    """The fingerprint of the endpoints that we published when credentials were last exchanged (VER-11)."""
    profile: Profile = Profile.LENIENT
    """How strictly the objects that they send are validated."""
    accept_incomplete_locations: bool = False
    """Whether the lenient profile also accepts locations without some required fields (Q-31)."""
    takes_patches: bool = True
    """Whether small changes are sent by PATCH; if not, the changed part is sent by PUT."""
    is_suspended: bool = False
    """Whether the operator has paused the connection: no objects in either direction, but still registered."""
    problem: str | None = None
    """The last failure of the registration, for the operator."""
    updated_at: datetime | None = None
    version: int = 0
    """For optimistic locking: 0 until it is saved, and one more with each save."""

    @property
    def is_registered(self) -> bool:
        """Whether credentials were exchanged, suspended or not."""
        return self.state is State.REGISTERED

    @property
    def is_active(self) -> bool:
        """Whether objects may be exchanged: registered and not suspended."""
        return self.is_registered and not self.is_suspended

    def hosts(self, url: str) -> bool:
        """Whether the URL is on a host that the partner registered, so that our token may be sent there (Q-59)."""
        # With the scheme, so that the token for an https host is never sent over plain http.
        known = {urlsplit(each)[:2] for each in (self.versions_url, *self.endpoints.values()) if each}
        return urlsplit(url)[:2] in known

    def with_changes(self, **changes: Any) -> Partner:
        """This partner with these fields changed."""
        return replace(self, **changes)


class GrantKind(StrEnum):
    """What a token that we issued is valid for."""

    INVITATION = "invitation"
    """Versions, version details, and one registration (CRD-25)."""
    CURRENT = "current"
    """All endpoints once the partner is registered; versions and version details before."""
    OFFERED = "offered"
    """As CURRENT. We sent it in a PUT whose outcome is unknown; it becomes CURRENT when they use it (CRD-29)."""
    FADING = "fading"
    """As CURRENT. A newer token replaces it; it expires at the end of the overlap (Q-40)."""
    SPENT = "spent"
    """Only to repeat the POST that used the invitation, in case its response was lost (Q-39)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What we store of a token that we issued: its hash, never the token, and what it is valid for."""

    token_hash: str
    partner_id: str
    our_role: Role
    """It is valid at our endpoints of this role."""
    kind: GrantKind
    expires_at: datetime | None = None
    repeat_of: str | None = None
    """For SPENT: the fingerprint of the POST that may be repeated."""
