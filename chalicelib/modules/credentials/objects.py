"""The objects of registration: credentials, and the versions and endpoints that partners publish.

Spec: credentials.md 2; version_information_endpoint.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from chalicelib.modules.locations.objects import BusinessDetails
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.types import Matches, OcpiObject, Some, Text, Url, breach


def _callable_url(value: str) -> str:
    if not value.lower().startswith(("https://", "http://")):
        raise breach("VER-04", "is not an absolute http(s) URL")
    return value


CallableUrl = Annotated[Url, AfterValidator(_callable_url)]
"""A URL that we will call: unlike a link for people, it must be absolute."""


class Credentials(OcpiObject):
    """What a platform needs to use the other one's API; the reader sends ``token``. Spec: credentials.md 2.1."""

    token: Annotated[str, Matches(r"[\x21-\x7E]{1,64}", "TRA-07", "1 to 64 printable characters without spaces")]
    url: CallableUrl
    business_details: BusinessDetails
    party_id: Annotated[str, Matches(r"[A-Za-z0-9]{3}", "FMT-17", "a party id of 3 letters or digits")]
    country_code: Annotated[str, Matches(r"[A-Za-z]{2}", "FMT-17", "an ISO 3166 alpha-2 country")]

    @property
    def auth_token(self) -> AuthToken:
        """The token that we must send to them."""
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

    version: Annotated[str, Text(20)]
    url: CallableUrl


class VersionList(OcpiObject):
    """The answer of a versions endpoint, wrapped so that it can be read like an object."""

    versions: Some[Version]


class ListedEndpoint(OcpiObject):
    """Where one module is served. Spec: version_information_endpoint.md, Endpoint class."""

    identifier: Annotated[str, Text(255)]
    url: CallableUrl


class VersionDetails(OcpiObject):
    """The endpoints of one version. Spec: version_information_endpoint.md, Data."""

    version: Annotated[str, Text(20)] = ""
    endpoints: Some[ListedEndpoint]
