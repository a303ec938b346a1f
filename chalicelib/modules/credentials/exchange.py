"""What both sides of a registration need: our credentials object, and a partner updated with theirs.

Spec: credentials.md 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib.modules.credentials.handshake import their_endpoints
from chalicelib.modules.credentials.objects import Credentials
from chalicelib.modules.versions.interface import PublishedEndpoints
from chalicelib.node.flows import Flow, T, drive
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role

_GET_TIMEOUT_S: Final = 8.0
"""Seconds for a GET of their versions or details; two of them have to fit into the POST that causes them (Q-43)."""
_EXCHANGE_TIMEOUT_S: Final = 60.0
"""Seconds for a POST or PUT of credentials; they fetch our versions before they answer (Q-43)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our party and business details, as every credentials object of ours states them."""

    party: Party
    business_details: Mapping[str, Any]


class CredentialsExchange:
    """Makes our credentials, applies theirs to a partner, and sends the requests of a handshake.

    The responder (they POST to us) and the initiator (we POST to them) both use it.
    """

    def __init__(
        self,
        identity: Identity,
        outbound: Outbound,
        clock: Callable[[], datetime],
        published: Callable[[Role], PublishedEndpoints],
        required_modules: Collection[str],
    ) -> None:
        """Exchanges of these credentials.

        Args:
            identity: who we are.
            outbound: sends the requests.
            clock: the time.
            published: where partners find the endpoints of a role of ours.
            required_modules: modules without which we register with nobody (CRD-13, CRD-23).
        """
        self._identity = identity
        self._outbound = outbound
        self._clock = clock
        self._published = published
        self.required_modules = required_modules

    def our_credentials(self, role: Role, token: AuthToken) -> dict[str, Any]:
        """Our credentials object for a partner in the other role, which uses ``token`` to reach us (CRD-01)."""
        return {
            "token": token.secret,
            "url": self._published(role).versions_url,
            "business_details": dict(self._identity.business_details),
            "party_id": self._identity.party.party_id,
            "country_code": self._identity.party.country_code,
        }

    def is_our_party(self, party: Party) -> bool:
        """Whether this is our own party."""
        return party == self._identity.party

    def knows_our_endpoints(self, partner: Partner) -> bool:
        """Whether our endpoints are those that we published when credentials were last exchanged (VER-11)."""
        return partner.shown == self._published(partner.our_role).fingerprint

    def with_credentials(self, partner: Partner, theirs: Credentials, endpoints: Mapping[str, str]) -> Partner:
        """The partner with these credentials and endpoints of theirs, but with the party that it had.

        Callers decide about the party: a partner may not name itself another one (Q-34).
        """
        return partner.with_changes(
            name=partner.name or theirs.business_details.name,
            versions_url=theirs.url,
            endpoints=endpoints,
            business_details=theirs.business_details.model_dump(mode="json", exclude_none=True),
            token_we_send=theirs.auth_token,
            shown=self._published(partner.our_role).fingerprint,
            problem=None,
        )

    def fetch_endpoints(self, partner: Partner, versions_url: str, token: AuthToken) -> dict[str, str]:
        """The URL of each module that the partner serves, by identifier, fetched now from their versions and details.

        Raises:
            PartnerError: their API cannot be used.
        """
        return self.run(partner, their_endpoints(versions_url, token, self.required_modules, self._clock()))

    def run(self, partner: Partner, handshake: Flow[T], ours: AuthToken | None = None) -> T:
        """The result of a handshake, whose requests are sent to the partner.

        Args:
            partner: whom we talk to.
            handshake: the requests, and what is made of their answers.
            ours: the token in our credentials, if the conversation sends them; nothing that is logged repeats it.

        Raises:
            PartnerError: their API cannot be used, or refused.
        """

        def send(request: Request) -> Answer:
            return self._outbound.ask(
                partner.id,
                ModuleID.CREDENTIALS,
                request.method,
                request.url,
                AuthToken(request.headers["authorization"].removeprefix("Token ")),
                request.body,
                timeout_s=_GET_TIMEOUT_S if request.method == "GET" else _EXCHANGE_TIMEOUT_S,
                unspoken=[ours] if ours else [],
            )

        return drive(handshake, send)
