"""One partner is told about one object: always its current state, as the smallest request that says what changed.

Spec: transport_and_format.md, PUT and PATCH; rules TRA-19, TRA-23, TRA-25, TRA-28, LOC-29, LOC-30, SES-12, SES-14,
CDR-21, TAR-14, TOK-19.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin

from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.bodies import encoded
from chalicelib.node.news import Object, by_partner, collapsed, object_of, summary
from chalicelib.node.outbound import Outbound, object_url
from chalicelib.node.pacing import Turn
from chalicelib.node.partners import Partner
from chalicelib.node.ports import (
    OURS,
    Announcement,
    Delivery,
    Failure,
    ObjectStore,
    Outbox,
    PartnerStore,
    Queues,
    Stored,
)
from chalicelib.node.telemetry import Observer
from chalicelib.node.visibility import may_see
from chalicelib.ocpi.envelope import accepted, code_of, opened
from chalicelib.ocpi.errors import OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find

_LOG = logging.getLogger(__name__)

RefreshEndpoints = Callable[[Partner], Partner]
"""Fetches a partner's endpoints again and answers with the partner as it then is (VER-13)."""
Back = Callable[[Partner], None]
"""Told when a partner answers again that had missed something: it may have had something to tell us, too (OFF-04)."""

_MOST_AGAIN: Final = 10
_PAUSES_MIN: Final = (1, 5, 30)
"""How long a partner is spared the same object after its first, second, ... failure. The last one is short enough for a
state to be of use when they are back, and long enough for what they will never take."""


class NotTaken(OcpiError):
    """The partner answered, but did not take the push."""


class Deliverer:
    """Tells partners about changes of our objects; failures end in the outbox, never in an exception.

    What stands in the outbox is told with the next change of the object, or once the partner answers again.
    """

    def __init__(
        self,
        our_party: Party,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        partners: PartnerStore,
        outbox: Outbox,
        queues: Queues,
        outbound: Outbound,
        observer: Observer,
        clock: Callable[[], datetime],
        sleep: Sleep,
        refresh: RefreshEndpoints,
        back: Back,
    ) -> None:
        self._our_party = our_party
        self._modules = modules
        self._stores = stores
        self._partners = partners
        self._outbox = outbox
        self._queues = queues
        self._outbound = outbound
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._refresh = refresh
        self._back = back

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Tell each partner about each object once, however many of these deliveries name it."""
        for partner_id, news in by_partner(deliveries).items():
            partner = self._partners.get(partner_id)
            if partner is not None and partner.is_registered:
                self._tell_all(partner, news)

    def catch_up(self, partner_id: str) -> None:
        """Queue again what this partner missed and what is due for another try (Q-57)."""
        partner = self._partners.get(partner_id)
        if partner is not None and partner.is_registered:
            self._queue_again(partner, self._outbox.of(partner_id))

    def _tell_all(self, partner: Partner, news: Mapping[Object, Sequence[Announcement]]) -> None:
        missed = {object_of(failure.announcement): failure for failure in self._outbox.of(partner.id)}
        was_away, reached = any(failure.no_answer for failure in missed.values()), False
        for about, announcements in news.items():
            module, object_id = about
            if module in partner.endpoints:
                self._observer.about(partner.id, module)
                reached |= self._tell(partner, self._modules[module], object_id, announcements, missed.pop(about, None))
        if reached:
            self._queue_again(partner, missed.values())
        if reached and was_away:
            self._back(partner)

    def _queue_again(self, partner: Partner, missed: Iterable[Failure]) -> None:
        """Those whose pause is over, the oldest first and a few at a time: each that arrives brings the next."""
        now = self._clock()
        due = [
            Delivery(partner.id, failure.announcement)
            for failure in missed
            if failure.announcement.module in partner.endpoints and failure.failed_at + _pause(failure.attempts) <= now
        ]
        self._queues.deliver(due[:_MOST_AGAIN], cause=f"again at {now:%Y-%m-%dT%H:%M}")

    def _tell(
        self,
        partner: Partner,
        module: Module,
        object_id: str,
        announcements: Sequence[Announcement],
        missed: Failure | None,
    ) -> bool:
        """Whether they took everything that they have to know of the object, what they missed before included."""
        news = collapsed([missed.announcement, *announcements] if missed else announcements)
        delivery = Delivery(partner.id, summary(news))
        stored = self._stores[module.identifier].get(OURS, object_id)
        try:
            if stored is None:
                self._remove(partner, module, object_id)
            elif module.sending.posted:
                self._post(partner, module, stored)
            elif may_see(partner, module, stored) and (missed or not _is_outdated(module, stored, announcements)):
                for announcement in news:
                    self._tell_part(partner, module, stored, announcement)
        except OcpiError as failed:
            no_answer = isinstance(failed, Unreachable)
            failure = Failure(partner.id, delivery.announcement, str(failed), 1, self._clock(), no_answer=no_answer)
            self._outbox.record(failure)
            return False
        if missed:
            self._outbox.settle(delivery)
        return True

    def _remove(self, partner: Partner, module: Module, object_id: str) -> None:
        if not module.deletable:
            return
        response = self._send_where_they_are(partner, module, "DELETE", object_id)
        if not _is_missing(response):
            _expect_taken(response, "DELETE")

    def _post(self, partner: Partner, module: Module, stored: Stored) -> None:
        """POST the object unless they have it, and note where they say that it is (CDR-21)."""
        if "posted" in stored.aside or not may_see(partner, module, stored):
            return
        endpoint = partner.endpoints[module.identifier]
        response = self._outbound.send(partner, module.identifier, "POST", endpoint, stored.body)
        _expect_taken(response, "POST")
        url = _location(endpoint, response)
        if url is None:
            _LOG.warning("partner %s took %s %r and gave no URL for it", partner.id, module.identifier, stored.id)
            self._partners.tally(partner.id, {f"{module.identifier}_without_url": 1})
        posted = {"partner": partner.id, "at": self._clock().isoformat(), "url": url}
        repeated(lambda: self._note(module, stored.id, posted), self._sleep)

    def _note(self, module: Module, object_id: str, posted: Mapping[str, str | None]) -> None:
        store = self._stores[module.identifier]
        stored = store.get(OURS, object_id)
        if stored is not None:
            aside = {**stored.aside, "posted": dict(posted)}
            store.put(OURS, replace(stored, version=stored.version + 1, aside=aside))

    def _tell_part(self, partner: Partner, module: Module, stored: Stored, news: Announcement) -> None:
        whole: Json = json.loads(stored.body)
        part = find(whole, module.levels, news.path)
        if part is None:
            # The part is gone since: whoever removed it has announced that too.
            return
        if news.fields is None:
            self._put(partner, module, stored, news.path)
            return
        patch = {name: part[name] for name in news.fields if name in part} | {"last_updated": part["last_updated"]}
        response = self._send(partner, module, "PATCH", (stored.id, *news.path), patch)
        if not accepted(response):
            self._mend(partner, module, stored, news.path, part, response)

    def _mend(
        self, partner: Partner, module: Module, stored: Stored, path: Path, part: Json, refusal: Response
    ) -> None:
        """After a failed PATCH: look what they have, and PUT where that differs (TRA-25)."""
        _expect_not_refused(refusal, "PATCH")
        if not _holds(self._send(partner, module, "GET", (stored.id, *path)), part):
            self._put(partner, module, stored, path)

    def _put(self, partner: Partner, module: Module, stored: Stored, path: Path) -> None:
        """PUT the part as it is now; where its parent is unknown to them, the whole object."""
        whole: Json = json.loads(stored.body)
        if path:
            response = self._send(partner, module, "PUT", (stored.id, *path), find(whole, module.levels, path))
            if not _is_missing(response):
                _expect_taken(response, "PUT")
                return
        _expect_taken(self._send_where_they_are(partner, module, "PUT", stored.id, whole), "PUT")

    def _send_where_they_are(
        self, partner: Partner, module: Module, method: str, object_id: str, body: Json | None = None
    ) -> Response:
        """The answer of the module's endpoint, or of the one that it has moved to (VER-13)."""
        response = self._send(partner, module, method, (object_id,), body)
        if not _is_missing(response):
            return response
        moved = self._refresh(partner)
        if moved.endpoints.get(module.identifier) in (None, partner.endpoints[module.identifier]):
            return response
        return self._send(moved, module, method, (object_id,), body)

    def _send(
        self, partner: Partner, module: Module, method: str, steps: tuple[str, ...], body: Json | None = None
    ) -> Response:
        endpoint = partner.endpoints[module.identifier]
        url = object_url(endpoint, self._our_party.country_code, self._our_party.party_id, *steps)
        return self._outbound.send(partner, module.identifier, method, url, encoded(body) if body else b"")


def _location(endpoint: str, response: Response) -> str | None:
    """Where they say that the object is: some give a path, relative to what they were asked; some nothing (Q-67)."""
    location = response.headers.get("location", "").strip()
    try:
        return urljoin(endpoint, location) if location else None
    except ValueError:
        # It has arrived all the same.
        return None


def _is_outdated(module: Module, stored: Stored, announcements: Sequence[Announcement]) -> bool:
    """Whether later news that tells all of this is told already or on its way: what ends it (SES-10), or a turn."""
    turn, versions = Turn.of(stored.aside), [announcement.version for announcement in announcements]
    if turn and all(map(turn.replaces, versions)):
        return True
    return module.sending.is_final(json.loads(stored.body)) and max(versions) < stored.version


def _pause(attempts: int) -> timedelta:
    return timedelta(minutes=_PAUSES_MIN[min(attempts, len(_PAUSES_MIN)) - 1])


def _expect_not_refused(response: Response, what: str) -> None:
    """Asking again is no use where they do not let us in, or cannot answer."""
    if response.status in (401, 403, 429) or response.status >= 500:
        _expect_taken(response, what)


def _is_missing(response: Response) -> bool:
    """Whether nothing is at that URL; some say so with HTTP 404, some with OCPI status 2003 (Q-76)."""
    return response.status == 404 or code_of(response)[0] == 2003


def _holds(response: Response, part: Json) -> bool:
    """Whether they have answered a GET with this part; if we cannot tell, they have not."""
    try:
        return bool(opened(response, "GET") == part)
    except UnableToUseApi:
        return False


def _expect_taken(response: Response, what: str) -> None:
    if not accepted(response):
        code, said = code_of(response)
        raise NotTaken(f"{what} was answered with HTTP {response.status}, OCPI status {code}: {said[:200]}")
