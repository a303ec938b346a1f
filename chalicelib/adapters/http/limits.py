"""What a call to a partner may take in time and size."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The bounds of every call; times are seconds."""

    connect_s: float = 5.0
    """For the lookup and the connect; a TLS handshake may take as long again."""
    read_s: float = 10.0
    """Between one piece of the answer and the next."""
    total_s: float = 20.0
    """For a whole call: its lookups, connects, second attempt and redirects, however slowly an answer trickles."""
    idle_s: float = 30.0
    """After this, a kept connection is not used again. A frozen Lambda does not hear that the partner hung up, and a
    POST into such a connection would be lost, as it is never retried."""
    max_response_bytes: int = 8 * 1024 * 1024
    """After decompression. A page of a thousand objects fits."""
