"""The token that authenticates an OCPI request, printed masked. Spec: transport_and_format.md, Authorization."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from chalicelib.ocpi.errors import NotAuthenticated

_FORM: Final = re.compile(r"[\x21-\x7E]{1,64}")
_HEADER: Final = re.compile(r"\s*token\s+([\x21-\x7E]{1,200})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class AuthToken:
    """A credentials token: 1 to 64 printable characters without spaces, used literally (TRA-07, TRA-08)."""

    secret: str

    @classmethod
    def of(cls, secret: str) -> Self:
        """The token with this secret.

        Raises:
            ValueError: not 1 to 64 characters from ``!`` to ``~``.
        """
        if not _FORM.fullmatch(secret):
            raise ValueError("a token is 1 to 64 printable ASCII characters without spaces")
        return cls(secret)

    @property
    def hash(self) -> str:
        """Its SHA-256 in hex, which we store instead of a token that partners send us."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def header(self) -> dict[str, str]:
        """The header that authenticates a request of ours."""
        return {"authorization": f"Token {self.secret}"}

    def __repr__(self) -> str:
        shown = self.secret[:3] if len(self.secret) > 12 else ""
        return f"AuthToken({shown}…)"

    __str__ = __repr__


def presented_tokens(headers: Mapping[str, str]) -> tuple[AuthToken, ...]:
    """The token in the header as it is, and decoded from Base64 if that is possible (Q-03), in this order.

    Raises:
        NotAuthenticated: there is no ``Authorization: Token`` header (TRA-03, TRA-05).
    """
    header = headers.get("authorization")
    if header is None:
        raise NotAuthenticated("the Authorization header is missing: send 'Authorization: Token <token>'")
    match = _HEADER.fullmatch(header)
    if not match:
        raise NotAuthenticated("the Authorization header must read 'Token <token>'")
    literal, decoded = match[1], _decoded(match[1])
    return tuple(AuthToken(secret) for secret in (literal, decoded) if secret and _FORM.fullmatch(secret))


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("ascii").removesuffix("\n")
    except (binascii.Error, UnicodeDecodeError):
        return None
