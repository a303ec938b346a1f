"""HTTP requests and responses as values, independent of the server or client that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, inbound or outbound.

    ``url`` is absolute when we send it and a bare path when we receive it. Header names are lower case; ``query`` holds
    decoded values, the last one where a name is repeated. ``body`` is empty when there is none.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _lower(self.headers))


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, ours or theirs. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", _lower(self.headers))
