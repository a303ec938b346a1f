"""Proves the policy of delivery case by case, without a node: what is known, and what is decided then."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pushing.coalescing import MOST_PARTS
from chalicelib.node.pushing.decision import (
    Attempt,
    Post,
    Push,
    Remove,
    Skip,
    SkipReason,
    Wait,
    decide_on_object,
    decide_on_partner,
    entry_after,
)
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import RETRY_DELAYS, RETRY_WINDOW, OutboxEntry, SentVersion
from chalicelib.node.pushing.pacing import PacedPush
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import NotTaken, OcpiError, ServerError, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.parties import Role
from tests.node.deciding import (
    A_CDR,
    A_SESSION,
    A_TARIFF,
    BODY,
    CDRS,
    CLOSED,
    COMPLETED,
    FLOOR,
    LOCATIONS,
    NOW,
    OPEN,
    PARTNER,
    POSTED,
    SESSIONS,
    SOON,
    STATUS,
    SUSPENDED,
    TARIFFS,
    Known,
    attempt,
    change,
    known_of,
    missed,
    on_state,
    reason,
    refused,
    stored,
    waiting,
)

# --- the partner ---------------------------------------------------------------------------------------------------

WHOM = {
    "one that we do not know is skipped": (None, SkipReason.NOT_REGISTERED),
    "one that is invited is skipped": (replace(PARTNER, state=State.INVITED), SkipReason.NOT_REGISTERED),
    "one that has unregistered is skipped": (replace(PARTNER, state=State.UNREGISTERED), SkipReason.NOT_REGISTERED),
    "one without an endpoint is skipped": (replace(PARTNER, endpoints={TARIFFS: "https://x"}), SkipReason.NO_ENDPOINT),
    "one that is registered goes on": (PARTNER, None),
    "one that is suspended goes on, for what it misses is recorded": (SUSPENDED, None),
}


@pytest.mark.parametrize(("partner", "skipped"), WHOM.values(), ids=WHOM)
def test_only_a_registered_partner_that_has_the_endpoint_is_considered(
    partner: Partner | None, skipped: SkipReason | None
) -> None:
    """CRD-17, OFF-02."""
    assert decide_on_partner(partner, LOCATIONS) == (Skip(skipped) if skipped else partner)


# --- what is recorded about partner and object ---------------------------------------------------------------------

WHETHER: dict[str, tuple[Known, SkipReason | None]] = {
    "a change with nothing recorded is attempted": (known_of(), None),
    "a change of what was missed is attempted": (known_of(entry=missed()), None),
    "a change of what was given up is attempted": (known_of(entry=missed(due_at=None)), None),
    # A retry names the number of tries that had failed when it was queued.
    "a retry is attempted while as many tries have failed": (known_of(retry=2, entry=missed(attempts=2)), None),
    "the first retry of what only waited is attempted": (known_of(retry=0, entry=missed(attempts=0)), None),
    "a retry of what is settled is skipped": (known_of(retry=2), SkipReason.RETRIED_ALREADY),
    "a first retry of what is settled is skipped": (known_of(retry=0), SkipReason.RETRIED_ALREADY),
    "a retry is skipped once more tries have failed": (
        known_of(retry=1, entry=missed(attempts=2)),
        SkipReason.RETRIED_ALREADY,
    ),
    "a retry is skipped once the operator has begun the schedule anew": (
        known_of(retry=3, entry=missed(attempts=0)),
        SkipReason.RETRIED_ALREADY,
    ),
    # Posted objects.
    "a new CDR is attempted": (known_of(A_CDR), None),
    "an announcement of a CDR that waits for its retry is skipped": (
        known_of(A_CDR, entry=missed(A_CDR)),
        SkipReason.RETRY_SCHEDULED,
    ),
    "the retry of a CDR is attempted": (
        known_of(A_CDR, entry=missed(A_CDR), retry=2),
        None,
    ),
    # What was sent ahead of its announcements.
    "a change that was sent as of its version is skipped": (
        known_of(sent=(SentVersion(5, ("E1",), STATUS),)),
        SkipReason.SENT_ALREADY,
    ),
    "a change that was sent as of a later version is skipped": (
        known_of(sent=(SentVersion(2, ("E2",), None), SentVersion(6, (), None))),
        SkipReason.SENT_ALREADY,
    ),
    "a change after the version that was sent is attempted": (known_of(sent=(SentVersion(4, ("E1",), STATUS),)), None),
    "a change of other fields than were sent is attempted": (known_of(sent=(SentVersion(5, ("E1",), FLOOR),)), None),
    "a change that was sent is attempted while the object is dirty": (
        known_of(sent=(SentVersion(5, ("E1",), STATUS),), entry=missed()),
        None,
    ),
    "a change of a session is attempted, for its announcement stands for later ones too": (
        known_of(A_SESSION, sent=(SentVersion(5, (), None),)),
        None,
    ),
    "a change of a tariff that was sent is skipped": (
        known_of(change(2, (), None, of=TARIFFS), sent=(SentVersion(2, (), None),)),
        SkipReason.SENT_ALREADY,
    ),
    "a new tariff is attempted whatever was sent of another with its id": (
        known_of(A_TARIFF, sent=(SentVersion(9, (), None),)),
        None,
    ),
    "the removal of a tariff is attempted whatever was sent of it": (
        known_of(change(2, (), None, of=TARIFFS, removed=True), sent=(SentVersion(9, (), None),)),
        None,
    ),
    "a new location is skipped if it was sent as of a later version": (
        known_of(change(1, (), None), sent=(SentVersion(9, (), None),)),
        SkipReason.SENT_ALREADY,
    ),
    # Order of the questions.
    "a partner that is suspended makes no entry of what was sent": (
        known_of(partner=SUSPENDED, sent=(SentVersion(5, ("E1",), STATUS),)),
        SkipReason.SENT_ALREADY,
    ),
    "a partner that is suspended makes no entry of a retry that is settled": (
        known_of(partner=SUSPENDED, retry=2),
        SkipReason.RETRIED_ALREADY,
    ),
}


@pytest.mark.parametrize(("known", "skipped"), WHETHER.values(), ids=WHETHER)
def test_what_is_recorded_tells_whether_there_is_anything_to_tell(known: Known, skipped: SkipReason | None) -> None:
    """OFF-03, Q-57."""
    assert reason(on_state(**known)) == skipped


def test_an_attempt_carries_all_that_the_next_questions_need() -> None:
    """OFF-03."""
    announcement, sent = change(), (SentVersion(4, ("E2",), STATUS),)

    assert on_state(announcement, sent=sent) == Attempt(
        partner=PARTNER,
        module=MODULES[LOCATIONS],
        delivery=Delivery("p1", announcement),
        entry=None,
        announcements=(announcement,),
        sent=sent,
        forgets_sent=False,
        is_unsure=False,
        breaker=CLOSED,
    )
    assert attempt(announcement).announcement == announcement


TOGETHER = {
    "the same part is told once, with the fields of both": (
        change(3, fields=FLOOR),
        (change(5, fields=("floor_level", "status")),),
    ),
    "another part is told besides": (change(3, ("E2",)), (change(3, ("E2",)), change())),
    "what is below a whole part is not told besides": (change(3, (), None), (change(3, (), None),)),
}


@pytest.mark.parametrize(("before", "told"), TOGETHER.values(), ids=TOGETHER)
def test_what_was_missed_is_told_together_with_the_change(before: Announcement, told: tuple[Announcement, ...]) -> None:
    """OFF-03."""
    entry = missed(before)
    known = attempt(entry=entry)

    assert (known.announcements, known.entry) == (told, entry)


SENT = (SentVersion(9, (), None),)
ANEW = {
    "for the first version of what can be deleted": (A_TARIFF, SENT, True),
    "for the removal of what can be deleted": (change(3, (), None, of=TARIFFS, removed=True), SENT, True),
    "not for a later version": (change(10, (), None, of=TARIFFS), SENT, False),
    "not where nothing was sent": (A_TARIFF, (), False),
    "not for what is never deleted": (change(1, (), None, of=SESSIONS), SENT, False),
}


@pytest.mark.parametrize(("announcement", "sent", "forgotten"), ANEW.values(), ids=ANEW)
@pytest.mark.parametrize("partner", [PARTNER, SUSPENDED], ids=["called", "suspended"])
def test_what_was_sent_is_forgotten_where_versions_begin_anew(
    announcement: Announcement, sent: tuple[SentVersion, ...], forgotten: bool, partner: Partner
) -> None:
    """OFF-03, TAR-14: another tariff may take over the id."""
    decision = on_state(announcement, sent=sent, partner=partner)

    assert isinstance(decision, Attempt | Wait)
    assert decision.forgets_sent is forgotten
    if isinstance(decision, Attempt):
        assert decision.sent == (() if forgotten else sent)


UNSURE: dict[str, tuple[Known, bool]] = {
    "a new CDR is not": (known_of(A_CDR), False),
    "a CDR whose earlier worker may have died is": (known_of(A_CDR, is_repeated=True), True),
    "a CDR whose last try got no answer is": (
        known_of(A_CDR, retry=2, entry=missed(A_CDR, is_unsure=True)),
        True,
    ),
    "a CDR whose last try was refused is not": (known_of(A_CDR, retry=2, entry=missed(A_CDR)), False),
    "what is PUT never is, since it may be repeated": (
        known_of(is_repeated=True, entry=missed(is_unsure=True)),
        False,
    ),
}


@pytest.mark.parametrize(("known", "unsure"), UNSURE.values(), ids=UNSURE)
@pytest.mark.parametrize("partner", [PARTNER, SUSPENDED], ids=["called", "suspended"])
def test_a_posted_object_that_may_have_arrived_is_known_as_such(known: Known, unsure: bool, partner: Partner) -> None:
    """CDR-21, Q-57: and stays so while the partner is not called."""
    decision = on_state(**known, partner=partner)

    assert isinstance(decision, Attempt | Wait)
    assert (decision.entry if isinstance(decision, Wait) else decision).is_unsure is unsure


# --- whether they are called now -----------------------------------------------------------------------------------

PAUSED = replace(OPEN, state=CircuitState.WAITING, problem="429")
CALLED = {
    "a closed breaker": (CLOSED, True),
    "an open breaker": (OPEN, False),
    "an open breaker whose pause is over, for it wants a probe": (replace(OPEN, until=NOW), False),
    "refused credentials": (replace(OPEN, state=CircuitState.CREDENTIALS_BROKEN), False),
    "a pause that they asked for": (PAUSED, False),
    "the last moment of that pause": (replace(PAUSED, until=NOW + timedelta(microseconds=1)), False),
    "the end of that pause": (replace(PAUSED, until=NOW), True),
    "a breaker that an earlier token has opened": (replace(OPEN, token="another"), True),
}


@pytest.mark.parametrize(("breaker", "called"), CALLED.values(), ids=CALLED)
def test_a_partner_is_called_as_its_breaker_has_it(breaker: CircuitBreaker, called: bool) -> None:
    """OFF-04, Q-23, Q-57."""
    decision = on_state(breaker=breaker)

    assert isinstance(decision, Attempt if called else Wait)
    assert isinstance(on_state(breaker=breaker, partner=SUSPENDED), Wait)


def test_what_an_earlier_token_failed_with_is_no_breaker_of_the_attempt() -> None:
    """Q-57: the delivery that goes well closes the one that is stored."""
    assert attempt(breaker=replace(OPEN, token="another", version=7)).breaker == replace(CLOSED, version=7)
    assert attempt(breaker=replace(PAUSED, until=NOW)).breaker == replace(PAUSED, until=NOW)


def test_what_waits_for_a_breaker_is_due_when_the_pause_ends() -> None:
    """OFF-03, OFF-04."""
    assert waiting(breaker=OPEN).entry == OutboxEntry(
        partner_id="p1",
        announcement=change(),
        reason="timed out",
        attempts=0,
        failed_at=NOW,
        due_at=SOON,
        no_answer=True,
    )


def test_what_waits_for_a_suspended_partner_is_due_at_once_when_it_is_no_more() -> None:
    """OFF-03: whatever its breaker says."""
    entry = waiting(partner=SUSPENDED).entry

    assert (entry.reason, entry.attempts, entry.due_at, entry.no_answer) == ("suspended", 0, NOW, True)
    assert waiting(partner=SUSPENDED, breaker=OPEN).entry.reason == "suspended"


def test_what_waits_is_all_that_was_missed_in_one() -> None:
    """OFF-03: two parts make the whole object dirty."""
    assert waiting(breaker=OPEN, entry=missed(change(9, ("E2",)))).entry.announcement == change(9, (), None)
    assert waiting(breaker=OPEN, entry=missed(change(3))).entry.announcement == change(5)


# --- the object ----------------------------------------------------------------------------------------------------

PACED = PacedPush(NOW, frozenset(STATUS), since=4, version=7, former=(2, 4)).note
ONLY_STATUS = (SentVersion(5, ("E1",), STATUS),)

SKIPPED: dict[str, tuple[Known, StoredObject | None, SkipReason | None]] = {
    "a location that is gone is told to nobody": (known_of(), None, SkipReason.GONE),
    "a location that is gone is told to nobody, even if it was missed": (
        known_of(entry=missed()),
        None,
        SkipReason.GONE,
    ),
    "a tariff that is gone is removed": (known_of(A_TARIFF), None, None),
    "an object of another party is not theirs to see": (
        known_of(A_SESSION),
        stored(SESSIONS, list="NL/OTH"),
        SkipReason.NOT_VISIBLE,
    ),
    "an object of another party is not theirs to see, even if it was missed": (
        known_of(A_SESSION, entry=missed(A_SESSION)),
        stored(SESSIONS, list="NL/OTH"),
        SkipReason.NOT_VISIBLE,
    ),
    "a CDR of another party is not theirs to see": (
        known_of(A_CDR),
        stored(CDRS, list="NL/OTH"),
        SkipReason.NOT_VISIBLE,
    ),
    "a partner in our own role sees nothing": (
        known_of(partner=replace(PARTNER, our_role=Role.EMSP)),
        stored(),
        SkipReason.NOT_VISIBLE,
    ),
    "a CDR is posted": (known_of(A_CDR), stored(CDRS), None),
    "a CDR that is marked is not posted again": (
        known_of(A_CDR),
        stored(CDRS, metadata=POSTED),
        SkipReason.POSTED_ALREADY,
    ),
    "a CDR that is marked is not posted again by a retry": (
        known_of(A_CDR, retry=2, entry=missed(A_CDR, is_unsure=True)),
        stored(CDRS, metadata=POSTED),
        SkipReason.POSTED_ALREADY,
    ),
    "a paced push that a later one of its pause replaces is outdated": (
        known_of(A_SESSION),
        stored(SESSIONS, metadata=PACED),
        SkipReason.OUTDATED,
    ),
    "a paced push of the pause before, replaced in it, is outdated": (
        known_of(change(2, (), STATUS, of=SESSIONS)),
        stored(SESSIONS, metadata=PACED),
        SkipReason.OUTDATED,
    ),
    "the last paced push of its pause is sent": (
        known_of(change(7, (), STATUS, of=SESSIONS)),
        stored(SESSIONS, 7, metadata=PACED),
        None,
    ),
    "a paced push that is replaced is sent if earlier ones were missed": (
        known_of(A_SESSION, entry=missed(A_SESSION)),
        stored(SESSIONS, metadata=PACED),
        None,
    ),
    "a paced push is outdated if all of it was sent as of the version that is current": (
        known_of(A_SESSION, sent=(SentVersion(6, (), None),)),
        stored(SESSIONS, 6),
        SkipReason.OUTDATED,
    ),
    "a paced push is sent if the object has changed since it was sent ahead": (
        known_of(A_SESSION, sent=(SentVersion(6, (), None),)),
        stored(SESSIONS, 7),
        None,
    ),
    "a paced push is sent if only other fields were sent as of the current version": (
        known_of(A_SESSION, sent=(SentVersion(6, (), ("kwh",)),)),
        stored(SESSIONS, 6),
        None,
    ),
    "a change that was sent ahead is sent again if it was missed": (
        known_of(sent=ONLY_STATUS, entry=missed()),
        stored(version=5),
        None,
    ),
}


@pytest.mark.parametrize(("known", "found", "skipped"), SKIPPED.values(), ids=SKIPPED)
def test_the_object_as_it_is_tells_whether_they_are_called(
    known: Known, found: StoredObject | None, skipped: SkipReason | None
) -> None:
    """SES-14, CDR-21, TAR-14, OFF-03, Q-48."""
    assert reason(decide_on_object(attempt(**known), found)) == skipped


def test_a_removed_object_is_deleted_where_the_module_knows_that() -> None:
    """TAR-14."""
    assert decide_on_object(attempt(change(4, (), None, of=TARIFFS, removed=True)), None) == Remove()


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_cdr_that_may_have_arrived_is_looked_for_before_it_is_posted(is_repeated: bool) -> None:
    """CDR-21, Q-57."""
    assert decide_on_object(attempt(A_CDR, is_repeated=is_repeated), stored(CDRS)) == Post(stored(CDRS), is_repeated)


MANY = tuple(SentVersion(4, (f"E{number}",), STATUS) for number in range(2, 2 + MOST_PARTS))
WHOLE = change(5, (), None)

PUSHED: dict[str, tuple[Known, StoredObject, Push]] = {
    "as of its own version: nothing is remembered": (known_of(), stored(version=5), Push(BODY, (change(),))),
    "before the version that is announced, as by a write that was repeated: nothing is remembered": (
        known_of(),
        stored(version=4),
        Push(BODY, (change(),)),
    ),
    "ahead of other changes: what it told, as of that version": (
        known_of(),
        stored(version=6),
        Push(BODY, (change(),), (SentVersion(6, ("E1",), STATUS),)),
    ),
    "ahead, after another part ran ahead: both": (
        known_of(sent=MANY[:1]),
        stored(version=6),
        Push(BODY, (change(),), (SentVersion(6, ("E1",), STATUS), MANY[0])),
    ),
    "ahead, after almost too many parts ran ahead: all of them": (
        known_of(sent=MANY[:-1]),
        stored(version=6),
        Push(BODY, (change(),), (SentVersion(6, ("E1",), STATUS), *MANY[:-1])),
    ),
    "ahead, after too many parts ran ahead: the whole object instead": (
        known_of(sent=MANY),
        stored(version=6),
        Push(BODY, (WHOLE,), (SentVersion(6, (), None),)),
    ),
    "as of its own version, after too many parts ran ahead: the part": (
        known_of(sent=MANY),
        stored(version=5),
        Push(BODY, (change(),)),
    ),
    "ahead, with what was missed: all of it": (
        known_of(entry=missed(change(3, ("E2",)))),
        stored(version=6),
        Push(
            BODY,
            (change(3, ("E2",)), change()),
            (SentVersion(6, ("E1",), STATUS), SentVersion(6, ("E2",), STATUS)),
        ),
    ),
    "a session that goes on, as of its own version: nothing is remembered": (
        known_of(A_SESSION),
        stored(SESSIONS),
        Push(BODY, (A_SESSION,)),
    ),
    "a session that is final: remembered although nothing is ahead": (
        known_of(A_SESSION),
        stored(SESSIONS, body=COMPLETED),
        Push(COMPLETED, (A_SESSION,), (SentVersion(5, (), STATUS),)),
    ),
    "a tariff that is there again after its removal was announced: the new versions are not those that are announced": (
        known_of(change(2, (), None, of=TARIFFS, removed=True)),
        stored(TARIFFS, version=7),
        Push(BODY, (change(2, (), None, of=TARIFFS, removed=True),)),
    ),
}


@pytest.mark.parametrize(("known", "found", "push"), PUSHED.values(), ids=PUSHED)
def test_the_object_is_pushed_as_it_is_and_remembered_where_it_runs_ahead(
    known: Known, found: StoredObject, push: Push
) -> None:
    """OFF-03, SES-10, TRA-23."""
    assert decide_on_object(attempt(**known), found) == push


# --- a failure -----------------------------------------------------------------------------------------------------


def test_the_first_failure_of_a_change_is_retried_after_a_minute() -> None:
    """OFF-03, TRA-14, Q-57."""
    assert entry_after(attempt(), refused(2001), NOW) == OutboxEntry(
        partner_id="p1",
        announcement=change(),
        reason="PUT was answered",
        attempts=1,
        failed_at=NOW,
        due_at=NOW + timedelta(minutes=1),
    )


def test_what_was_missed_with_it_stays_missed() -> None:
    """OFF-03: two parts make the whole object dirty, as of the later version."""
    known = attempt(entry=missed(change(9, ("E2",))))

    assert entry_after(known, refused(), NOW).announcement == change(9, (), None)


LAST = len(RETRY_DELAYS)
"""The tries of the schedule that have failed when its last one is made."""
TIMES: dict[str, tuple[Known, tuple[int, datetime | None]]] = {
    "a change with nothing missed counts as the first try": (known_of(), (1, NOW + RETRY_DELAYS[0])),
    "a change of what was missed is no try and keeps the time of the retry": (known_of(entry=missed()), (0, SOON)),
    "nor is one of what waits for the partner": (known_of(entry=missed(attempts=0)), (0, SOON)),
    "a change of what was given up is a try and is given up again": (
        known_of(entry=missed(due_at=None, attempts=LAST + 1, first_failed_at=NOW - RETRY_WINDOW)),
        (1, None),
    ),
    "a change of what was given up early is a try of its schedule": (
        known_of(entry=missed(due_at=None)),
        (1, NOW + RETRY_DELAYS[2]),
    ),
    "the first retry is the second try": (known_of(retry=1, entry=missed(attempts=1)), (1, NOW + RETRY_DELAYS[1])),
    "the retry of what only waited is the first try": (
        known_of(retry=0, entry=missed(attempts=0)),
        (1, NOW + RETRY_DELAYS[0]),
    ),
    "the try before the last has the last pause": (
        known_of(retry=LAST - 1, entry=missed(attempts=LAST - 1, first_failed_at=NOW - RETRY_WINDOW)),
        (1, NOW + RETRY_DELAYS[-1]),
    ),
    "the last try gives up": (
        known_of(retry=LAST, entry=missed(attempts=LAST, first_failed_at=NOW - RETRY_WINDOW)),
        (1, None),
    ),
    "the last try within the schedule's time goes on": (
        known_of(
            retry=LAST,
            entry=missed(attempts=LAST, first_failed_at=NOW - RETRY_WINDOW + timedelta(seconds=1)),
        ),
        (1, NOW + RETRY_DELAYS[-1]),
    ),
    "where it is not known since when it is dirty, it is since now": (
        known_of(retry=LAST, entry=missed(attempts=LAST, first_failed_at=None)),
        (1, NOW + RETRY_DELAYS[-1]),
    ),
}


@pytest.mark.parametrize(("known", "counted"), TIMES.values(), ids=TIMES)
def test_only_retries_and_first_failures_are_tries_of_the_schedule(
    known: Known, counted: tuple[int, datetime | None]
) -> None:
    """OFF-03, Q-57: counted as so many tries, retried at that time."""
    entry = entry_after(attempt(**known), refused(), NOW)

    assert (entry.attempts, entry.due_at) == counted


LOST, UNSENT = Unreachable("timed out"), Unreachable("refused", unsent=True)
RETRIED = known_of(A_CDR, retry=2, entry=missed(A_CDR))
WAS_UNSURE = known_of(A_CDR, retry=2, entry=missed(A_CDR, is_unsure=True))
A_MINUTE, HALF_AN_HOUR = NOW + RETRY_DELAYS[0], NOW + RETRY_DELAYS[2]

KINDS: dict[str, tuple[Known, OcpiError, tuple[datetime | None, bool, bool]]] = {
    # known before; failed with; retried at, as soon as they answer, may have arrived
    "a location without an answer": (known_of(), LOST, (A_MINUTE, True, False)),
    "a location with 500": (known_of(), refused(3000, 500), (A_MINUTE, True, False)),
    "a location that they call wrong may be taken once they know more": (
        known_of(),
        refused(2001),
        (A_MINUTE, False, False),
    ),
    "a location when we ourselves failed": (known_of(), ServerError("busy"), (A_MINUTE, False, False)),
    "a CDR without an answer": (known_of(A_CDR), LOST, (A_MINUTE, True, True)),
    "a CDR with 500": (known_of(A_CDR), refused(2000, 500), (A_MINUTE, True, True)),
    "a CDR with OCPI 3000": (known_of(A_CDR), refused(3000), (A_MINUTE, False, True)),
    "a CDR with a page instead of an envelope": (
        known_of(A_CDR),
        NotTaken("POST was answered", read_answer(Response(200, {}, b"<html>"))),
        (A_MINUTE, False, True),
    ),
    "a CDR that never left us": (known_of(A_CDR), UNSENT, (A_MINUTE, True, False)),
    "a CDR that they do not take yet": (known_of(A_CDR), refused(2000), (A_MINUTE, False, False)),
    "a CDR with 401": (known_of(A_CDR), refused(2000, 401), (A_MINUTE, True, False)),
    "a CDR that they call wrong is given up at once": (known_of(A_CDR), refused(2001), (None, False, False)),
    "a CDR that they call wrong with HTTP 400 is given up at once": (
        known_of(A_CDR),
        refused(2001, 400),
        (None, False, False),
    ),
    "a retried CDR that they call wrong is given up at once": (RETRIED, refused(2001), (None, False, False)),
    "a retried CDR that they do not take yet": (RETRIED, refused(2000), (HALF_AN_HOUR, False, False)),
    "a CDR that could not be looked for stays unsure": (WAS_UNSURE, UNSENT, (HALF_AN_HOUR, True, True)),
    "a CDR that they would not let us look for stays unsure": (
        WAS_UNSURE,
        refused(2000, 401),
        (HALF_AN_HOUR, True, True),
    ),
    "a CDR that was looked for and refused is sure": (WAS_UNSURE, refused(2000), (HALF_AN_HOUR, False, False)),
    "a CDR that we have no token to post with may be anything": (
        known_of(A_CDR),
        UnableToUseApi("register first"),
        (A_MINUTE, False, True),
    ),
}


@pytest.mark.parametrize(("known", "failure", "expected"), KINDS.values(), ids=KINDS)
def test_what_becomes_of_a_failure_depends_on_what_they_said(
    known: Known, failure: OcpiError, expected: tuple[datetime | None, bool, bool]
) -> None:
    """OFF-03, OFF-04, CDR-21, TRA-14, Q-57."""
    entry = entry_after(attempt(**known), failure, NOW)

    assert (entry.due_at, entry.no_answer, entry.is_unsure) == expected
    assert entry.reason == str(failure)
