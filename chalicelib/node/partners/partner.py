"""A registered counterparty as a value: who they are, where they are reached, how far the registration has come."""

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
    """How far the registration has come."""

    INVITED = "invited"
    """We issued a token and wait for their POST."""
    PENDING = "pending"
    """We started a registration that has not succeeded yet."""
    REGISTERED = "registered"
    UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """One connection: a counterparty in one role, with what both sides know of each other.

    ``our_role`` is what we play towards them, and names the tree of URLs they call.
    """

    id: str
    our_role: Role
    state: State
    name: str = ""
    party: Party | None = None
    versions_url: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    business_details: Mapping[str, Any] = field(default_factory=dict)
    token_we_send: AuthToken | None = None
    former_token_we_send: AuthToken | None = None
    """Sent once more when a fresh token is refused, until ``overlap_until`` (Q-40)."""
    overlap_until: datetime | None = None
    issued: tuple[str, ...] = ()
    """Hashes of the tokens that we issued to them and that may still be good."""
    fading: tuple[str, ...] = ()
    """Those of them that die as soon as their successor is used (Q-40)."""
    shown: str = ""
    """The fingerprint of what we published when credentials were last exchanged (VER-11)."""
    profile: Profile = Profile.LENIENT
    accept_incomplete_locations: bool = False
    """Whether the lenient profile forgives them fields without which a location is still of use to drivers (Q-31)."""
    takes_patches: bool = True
    """Whether a small change is told by PATCH; else the changed part is PUT."""
    is_suspended: bool = False
    """Whether the operator has cut the connection for a while; the registration stays."""
    problem: str | None = None
    """What went wrong last, for the operator."""
    updated_at: datetime | None = None
    version: int = 0

    @property
    def is_registered(self) -> bool:
        """Whether the two have exchanged credentials; their party is theirs then, suspended or not."""
        return self.state is State.REGISTERED

    @property
    def is_active(self) -> bool:
        """Whether objects may flow: registered and not suspended."""
        return self.is_registered and not self.is_suspended

    def hosts(self, url: str) -> bool:
        """Whether the URL is at a host that the partner registered, and that may so see our token (Q-59)."""
        # With the scheme: what they have behind TLS must not be sent in the clear.
        known = {urlsplit(each)[:2] for each in (self.versions_url, *self.endpoints.values()) if each}
        return urlsplit(url)[:2] in known

    def with_(self, **changes: Any) -> Partner:
        """This partner with some facts changed."""
        return replace(self, **changes)


class GrantKind(StrEnum):
    """What a token that we issued is good for."""

    INVITATION = "invitation"
    """Versions, details and one registration (CRD-25)."""
    CURRENT = "current"
    """Everything, once the partner is registered; before, versions and details only."""
    OFFERED = "offered"
    """Sent in a PUT of ours whose outcome we do not know; current once they use it (CRD-29)."""
    FADING = "fading"
    """A replaced token during the overlap after a rotation (Q-40)."""
    SPENT = "spent"
    """An invitation that was used: good only to repeat that very POST whose answer got lost (Q-39)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A token that we issued, known by its hash alone."""

    token_hash: str
    partner_id: str
    our_role: Role
    kind: GrantKind
    expires_at: datetime | None = None
    repeat_of: str | None = None
    """For SPENT: the fingerprint of the POST that may be repeated."""
