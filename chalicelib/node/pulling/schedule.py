"""When pulls begin: a delta every hour, everything once a week, and now where we have missed something.

Rules PAG-17, PAG-27, OFF-04; Q-10, Q-46.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from chalicelib.node.partners.breaker import CircuitBreakers
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.decision import Advance, PullKind, due_pull, is_at_work, is_recent, pullable_modules
from chalicelib.node.pulling.links import first_page
from chalicelib.node.pulling.progress import PullProgress
from chalicelib.node.pulling.state import Pull, PullState
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import Module, ModuleID

_SPREAD_OVER_S: Final = 900
"""Pulls that are due begin within this many seconds, each at a moment of its own."""
_SOON_S: Final = 60
"""Pulls that catch up begin within this many seconds."""


class PullSchedule:
    """Begins pulls of partners' lists."""

    def __init__(
        self,
        modules: Mapping[ModuleID, Module],
        progress: PullProgress,
        breakers: CircuitBreakers,
        clock: Callable[[], datetime],
        fresh_id: Callable[[], str],
        page_limit: int,
    ) -> None:
        self._modules = modules
        self._progress = progress
        self._breakers = breakers
        self._clock = clock
        self._fresh_id = fresh_id
        self._page_limit = page_limit

    def pullable(self, partner: Partner) -> list[ModuleID]:
        """The modules whose lists this partner serves to us."""
        return pullable_modules(partner, self._modules)

    def start(self, partner: Partner, module: ModuleID, *, full: bool = False, within_s: int = 0) -> Pull:
        """The pull that begins now; or the one that is running, for there is one per list at a time.

        One that is stuck goes on at the page where it stopped. Two calls and a message.

        Args:
            partner: whose list to pull.
            module: which list.
            full: everything, instead of what changed since the last pull that succeeded began.
            within_s: begin after a random pause of up to so many seconds, so that not all pulls begin at once.

        Raises:
            InvalidParameters: the partner serves us no such list.
        """
        if module not in self.pullable(partner):
            raise InvalidParameters(f"this partner serves us no {module}")
        now, last = self._clock(), self._progress.current(partner.id, module)
        if last is not None and is_at_work(last, now):
            return last
        if last is not None and last.state is PullState.RUNNING:
            return self._recorded(Advance(last.with_(now)))
        pull = self._fresh(partner, module, None if full else last, now)
        if last is not None:
            history = {name: getattr(last, name) for name in ("since", "completed_at", "full_at", "version")}
            pull = replace(pull, **history)
        delay_s = random.randint(0, within_s)  # noqa: S311 - spread, not a secret
        return self._recorded(Advance(pull.with_(now), delay_s))

    def _fresh(self, partner: Partner, module: ModuleID, last: Pull | None, now: datetime) -> Pull:
        """A pull of what changed since ``last``, where that is known; else of everything."""
        since = last.since if last else None
        date_required = self._modules[module].sending.date_from_required
        url = first_page(partner.endpoints[module], self._page_limit, since, date_required=date_required)
        return Pull(
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

    def _recorded(self, advance: Advance) -> Pull:
        """The pull; another one, if somebody else began it at the same moment."""
        pull = advance.pull
        if self._progress.record(advance):
            return pull
        return self._progress.current(pull.partner_id, pull.module) or pull

    def catch_up(self, partner: Partner, only: ModuleID | None = None) -> None:
        """Begin to pull what the partner could not push to us, within a minute (OFF-04, Q-46).

        Args:
            partner: whose lists to pull.
            only: this list; None for all. Lists whose last pull began less than five minutes ago are left out.
        """
        now = self._clock()
        for module in self.pullable(partner):
            if only in (None, module) and not is_recent(self._progress.current(partner.id, module), now):
                self.start(partner, module, within_s=_SOON_S)

    def start_due(self, partner: Partner) -> None:
        """Begin the pulls that are due, each within a quarter of an hour (PAG-17).

        None while the partner's circuit breaker is open: ``catch_up`` begins them once it is reached again (OFF-04).
        """
        if self._breakers.for_partner(partner).needs_probe:
            return
        now = self._clock()
        for module in self.pullable(partner):
            kind = due_pull(self._progress.current(partner.id, module), now)
            if kind is not None:
                self.start(partner, module, full=kind is PullKind.FULL, within_s=_SPREAD_OVER_S)
