"""The receiver's endpoints for CDRs: a partner posts each once, and can read it at a URL of its own.

Spec: mod_cdrs.md 2.2; rules CDR-04 to CDR-07, CDR-22.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from chalicelib.modules.cdrs.interface import CDRS, url_segment_of
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
        """Store the CDR, and answer its URL in ``Location`` (CDR-04); a repeat gets the same answer.

        Raises:
            InvalidJson, InvalidParameters: the body is no CDR.
            ContradictedCdr: we hold a CDR of this id with other content.
        """
        cdr, is_new = self._received.receive(call.partner, call.request.body, call.now)
        location = f"{call.url}/{quote(url_segment_of(cdr['id']), safe='*')}"
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
    """The list's URL, for POST, and each CDR's own URL, for GET."""
    role, identifier = CDRS.owner.other, CDRS.identifier
    root = f"{version_root(role)}/{identifier}"
    yield Endpoint(role, module=identifier, path=root, methods={"POST": CdrReceiver.post}, interface="receiver")
    path = f"{root}/{{cdr_id}}"
    yield Endpoint(role, module=identifier, path=path, methods={"GET": CdrReceiver.get}, interface="receiver")
