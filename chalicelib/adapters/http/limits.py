"""The time and size limits of a call to a partner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The limits of every call; times in seconds."""

    connect_s: float = 5.0
    """For the DNS lookup and the connect together; and once more for the TLS handshake."""
    read_s: float = 10.0
    """Between two reads from the socket that return data."""
    total_s: float = 20.0
    """For the whole call: lookups, connects, the response, and any resend and redirects."""
    idle_s: float = 30.0
    """How long an idle connection is reused. A frozen Lambda does not notice that the partner closed it; then a POST
    on it would be lost, because a POST is never resent."""
    max_response_bytes: int = 8 * 1024 * 1024
    """After decompression. Enough for a page of a thousand objects."""
