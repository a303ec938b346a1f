"""Every error of OCPI, as one tree; each class has the HTTP status and OCPI status code of its answer.

OcpiError                          HTTP  OCPI
├── ClientError                     200  2000   the message we got is wrong
│   ├── InvalidJson                 400  2000
│   ├── BodyTooLarge                413  2000
│   ├── NotAuthenticated            401  2000
│   ├── NotFound                    404  2000
│   │   └── UnknownLocationUrl      404  2003
│   ├── MethodNotAllowed            405  2000   (knows the allowed methods)
│   ├── TooManyRequests             429  2000
│   ├── InvalidParameters           200  2001
│   ├── NotEnoughInformation        200  2002
│   └── UnknownLocation             200  2003
├── ServerError                     200  3000   we failed
└── PartnerError                    200  3001   the partner's API failed us
    ├── UnableToUseApi              200  3001
    │   ├── Unreachable             200  3001   no answer at all; trying again can help
    │   └── AddressNotAllowed       200  3001   we do not call such a URL; trying again cannot help
    ├── NotTaken                    200  3001   it answered, but did not do it (knows the answer)
    ├── UnsupportedVersion          200  3002
    └── MissingEndpoints            200  3003

Spec: status_codes.md; the HTTP column is the result table of the rules TRA-03, TRA-15 to TRA-18 and TRA-38.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from chalicelib.ocpi.answer import Answer


class OcpiError(Exception):
    """The root of all errors; ``http_status`` and ``status_code`` are the statuses of the answer."""

    http_status: ClassVar[int] = 200
    status_code: ClassVar[int] = 2000

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that belong to this answer, such as ``Allow``."""
        return {}


class ClientError(OcpiError):
    """The message we got is wrong; sending it again unchanged cannot help."""


class InvalidJson(ClientError):
    """The body is not JSON at all (TRA-15)."""

    http_status = 400


class BodyTooLarge(ClientError):
    """The body is larger than we read."""

    http_status = 413


class NotAuthenticated(ClientError):
    """No token, or none that we issued for the URL tree of this role (TRA-03, TRA-04)."""

    http_status = 401


class NotFound(ClientError):
    """The URL addresses nothing (TRA-17, TRA-30)."""

    http_status = 404


class UnknownLocationUrl(NotFound):
    """The URL addresses a Location, EVSE or Connector that we do not know (Q-76)."""

    status_code = 2003


class MethodNotAllowed(ClientError):
    """The interface does not define this method, or not in this state (TRA-18, CRD-08 to CRD-10)."""

    http_status = 405

    def __init__(self, message: str, allowed: Iterable[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)

    @property
    def headers(self) -> Mapping[str, str]:
        """The ``Allow`` header."""
        return {"allow": ", ".join(self.allowed)}


class TooManyRequests(ClientError):
    """The caller exceeds its limit; it may try again after ``retry_after_s`` seconds (Q-23)."""

    http_status = 429

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> Mapping[str, str]:
        """The ``Retry-After`` header."""
        return {"retry-after": str(self.retry_after_s)}


class InvalidParameters(ClientError):
    """The JSON or the query breaks a rule of the spec (TRA-16, TRA-20)."""

    status_code = 2001


class NotEnoughInformation(ClientError):
    """The request is valid, but lacks information that the answer depends on."""

    status_code = 2002


class UnknownLocation(ClientError):
    """The body names a Location, EVSE or Connector that we do not know."""

    status_code = 2003


class ServerError(OcpiError):
    """We failed; trying again can help (TRA-38)."""

    status_code = 3000


class PartnerError(OcpiError):
    """The partner's API failed us while we needed it."""

    status_code = 3001


class UnableToUseApi(PartnerError):
    """The partner answered, but not with what the spec promises (CRD-11)."""


class Unreachable(UnableToUseApi):
    """The partner did not answer: refused, timed out, TLS failure. Trying again can help.

    ``unsent`` says that there was no connection, so that they cannot have processed the request.
    """

    def __init__(self, message: str, *, unsent: bool = False) -> None:
        super().__init__(message)
        self.unsent = unsent


class NotTaken(PartnerError):
    """The partner answered, but did not do what we asked for; ``answer`` is what it said."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


class AddressNotAllowed(UnableToUseApi):
    """The partner gave a URL that we do not call: not https, or an address that is not public (Q-59)."""


class UnsupportedVersion(PartnerError):
    """The partner does not offer OCPI 2.1.1 (CRD-12)."""

    status_code = 3002


class MissingEndpoints(PartnerError):
    """The partner lacks a module that we require (CRD-13)."""

    status_code = 3003
