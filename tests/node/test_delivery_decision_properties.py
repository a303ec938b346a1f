"""Proves what is true of every decision about a delivery, whatever is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.modules import MODULES
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState
from chalicelib.node.pushing.coalescing import MOST_PARTS
from chalicelib.node.pushing.decision import Attempt, Post, Push, Skip, Wait, decide_on_object, entry_after
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import RETRY_DELAYS, RETRY_WINDOW, OutboxEntry, SentVersion
from chalicelib.ocpi.errors import OcpiError, Unreachable
from chalicelib.ocpi.module import ModuleID
from tests.node.deciding import (
    BODY,
    COMPLETED,
    NOW,
    OURS,
    PARTNER,
    POSTED,
    SUSPENDED,
    TOKEN,
    Known,
    on_state,
    refused,
    stored,
)

PATHS = st.sampled_from([(), ("E1",), ("E2",), ("E1", "1")])
FIELDS = st.none() | st.lists(st.sampled_from(["status", "floor_level", "kwh"]), min_size=1, unique=True).map(tuple)
VERSIONS = st.integers(1, 9)
MOMENTS = st.integers(-20, 20).map(lambda days: NOW + timedelta(days=days))


@st.composite
def announcements(draw: st.DrawFn, module: ModuleID) -> Announcement:
    removed = draw(st.booleans()) if MODULES[module].deletable else False
    return Announcement(module, "X1", draw(VERSIONS), draw(PATHS), draw(FIELDS), removed)


@st.composite
def entries(draw: st.DrawFn, module: ModuleID) -> OutboxEntry:
    return OutboxEntry(
        partner_id="p1",
        announcement=draw(announcements(module)),
        reason="timed out",
        attempts=draw(st.integers(0, len(RETRY_DELAYS) + 2)),
        failed_at=draw(MOMENTS),
        due_at=draw(st.none() | MOMENTS),
        no_answer=draw(st.booleans()),
        is_unsure=draw(st.booleans()),
        first_failed_at=draw(st.none() | MOMENTS),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Known:
    """Anything that can be known about a delivery, for ``on_state``."""
    module = draw(st.sampled_from(OURS))
    breakers = st.builds(
        CircuitBreaker,
        partner_id=st.just("p1"),
        state=st.sampled_from(CircuitState),
        failures=st.integers(0, 6),
        until=st.none() | MOMENTS,
        token=st.sampled_from([TOKEN.hash[:16], "another"]),
    )
    return {
        "announcement": draw(announcements(module)),
        "retry": draw(st.none() | st.integers(0, 3)),
        "entry": draw(st.none() | entries(module)),
        "sent": tuple(draw(st.lists(st.builds(SentVersion, VERSIONS, PATHS, FIELDS), max_size=MOST_PARTS + 1))),
        "breaker": draw(breakers),
        "partner": draw(st.sampled_from([PARTNER, SUSPENDED])),
        "is_repeated": draw(st.booleans()),
    }


CALLED_WRONG = refused(2001)
FAILURES = st.sampled_from(
    [
        Unreachable("timed out"),
        Unreachable("refused", unsent=True),
        CALLED_WRONG,
        refused(2000),
        refused(3000),
        refused(2000, 401),
    ]
)


@given(known=deliveries())
def test_a_suspended_partner_is_never_called_whatever_is_known(known: Known) -> None:
    """OFF-03."""
    assert not isinstance(on_state(**{**known, "partner": SUSPENDED}), Attempt)


@given(known=deliveries())
def test_nothing_is_skipped_while_it_is_dirty_unless_its_retry_does_it(known: Known) -> None:
    """OFF-03, Q-57."""
    entry, retry, decision = known["entry"], known["retry"], on_state(**known)

    if entry is not None and isinstance(decision, Skip):
        if retry is None:
            assert MODULES[entry.announcement.module].sending.sent_by_post
        else:
            assert entry.attempts != retry


@given(known=deliveries(), version=VERSIONS)
def test_what_is_marked_as_posted_is_never_posted_whatever_is_known(known: Known, version: int) -> None:
    """CDR-21, Q-57."""
    decision = on_state(**known)

    if isinstance(decision, Attempt):
        module = known["announcement"].module
        assert not isinstance(decide_on_object(decision, stored(module, version, metadata=POSTED)), Post)


@given(known=deliveries(), version=VERSIONS, body=st.sampled_from([BODY, COMPLETED]))
def test_what_was_remembered_as_sent_is_not_sent_again(known: Known, version: int, body: Any) -> None:
    """OFF-03, SES-10: where the same change is announced again, as SQS may, and the object is still the same."""
    announcement = known["announcement"]
    found, first = stored(announcement.module, version, body), on_state(**known)
    push = decide_on_object(first, found) if isinstance(first, Attempt) else None
    begins_anew = MODULES[announcement.module].deletable and (announcement.removed or announcement.version == 1)

    if isinstance(push, Push) and push.sent and announcement.version <= version and not begins_anew:
        again = on_state(announcement, sent=push.sent)
        assert isinstance(decide_on_object(again, found) if isinstance(again, Attempt) else again, Skip)


@given(known=deliveries(), failure=FAILURES)
def test_what_is_recorded_says_no_less_than_what_was_missed_and_announced(known: Known, failure: OcpiError) -> None:
    """OFF-03: whether it waits or has failed. As of which version, or whether removed, the object itself tells then."""
    decision = on_state(**known)

    if not isinstance(decision, Skip):
        entry = decision.entry if isinstance(decision, Wait) else entry_after(decision, failure, NOW)
        kept = SentVersion(1, entry.announcement.path, entry.announcement.fields)
        before = [known["entry"].announcement] if known["entry"] else []
        assert all(kept.covers(replace(each, version=1, removed=False)) for each in [known["announcement"], *before])


@given(known=deliveries(), failure=FAILURES)
def test_a_failure_is_given_up_only_at_the_end_of_its_schedule_or_where_a_cdr_is_called_wrong(
    known: Known, failure: OcpiError
) -> None:
    """OFF-03, Q-57: and only what is posted is ever unsure."""
    decision = on_state(**known)

    if isinstance(decision, Attempt):
        entry, before = entry_after(decision, failure, NOW), known["entry"]
        is_posted = decision.module.sending.sent_by_post
        since = (before.first_failed_at or NOW) if before else NOW
        is_over = before is not None and before.attempts >= len(RETRY_DELAYS) and NOW - since >= RETRY_WINDOW
        is_wrong = is_posted and failure is CALLED_WRONG
        assert entry.due_at or is_over or is_wrong
        assert is_posted or not entry.is_unsure
