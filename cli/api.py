"""A client of a node's operator API whose errors say what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import click
import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as RequestTimeout

from cli.output import Failure

# The node may have to send several requests to a partner before it can answer.
TIMEOUT = urllib3.Timeout(connect=5.0, read=90.0)
# Only a GET is sent again, and only if there was no connection.
RETRIES = urllib3.Retry(connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.2)
NO_RETRIES = urllib3.Retry(total=0, redirect=0, raise_on_redirect=False)

RUN = "Is the node running? Start two on this machine: make run. Start one that stopped: python -m cli local restart"
NEW_KEY = (
    "Create a key with: python -m cli keys create NAME --stage STAGE\n"
    "and give it with --key, or set OCPI_OPERATOR_KEY. Local keys change when the runner starts anew."
)
ADDRESS = "Check the URL: an operator API's ends in /operator."


class Refused(Failure):
    """The node refused a valid request: a rule of OCPI or the state of an object forbids it (HTTP 409, 422)."""


class Unavailable(Failure):
    """The node cannot be reached, or failed (HTTP 5xx): a later attempt may succeed."""


class OperatorApi:
    """A client of one node's operator API, with one operator key."""

    def __init__(self, url: str, key: str) -> None:
        """A client for the API at this URL.

        Raises:
            UsageError: the URL is no http(s) URL.
        """
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.UsageError(f"{url!r} is not a URL such as https://ocpi.example.com/operator")
        self.url = url.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        self._pool = urllib3.PoolManager()

    def get(self, *path: str, **query: object) -> Any:
        """The answer to a GET of this path; query parameters that are None are left out."""
        return self._call("GET", path, query=query)

    def list_all(self, *path: str, of: str) -> Iterator[dict[str, Any]]:
        """Every item of a list that is served in pages; ``of`` names the field that holds the items of a page."""
        after: str | None = None
        while True:
            page = self.get(*path, after=after)
            yield from page[of]
            after = page.get("after")
            if not after:
                return

    def post(self, *path: str, body: object, **query: object) -> Any:
        """The answer to a POST."""
        return self._call("POST", path, body=_json(body), query=query)

    def put(self, *path: str, body: object = None, **query: object) -> Any:
        """The answer to a PUT."""
        return self._call("PUT", path, body=_json(body), query=query)

    def put_raw(self, *path: str, body: bytes, **query: object) -> Any:
        """The answer to a PUT of a body that is JSON already."""
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
                timeout=TIMEOUT,
                retries=RETRIES if method == "GET" else NO_RETRIES,
                redirect=False,
            )
        except HTTPError as broken:
            raise self._unreachable(broken) from broken
        return self._parse_answer(response.status, response.data)

    def _parse_answer(self, status: int, data: bytes) -> Any:
        """The answer's JSON, None if it has none.

        Raises:
            Refused: a rule or the state of an object forbids it (HTTP 409, 422).
            Unavailable: the node failed (HTTP 5xx).
            Failure: any other error, such as a wrong key or URL.
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
        kind = Refused if status in (409, 422) else Unavailable if status >= 500 else Failure
        raise kind(
            problem.get("error") or f"{self.url} answered {status}",
            _next_step(status, known="error" in problem),
            problem.get("details") or (),
        )

    def _unreachable(self, broken: HTTPError) -> Unavailable:
        cause = getattr(broken, "reason", None) or broken
        if isinstance(cause, NameResolutionError):
            return Unavailable(f"The host of {self.url} has no address", ADDRESS)
        if isinstance(cause, NewConnectionError):
            return Unavailable(f"Nothing answers at {self.url}", RUN)
        if isinstance(cause, RequestTimeout):
            return Unavailable(f"{self.url} did not answer in time", "It may have done it: look before you repeat it.")
        return Unavailable(f"{self.url} could not be asked: {cause}", RUN)


def _json(body: object) -> bytes | None:
    return None if body is None else json.dumps(body).encode()


def _next_step(status: int, *, known: bool) -> str:
    if status == 401:
        return NEW_KEY
    if not known:
        return ADDRESS
    return "The node's log says more." if status == 500 else ""
