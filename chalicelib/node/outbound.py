"""One request to a partner: with the right token, told to the observer, its answer judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlsplit

from chalicelib.node.partners.partner import Partner
from chalicelib.node.telemetry import Exchange, Observer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import code_of
from chalicelib.ocpi.errors import UnableToUseApi
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.reading import parse


def object_url(endpoint: str, *steps: str) -> str:
    """The URL of an object below a partner's endpoint, each step percent-encoded (TRA-28, Q-05, Q-27)."""
    return "/".join([endpoint.rstrip("/"), *(quote(step, safe="*") for step in steps)])


class Outbound:
    """The way to partners' APIs."""

    def __init__(self, web: Web, observer: Observer, clock: Callable[[], datetime]) -> None:
        self._web = web
        self._observer = observer
        self._clock = clock

    def send(
        self, partner: Partner, module: str, method: str, url: str, body: bytes = b"", *, timeout_s: float | None = None
    ) -> Response:
        """What the partner answers; our former token is tried once where a fresh one is refused (Q-40).

        Raises:
            UnableToUseApi: no answer, or we have no token for them.
        """
        if partner.token_we_send is None:
            raise UnableToUseApi("we have no token of theirs: register first")
        began = self._clock()
        response = self.ask(partner.id, module, method, url, partner.token_we_send, body, timeout_s=timeout_s)
        former, until = partner.former_token_we_send, partner.overlap_until
        if response.status in (401, 403) and former is not None and until is not None and self._clock() < until:
            left_s = timeout_s and max(0.0, timeout_s - (self._clock() - began).total_seconds())
            return self.ask(partner.id, module, method, url, former, body, timeout_s=left_s)
        return response

    def answer(self, partner: Partner, module: str, url: str, body: bytes) -> Response:
        """What is answered to a POST at a URL that the partner gave in a request of its own (Q-59).

        Where its host is none that the partner registered, our token stays here, and the address has to be public.

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
    ) -> Response:
        """What is answered to a request with this token, if any; ``unspoken`` are the tokens in its body.

        Raises:
            UnableToUseApi: no answer.
        """
        began, problem, response = time.perf_counter(), "", Response(0)
        headers = {**(token.header if token else {}), **({"content-type": "application/json"} if body else {})}
        try:
            response = self._web.send(
                Request(method=method, url=url, headers=headers, body=body), timeout_s=timeout_s, public=public
            )
        except UnableToUseApi as failed:
            problem = str(failed)
            raise
        finally:
            code, said = code_of(response)
            told = _masked(said, [*([token] if token else []), *unspoken])
            self._observer.record_exchange(
                Exchange(
                    direction="out",
                    partner_id=partner_id,
                    module=module,
                    method=method,
                    path=urlsplit(url).path,
                    http_status=response.status,
                    status_code=code,
                    latency_ms=(time.perf_counter() - began) * 1000,
                    problem=problem or told,
                )
            )
        return response if told == said else _saying(told, response)


def _masked(text: str, tokens: Collection[AuthToken]) -> str:
    """The text without our secrets: some platforms quote what they refuse, and messages go into logs."""
    for token in tokens:
        text = text.replace(token.secret, str(token))
    return text


def _saying(message: str, response: Response) -> Response:
    frame = parse(response.body) | {"status_message": message}
    return Response(response.status, response.headers, json.dumps(frame).encode())


class Web(Protocol):
    """The way out to partners."""

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing, if the URL itself is one that we call; where its name leads is seen when it is called.

        Raises:
            AddressNotAllowed: it is none.
        """

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The partner's answer; ``public`` closes a network that was opened for local runs.

        Raises:
            Unreachable: no answer.
            UnableToUseApi: the address is not one we may call, or the answer is not one we may read.
        """
