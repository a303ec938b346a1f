"""One partner is told about one object: always its current state, as the smallest request that says what changed.

Spec: transport_and_format.md, PUT and PATCH; rules TRA-19, TRA-23, TRA-25, TRA-28, LOC-29, LOC-30, TAR-14.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from chalicelib.node.outbound import Outbound, object_url
from chalicelib.node.partners import Partner
from chalicelib.node.ports import OURS, Announcement, Delivery, Failure, ObjectStore, Outbox, PartnerStore, Stored
from chalicelib.node.receiver import encoded
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.envelope import accepted, code_of, opened
from chalicelib.ocpi.errors import OcpiError, UnableToUseApi
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, Path, find

RefreshEndpoints = Callable[[Partner], Partner]
"""Fetches a partner's endpoints again and answers with the partner as it then is (VER-13)."""

_MOST_PARTS: Final = 4
"""With more changed parts than this, the whole object is the smaller conversation."""


class NotTaken(OcpiError):
    """The partner answered, but did not take the push."""


class Deliverer:
    """Tells partners about changes of our objects; failures end in the outbox, never in an exception."""

    def __init__(
        self,
        our_party: Party,
        modules: Mapping[ModuleID, Module],
        stores: Mapping[ModuleID, ObjectStore],
        partners: PartnerStore,
        outbox: Outbox,
        outbound: Outbound,
        observer: Observer,
        clock: Callable[[], datetime],
        refresh: RefreshEndpoints,
    ) -> None:
        self._our_party = our_party
        self._modules = modules
        self._stores = stores
        self._partners = partners
        self._outbox = outbox
        self._outbound = outbound
        self._observer = observer
        self._clock = clock
        self._refresh = refresh

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        """Tell each partner about each object once, however many of these deliveries name it."""
        grouped: dict[tuple[str, ModuleID, str], list[Announcement]] = {}
        for delivery in deliveries:
            announcement = delivery.announcement
            grouped.setdefault((delivery.partner_id, announcement.module, announcement.id), []).append(announcement)
        for (partner_id, module, object_id), announcements in grouped.items():
            partner = self._partners.get(partner_id)
            if partner is not None and partner.is_registered and module in partner.endpoints:
                self._observer.about(partner_id, module)
                self._tell(partner, self._modules[module], object_id, collapsed(announcements))

    def _tell(self, partner: Partner, module: Module, object_id: str, news: Sequence[Announcement]) -> None:
        delivery = Delivery(partner.id, summary(news))
        stored = self._stores[module.identifier].get(OURS, object_id)
        try:
            if stored is None:
                self._remove(partner, module, object_id)
            for announcement in news if stored else ():
                self._tell_part(partner, module, stored, announcement)  # type: ignore[arg-type]
        except (UnableToUseApi, NotTaken) as failed:
            self._outbox.record(Failure(partner.id, delivery.announcement, str(failed), 1, self._clock()))
        else:
            self._outbox.settle(delivery)

    def _remove(self, partner: Partner, module: Module, object_id: str) -> None:
        if not module.deletable:
            return
        response = self._send(partner, module, "DELETE", (object_id,))
        if response.status != 404:
            _expect_taken(response, "DELETE")

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
        have = self._send(partner, module, "GET", (stored.id, *path))
        if accepted(have) and opened(have, "GET") == part:
            return
        self._put(partner, module, stored, path)

    def _put(self, partner: Partner, module: Module, stored: Stored, path: Path) -> None:
        """PUT the part as it is now; where its parent is unknown to them, the whole object."""
        whole: Json = json.loads(stored.body)
        part = find(whole, module.levels, path)
        response = self._send(partner, module, "PUT", (stored.id, *path), part)
        if response.status == 404 and path:
            response = self._send(partner, module, "PUT", (stored.id,), whole)
        if response.status == 404:
            moved = self._refresh(partner)
            if moved.endpoints.get(module.identifier) != partner.endpoints.get(module.identifier):
                response = self._send(moved, module, "PUT", (stored.id,), whole)
        _expect_taken(response, "PUT")

    def _send(
        self, partner: Partner, module: Module, method: str, steps: tuple[str, ...], body: Json | None = None
    ) -> Response:
        endpoint = partner.endpoints[module.identifier]
        url = object_url(endpoint, self._our_party.country_code, self._our_party.party_id, *steps)
        return self._outbound.send(partner, module.identifier, method, url, encoded(body) if body else b"")


def collapsed(announcements: Iterable[Announcement]) -> list[Announcement]:
    """The fewest announcements that say the same: parts once, with all their fields, and nothing below a whole part."""
    by_path: dict[Path, Announcement] = {}
    for announcement in announcements:
        earlier = by_path.get(announcement.path)
        if earlier is not None:
            announcement = replace(announcement, fields=_either(earlier.fields, announcement.fields))  # noqa: PLW2901
        by_path[announcement.path] = announcement
    whole = {path for path, announcement in by_path.items() if announcement.fields is None}
    kept = [
        announcement
        for path, announcement in by_path.items()
        if not any(path[:depth] in whole for depth in range(len(path)))
    ]
    return kept if len(kept) <= _MOST_PARTS else [replace(kept[-1], path=(), fields=None)]


def summary(news: Sequence[Announcement]) -> Announcement:
    """One announcement that covers all of these, for the outbox."""
    return news[0] if len(news) == 1 else replace(news[-1], path=(), fields=None)


def _either(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if some is None or others is None else tuple(sorted({*some, *others}))


def _expect_not_refused(response: Response, what: str) -> None:
    """Asking again is no use where they do not let us in, or cannot answer."""
    if response.status in (401, 403, 429) or response.status >= 500:
        _expect_taken(response, what)


def _expect_taken(response: Response, what: str) -> None:
    if not accepted(response):
        code, said = code_of(response)
        raise NotTaken(f"{what} was answered with HTTP {response.status}, OCPI status {code}: {said[:200]}")
