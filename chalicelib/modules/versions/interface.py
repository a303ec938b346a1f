"""The versions and version details endpoints, by which partners find all others; they list what is really served.

Spec: version_information_endpoint.md; rules VER-01 to VER-07, VER-10.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.node.partners.partner import State
from chalicelib.node.receiving.leniency import Counters
from chalicelib.node.serving.router import Call, Endpoint, tree, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import VERSION
from chalicelib.ocpi.parties import Role

CALL_BACKS: Final = "call-backs"
"""The name of the counter of how often a partner fetches our details while we register with it (Q-41)."""


@dataclass(frozen=True, slots=True)
class PublishedEndpoints:
    """The endpoints of one role of ours, as partners find them."""

    versions_url: str
    paths: Mapping[str, str]
    """The path of each module below the base URL, by its identifier."""

    @property
    def fingerprint(self) -> str:
        """A hash that differs once partners have to be told of a change (VER-11)."""
        return hashlib.sha256(json.dumps([self.versions_url, self.paths], sort_keys=True).encode()).hexdigest()


class Versions:
    """The versions and details endpoints in the URL tree of one role."""

    def __init__(self, role: Role, paths: Mapping[str, str], counters: Counters) -> None:
        """The endpoints of this role's tree.

        Args:
            role: the role of ours whose tree it is.
            paths: the path of each module's endpoint below the base URL, by its identifier.
            counters: count the requests of partners that we are registering with.
        """
        self._role = role
        self._paths = paths
        self._counters = counters

    def versions(self, call: Call) -> Response:
        """The answer with our only version, 2.1.1 (VER-01)."""
        data = [{"version": VERSION, "url": call.base_url + version_root(self._role)}]
        return success(call.now, json.dumps(data).encode())

    def details(self, call: Call) -> Response:
        """The answer with the endpoint of each module (VER-03)."""
        if call.partner.state is State.PENDING:
            self._counters.count(call.partner.id, {CALL_BACKS: 1})
        listed = [{"identifier": identifier, "url": call.base_url + path} for identifier, path in self._paths.items()]
        return success(call.now, json.dumps({"version": VERSION, "endpoints": listed}).encode())


def endpoints(role: Role) -> Iterable[Endpoint[Versions]]:
    """The versions and details endpoints in the URL tree of this role of ours."""
    for path, answer in ((f"{tree(role)}/versions", Versions.versions), (version_root(role), Versions.details)):
        yield Endpoint(role, module="versions", path=path, methods={"GET": answer}, before_registration=True)


def paths_of(endpoints: Iterable[Endpoint[Any]]) -> dict[str, str]:
    """The path of each module's own endpoint, by its identifier, among the endpoints of one tree."""
    return {each.module: each.path for each in endpoints if each.path == f"{version_root(each.role)}/{each.module}"}


def versions_url(base_url: str, role: Role) -> str:
    """The URL that we give to partners: the versions endpoint of this role of ours."""
    return f"{base_url}{tree(role)}/versions"
