"""The two endpoints by which partners find all others; what they list is what is really served.

Spec: version_information_endpoint.md; rules VER-01 to VER-07, VER-10.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.node.partners.partner import State
from chalicelib.node.receiving.leniency import Counters
from chalicelib.node.serving.router import Call, Endpoint, tree, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import VERSION
from chalicelib.ocpi.parties import Role

CALL_BACKS: Final = "call-backs"
"""The counter of a partner's looks at our details while we register with it (Q-41)."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where partners find one role's tree, and the module endpoints in it."""

    versions_url: str
    paths: Mapping[str, str]
    """Of each module, below the base URL."""

    @property
    def fingerprint(self) -> str:
        """Differs when partners have to be told (VER-11)."""
        return hashlib.sha256(json.dumps([self.versions_url, self.paths], sort_keys=True).encode()).hexdigest()


def roots(role: Role, served: Iterable[Endpoint]) -> dict[str, str]:
    """The path of each module that is served in this tree, by its identifier."""
    return {each.module: each.path for each in served if each.path == f"{version_root(role)}/{each.module}"}


def endpoints(role: Role, served: Mapping[str, str], counters: Counters) -> Iterable[Endpoint]:
    """The versions and details endpoints of one tree.

    Args:
        role: whose tree.
        served: the path of each module's endpoint below the base URL, by its identifier.
        counters: where a call-back of a partner that we are registering with is noted.
    """

    def versions(call: Call) -> Response:
        data = [{"version": VERSION, "url": call.base_url + version_root(role)}]
        return success(call.now, json.dumps(data).encode())

    def details(call: Call) -> Response:
        if call.partner.state is State.PENDING:
            counters.count(call.partner.id, {CALL_BACKS: 1})
        listed = [{"identifier": identifier, "url": call.base_url + path} for identifier, path in served.items()]
        return success(call.now, json.dumps({"version": VERSION, "endpoints": listed}).encode())

    yield Endpoint(
        role, module="versions", path=f"{tree(role)}/versions", methods={"GET": versions}, before_registration=True
    )
    yield Endpoint(role, module="versions", path=version_root(role), methods={"GET": details}, before_registration=True)


def versions_url(base_url: str, role: Role) -> str:
    """What we give to partners so that they find us."""
    return f"{base_url}{tree(role)}/versions"
