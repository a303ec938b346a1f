"""Requests to partners: sent with the right token, reported to the observer, their answers read once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlsplit

from chalicelib.node.partners.partner import Partner
from chalicelib.node.telemetry import Exchange, Observer
from chalicelib.ocpi.answer import NO_ANSWER, Answer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import UnableToUseApi
from chalicelib.ocpi.http import Request, Response


def object_url(endpoint: str, *steps: str) -> str:
    """The URL of an object below a partner's endpoint, each step percent-encoded (TRA-28, Q-05, Q-27)."""
    return "/".join([endpoint.rstrip("/"), *(quote(step, safe="*") for step in steps)])


class Outbound:
    """Sends requests to partners' APIs, and tells the observer of each."""

    def __init__(self, web: Web, observer: Observer, clock: Callable[[], datetime]) -> None:
        self._web = web
        self._observer = observer
        self._clock = clock

    def send(
        self, partner: Partner, module: str, method: str, url: str, body: bytes = b"", *, timeout_s: float | None = None
    ) -> Answer:
        """What the partner answers to a request with the token that it gave us.

        Where it refuses that token during a rotation, the former one is tried, once (Q-40).

        Args:
            partner: whom to ask.
            module: what the request is about, for the observer.
            method: the HTTP method.
            url: absolute, at the partner's own API.
            body: JSON; empty for none.
            timeout_s: seconds for both tries together; None leaves it to the web client.

        Raises:
            UnableToUseApi: no answer, or the partner gave us no token.
        """
        if partner.token_we_send is None:
            raise UnableToUseApi("we have no token of theirs: register first")
        began = self._clock()
        answer = self.ask(partner.id, module, method, url, partner.token_we_send, body, timeout_s=timeout_s)
        former, until = partner.former_token_we_send, partner.overlap_until
        if answer.http_status in (401, 403) and former is not None and until is not None and self._clock() < until:
            left_s = timeout_s and max(0.0, timeout_s - (self._clock() - began).total_seconds())
            return self.ask(partner.id, module, method, url, former, body, timeout_s=left_s)
        return answer

    def answer(self, partner: Partner, module: str, url: str, body: bytes) -> Answer:
        """What is answered to a POST at a URL that the partner named in a request of its own, a ``response_url``.

        If its host is none that the partner registered, the request carries no token, and its address has to be public
        (Q-59).

        Raises:
            UnableToUseApi: no answer.
        """
        if partner.hosts(url):
            return self.send(partner, module, "POST", url, body)
        return self.ask(partner.id, module, "POST", url, None, body, public=True)

    def ask(
        self,
        partner_id: str,
        module: str,
        method: str,
        url: str,
        token: AuthToken | None,
        body: bytes = b"",
        *,
        timeout_s: float | None = None,
        public: bool = False,
        unspoken: Collection[AuthToken] = (),
    ) -> Answer:
        """What is answered to one request, with our tokens masked in its message.

        Args:
            partner_id: whom we ask, for the observer.
            module: what the request is about, for the observer.
            method: the HTTP method.
            url: absolute.
            token: goes into the ``Authorization`` header; None for none.
            body: JSON; empty for none.
            timeout_s: seconds; None leaves it to the web client.
            public: the address has to be public, also where the network was opened for local runs.
            unspoken: further tokens of ours that the answer's message must not repeat: those in the body.

        Raises:
            UnableToUseApi: no answer.
        """
        began, problem, answer = time.perf_counter(), "", NO_ANSWER
        headers = {**(token.header if token else {}), **({"content-type": "application/json"} if body else {})}
        try:
            response = self._web.send(
                Request(method=method, url=url, headers=headers, body=body), timeout_s=timeout_s, public=public
            )
            answer = _masked(read_answer(response), [*([token] if token else []), *unspoken])
        except UnableToUseApi as failed:
            problem = str(failed)
            raise
        finally:
            self._observer.record_exchange(
                Exchange(
                    direction="out",
                    partner_id=partner_id,
                    module=module,
                    method=method,
                    path=urlsplit(url).path,
                    http_status=answer.http_status,
                    status_code=answer.status_code,
                    latency_ms=(time.perf_counter() - began) * 1000,
                    problem=problem or answer.status_message,
                )
            )
        return answer


def _masked(answer: Answer, tokens: Collection[AuthToken]) -> Answer:
    """The answer without these tokens in its message: some platforms quote what they refuse, and we log messages."""
    message = answer.status_message
    for token in tokens:
        message = message.replace(token.secret, str(token))
    return replace(answer, status_message=message)


class Web(Protocol):
    """The HTTP client that calls partners."""

    def check(self, url: str, *, public: bool = False) -> None:
        """Refuses a URL that we never call; its name is resolved, and the address checked, only when it is called.

        Raises:
            AddressNotAllowed: the URL is not allowed.
        """

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The answer to one request.

        Args:
            request: its ``url`` is absolute.
            timeout_s: seconds; None for the client's own limit.
            public: the address has to be public, also where the network was opened for local runs.

        Raises:
            Unreachable: no answer.
            UnableToUseApi: the address is not allowed, or the answer is larger than we read.
        """
