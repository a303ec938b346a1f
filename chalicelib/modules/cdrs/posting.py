"""They post a CDR to us, once: it is found from then on at a URL of its own.

Spec: mod_cdrs.md 2.2; rules CDR-04 to CDR-07, CDR-22.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from chalicelib.modules.cdrs.interface import CDRS, step_of
from chalicelib.modules.cdrs.received import ReceivedCdrs
from chalicelib.node.serving.router import Call, Endpoint, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import NotFound
from chalicelib.ocpi.http import Response


class CdrReceiver:
    """The receiver's interface of the CDRs module."""

    def __init__(self, received: ReceivedCdrs) -> None:
        self._received = received

    def post(self, call: Call) -> Response:
        """Keep the CDR, and say where it is found from now on (CDR-04); a repeat is told the same.

        Raises:
            InvalidJson, InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold another one of this id.
        """
        cdr, is_new = self._received.receive(call.partner, call.request.body, call.now)
        location = f"{call.url}/{quote(step_of(cdr['id']), safe='*')}"
        return success(call.now, created=is_new, headers={"location": location})

    def get(self, call: Call) -> Response:
        """The CDR as it was posted (CDR-05).

        Raises:
            NotFound: the caller has posted none of this id (CDR-06).
        """
        stored = self._received.get(call.partner, call.params["cdr_id"])
        if stored is None:
            raise NotFound("we have no such Cdr of yours")
        return success(call.now, stored.body)


def endpoints() -> Iterable[Endpoint[CdrReceiver]]:
    """The collection, which is posted to, and each CDR's URL, where it can be read again."""
    role, identifier = CDRS.owner.other, CDRS.identifier
    root = f"{version_root(role)}/{identifier}"
    yield Endpoint(role, module=identifier, path=root, methods={"POST": CdrReceiver.post}, interface="receiver")
    path = f"{root}/{{cdr_id}}"
    yield Endpoint(role, module=identifier, path=path, methods={"GET": CdrReceiver.get}, interface="receiver")
