"""Proves the policy of pulls case by case: when one begins, what a message asks for, what follows a page or failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pulling.decision import (
    Advance,
    PageCounts,
    PullKind,
    StepDecision,
    after_failure,
    after_page,
    decide_on_step,
    due_pull,
    is_at_work,
    is_recent,
    pullable_modules,
    without_partner,
)
from chalicelib.node.pulling.pages import ListPage
from chalicelib.node.pulling.state import Pull, PullState, PullStep
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import AddressNotAllowed, NotTaken, OcpiError, UnableToUseApi, Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.node.partner import said
from tests.node.pulling import answered, following

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOCATIONS, TOKENS = ModuleID.LOCATIONS, ModuleID.TOKENS
ENDPOINT = "https://cpo.example/locations"
FIRST = f"{ENDPOINT}?limit=2"
CPO = Partner(
    id="p1",
    our_role=Role.EMSP,
    state=State.REGISTERED,
    party=Party.of("DE", "CPO"),
    endpoints={LOCATIONS: ENDPOINT, TOKENS: "https://cpo.example/tokens"},
)
RUNNING, DONE, FAILED = PullState


def ago(**amount: float) -> datetime:
    return NOW - timedelta(**amount)


def pull(**fields: Any) -> Pull:
    """A full pull that stands at its first page."""
    known = {"partner_id": "p1", "module": LOCATIONS, "crawl": "c1", "state": RUNNING, "is_full": True, "version": 7}
    given = {"url": FIRST, "first_url": FIRST, "began_at": ago(minutes=2), "updated_at": ago(minutes=1)}
    return Pull(**{**known, **given, **fields})


def page(*ids: str, link: str | None = None, total: int | None = None) -> ListPage:
    answer = answered([{"id": object_id} for object_id in ids], following(link) if link else None, total)
    return ListPage.of(read_answer(answer), MODULES[LOCATIONS])


def after(before: Pull, fetched: ListPage, taken: int = 0, refused: int = 0) -> Pull:
    """The pull after this page; its message is never put off."""
    advance = after_page(CPO, before, fetched, PageCounts(taken=taken, refused=refused), NOW)
    assert advance.delay_s == 0
    assert (advance.pull.version, advance.pull.updated_at) == (before.version + 1, NOW)
    return advance.pull


# --- which lists, and when -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partner", "lists"),
    [
        (CPO, [LOCATIONS]),
        (replace(CPO, our_role=Role.CPO), [TOKENS]),
        (replace(CPO, endpoints={}), []),
        (replace(CPO, is_suspended=True), []),
        (replace(CPO, state=State.UNREGISTERED), []),
    ],
    ids=["what a CPO owns", "what an eMSP owns", "no endpoints", "suspended", "unregistered"],
)
def test_the_lists_that_are_pulled_are_those_that_the_partner_owns_and_serves(
    partner: Partner, lists: list[ModuleID]
) -> None:
    assert pullable_modules(partner, MODULES) == lists


DUE = {
    "never pulled": (None, PullKind.FULL),
    "a full pull an hour ago": (pull(state=DONE, began_at=ago(hours=1), full_at=ago(hours=1)), PullKind.DELTA),
    "a pull 54 minutes ago": (pull(state=DONE, began_at=ago(minutes=54), full_at=ago(days=9)), None),
    "a pull 55 minutes ago": (pull(state=DONE, began_at=ago(minutes=55), full_at=ago(days=6)), PullKind.DELTA),
    "a delta, and a week since all of it": (
        pull(state=DONE, is_full=False, began_at=ago(hours=1), full_at=ago(days=7)),
        PullKind.FULL,
    ),
    "all of it failed, so a delta has its turn": (
        pull(state=FAILED, is_full=True, began_at=ago(hours=1), full_at=ago(days=8)),
        PullKind.DELTA,
    ),
    "a delta failed, so all of it has its turn": (
        pull(state=FAILED, is_full=False, began_at=ago(hours=1), full_at=ago(days=8)),
        PullKind.FULL,
    ),
    "all of it has never succeeded": (pull(state=FAILED, began_at=ago(hours=1)), PullKind.FULL),
    "one that is running": (pull(began_at=ago(minutes=1), full_at=ago(days=1)), PullKind.DELTA),
}


@pytest.mark.parametrize(("last", "kind"), DUE.values(), ids=DUE.keys())
def test_a_delta_is_due_every_hour_and_everything_once_a_week(last: Pull | None, kind: PullKind | None) -> None:
    """PAG-17."""
    assert due_pull(last, NOW) is kind


@pytest.mark.parametrize(
    ("minutes", "state", "expected"), [(29, RUNNING, True), (30, RUNNING, False), (1, DONE, False)]
)
def test_a_running_pull_that_has_not_moved_for_half_an_hour_has_lost_its_worker(
    minutes: int, state: PullState, expected: bool
) -> None:
    assert is_at_work(pull(state=state, updated_at=ago(minutes=minutes)), NOW) is expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [(None, False), (pull(began_at=ago(minutes=4)), True), (pull(state=DONE, began_at=ago(minutes=5)), False)],
)
def test_what_was_pulled_less_than_five_minutes_ago_is_not_caught_up(last: Pull | None, expected: bool) -> None:
    """OFF-04."""
    assert is_recent(last, NOW) is expected


# --- a message -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "decision"),
    [
        ({"page": 3}, StepDecision.FETCH),
        ({"page": 4}, StepDecision.RESEND),
        ({"page": 5}, StepDecision.IGNORE),
        ({"page": 2}, StepDecision.IGNORE),
        ({"page": 3, "crawl": "c2"}, StepDecision.IGNORE),
        ({"page": 4, "crawl": "c2"}, StepDecision.IGNORE),
        ({"page": 3, "state": DONE}, StepDecision.IGNORE),
        ({"page": 4, "state": DONE}, StepDecision.IGNORE),
        ({"page": 3, "state": FAILED}, StepDecision.IGNORE),
    ],
)
def test_a_message_counts_if_its_page_is_the_next_one_or_the_one_before(
    fields: dict[str, Any], decision: StepDecision
) -> None:
    assert decide_on_step(PullStep(partner_id="p1", module=LOCATIONS, crawl="c1", page=3), pull(**fields)) is decision


def test_a_pull_of_somebody_who_is_no_partner_any_more_fails() -> None:
    advance = without_partner(pull(page=3, received=6), NOW)

    assert advance == Advance(
        pull(page=3, received=6, state=FAILED, problem="they are no longer a partner", version=8, updated_at=NOW)
    )


# --- an answer that is no page -------------------------------------------------------------------------------------

NO_PAGE: dict[str, tuple[Response, type[OcpiError], str]] = {
    "away": (Response(503, {}, b"<html>"), NotTaken, "HTTP 503"),
    "overloaded": (said(429, 2000), NotTaken, "HTTP 429, OCPI status 2000: "),
    "refused": (said(401, 2000), NotTaken, "HTTP 401, OCPI status 2000: "),
    "failed with HTTP 200": (said(200, 3000), NotTaken, "HTTP 200, OCPI status 3000: "),
    "failed otherwise": (said(200, 3001), UnableToUseApi, "the list was answered with HTTP 200 and OCPI status 3001"),
    "not found": (said(404, 2000), UnableToUseApi, "the list was answered with HTTP 404 and OCPI status 2000"),
    "HTML": (said(200, None), UnableToUseApi, "the list was answered with HTTP 200 and no OCPI envelope"),
    "one object": (said(200, 1000, {}), UnableToUseApi, "the list was answered with something that is none (TRA-12)"),
    "too many": (
        said(200, 1000, [0] * 10_001),
        UnableToUseApi,
        "a page of 10001 objects, and we read at most 10000 on one",
    ),
}


@pytest.mark.parametrize(("response", "kind", "problem"), NO_PAGE.values(), ids=NO_PAGE.keys())
def test_an_answer_that_is_no_page_says_why(response: Response, kind: type[OcpiError], problem: str) -> None:
    """Q-11, TRA-12, PAG-17."""
    with pytest.raises(kind) as failed:
        ListPage.of(read_answer(response), MODULES[LOCATIONS])

    assert (type(failed.value), str(failed.value)) == (kind, problem)


@pytest.mark.parametrize("data", [None, []])
def test_an_empty_list_may_be_left_out(data: Any) -> None:
    """Q-14."""
    found = ListPage.of(read_answer(said(200, 1000, data)), MODULES[LOCATIONS])

    assert (found.items, found.keys, found.listed) == ([], [], None)


def test_a_page_names_its_objects_by_what_they_are_stored_under() -> None:
    """FMT-07: the ids of CDRs in any case; an object without an id has no name."""
    items = [{"id": "cdr1"}, {"id": 7}, "x", {"id": "x" * 300}]

    found = ListPage.of(read_answer(answered(items, total=4)), MODULES[ModuleID.CDRS])

    assert found.keys == [MODULES[ModuleID.CDRS].key_of(each) for each in ("cdr1", "", "", "x" * 255)]
    assert (found.items, found.total, found.link) == (items, 4, None)


# --- after a failure -----------------------------------------------------------------------------------------------


def refusal(status: int, **headers: str) -> NotTaken:
    return NotTaken(
        f"HTTP {status}", Answer(http_status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})
    )


FAILURES: dict[str, tuple[int, OcpiError, int | None]] = {
    # How often it failed before, why, and the seconds until the next try; None: there is none.
    "no answer": (0, Unreachable("timed out"), 5),
    "no answer, again": (1, Unreachable("timed out"), 30),
    "no answer, a third time": (2, Unreachable("timed out"), 120),
    "no answer, a fourth time": (3, Unreachable("timed out"), 600),
    "no answer, a fifth time": (4, Unreachable("timed out"), None),
    "HTTP 500": (0, refusal(500), 5),
    "HTTP 200 with OCPI 3000": (1, refusal(200), 30),
    "asked to wait longer": (0, refusal(429, retry_after="90"), 90),
    "asked to wait less": (2, refusal(503, retry_after="1"), 120),
    "asked to wait in words": (0, refusal(503, retry_after="soon"), 5),
    "asked to wait until": (0, refusal(503, retry_after="Sun, 01 Mar 2026 12:01:00 GMT"), 60),
    "HTTP 401": (0, refusal(401), None),
    "HTTP 403": (0, refusal(403, retry_after="90"), None),
    "no list": (0, UnableToUseApi("no envelope"), None),
    "an address that we do not call": (0, AddressNotAllowed("http"), None),
}


@pytest.mark.parametrize(("attempts", "failure", "delay_s"), FAILURES.values(), ids=FAILURES.keys())
def test_a_page_is_tried_five_times_where_that_can_help(attempts: int, failure: OcpiError, delay_s: int | None) -> None:
    """PAG-17: and stays the next page whatever happens."""
    before = pull(attempts=attempts, page=3, received=6, taken=2, listed="d", landmark="l", total=9)

    advance = after_failure(before, failure, NOW)

    state = FAILED if delay_s is None else RUNNING
    facts: dict[str, Any] = {
        "attempts": attempts + 1,
        "problem": str(failure),
        "state": state,
        "version": 8,
        "updated_at": NOW,
    }
    assert advance == Advance(replace(before, **facts), delay_s or 0)


# --- after a page --------------------------------------------------------------------------------------------------


def test_a_page_with_a_link_leads_to_the_next_one() -> None:
    """PAG-15: and what came before counts."""
    before = pull(attempts=2, problem="timed out", received=2, taken=1, refused=1, page=1, total=None)

    onward = after(before, page("X3", "X4", link=f"{ENDPOINT}?page=3", total=9), taken=1, refused=1)

    assert (onward.state, onward.page, onward.url) == (RUNNING, 2, f"{ENDPOINT}?page=3")
    assert (onward.received, onward.taken, onward.refused, onward.total) == (4, 2, 2, 9)
    assert (onward.attempts, onward.problem) == (0, None)


def test_the_last_page_ends_the_pull_and_the_next_one_asks_since_its_beginning() -> None:
    """PAG-27."""
    before = pull(since=ago(days=2), full_at=ago(days=9), is_full=False, total=2)

    done = after(before, page("X1", "X2"))

    assert (done.state, done.page, done.total, done.completed_at) == (DONE, 1, 2, NOW)
    assert (done.since, done.full_at) == (before.began_at, before.full_at)


def test_only_a_full_pull_says_when_all_of_it_was_seen() -> None:
    assert after(pull(full_at=ago(days=9)), page("X1")).full_at == pull().began_at


@pytest.mark.parametrize(
    ("before", "fetched", "url"),
    [
        (pull(), page("X1", "X2", total=5), f"{ENDPOINT}?limit=2&offset=2"),
        (pull(url=f"{FIRST}&offset=2", page=1, received=2), page("X3", "X4", total=5), f"{ENDPOINT}?limit=2&offset=4"),
        (pull(url=f"{FIRST}&offset=4", page=2, received=4), page("X5", total=5), None),
        (pull(), page("X1", "X2"), None),
        (pull(), page(total=5), None),
    ],
    ids=["the first", "the second", "the last", "without a total", "an empty one"],
)
def test_pages_without_links_are_counted_off_by_their_total(before: Pull, fetched: ListPage, url: str | None) -> None:
    """Q-24."""
    onward = after(before, fetched)

    assert (onward.url, onward.state) == ((url, RUNNING) if url else (before.url, DONE))


@pytest.mark.parametrize(
    ("before", "url", "restarts"),
    [
        (pull(url=f"{FIRST}&offset=4", total=9), f"{ENDPOINT}?limit=2&offset=2", 0),
        (pull(url=f"{FIRST}&offset=1", total=9), f"{ENDPOINT}?limit=2&offset=0", 0),
        (pull(url=f"{ENDPOINT}?page=3", total=9), FIRST, 1),
    ],
    ids=["back by what is missing", "back to the beginning", "from page one"],
)
def test_a_list_that_became_shorter_is_asked_again_from_further_back(before: Pull, url: str, restarts: int) -> None:
    """PAG-16: and what was remembered to find circles is forgotten."""
    before = replace(before, page=2, landmark="l", listed="d")

    onward = after(before, page("X5", link=f"{ENDPOINT}?page=4", total=7))

    assert (onward.state, onward.page, onward.url, onward.restarts) == (RUNNING, 3, url, restarts)
    assert (onward.landmark, onward.listed, onward.total) == (None, None, 7)


def test_a_pull_begins_again_only_once() -> None:
    """PAG-16."""
    before = pull(url=f"{ENDPOINT}?page=3", total=9, restarts=1, page=2)

    assert after(before, page("X5", link=f"{ENDPOINT}?page=4", total=7)).url == f"{ENDPOINT}?page=4"


ASTRAY = {
    "the same page again": (
        pull(page=1, listed=page("X1").listed),
        page("X1", link=f"{ENDPOINT}?page=3"),
        "they serve the same page again, whatever we ask for",
    ),
    "a link to itself": (pull(), page("X1", link=FIRST), "the link to the next page leads back"),
    "a link to the first page": (
        pull(url=f"{ENDPOINT}?page=2", page=1),
        page("X1", link=FIRST),
        "the link to the next page leads back",
    ),
    "a link to a page that we remember": (
        pull(page=5, landmark=f"{ENDPOINT}?page=2"),
        page("X1", link=f"{ENDPOINT}?page=2"),
        "the link to the next page leads back",
    ),
    "a link to somebody else": (
        pull(),
        page("X1", link="https://elsewhere.example/x"),
        "the link to the next page leads to a host that is not theirs",
    ),
    "a link that is none": (pull(), page("X1", link="https://[x"), "the link to the next page is no URL"),
    "an empty page with a link": (pull(), page(link=f"{ENDPOINT}?page=2"), "an empty page has a next one"),
    "no end": (pull(page=19_999), page("X1", link=f"{ENDPOINT}?page=2"), "more than 20000 pages"),
}


@pytest.mark.parametrize(("before", "fetched", "problem"), ASTRAY.values(), ids=ASTRAY.keys())
def test_a_pull_fails_where_its_pages_lead_in_circles_or_away(before: Pull, fetched: ListPage, problem: str) -> None:
    """Q-09, Q-24: what was received until then is counted."""
    failed = after(before, fetched, taken=len(fetched.items))

    assert (failed.state, failed.problem, failed.url) == (FAILED, problem, before.url)
    assert (failed.page, failed.received, failed.taken) == (before.page + 1, len(fetched.items), len(fetched.items))
    assert (failed.total, failed.listed, failed.since) == (before.total, before.listed, None)


@pytest.mark.parametrize(
    ("number", "is_remembered"), [(0, True), (1, True), (2, False), (3, True), (4, False), (7, True)]
)
def test_a_page_after_each_power_of_two_is_remembered(number: int, is_remembered: bool) -> None:
    """Q-09: so that a circle of any size comes by one."""
    url = f"{ENDPOINT}?page={number + 2}"

    onward = after(pull(page=number, url=f"{ENDPOINT}?at={number}", landmark="earlier"), page("X1", link=url))

    assert onward.landmark == (url if is_remembered else "earlier")
