"""The requests of a registration and what is made of their answers, as generators that do no I/O themselves.

A generator yields a request and is sent its response (``node/flows.py``).

Spec: credentials.md 3 and its diagram; rules CRD-02, CRD-03, CRD-11 to CRD-14, CRD-21 to CRD-24, VER-08, VER-09.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from chalicelib.modules.credentials.objects import Credentials, ListedEndpoint, Version, VersionDetails, VersionList
from chalicelib.node.flows import Flow
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import InvalidParameters, MissingEndpoints, UnableToUseApi, UnsupportedVersion
from chalicelib.ocpi.http import Request
from chalicelib.ocpi.module import VERSION, ModuleID
from chalicelib.ocpi.reading import Profile, read_value
from chalicelib.ocpi.types import OcpiObject

M = TypeVar("M", bound=OcpiObject)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """The result of a handshake that we started: their endpoints by module, and their credentials."""

    endpoints: Mapping[str, str]
    credentials: Credentials


def their_endpoints(
    versions_url: str, token: AuthToken, required: Collection[str], now: datetime
) -> Flow[dict[str, str]]:
    """The URL of each module that a partner serves in version 2.1.1, by identifier, without unknown modules (VER-09).

    Raises:
        UnableToUseApi: one of the two requests failed, or was not answered as the spec says.
        UnsupportedVersion: they do not list 2.1.1.
        MissingEndpoints: they lack ``credentials`` or a required module.
    """
    listed = yield from _get(VersionList, versions_url, token, "GET versions", now, wrap="versions")
    ours = next((each for each in listed.versions if each.get("version") == VERSION), None)
    if ours is None:
        offered = ", ".join(sorted(str(each.get("version"))[:20] for each in listed.versions)[:10])
        raise UnsupportedVersion(f"GET versions offers {offered}, but not {VERSION}")
    details_url = _read(Version, ours, "GET versions", now).url
    details = yield from _get(VersionDetails, details_url, token, "GET version details", now)
    endpoints = _by_identifier(details, now)
    missing = sorted({ModuleID.CREDENTIALS.value, *required} - endpoints.keys())
    if missing:
        raise MissingEndpoints(f"GET version details lacks the endpoints {', '.join(missing)}")
    return endpoints


def _by_identifier(details: VersionDetails, now: datetime) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in details.endpoints:
        identifier = next((module for module in ModuleID if module == entry.get("identifier")), None)
        if identifier in found:
            _LOG.warning("GET version details lists %s twice: the first one is used (VER-09)", identifier)
        elif identifier:
            found[identifier.value] = _read(ListedEndpoint, entry, "GET version details", now).url
    return found


def register(
    versions_url: str,
    token: AuthToken,
    required: Collection[str],
    our_credentials: Callable[[], Mapping[str, Any]],
    now: datetime,
) -> Flow[Registration]:
    """Register with a partner: GET its versions and details, then POST our credentials.

    Args:
        versions_url: theirs.
        token: the one that they gave us for the registration.
        required: modules without which we do not register (CRD-23).
        our_credentials: called just before the POST; the token in it must work by then (CRD-22).
        now: the time.

    Raises:
        UnableToUseApi: they failed or refused one of the requests.
        UnsupportedVersion: they do not list 2.1.1.
        MissingEndpoints: they lack a required module.
    """
    endpoints = yield from their_endpoints(versions_url, token, required, now)
    credentials = yield from send_credentials("POST", endpoints, token, our_credentials(), now)
    return Registration(endpoints, credentials)


def send_credentials(
    method: str, endpoints: Mapping[str, str], token: AuthToken, our_credentials: Mapping[str, Any], now: datetime
) -> Flow[Credentials]:
    """Their credentials, in answer to ours.

    Raises:
        UnableToUseApi: they refused ours, or answered without theirs.
    """
    body = json.dumps(our_credentials).encode()
    headers = token.header | {"content-type": "application/json"}
    answer = yield Request(method=method, url=endpoints[ModuleID.CREDENTIALS], headers=headers, body=body)
    return _read(Credentials, data_of(answer, f"{method} credentials"), f"{method} credentials", now)


def _get(model: type[M], url: str, token: AuthToken, what: str, now: datetime, wrap: str = "") -> Flow[M]:
    answer: Answer = yield Request(method="GET", url=url, headers=token.header)
    data = data_of(answer, what)
    return _read(model, {wrap: data} if wrap else data, what, now)


def _read(model: type[M], data: Any, what: str, now: datetime) -> M:
    try:
        return read_value(model, data, Profile.LENIENT, now).value
    except InvalidParameters as broken:
        raise UnableToUseApi(f"{what} was answered with {broken}") from None
