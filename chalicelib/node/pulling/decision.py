"""What becomes of a pull: the whole policy as pure functions.

Nothing here reads a clock, calls a store or sends a request. ``PullSchedule`` and ``Crawler`` read what a question
needs, ask it here, and carry out the answer:

pullable_modules   which lists does this partner serve to us?
due_pull           is a pull of this list due, and which kind?
decide_on_step     a message has come: is its page to be fetched?
after_failure      no page came: is it asked for again, and when?
after_page         its objects are received: which page is next, or is the pull over?

Rules PAG-15 to PAG-17, PAG-27, OFF-04; Q-07, Q-09, Q-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from chalicelib.node.partners.breaker import retry_after
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.links import next_page
from chalicelib.node.pulling.pages import REFUSED, ListPage
from chalicelib.node.pulling.state import MOST_ATTEMPTS, PAUSES_S, STUCK_AFTER, Pull, PullState, PullStep
from chalicelib.ocpi.answer import NO_ANSWER
from chalicelib.ocpi.errors import NotTaken, OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.module import Module, ModuleID

DELTA_EVERY: Final = timedelta(minutes=55)
"""Between the beginnings of two pulls; a little less than the hour of the schedule, which is not exact."""
FULL_EVERY: Final = timedelta(days=7)
"""Between the beginnings of two pulls without dates."""
JUST_NOW: Final = timedelta(minutes=5)
"""A pull that began less than this ago brings what is missing, so none is begun to catch up (OFF-04)."""


class PullKind(StrEnum):
    """How much of a list a pull asks for."""

    DELTA = "delta"
    """What changed since the last pull that succeeded began; all of it if there was none."""
    FULL = "full"
    """Everything, without dates."""


class StepDecision(StrEnum):
    """What a message about a page asks for, in the light of how far the pull is."""

    FETCH = "the page is the next one"
    RESEND = "the page is done, but its worker may have died before it queued the next one"
    IGNORE = "the message is from another pull or of a page further back, or the pull is over"


@dataclass(frozen=True, slots=True)
class Advance:
    """How a pull goes on: the state that is stored next, and when the message for its page is to be read.

    There is no message where that state is ``done`` or ``failed``.
    """

    pull: Pull
    delay_s: int = 0
    """Seconds from now."""


def pullable_modules(partner: Partner, modules: Mapping[ModuleID, Module]) -> list[ModuleID]:
    """The modules whose lists this partner serves to us: it owns the objects and has an endpoint; none if inactive."""
    theirs = [identifier for identifier, module in modules.items() if module.owner is partner.our_role.other]
    return [identifier for identifier in theirs if identifier in partner.endpoints] if partner.is_active else []


# --- when a pull begins ----------------------------------------------------------------------------------------------


def is_at_work(last: Pull, now: datetime) -> bool:
    """Whether the pull is running and moves: a running one that has not moved for half an hour has lost its worker."""
    return last.state is PullState.RUNNING and last.updated_at + STUCK_AFTER > now


def due_pull(last: Pull | None, now: datetime) -> PullKind | None:
    """The kind of pull that is due after ``last``: a delta every hour, everything once a week (PAG-17); None if none.

    A running pull always counts as due: it goes on, or is taken up again if it is stuck.
    """
    if last is None:
        return PullKind.FULL
    if last.state is not PullState.RUNNING and now - last.began_at < DELTA_EVERY:
        return None
    # A pull that failed left ``full_at`` and ``since`` as they were: deltas and full pulls take turns then.
    full_failed = last.is_full and last.state is PullState.FAILED
    is_overdue = last.full_at is None or (now - last.full_at >= FULL_EVERY and not full_failed)
    return PullKind.FULL if is_overdue else PullKind.DELTA


def is_recent(last: Pull | None, now: datetime) -> bool:
    """Whether a pull began so recently that none has to begin to catch up (OFF-04)."""
    return last is not None and now - last.began_at < JUST_NOW


# --- one page --------------------------------------------------------------------------------------------------------


def decide_on_step(step: PullStep, pull: Pull) -> StepDecision:
    """Whether the page that a message names is to be fetched.

    Args:
        step: the message, which may be late or come twice.
        pull: how far the pull of that list is.
    """
    if pull.crawl != step.crawl or pull.state is not PullState.RUNNING or pull.page not in (step.page, step.page + 1):
        return StepDecision.IGNORE
    return StepDecision.FETCH if pull.page == step.page else StepDecision.RESEND


def without_partner(pull: Pull, now: datetime) -> Advance:
    """The pull fails where the partner is gone, suspended, or serves the list no more."""
    return Advance(pull.with_(now, state=PullState.FAILED, problem="they are no longer a partner"))


def after_failure(pull: Pull, failure: OcpiError, now: datetime) -> Advance:
    """The same page again after a pause, at most five times in all; else the pull fails (PAG-17).

    It fails at once where trying again cannot help: our token is refused, or the answer is no page of a list. The pause
    is that of the schedule, or what the partner asks for in ``Retry-After`` if that is longer.

    Args:
        pull: how far it is.
        failure: why there is no page.
        now: the time.
    """
    attempts, answer = pull.attempts + 1, failure.answer if isinstance(failure, NotTaken) else NO_ANSWER
    can_help = isinstance(failure, Unreachable | NotTaken) and answer.http_status not in REFUSED
    facts: dict[str, Any] = {"attempts": attempts, "problem": str(failure)}
    if not can_help or attempts >= MOST_ATTEMPTS:
        return Advance(pull.with_(now, **facts, state=PullState.FAILED))
    pause_s, asked = PAUSES_S[min(attempts, len(PAUSES_S)) - 1], retry_after(answer.headers, now)
    return Advance(pull.with_(now, **facts), max(pause_s, int(asked.total_seconds()) if asked else 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCounts:
    """How many objects of a page had which outcome; those that we held already are in neither."""

    taken: int
    """Stored, for they were new or newer than what we held."""
    refused: int
    """Put into quarantine."""


def after_page(partner: Partner, pull: Pull, page: ListPage, counts: PageCounts, now: datetime) -> Advance:
    """The pull on its next page; done after the last one; failed where the way leads in circles, or to somebody else.

    Args:
        partner: whose list it is; its pages are on its own hosts.
        pull: how far it was when the page was fetched.
        page: what the page says.
        counts: what became of its objects.
        now: the time.
    """
    facts: dict[str, Any] = {
        "page": pull.page + 1,
        "attempts": 0,
        "problem": None,
        "received": pull.received + len(page.items),
        "taken": pull.taken + counts.taken,
        "refused": pull.refused + counts.refused,
    }
    try:
        onward = next_page(partner, pull, page)
    except UnableToUseApi as wrong:
        return Advance(pull.with_(now, **{**facts, "state": PullState.FAILED, "problem": str(wrong)}))
    facts["total"] = page.total if page.total is not None else pull.total
    if onward is not None:
        return Advance(onward.with_(now, **facts))
    facts |= {"listed": page.listed, "state": PullState.DONE, "since": pull.began_at, "completed_at": now}
    return Advance(pull.with_(now, **facts, full_at=pull.began_at if pull.is_full else pull.full_at))
