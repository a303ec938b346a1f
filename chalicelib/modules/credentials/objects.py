"""The objects of registration: credentials, and the versions and endpoints that partners publish.

Spec: credentials.md 2; version_information_endpoint.md.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator

from chalicelib.modules.locations.objects import BusinessDetails
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.types import Matches, NonEmptyList, OcpiObject, Text, Url, breach


def is_callable_url(text: str) -> bool:
    """Whether this is an absolute http(s) URL with a host. Which hosts we call is decided elsewhere (Q-59)."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _callable_url(value: str) -> str:
    if not is_callable_url(value):
        raise breach("VER-04", "is not an absolute http(s) URL")
    return value


CallableUrl = Annotated[Url, AfterValidator(_callable_url)]
"""A URL that we call, which must be absolute; a ``Url`` is only shown to people."""


class Credentials(OcpiObject):
    """What a platform needs to call the other one; the receiver then sends ``token``. Spec: credentials.md 2.1."""

    token: Annotated[
        str, Matches(pattern=r"[\x21-\x7E]{1,64}", rule="TRA-07", form="1 to 64 printable characters without spaces")
    ]
    url: CallableUrl
    business_details: BusinessDetails
    party_id: Annotated[
        str, Matches(pattern=r"[A-Za-z0-9]{3}", rule="FMT-17", form="a party id of 3 letters or digits")
    ]
    country_code: Annotated[str, Matches(pattern=r"[A-Za-z]{2}", rule="FMT-17", form="an ISO 3166 alpha-2 country")]

    @property
    def auth_token(self) -> AuthToken:
        """The token that we have to send to them."""
        return AuthToken(self.token)

    @property
    def party(self) -> Party:
        """Who they are."""
        return Party.of(self.country_code, self.party_id)

    def __repr__(self) -> str:
        return f"Credentials({self.country_code}/{self.party_id}, {self.auth_token})"

    __str__ = __repr__


class Version(OcpiObject):
    """One version a platform speaks, and where its details are. Spec: version_information_endpoint.md."""

    version: Annotated[str, Text(limit=20)]
    url: CallableUrl


class VersionList(OcpiObject):
    """The answer of a versions endpoint, wrapped into an object so that it can be validated like one.

    Its entries are not validated here: one for a version that we do not know may have any form (VER-09).
    """

    versions: NonEmptyList[dict[str, Any]]


class ListedEndpoint(OcpiObject):
    """Where one module is served. Spec: version_information_endpoint.md, Endpoint class."""

    identifier: Annotated[str, Text(limit=255)]
    url: CallableUrl


class VersionDetails(OcpiObject):
    """The endpoints of one version, not validated here either. Spec: version_information_endpoint.md, Data."""

    endpoints: NonEmptyList[dict[str, Any]]
