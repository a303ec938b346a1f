"""The endpoints that partners push their objects to: GET, PUT, PATCH and DELETE, the same code for every module.

Spec: transport_and_format.md, Client owned object push; rules TRA-19 to TRA-32, LOC-11 to LOC-24, SES-04 to SES-06,
TAR-02 to TAR-05, TOK-01 to TOK-03.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from chalicelib.node.bodies import as_bytes
from chalicelib.node.partners.partner import Partner
from chalicelib.node.receiving.incoming import ObjectAddress, read_put
from chalicelib.node.receiving.leniency import Counters, count_deviations
from chalicelib.node.receiving.received import ReceivedObjects, Remarks
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import find_part
from chalicelib.ocpi.reading import parse

T = TypeVar("T")

OnUnknownObject = Callable[[Partner, ModuleID], None]
"""Called with the partner and the module when a partner changes an object that we do not hold (Q-46)."""


class Receiver:
    """The receiver's interface of one module: partners own its objects, and push them to us."""

    def __init__(self, received: ReceivedObjects, counters: Counters, on_unknown_object: OnUnknownObject) -> None:
        self._received = received
        self._module = received.module
        self._counters = counters
        self._on_unknown_object = on_unknown_object

    def get(self, call: Call) -> Response:
        """The object or part as we hold it (LOC-17, TRA-17).

        Raises:
            NotFound: we hold none, or the URL names another owner than the caller.
        """
        at = self._addressed(call)
        stored = self._received.find(at, self._qualified(call))
        if stored is None:
            raise self._received.not_found(at)
        if not at.path:
            return success(call.now, stored.body)
        part = find_part(json.loads(stored.body), self._module.levels, at.path)
        if part is None:
            raise self._received.not_found(at)
        return success(call.now, as_bytes(part))

    def put(self, call: Call) -> Response:
        """Create or replace the object or part (TRA-19 to TRA-21, TRA-26).

        Raises:
            InvalidJson, InvalidParameters: the body is not such an object, or names another id (TRA-31).
            NotFound: the parent is unknown (LOC-14), or the owner is not the caller.
        """
        at = self._addressed(call)
        push = read_put(at, parse(call.request.body), call.partner, call.now)
        result = self._known(call, lambda: self._received.put(call.partner, at, push, call.now))
        self._count(call, (*push.deviations, *result.remarks))
        return success(call.now, created=result.is_new)

    def patch(self, call: Call) -> Response:
        """Change the given fields of the object or part, which must be valid afterwards as a whole (TRA-22, TRA-24).

        Raises:
            InvalidJson, InvalidParameters: the body is no JSON object, or the changed object would break a rule.
            NotFound: we hold no such object or part, or the owner is not the caller.
        """
        at = self._addressed(call)
        patch = parse(call.request.body)
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object (TRA-22)")
        qualified = self._qualified(call)
        remarks = self._known(call, lambda: self._received.patch(call.partner, at, patch, call.now, qualified))
        self._count(call, remarks)
        return success(call.now)

    def delete(self, call: Call) -> Response:
        """Delete the object (TAR-03); a tombstone remains.

        Raises:
            NotFound: we hold no such object, or the owner is not the caller.
        """
        self._received.delete(call.partner, self._addressed(call), call.now)
        return success(call.now)

    def _addressed(self, call: Call) -> ObjectAddress:
        """The object or part that the URL names, if the caller owns it (TRA-30)."""
        try:
            owner = Party.of(call.params["country_code"], call.params["party_id"])
        except ValueError:
            owner = None
        if owner is None or owner != call.partner.party:
            raise NotFound("the country_code and party_id in the URL are not yours (TRA-30)")
        ids = [call.params[level.url_parameter] for level in self._module.levels if level.url_parameter in call.params]
        return ObjectAddress(owner, ids[0], tuple(ids[1:]), self._module.levels[len(ids) - 1 :])

    def _known(self, call: Call, store: Callable[[], T]) -> T:
        """The result of ``store``.

        Raises:
            NotFound: we do not hold what it changes; we begin to pull it from its owner (Q-46).
        """
        try:
            return store()
        except NotFound:
            self._on_unknown_object(call.partner, self._module.identifier)
            raise

    def _qualified(self, call: Call) -> str | None:
        return call.request.query.get(self._module.receiving.qualifier)

    def _count(self, call: Call, remarks: Remarks) -> None:
        count_deviations(self._counters, call.partner.id, self._module.identifier, remarks)


def receiver_endpoints(module: Module) -> Iterable[Endpoint[Receiver]]:
    """The module's URLs in the tree of whoever does not own it, one per depth."""
    role = module.owner.other
    root = f"{version_root(role)}/{module.identifier}"
    # The published URL itself addresses no object, but it exists (VER-04).
    yield Endpoint(role, module=module.identifier, path=root, methods={}, interface="receiver")
    path = f"{root}/{{country_code}}/{{party_id}}"
    for depth, level in enumerate(module.levels):
        path += f"/{{{level.url_parameter}}}"
        methods = {"GET": Receiver.get, "PUT": Receiver.put, "PATCH": Receiver.patch}
        if module.deletable and not depth:
            methods["DELETE"] = Receiver.delete
        yield Endpoint(role, module=module.identifier, path=path, methods=methods, interface="receiver")
