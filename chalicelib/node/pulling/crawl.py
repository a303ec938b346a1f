"""The crawl of a partner's list, page by page, so that it survives whatever stops us.

Each page is a message. Its page is fetched, its objects are stored, how far the pull is is stored, and only then the
message for the next page is queued: a message that comes twice finds that its page is done. Between any two of these
steps the worker may die. What to do is decided in ``decision``; the order of the steps stands here.

Rules TRA-39, PAG-15 to PAG-17, PAG-25, PAG-27, OFF-04; Q-07, Q-09, Q-24, Q-28.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import PartnerStore
from chalicelib.node.pulling.decision import (
    Advance,
    StepDecision,
    after_failure,
    after_page,
    decide_on_step,
    pullable_modules,
    without_partner,
)
from chalicelib.node.pulling.links import drops_date
from chalicelib.node.pulling.page_objects import ListedObjects
from chalicelib.node.pulling.pages import ListPage, PageFetcher
from chalicelib.node.pulling.progress import PullProgress
from chalicelib.node.pulling.state import Pull, PullState, PullStep
from chalicelib.ocpi.errors import OcpiError
from chalicelib.ocpi.module import Module, ModuleID

_LOG = logging.getLogger(__name__)


class Crawler:
    """Crawls partners' lists, a page per message."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        partners: PartnerStore,
        progress: PullProgress,
        fetcher: PageFetcher,
        listed: ListedObjects,
        clock: Callable[[], datetime],
    ) -> None:
        self._modules = modules
        self._partners = partners
        self._progress = progress
        self._fetcher = fetcher
        self._listed = listed
        self._clock = clock

    def crawl_page(self, step: PullStep) -> None:
        """Fetch the page that the message names, receive its objects, and queue the message for the next page.

        Five calls to stores for up to a hundred objects that we hold already: how far the pull is, the partner, its
        breaker, what we hold, how far the pull is then. ``ListedObjects`` says which ones come on top.
        """
        pull = self._progress.current(step.partner_id, step.module)
        decision = decide_on_step(step, pull) if pull else StepDecision.IGNORE
        if pull is None or decision is StepDecision.IGNORE:
            return
        if decision is StepDecision.RESEND:
            self._progress.resend(pull)
            return
        partner = self._partners.get(step.partner_id)
        if partner is None or step.module not in pullable_modules(partner, self._modules):
            self._progress.record(without_partner(pull, self._clock()))
            return
        page = self._fetcher.fetch(partner, self._modules[pull.module], pull.url)
        if isinstance(page, OcpiError):
            self._progress.record(after_failure(pull, page, self._clock()))
        else:
            self._progress.record(self._received(partner, pull, page))

    def _received(self, partner: Partner, pull: Pull, page: ListPage) -> Advance:
        """How the pull goes on once the objects of the page are received."""
        counts = self._listed.receive(partner, self._modules[pull.module], page)
        advance = after_page(partner, pull, page, counts, self._clock())
        if advance.pull.state is not PullState.FAILED:
            self._listed.remember(pull, page)
        if advance.pull.state is PullState.DONE:
            return Advance(replace(advance.pull, problem=self._listed.note_absent(partner, pull)))
        if advance.pull.state is PullState.RUNNING:
            self._report_link(pull, advance.pull, page)
        return advance

    def _report_link(self, pull: Pull, onward: Pull, page: ListPage) -> None:
        """Let the operator know what is odd about the link to the next page (Q-24)."""
        if page.link is None:
            _LOG.warning(
                "partner %s says %s, but links to no next page of %s", pull.partner_id, page.total, pull.module
            )
        if not pull.is_full and drops_date(pull.url, onward.url):
            _LOG.warning("partner %s links to a page of %s without date_from", pull.partner_id, pull.module)
            self._partners.count(pull.partner_id, {"link_without_date_from": 1})
