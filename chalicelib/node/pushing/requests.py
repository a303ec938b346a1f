"""The requests that tell one partner of one object: as it is now, in the smallest request that says what has changed.

Spec: transport_and_format.md, PUT and PATCH; rules TRA-19, TRA-23, TRA-25, TRA-28, LOC-29, LOC-30, SES-12, CDR-21,
TAR-14, TOK-19.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urljoin

from chalicelib.node.bodies import as_bytes
from chalicelib.node.objects import StoredObject
from chalicelib.node.outbound import Outbound, object_url
from chalicelib.node.partners.breaker import is_refusal
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import NotTaken, OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find_part

_ANSWERED_WITHIN_S: Final = 20.0
"""The longest that one request may take."""
_DELIVERED_WITHIN: Final = timedelta(seconds=40)
"""All requests of one delivery. Its worker has a minute, also for moved endpoints and for calls to stores."""

RefreshEndpoints = Callable[[Partner], Partner]
"""Fetches a partner's endpoints again and answers with the partner as it then is (VER-13)."""


@dataclass(frozen=True, slots=True)
class PushClient:
    """What all requests about our objects have in common: our party and the way to partners."""

    our_party: Party
    """The owner in the URL of each object (TRA-28)."""
    outbound: Outbound
    refresh: RefreshEndpoints
    clock: Callable[[], datetime]
    """Tells the time, with its zone."""

    def requests_about(self, partner: Partner, module: Module, object_id: str) -> ObjectRequests:
        """The requests of one delivery, which have 40 seconds from now on, all together."""
        return ObjectRequests(self, partner, module, object_id, self.clock() + _DELIVERED_WITHIN)


@dataclass(frozen=True, slots=True)
class ObjectRequests:
    """The requests of one delivery: to one partner, about one of our objects."""

    client: PushClient
    partner: Partner
    module: Module
    object_id: str
    ends_at: datetime
    """No request is sent from then on, and none waits for its answer any longer."""

    def remove(self) -> None:
        """DELETE the object at the partner; one that the partner does not know counts as deleted.

        Raises:
            OcpiError: no answer, or a refusal.
        """
        answer = self._where_they_are("DELETE")
        if not _is_missing(answer):
            _expect_taken(answer, "DELETE")

    def tell(self, whole: Json, announcements: Iterable[Announcement]) -> bool:
        """PUT or PATCH the parts that have changed, as they are now; whether any request was needed.

        A partner that takes no PATCH gets the part by PUT, one that refuses it is asked what it has first (TRA-25).

        Args:
            whole: the object as it is now.
            announcements: which parts and fields have changed.

        Raises:
            OcpiError: no answer, or a refusal; the parts before have arrived.
        """
        was_called = False
        for announcement in announcements:
            part = find_part(whole, self.module.levels, announcement.path)
            # The part is gone since: its removal has an announcement of its own.
            if part is None:
                continue
            if announcement.fields is None or not self.partner.takes_patches:
                self._put(whole, announcement.path)
            else:
                self._patch(whole, part, announcement.path, announcement.fields)
            was_called = True
        return was_called

    def post(self, stored: StoredObject, *, is_unsure: bool) -> str | None:
        """POST the object; the URL at which the partner says that it is found now (CDR-21), None if it gives none.

        Args:
            stored: the object.
            is_unsure: whether the partner may have it from an earlier try: then GET it first, and POST only if it is
                not found (Q-57).

        Raises:
            OcpiError: no answer, a refusal, or the partner could not say whether it has it.
        """
        if is_unsure and (url := self._where_it_is_shown(json.loads(stored.body))):
            return url
        answer = self._where_they_are("POST", stored.body)
        _expect_taken(answer, "POST")
        return _location(self._endpoint, answer)

    def _patch(self, whole: Json, part: Json, path: Path, fields: Iterable[str]) -> None:
        patch = {name: part[name] for name in fields if name in part} | {"last_updated": part["last_updated"]}
        answer = self._send("PATCH", self._url(*path), as_bytes(patch))
        if answer.is_accepted:
            return
        # Look what they have, and PUT where that differs (TRA-25).
        _expect_not_refused(answer, "PATCH")
        if _found(self._send("GET", self._url(*path))) != part:
            self._put(whole, path)

    def _put(self, whole: Json, path: Path) -> None:
        """PUT the part as it is now; where the partner does not know its parent, the whole object."""
        if path:
            part = find_part(whole, self.module.levels, path)
            answer = self._send("PUT", self._url(*path), as_bytes(part or {}))
            if not _is_missing(answer):
                _expect_taken(answer, "PUT")
                return
        _expect_taken(self._where_they_are("PUT", as_bytes(whole)), "PUT")

    def _where_they_are(self, method: str, body: bytes = b"") -> Answer:
        """The answer to a request about the whole object; of the endpoint it moved to, if there is one (VER-13)."""
        answer = self.whole_at_endpoint(method, body)
        if not _is_missing(answer):
            return answer
        moved = replace(self, partner=self.client.refresh(self.partner))
        if moved.partner.endpoints.get(self.module.identifier) in (None, self._endpoint):
            return answer
        return moved.whole_at_endpoint(method, body)

    def whole_at_endpoint(self, method: str, body: bytes) -> Answer:
        """The answer to a request about the whole object at the endpoint that we know."""
        return self._send(method, self._endpoint if method == "POST" else self._url(), body)

    def _where_it_is_shown(self, whole: Json) -> str | None:
        """Where many receivers show what was posted (Q-67), if it is found there."""
        name, key_of = self.module.id_field, self.module.key_of
        # With the id as it was posted: not every receiver knows that its case does not matter (FMT-07).
        url = object_url(self._endpoint, whole[name])
        answer = self._send("GET", url)
        _expect_not_refused(answer, "GET")
        code = answer.status_code
        if answer.http_status < 300 and (code is None or code >= 3000):
            # They cannot tell today; posting it twice would be worse than posting it late.
            raise NotTaken(f"GET was answered with HTTP {answer.http_status}, OCPI status {code}", answer)
        found = _found(answer)
        return url if isinstance(found, dict) and key_of(str(found.get(name))) == key_of(whole[name]) else None

    @property
    def _endpoint(self) -> str:
        return self.partner.endpoints[self.module.identifier]

    def _url(self, *path: str) -> str:
        party = self.client.our_party
        return object_url(self._endpoint, party.country_code, party.party_id, self.object_id, *path)

    def _send(self, method: str, url: str, body: bytes = b"") -> Answer:
        left_s = (self.ends_at - self.client.clock()).total_seconds()
        if left_s <= 0:
            raise Unreachable(f"{method}: their answers took so long that no time is left for it", unsent=True)
        return self.client.outbound.send(
            self.partner, self.module.identifier, method, url, body, timeout_s=min(left_s, _ANSWERED_WITHIN_S)
        )


def may_have_arrived(failure: OcpiError) -> bool:
    """Whether they may have done what we asked for all the same: their answer got lost, or says nothing about it."""
    if isinstance(failure, NotTaken):
        code, status = failure.answer.status_code, failure.answer.http_status
        return status >= 500 or (status < 400 if code is None else code >= 3000)
    return not (isinstance(failure, Unreachable) and failure.unsent)


def is_permanent_rejection(failure: OcpiError) -> bool:
    """Whether they will never take it as it is: they understood what we sent, and say that it is wrong (Q-57)."""
    return isinstance(failure, NotTaken) and failure.answer.status_code == 2001


def _location(endpoint: str, answer: Answer) -> str | None:
    """The URL in the answer's ``Location``, relative to the endpoint; None where there is none, or no URL (Q-67)."""
    location = answer.headers.get("location", "").strip()
    try:
        return urljoin(endpoint, location) if location else None
    except ValueError:
        # The object has arrived all the same.
        return None


def _expect_not_refused(answer: Answer, what: str) -> None:
    """Asking again is no use where they do not let us in, or cannot answer."""
    if is_refusal(answer):
        _expect_taken(answer, what)


def _is_missing(answer: Answer) -> bool:
    """Whether nothing is at that URL; some say so with HTTP 404, some with OCPI status 2003 (Q-76)."""
    return answer.http_status == 404 or answer.status_code == 2003


def _found(answer: Answer) -> Any:
    """What a GET has brought; None if we cannot tell."""
    try:
        return data_of(answer, "GET")
    except UnableToUseApi:
        return None


def _expect_taken(answer: Answer, what: str) -> None:
    if not answer.is_accepted:
        code, said = answer.status_code, answer.status_message
        status = f"OCPI status {code}" if code is not None else "no OCPI envelope"
        problem = ": ".join(filter(None, (f"{what} was answered with HTTP {answer.http_status}, {status}", said[:200])))
        raise NotTaken(problem, answer)
