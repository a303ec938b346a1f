"""A client of a node's operator API whose errors say what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as TooSlow

from cli.output import Failure

# The node may have to ask a partner several times before it can answer.
PATIENCE = urllib3.Timeout(connect=5.0, read=90.0)
# Only a GET is sent again, and only if the node was not reached at all.
RETRIES = urllib3.Retry(connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2)
NO_RETRIES = urllib3.Retry(total=0, redirect=0, raise_on_redirect=False)

RUN = "Is the node running? Start two on this machine: make run. Start one that stopped: python -m cli local restart"
NEW_KEY = (
    "Create a key with: python -m cli keys create NAME --stage STAGE\n"
    "and give it with --key, or set OCPI_OPERATOR_KEY. Local keys change when the runner starts anew."
)
ADDRESS = "Check the URL: an operator API's ends in /operator."


class Refused(Failure):
    """The node understood what it was asked, and the rules of roaming or the state of things forbid it."""


class Away(Failure):
    """The node cannot be asked now, or failed: to ask again later may help."""


class OperatorApi:
    """One node, asked as the holder of one key."""

    def __init__(self, url: str, key: str) -> None:
        """A client for the API at this URL.

        Raises:
            UsageError: this is no URL.
        """
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.UsageError(f"{url!r} is not a URL such as https://ocpi.example.com/operator")
        self.url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        self._pool = urllib3.PoolManager()

    def get(self, *path: str, **query: object) -> Any:
        """What stands at this path; parts of a query that are None are left out."""
        return self._call("GET", path, query=query)

    def every(self, *path: str, of: str) -> Iterator[dict[str, Any]]:
        """Everything in a list that is answered in pieces, under this name."""
        after: str | None = None
        while True:
            piece = self.get(*path, after=after)
            yield from piece[of]
            after = piece.get("after")
            if not after:
                return

    def post(self, *path: str, body: object, **query: object) -> Any:
        """The answer to a POST."""
        return self._call("POST", path, body=_json(body), query=query)

    def put(self, *path: str, body: object = None, **query: object) -> Any:
        """The answer to a PUT."""
        return self._call("PUT", path, body=_json(body), query=query)

    def put_raw(self, *path: str, body: bytes, **query: object) -> Any:
        """The answer to a PUT of what is JSON already."""
        return self._call("PUT", path, body=body, query=query)

    def patch(self, *path: str, body: object) -> Any:
        """The answer to a PATCH."""
        return self._call("PATCH", path, body=_json(body))

    def delete(self, *path: str) -> Any:
        """The answer to a DELETE."""
        return self._call("DELETE", path)

    def _call(
        self, method: str, path: tuple[str, ...], *, body: bytes | None = None, query: dict[str, object] | None = None
    ) -> Any:
        url = "/".join((self.url, *(quote(part, safe="") for part in path)))
        fields = {name: str(value) for name, value in (query or {}).items() if value is not None}
        try:
            response = self._pool.request(
                method,
                url + ("?" + urlencode(fields) if fields else ""),
                body=body,
                headers=self._headers | ({"content-type": "application/json"} if body is not None else {}),
                timeout=PATIENCE,
                retries=RETRIES if method == "GET" else NO_RETRIES,
                redirect=False,
            )
        except HTTPError as broken:
            raise self._unreachable(broken) from broken
        return self._opened(response.status, response.data)

    def _opened(self, status: int, data: bytes) -> Any:
        """The answer's JSON, None if it has none.

        Raises:
            Refused: the node does not do it.
            Away: the node failed.
            Failure: it does not know us or what we ask for, or this is not a node.
        """
        if 200 <= status < 300 and not data:
            return None
        try:
            answer = json.loads(data)
        except ValueError as broken:
            raise Failure(f"{self.url} answered {status}, and not in JSON", ADDRESS) from broken
        if 200 <= status < 300:
            return answer
        problem = answer if isinstance(answer, dict) else {}
        kind = Refused if status in (409, 422) else Away if status >= 500 else Failure
        raise kind(
            problem.get("error") or f"{self.url} answered {status}",
            _next_step(status, known="error" in problem),
            problem.get("details") or (),
        )

    def _unreachable(self, broken: HTTPError) -> Away:
        cause = getattr(broken, "reason", None) or broken
        if isinstance(cause, NameResolutionError):
            return Away(f"The host of {self.url} has no address", ADDRESS)
        if isinstance(cause, NewConnectionError):
            return Away(f"Nothing answers at {self.url}", RUN)
        if isinstance(cause, TooSlow):
            return Away(f"{self.url} did not answer in time", "It may have done its work: look before you repeat it.")
        return Away(f"{self.url} could not be asked: {cause}", RUN)


def _json(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _next_step(status: int, *, known: bool) -> str:
    if status == 401:
        return NEW_KEY
    if not known:
        return ADDRESS
    return "The node's log says more." if status == 500 else ""
