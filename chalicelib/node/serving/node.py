"""One request in, one envelope out: authentication, dispatch, and the only place where errors become answers."""

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
"""Bytes of a request body that we read (N-68). API Gateway passes 10 MB, Lambda 6 MB."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Node:
    """The OCPI side of one party: its endpoints, and how they answer."""

    router: Router
    roles: frozenset[Role]
    authenticator: Authenticator
    observer: Observer
    clock: Callable[[], datetime]
    on_successor_used: Callable[[Partner, Grant], Partner]
    """Told when a partner uses a token that replaces others; answers with the partner as it then is (Q-40)."""

    def handle(self, request: Request, base_url: str, correlation_id: str = "") -> Response:
        """The answer to a request whose ``url`` is the path below ``base_url``; never an exception."""
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
        """The answer of ``served`` to this request; never an exception.

        Args:
            served: what the path addresses.
            params: the path's variable segments, decoded.
            request: the request; its ``url`` is the path below ``base_url``.
            base_url: our public address.
            correlation_id: named to the partner when we fail, so that the log line can be found (TRA-38).
        """
        began, partner_id, endpoint = time.perf_counter(), "", served.endpoint
        outcome: Response | OcpiError
        try:
            if request.method == "OPTIONS":
                return Response(204, {"allow": ", ".join(endpoint.allowed)})
            authentication = self._admission(endpoint, request)
            partner_id = authentication.partner.id
            self.observer.about(partner_id, endpoint.module)
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
        except Exception:  # noqa: BLE001 - the edge: whatever happened, the partner gets an envelope
            _LOG.exception("unexpected failure in %s %s", request.method, endpoint.path)
            outcome = ServerError(f"unexpected failure; reference {correlation_id}")
        return self._answered(request, endpoint, partner_id, outcome, time.perf_counter() - began)

    def _admission(self, endpoint: Endpoint[Any], request: Request) -> Authentication:
        if endpoint.role not in self.roles:
            raise NotFound(f"this party does not act as {endpoint.role}")
        for token in presented_tokens(request.headers):
            authentication = self.authenticator.authenticate(endpoint.role, token.hash)
            if authentication is not None:
                if authentication.partner.is_suspended:
                    raise NotAuthenticated("this connection is suspended for the time being")
                if not endpoint.admits(authentication.partner, authentication.grant):
                    break
                if _is_succession(endpoint, authentication):
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
        """The answer to the request, after the observer has heard of it."""
        error = outcome if isinstance(outcome, OcpiError) else None
        response = failure(self.clock(), outcome) if isinstance(outcome, OcpiError) else outcome
        self.observer.exchange(
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


def _is_succession(endpoint: Endpoint[Any], authentication: Authentication) -> bool:
    """Whether this request tells that a token has replaced others."""
    if authentication.grant.kind is GrantKind.OFFERED:
        # Where callers are let in before they are registered, this may be the call-back of a PUT that fails yet.
        return not endpoint.before_registration
    return bool(authentication.partner.fading) and authentication.grant.kind is GrantKind.CURRENT
