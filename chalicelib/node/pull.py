"""They own the objects and we crawl their lists: page by page, so that a crawl survives whatever stops us.

Each page is a message: it is fetched, its objects are kept, and how far we are is written down before the next message
is sent. A message that comes twice finds its page behind it. Rules TRA-39, PAG-15 to PAG-17, PAG-25, PAG-27, OFF-04;
Q-07, Q-09, Q-24, Q-28.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from chalicelib.node.absence import Absence
from chalicelib.node.bodies import encoded
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners import Partner
from chalicelib.node.ports import Conflict, PartnerStore, Quarantine, Quarantined
from chalicelib.node.pulls import Pull, PullQueue, PullState, PullStore, Step
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.envelope import code_of, opened
from chalicelib.ocpi.errors import ClientError, InvalidParameters, OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.paging import next_link
from chalicelib.ocpi.types import format_date_time

_LOG = logging.getLogger(__name__)

Take = Callable[[Partner, bytes, datetime], bool]
"""Keeps one object of a partner's list; whether that was new or newer. Raises ClientError where that cannot be kept."""

OVERLAP: Final = timedelta(minutes=5)
"""A delta asks again for what changed this long before the last crawl began: clocks differ (PAG-27)."""
BEGINNING: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
"""Where a list cannot be had without ``date_from``, this asks for all of it (Q-10)."""
STUCK_AFTER: Final = timedelta(minutes=30)
"""A crawl that has not moved for so long is taken up again. Longer than any pause of its own."""
_DELTA_EVERY: Final = timedelta(minutes=55)
"""A little less than the hour of the schedule, which is not exact."""
_FULL_EVERY: Final = timedelta(days=7)
_SPREAD_OVER_S: Final = 900
_JUST_NOW: Final = timedelta(minutes=5)
_SOON_S: Final = 60
MOST_PAGES: Final = 20_000
_MOST_ATTEMPTS: Final = 5
_PAUSES_S: Final = (5, 30, 120, 600)
_MOST_RESTARTS: Final = 1
_TRY_LATER: Final = (429, 500, 502, 503, 504)
_THEIR_FAULT: Final = 3000
"""The OCPI status of a server that failed; many send it with HTTP 200 (Q-11)."""


class Puller:
    """Crawls partners' lists."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        takes: Mapping[ModuleID, Take],
        absences: Mapping[ModuleID, Absence],
        partners: PartnerStore,
        pulls: PullStore,
        queue: PullQueue,
        quarantine: Quarantine,
        outbound: Outbound,
        observer: Observer,
        clock: Callable[[], datetime],
        fresh_id: Callable[[], str],
        page_limit: int,
    ) -> None:
        self._modules = modules
        self._takes = takes
        self._absences = absences
        self._partners = partners
        self._pulls = pulls
        self._queue = queue
        self._quarantine = quarantine
        self._outbound = outbound
        self._observer = observer
        self._clock = clock
        self._fresh_id = fresh_id
        self._page_limit = page_limit

    def pullable(self, partner: Partner) -> list[ModuleID]:
        """The modules whose lists this partner serves to us."""
        theirs = [each for each, module in self._modules.items() if module.owner is partner.our_role.other]
        return [module for module in theirs if module in partner.endpoints] if partner.is_registered else []

    def start(self, partner: Partner, module: ModuleID, *, full: bool = False, within_s: int = 0) -> Pull:
        """The crawl, begun now or, so that not all begin at once, within some seconds; or the one that is at work.

        Raises:
            InvalidParameters: the partner serves us no such list.
        """
        if module not in self.pullable(partner):
            raise InvalidParameters(f"this partner serves us no {module}")
        now, last = self._clock(), self._pulls.get(partner.id, module)
        if last is not None and last.state is PullState.RUNNING:
            if last.updated_at + STUCK_AFTER > now:
                return last
            # Whoever was at work is gone: go on where it stopped.
            return self._sent(last, now)
        since = last.since if last and not full else None
        url = self._first_url(partner, module, since)
        fresh = Pull(partner.id, module, self._fresh_id(), PullState.RUNNING, since is None, url, url, now, now)
        if last is not None:
            kept = {name: getattr(last, name) for name in ("since", "completed_at", "full_at", "version")}
            fresh = replace(fresh, **kept)
        return self._sent(fresh, now, delay_s=random.randint(0, within_s))  # noqa: S311 - spread, not a secret

    def catch_up(self, partner: Partner) -> None:
        """Begin to fetch what the partner could not tell us while it was away, unless we just did (OFF-04)."""
        now = self._clock()
        for module in self.pullable(partner):
            last = self._pulls.get(partner.id, module)
            if last is None or now - last.began_at >= _JUST_NOW:
                self.start(partner, module, within_s=_SOON_S)

    def tend(self, partner: Partner) -> None:
        """Begin what is due: a delta every hour, everything once a week, each at a moment of its own (PAG-17)."""
        now = self._clock()
        for module in self.pullable(partner):
            last = self._pulls.get(partner.id, module)
            if last and last.state is not PullState.RUNNING and now - last.began_at < _DELTA_EVERY:
                continue
            # What failed leaves its mark in full_at and since: the next crawl asks for the same again.
            full = last is None or last.full_at is None or now - last.full_at >= _FULL_EVERY
            self.start(partner, module, full=full, within_s=_SPREAD_OVER_S)

    def _sent(self, pull: Pull, now: datetime, *, delay_s: int = 0) -> Pull:
        pull = pull.with_(now)
        if not self._save(pull):
            # Somebody else began it at the same moment.
            return self._pulls.get(pull.partner_id, pull.module) or pull
        self._queue.step(_step(pull), delay_s=delay_s)
        return pull

    def _first_url(self, partner: Partner, module: ModuleID, since: datetime | None) -> str:
        query = {"limit": str(self._page_limit)}
        if since is None and self._modules[module].sending.date_from_required:
            since = BEGINNING + OVERLAP
        if since is not None:
            query = {"date_from": format_date_time(since - OVERLAP)} | query
        endpoint = partner.endpoints[module]
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    # --- one page ----------------------------------------------------------------------------------------------------

    def step(self, step: Step) -> None:
        """Fetch the page, keep what is on it, and send for the next one."""
        pull = self._pulls.get(step.partner_id, step.module)
        if pull is None or pull.crawl != step.crawl or pull.state is not PullState.RUNNING:
            return
        if pull.page != step.page:
            if pull.page == step.page + 1:
                # It was written down that this page is done, but maybe nobody was sent for the next.
                self._queue.step(_step(pull))
            return
        partner = self._partners.get(step.partner_id)
        if partner is None or step.module not in self.pullable(partner):
            self._save(pull.with_(self._clock(), state=PullState.FAILED, problem="they are no longer a partner"))
            return
        self._observer.about(partner.id, step.module)
        try:
            response = self._outbound.send(partner, step.module, "GET", pull.url)
            if response.status in _TRY_LATER:
                raise Unreachable(f"HTTP {response.status}")
            if code_of(response)[0] == _THEIR_FAULT:
                raise Unreachable(f"OCPI status {_THEIR_FAULT}")
            items = _items(response)
        except Unreachable as away:
            self._later(pull, str(away))
        except OcpiError as failed:
            self._save(pull.with_(self._clock(), state=PullState.FAILED, problem=str(failed)))
        else:
            self._page(partner, pull, response, items)

    def _page(self, partner: Partner, pull: Pull, response: Response, items: list[Any]) -> None:
        taken, refused, ids = self._taken(partner, pull, items)
        facts: dict[str, Any] = {
            "page": pull.page + 1,
            "attempts": 0,
            "problem": None,
            "received": pull.received + len(items),
            "taken": pull.taken + taken,
            "refused": pull.refused + refused,
        }
        total = _number(response.headers.get("x-total-count"))
        try:
            onward = self._onward(partner, pull, response, items, total)
        except UnableToUseApi as wrong:
            facts |= {"state": PullState.FAILED, "problem": str(wrong)}
            self._save(pull.with_(self._clock(), **facts))
            return
        absences = self._absences.get(pull.module) if pull.is_full else None
        if absences:
            self._pulls.saw(pull, ids)
        facts |= {"total": total if total is not None else pull.total}
        if onward is None:
            problem = None
            if absences and partner.party:
                problem = absences.note(partner.party, self._pulls.seen(pull), pull.crawl, self._clock())
            self._finish(pull, {**facts, "problem": problem})
            return
        further = pull.with_(self._clock(), **facts, **onward)
        if self._save(further):
            self._queue.step(_step(further))

    def _taken(self, partner: Partner, pull: Pull, items: list[Any]) -> tuple[int, int, list[str]]:
        """How many objects were taken, how many went to quarantine (TRA-39), and the ids of all."""
        module, taken, refused, ids = self._modules[pull.module], 0, 0, []
        for item in items:
            now, object_id = self._clock(), _id_of(item, module.id_field)
            ids.append(module.key_of(object_id))
            try:
                taken += self._takes[pull.module](partner, encoded(item), now)
            except ClientError as broken:
                refused += 1
                _LOG.warning("partner %s lists a broken %s %r: %s", partner.id, pull.module, object_id, broken)
                self._quarantine.record(
                    Quarantined(partner.id, pull.module, object_id, encoded(item), str(broken), now)
                )
        return taken, refused, ids

    def _finish(self, pull: Pull, facts: Mapping[str, Any]) -> None:
        now = self._clock()
        full = {"full_at": pull.began_at} if pull.is_full else {}
        self._save(pull.with_(now, **facts, state=PullState.DONE, since=pull.began_at, completed_at=now, **full))

    def _later(self, pull: Pull, problem: str) -> None:
        """Try this page again after a while, a few times."""
        attempts = pull.attempts + 1
        if attempts >= _MOST_ATTEMPTS:
            self._save(pull.with_(self._clock(), state=PullState.FAILED, problem=problem, attempts=attempts))
            return
        waiting = pull.with_(self._clock(), attempts=attempts, problem=problem)
        if self._save(waiting):
            self._queue.step(_step(waiting), delay_s=_PAUSES_S[min(attempts, len(_PAUSES_S)) - 1])

    def _save(self, pull: Pull) -> bool:
        """Whether this is how it stands now; somebody else may have worked at the same page and been faster."""
        try:
            self._pulls.save(pull)
        except Conflict:
            return False
        return True

    # --- the way on --------------------------------------------------------------------------------------------------

    def _onward(
        self, partner: Partner, pull: Pull, response: Response, items: list[Any], total: int | None
    ) -> dict[str, Any] | None:
        """The URL of the next page, and what else changes with it; None on the last one.

        Raises:
            UnableToUseApi: the crawl goes in circles, has no end, or leads to somebody else.
        """
        fewer = pull.total - total if total is not None and pull.total is not None else 0
        if fewer > 0 and (back := _moved_back(pull, fewer)):
            return back | {"landmark": None}
        link = next_link(response.headers.get("link", ""))
        url = self._unlinked(pull, items, total) if link is None else self._linked(partner, pull, link)
        if url is None:
            return None
        if not items:
            raise UnableToUseApi("an empty page has a next one")
        if pull.page + 1 >= MOST_PAGES:
            raise UnableToUseApi(f"more than {MOST_PAGES} pages")
        # Each power of two pages another one is remembered, so that a circle of any size comes by it.
        return {"url": url, "landmark": url if pull.page & (pull.page + 1) == 0 else pull.landmark}

    def _linked(self, partner: Partner, pull: Pull, link: str) -> str:
        try:
            url = _at_their_host(urljoin(pull.url, link), partner.endpoints[pull.module])
            is_theirs = partner.hosts(url)
        except ValueError:
            raise UnableToUseApi("the link to the next page is no URL") from None
        if url in (pull.url, pull.first_url, pull.landmark):
            raise UnableToUseApi("the link to the next page leads back")
        if not is_theirs:
            raise UnableToUseApi("the link to the next page leads to a host that is not theirs")
        return url

    def _unlinked(self, pull: Pull, items: list[Any], total: int | None) -> str | None:
        """Some serve pages, but no links (Q-24)."""
        offset = _offset(pull.url)
        reached = (pull.received if offset is None else offset) + len(items)
        if total is None or reached >= total or not items:
            return None
        _LOG.warning("partner %s lists %s of %s %s without a link", pull.partner_id, reached, total, pull.module)
        return _with_query(pull.first_url, offset=str(reached))


def _step(pull: Pull) -> Step:
    return Step(pull.partner_id, pull.module, pull.crawl, pull.page)


def _items(response: Response) -> list[Any]:
    data = opened(response, "the list")
    if data is None:
        # Some leave an empty list out.
        return []
    if not isinstance(data, list):
        raise UnableToUseApi("the list was answered with something that is none (TRA-12)")
    return data


def _id_of(item: Any, id_field: str) -> str:
    found = item.get(id_field) if isinstance(item, dict) else None
    return found[:255] if isinstance(found, str) else ""


def _number(text: str | None) -> int | None:
    return int(text[:20]) if text and text.isascii() and text.isdigit() else None


def _at_their_host(url: str, endpoint: str) -> str:
    """The link at the module's own host, where only host or scheme differ: proxies write such links (Q-24)."""
    link, own = urlsplit(url), urlsplit(endpoint)
    if link.path.rstrip("/") == own.path.rstrip("/"):
        return urlunsplit((own.scheme, own.netloc, link.path, link.query, ""))
    return url


def _moved_back(pull: Pull, fewer: int) -> dict[str, Any] | None:
    """The page again, begun earlier by as many objects as have left the list before it (PAG-16).

    Where only its owner knows how the URL says that, the crawl begins again, once.
    """
    offset = _offset(pull.url)
    if offset:
        return {"url": _with_query(pull.url, offset=str(max(0, offset - fewer)))}
    if offset is None and pull.url != pull.first_url and pull.restarts < _MOST_RESTARTS:
        return {"url": pull.first_url, "restarts": pull.restarts + 1}
    return None


def _offset(url: str) -> int | None:
    return _number(dict(parse_qsl(urlsplit(url).query)).get("offset"))


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | fields
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
