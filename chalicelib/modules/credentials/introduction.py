"""How two parties introduce themselves to each other: our credentials for them, and what theirs make of a partner.

Spec: credentials.md 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.modules.credentials.handshake import their_endpoints
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.versions.interface import Published
from chalicelib.node.flows import Flow, T, drive
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role

_LOOK_TIMEOUT_S: Final = 8.0
"""Two looks at their versions have to fit into the POST that they are part of (Q-43)."""
_EXCHANGE_TIMEOUT_S: Final = 60.0
"""They look at our versions before they answer (Q-43)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are in a credentials object."""

    party: Party
    business_details: Mapping[str, Any]


class Introduction:
    """What responder and initiator have in common."""

    def __init__(
        self,
        identity: Identity,
        outbound: Outbound,
        clock: Callable[[], datetime],
        published: Callable[[Role], Published],
        required_modules: Collection[str],
    ) -> None:
        self._identity = identity
        self._outbound = outbound
        self._clock = clock
        self._published = published
        self.required_modules = required_modules

    def our_credentials(self, role: Role, token: AuthToken) -> dict[str, Any]:
        """What the bearer of ``token`` uses to reach us (CRD-01)."""
        return {
            "token": token.secret,
            "url": self._published(role).versions_url,
            "business_details": dict(self._identity.business_details),
            "party_id": self._identity.party.party_id,
            "country_code": self._identity.party.country_code,
        }

    def is_ours(self, party: Party) -> bool:
        """Whether this is us."""
        return party == self._identity.party

    def is_up_to_date(self, partner: Partner) -> bool:
        """Whether nothing changed in what we publish since credentials were last exchanged (VER-11)."""
        return partner.shown == self._published(partner.our_role).fingerprint

    def introduced(self, partner: Partner, theirs: Credentials, endpoints: Mapping[str, str]) -> Partner:
        """The partner as its credentials describe it, except for the party: that needs more than their word (Q-34)."""
        return partner.with_(
            name=partner.name or theirs.business_details.name,
            versions_url=theirs.url,
            endpoints=endpoints,
            business_details=theirs.business_details.model_dump(mode="json", exclude_none=True),
            token_we_send=theirs.auth_token,
            shown=self._published(partner.our_role).fingerprint,
            problem=None,
        )

    def endpoints(self, partner: Partner, versions_url: str, token: AuthToken) -> dict[str, str]:
        """Where the partner serves its modules, as published now.

        Raises:
            PartnerError: their API cannot be used.
        """
        return self.held(partner, their_endpoints(versions_url, token, self.required_modules, self._clock()))

    def held(self, partner: Partner, conversation: Flow[T], ours: AuthToken | None = None) -> T:
        """What a conversation with the partner comes to.

        Args:
            partner: whom we talk to.
            conversation: the requests, and what is made of their answers.
            ours: the token in our credentials, if the conversation sends them; nothing that is logged repeats it.

        Raises:
            PartnerError: they failed us.
        """

        def send(request: Request) -> Answer:
            return self._outbound.ask(
                partner.id,
                ModuleID.CREDENTIALS,
                request.method,
                request.url,
                AuthToken(request.headers["authorization"].removeprefix("Token ")),
                request.body,
                timeout_s=_LOOK_TIMEOUT_S if request.method == "GET" else _EXCHANGE_TIMEOUT_S,
                unspoken=[ours] if ours else [],
            )

        return drive(conversation, send)
