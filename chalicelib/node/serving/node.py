"""Handles one request of a partner: routing, authentication, the handler, and errors as OCPI envelopes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chalicelib.node.partners.authentication import Authenticator
from chalicelib.node.partners.partner import Grant, GrantKind, Partner
from chalicelib.node.partners.store import Authentication
from chalicelib.node.serving.router import Call, Endpoint, Router, ServedEndpoint
from chalicelib.node.telemetry import Exchange, Observer
from chalicelib.ocpi.auth import presented_tokens
from chalicelib.ocpi.envelope import SUCCESS, failure, message_of
from chalicelib.ocpi.errors import BodyTooLarge, NotAuthenticated, NotFound, OcpiError, ServerError
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.parties import Role

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of the largest request body that we accept (N-68). API Gateway accepts 10 MB, Lambda 6 MB."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """The OCPI API of one party: all of its endpoints."""

    router: Router
    roles: frozenset[Role]
    authenticator: Authenticator
    observer: Observer
    clock: Callable[[], datetime]
    on_successor_used: Callable[[Partner, Grant], Partner]
    """Called when a partner first uses a token that replaces others; returns the changed partner (Q-40)."""

    def handle(self, request: Request, base_url: str, correlation_id: str = "") -> Response:
        """The response to any request; never raises.

        Args:
            request: its ``url`` is the path below ``base_url``.
            base_url: our public address.
            correlation_id: as in ``answer``.
        """
        try:
            served, params = self.router.match(request.url)
        except NotFound as unknown:
            return self._answered(request, None, "", unknown, 0.0)
        return self.answer(served, params, request, base_url, correlation_id)

    def answer(
        self,
        served: ServedEndpoint,
        params: Mapping[str, str],
        request: Request,
        base_url: str,
        correlation_id: str = "",
    ) -> Response:
        """The response of this endpoint; never raises.

        Args:
            served: the endpoint that the path addresses.
            params: the path's variable segments, decoded.
            request: its ``url`` is the path below ``base_url``.
            base_url: our public address.
            correlation_id: sent to the partner if we fail, so that the log line can be found (TRA-38).
        """
        began, partner_id, endpoint = time.perf_counter(), "", served.endpoint
        outcome: Response | OcpiError
        try:
            if request.method == "OPTIONS":
                return Response(204, {"allow": ", ".join(endpoint.allowed)})
            authentication = self._authenticate(endpoint, request)
            partner_id = authentication.partner.id
            self.observer.set_context(partner_id, endpoint.module)
            handler = served.handler(request.method)
            if len(request.body) > LARGEST_BODY:
                raise BodyTooLarge(f"the body is larger than {LARGEST_BODY} bytes")
            url = base_url + request.url.removesuffix("/")
            outcome = handler(
                Call(
                    request=request,
                    params=params,
                    partner=authentication.partner,
                    grant=authentication.grant,
                    now=self.clock(),
                    url=url,
                    base_url=base_url,
                )
            )
        except OcpiError as error:
            outcome = error
        except Exception:  # noqa: BLE001 - the outermost handler: the partner gets an envelope in any case
            _LOG.exception("unexpected failure in %s %s", request.method, endpoint.path)
            outcome = ServerError(f"unexpected failure; reference {correlation_id}")
        return self._answered(request, endpoint, partner_id, outcome, time.perf_counter() - began)

    def _authenticate(self, endpoint: Endpoint[Any], request: Request) -> Authentication:
        """The caller, if it may call this endpoint.

        Raises:
            NotFound: our party does not play the endpoint's role.
            NotAuthenticated: no token in the request is valid here, or the partner is suspended.
        """
        if endpoint.role not in self.roles:
            raise NotFound(f"this party does not act as {endpoint.role}")
        for token in presented_tokens(request.headers):
            authentication = self.authenticator.authenticate(endpoint.role, token.hash)
            if authentication is not None:
                if authentication.partner.is_suspended:
                    raise NotAuthenticated("this connection is suspended for the time being")
                if not endpoint.admits(authentication.partner, authentication.grant):
                    break
                if _uses_successor(endpoint, authentication):
                    return replace(
                        authentication, partner=self.on_successor_used(authentication.partner, authentication.grant)
                    )
                return authentication
        raise NotAuthenticated(f"this token is not valid for {endpoint.module} here")

    def _answered(
        self,
        request: Request,
        endpoint: Endpoint[Any] | None,
        partner_id: str,
        outcome: Response | OcpiError,
        seconds: float,
    ) -> Response:
        """The response to the request, after the exchange was recorded by the observer."""
        error = outcome if isinstance(outcome, OcpiError) else None
        response = failure(self.clock(), outcome) if isinstance(outcome, OcpiError) else outcome
        self.observer.record_exchange(
            Exchange(
                direction="in",
                partner_id=partner_id,
                module=endpoint.module if endpoint else "",
                method=request.method,
                path=endpoint.path if endpoint else "",
                http_status=response.status,
                status_code=error.status_code if error else SUCCESS,
                latency_ms=seconds * 1000,
                problem=message_of(error) if error else "",
            )
        )
        return response


def _uses_successor(endpoint: Endpoint[Any], authentication: Authentication) -> bool:
    """Whether this request proves that the partner has taken a token that replaces others."""
    if authentication.grant.kind is GrantKind.OFFERED:
        # They also call versions with it while they handle our PUT, which they may refuse after that.
        return not endpoint.before_registration
    return bool(authentication.partner.fading) and authentication.grant.kind is GrantKind.CURRENT
