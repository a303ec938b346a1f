"""The sender's interface: partners pull our objects, as pages of a list, or singly where the spec defines that.

Spec: the sender's interface of each module; rules PAG-01 to PAG-14, PAG-19, LOC-01 to LOC-06, SES-01, CDR-01, TAR-01,
TOK-10.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from chalicelib.node.bodies import as_bytes
from chalicelib.node.objects import OURS, ObjectStore, is_storable
from chalicelib.node.partners.visibility import list_of, may_see
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import json_list, success
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.paging import Page, page_headers, window_of
from chalicelib.ocpi.parts import find_part


class Sender:
    """The handlers of one module's sender's interface."""

    def __init__(self, module: Module, store: ObjectStore, page_limit: int) -> None:
        self._module = module
        self._store = store
        self._page_limit = page_limit

    def list(self, call: Call) -> Response:
        """One page of the objects that the caller may see, with ``X-Total-Count``, ``X-Limit`` and ``Link``.

        Raises:
            InvalidParameters: a query parameter is malformed (PAG-13, PAG-21), or ``date_from`` is missing (PAG-19).
        """
        window = window_of(call.request.query, self._page_limit)
        if self._module.sending.date_from_required and window.date_from is None:
            raise InvalidParameters(f"date_from is required for {self._module.identifier} (PAG-19)")
        visible = list_of(self._module, call.partner.party)
        page = self._store.page(visible, window) if visible else Page((), 0)
        headers = page_headers(page, window, call.url, call.request.query)
        return success(call.now, json_list(page.bodies), headers=headers)

    def get(self, call: Call) -> Response:
        """One object, or a part of one: an EVSE or a connector (LOC-03).

        Raises:
            NotFound: the caller may see no such object, or it does not contain this part (LOC-04).
        """
        levels = self._module.levels
        ids = [call.params[level.url_parameter] for level in levels if level.url_parameter in call.params]
        stored = self._store.get(OURS, ids[0]) if is_storable(ids[0]) else None
        if stored is not None and not may_see(call.partner, self._module, stored):
            stored = None
        if stored is not None and len(ids) == 1:
            return success(call.now, stored.body)
        part = find_part(json.loads(stored.body), levels, tuple(ids[1:])) if stored else None
        if part is None:
            name = self._module.level_of(ids[1:]).model.__name__
            raise self._module.not_found(f"we have no such {name}")
        return success(call.now, as_bytes(part))


def sender_endpoints(module: Module) -> Iterable[Endpoint[Sender]]:
    """The module's endpoints for the owner's role: the list, and single objects where the spec defines them."""
    role, path = module.owner, f"{version_root(module.owner)}/{module.identifier}"
    yield Endpoint(role, module=module.identifier, path=path, methods={"GET": Sender.list}, interface="sender")
    for level in module.levels if module.single_objects else ():
        path += f"/{{{level.url_parameter}}}"
        yield Endpoint(role, module=module.identifier, path=path, methods={"GET": Sender.get}, interface="sender")
