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

from chalicelib.node.bodies import as_bytes
from chalicelib.node.conflicts import Conflict
from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.breaker import CircuitBreakers, retry_after
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling import links
from chalicelib.node.pulling.disappearance import Disappearance
from chalicelib.node.pulling.state import (
    MOST_ATTEMPTS,
    MOST_ON_A_PAGE,
    PAUSES_S,
    STUCK_AFTER,
    Pull,
    PullQueue,
    PullState,
    PullStep,
    PullStore,
)
from chalicelib.node.receiving.outcome import ReceiveAll
from chalicelib.node.receiving.quarantine import Quarantine, QuarantineEntry
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.answer import NO_ANSWER, Answer
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import ClientError, InvalidParameters, NotTaken, OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.module import Module, ModuleID

_LOG = logging.getLogger(__name__)

_DELTA_EVERY: Final = timedelta(minutes=55)
"""A little less than the hour of the schedule, which is not exact."""
_FULL_EVERY: Final = timedelta(days=7)
_SPREAD_OVER_S: Final = 900
_JUST_NOW: Final = timedelta(minutes=5)
_SOON_S: Final = 60
_AT_A_TIME: Final = 100
"""Objects that are taken together: a store reads as many with one call."""
_TRY_LATER: Final = (429, 500, 502, 503, 504)
_REFUSED: Final = (401, 403)
_THEIR_FAULT: Final = 3000
"""The OCPI status of a server that failed; many send it with HTTP 200 (Q-11)."""


class Crawler:
    """Crawls partners' lists."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        takes: Mapping[ModuleID, ReceiveAll],
        absences: Mapping[ModuleID, Disappearance],
        partners: PartnerStore,
        pulls: PullStore,
        queue: PullQueue,
        quarantine: Quarantine,
        breakers: CircuitBreakers,
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
        self._breakers = breakers
        self._outbound = outbound
        self._observer = observer
        self._clock = clock
        self._fresh_id = fresh_id
        self._page_limit = page_limit

    def pullable(self, partner: Partner) -> list[ModuleID]:
        """The modules whose lists this partner serves to us."""
        theirs = [each for each, module in self._modules.items() if module.owner is partner.our_role.other]
        return [module for module in theirs if module in partner.endpoints] if partner.is_active else []

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
        date_required = self._modules[module].sending.date_from_required
        url = links.first_page(partner.endpoints[module], self._page_limit, since, date_required=date_required)
        fresh = Pull(
            partner_id=partner.id,
            module=module,
            crawl=self._fresh_id(),
            state=PullState.RUNNING,
            is_full=since is None,
            url=url,
            first_url=url,
            began_at=now,
            updated_at=now,
        )
        if last is not None:
            kept = {name: getattr(last, name) for name in ("since", "completed_at", "full_at", "version")}
            fresh = replace(fresh, **kept)
        return self._sent(fresh, now, delay_s=random.randint(0, within_s))  # noqa: S311 - spread, not a secret

    def catch_up(self, partner: Partner, only: ModuleID | None = None) -> None:
        """Begin to fetch what the partner could not tell us, of all its lists or one, unless we just did (OFF-04)."""
        now = self._clock()
        for module in [each for each in self.pullable(partner) if only in (None, each)]:
            last = self._pulls.get(partner.id, module)
            if last is None or now - last.began_at >= _JUST_NOW:
                self.start(partner, module, within_s=_SOON_S)

    def start_due(self, partner: Partner) -> None:
        """Begin what is due: a delta every hour, everything once a week, each at a moment of its own (PAG-17).

        A partner that is not reached is asked for all of it once it is (OFF-04).
        """
        if self._breakers.of(partner).needs_probe:
            return
        now = self._clock()
        for module in self.pullable(partner):
            last = self._pulls.get(partner.id, module)
            if last and last.state is not PullState.RUNNING and now - last.began_at < _DELTA_EVERY:
                continue
            # What failed leaves its mark in full_at and since: it is asked for again, in turns with what is new.
            in_vain = last is not None and last.is_full and last.state is PullState.FAILED
            full = last is None or last.full_at is None or (now - last.full_at >= _FULL_EVERY and not in_vain)
            self.start(partner, module, full=full, within_s=_SPREAD_OVER_S)

    def _sent(self, pull: Pull, now: datetime, *, delay_s: int = 0) -> Pull:
        pull = pull.with_(now)
        if not self._save(pull):
            # Somebody else began it at the same moment.
            return self._pulls.get(pull.partner_id, pull.module) or pull
        self._queue.enqueue(_step(pull), delay_s=delay_s)
        return pull

    # --- one page ----------------------------------------------------------------------------------------------------

    def crawl_page(self, step: PullStep) -> None:
        """Fetch the page, keep what is on it, and send for the next one.

        Five calls to stores for up to a hundred objects that we hold already: how far the crawl is, the partner, its
        breaker, what we hold, how far the crawl is then. One more for CDRs, which end sessions; one for what was
        listed, in a full crawl of what may expire; one for what was forgiven. Each object that is new or newer costs
        one, as does each broken one. The last page of a full crawl may compare all that we hold of the partner with
        what was listed.
        """
        pull = self._pulls.get(step.partner_id, step.module)
        if pull is None or pull.crawl != step.crawl or pull.state is not PullState.RUNNING:
            return
        if pull.page != step.page:
            if pull.page == step.page + 1:
                # It was written down that this page is done, but maybe nobody was sent for the next.
                self._queue.enqueue(_step(pull))
            return
        partner = self._partners.get(step.partner_id)
        if partner is None or step.module not in self.pullable(partner):
            self._save(pull.with_(self._clock(), state=PullState.FAILED, problem="they are no longer a partner"))
            return
        self._observer.about(partner.id, step.module)
        try:
            answer = self._outbound.send(partner, step.module, "GET", pull.url)
            if answer.http_status in (*_TRY_LATER, *_REFUSED) or answer.status_code == _THEIR_FAULT:
                raise NotTaken(_said(answer), answer)
            items = _items(answer)
        except OcpiError as failed:
            self._breakers.failed(partner, failed)
            self._failed(pull, failed)
        else:
            self._breakers.succeeded(partner, self._breakers.of(partner))
            self._page(partner, pull, answer, items)

    def _failed(self, pull: Pull, failed: OcpiError) -> None:
        """Try this page again after a while, a few times, unless that is no use."""
        now, attempts, answer = self._clock(), pull.attempts + 1, getattr(failed, "answer", NO_ANSWER)
        can_help = isinstance(failed, Unreachable | NotTaken) and answer.http_status not in _REFUSED
        further = pull.with_(now, attempts=attempts, problem=str(failed))
        if not can_help or attempts >= MOST_ATTEMPTS:
            self._save(replace(further, state=PullState.FAILED))
        elif self._save(further):
            asked = retry_after(answer.headers, now)
            pause_s = PAUSES_S[min(attempts, len(PAUSES_S)) - 1]
            self._queue.enqueue(_step(further), delay_s=max(pause_s, int(asked.total_seconds()) if asked else 0))

    def _page(self, partner: Partner, pull: Pull, answer: Answer, items: list[Any]) -> None:
        taken, refused, ids = self._taken(partner, pull, items)
        facts: dict[str, Any] = {
            "page": pull.page + 1,
            "attempts": 0,
            "problem": None,
            "received": pull.received + len(items),
            "taken": pull.taken + taken,
            "refused": pull.refused + refused,
        }
        page = links.CrawledPage.of(answer, ids)
        try:
            onward = links.next_page(partner, pull, page)
        except UnableToUseApi as wrong:
            facts |= {"state": PullState.FAILED, "problem": str(wrong)}
            self._save(pull.with_(self._clock(), **facts))
            return
        absences = self._absences.get(pull.module) if pull.is_full else None
        if absences:
            self._pulls.record_seen(pull, ids)
        facts |= {"total": page.total if page.total is not None else pull.total, "listed": page.listed}
        if onward is None:
            problem = None
            if absences and partner.party:
                problem = absences.note(partner, partner.party, self._pulls.seen(pull), pull.crawl, self._clock())
            self._finish(pull, {**facts, "problem": problem})
            return
        further = pull.with_(self._clock(), **{**facts, **onward})
        self._look_at_link(pull, further, page)
        if self._save(further):
            self._queue.enqueue(_step(further))

    def _look_at_link(self, pull: Pull, further: Pull, page: links.CrawledPage) -> None:
        """Let the operator know what is odd about the way on (Q-24)."""
        if page.link is None:
            _LOG.warning(
                "partner %s says %s, but links to no next page of %s", pull.partner_id, page.total, pull.module
            )
        if not pull.is_full and links.drops_date(pull.url, further.url):
            _LOG.warning("partner %s links to a page of %s without date_from", pull.partner_id, pull.module)
            self._partners.count(pull.partner_id, {"link_without_date_from": 1})

    def _taken(self, partner: Partner, pull: Pull, items: list[Any]) -> tuple[int, int, list[str]]:
        """How many objects were taken, how many went to quarantine (TRA-39), and the ids of all."""
        module, taken, refused, ids = self._modules[pull.module], 0, 0, []
        for start in range(0, len(items), _AT_A_TIME):
            some, now = items[start : start + _AT_A_TIME], self._clock()
            for item, outcome in zip(some, self._takes[pull.module](partner, some, now), strict=True):
                object_id = _id_of(item, module.id_field)
                ids.append(module.key_of(object_id))
                if not isinstance(outcome, ClientError):
                    taken += outcome
                    continue
                refused += 1
                _LOG.warning("partner %s lists a broken %s %r: %s", partner.id, pull.module, object_id, outcome)
                self._quarantine.record(
                    QuarantineEntry(
                        partner_id=partner.id,
                        module=pull.module,
                        id=object_id,
                        body=as_bytes(item),
                        reason=str(outcome),
                        at=now,
                    )
                )
        return taken, refused, ids

    def _finish(self, pull: Pull, facts: Mapping[str, Any]) -> None:
        now = self._clock()
        full = {"full_at": pull.began_at} if pull.is_full else {}
        self._save(pull.with_(now, **facts, state=PullState.DONE, since=pull.began_at, completed_at=now, **full))

    def _save(self, pull: Pull) -> bool:
        """Whether this is how it stands now; somebody else may have worked at the same page and been faster."""
        try:
            self._pulls.save(pull)
        except Conflict:
            return False
        return True


def _step(pull: Pull) -> PullStep:
    return PullStep(partner_id=pull.partner_id, module=pull.module, crawl=pull.crawl, page=pull.page)


def _said(answer: Answer) -> str:
    code = f", OCPI status {answer.status_code}: {answer.status_message[:200]}" if answer.status_code else ""
    return f"HTTP {answer.http_status}{code}"


def _items(answer: Answer) -> list[Any]:
    data = data_of(answer, "the list")
    if data is None:
        # Some leave an empty list out.
        return []
    if not isinstance(data, list):
        raise UnableToUseApi("the list was answered with something that is none (TRA-12)")
    if len(data) > MOST_ON_A_PAGE:
        raise UnableToUseApi(f"a page of {len(data)} objects, and we read at most {MOST_ON_A_PAGE} on one")
    return data


def _id_of(item: Any, id_field: str) -> str:
    found = item.get(id_field) if isinstance(item, dict) else None
    return found[:255] if isinstance(found, str) else ""
