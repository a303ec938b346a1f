"""Proves when we stop to call a partner, and when we go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chalicelib.node.partners.breaker import FIRST_PAUSE, LONGEST_RETRY_AFTER, OPENS_AFTER, CircuitBreaker, CircuitState
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.envelope import read_answer
from chalicelib.ocpi.errors import NotTaken, Unreachable
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.breaking import JITTER, breaker, change, failing, pass_to, probes, until
from tests.node.faults import at_once, run_on
from tests.node.partner import partner, said

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


# --- when it opens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, said(500, 3000), said(502, None), said(504, None)], ids=str)
def test_five_failures_in_a_row_and_a_partner_is_not_called_any_more(answer: Response | None) -> None:
    """N-42, OFF-03: the sixth change is written down, not sent."""
    there = partner()
    failing(there, answer)
    for _ in range(OPENS_AFTER):
        assert breaker(there).state is CircuitState.CLOSED
        change(there)
    mark = len(there.there.world.traffic)

    for _ in range(10):
        change(there)

    assert there.there.world.since(mark) == []
    assert breaker(there).state is CircuitState.OPEN
    (missed,) = there.backlog
    assert (missed.attempts, missed.no_answer) == (1, True)


def test_four_failures_and_a_success_are_forgotten() -> None:
    """N-42."""
    there = partner()
    for _ in range(3):
        again = failing(there, said(500, 3000))
        for _ in range(OPENS_AFTER - 1):
            change(there)
        assert breaker(there).failures == OPENS_AFTER - 1
        again()
        change(there)
        assert breaker(there).is_clean

    assert there.held("LOC1") == there.own("LOC1")


def test_what_calls_nobody_is_no_success() -> None:
    """N-42: an announcement of what is gone since says nothing about reaching the partner."""
    there = partner(make.location(evses=[make.evse("E1", connectors=[make.connector("1"), make.connector("2")])]))
    there.change(("E1", "2"), {"amperage": 16})
    there.owner.company.fan_out.fan_out(*there.owner.queues.announcements.pop())
    gone = there.owner.queues.deliveries.pop()
    there.owner.company.own_objects[LOCATIONS].put("LOC1", ("E1",), make.evse("E1"))
    there.owner.queues.announcements.clear()
    failing(there, said(500, 3000))
    there.there.put_in(TARIFFS, make.tariff("T1"))
    there.there.pump()

    there.owner.deliver(gone)

    assert breaker(there).failures == 1


@pytest.mark.parametrize(
    "refusal", [said(200, 2001), said(200, 3000), said(404, 2003), said(400, 2000), said(200, None)]
)
def test_who_answers_is_reachable_whatever_is_answered(refusal: Response) -> None:
    """N-42: what they refuse tells of the object, not of them."""
    there = partner()
    failing(there, refusal)

    for _ in range(2 * OPENS_AFTER):
        change(there)

    assert breaker(there).is_clean


def test_failures_that_several_workers_see_at_once_are_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    """N-42: and that they are not called any more is said once."""
    there = partner()
    to, company = there.owner.partners()[0], there.owner.company
    failure = NotTaken("HTTP 500", read_answer(said(500, 3000)))

    at_once(*[lambda: company.breakers.record_failure(to, failure)] * (OPENS_AFTER - 1))
    assert breaker(there).failures == OPENS_AFTER - 1
    at_once(*[lambda: company.breakers.record_failure(to, failure)] * 8)

    # Those behind the fifth were under way before, and make the pause no longer.
    assert (breaker(there).state, breaker(there).failures, breaker(there).pauses) == (CircuitState.OPEN, OPENS_AFTER, 1)
    assert caplog.text.count("is not called any more") == 1


def test_a_success_that_comes_between_is_no_breakdown_that_the_host_hears_of() -> None:
    """N-42: or if it has heard already, it hears of the recovery."""
    there = partner()
    failing(there)
    for _ in range(OPENS_AFTER - 1):
        change(there)
    to, breakers = there.owner.partners()[0], there.owner.ports.breakers
    there.owner.pump_events()
    before = len(there.owner.bus.published)

    class Met:
        """A success elsewhere is written down just before the first failure is."""

        def __getattr__(self, name: str) -> Any:
            if name == "save_breaker" and not breaker(there).is_clean:
                breakers.save_breaker(
                    CircuitBreaker(partner_id=to.id, token=breaker(there).token, version=breaker(there).version + 1)
                )
            return getattr(breakers, name)

    run_on(there.owner, breakers=Met())
    there.owner.company.breakers.record_failure(to, Unreachable("timed out"))

    assert breaker(there).broken_since is None
    kinds = [event["kind"] for event in there.owner.pump_events()[before:]]
    assert kinds == ["partner.broken", "partner.recovered"]


# --- broken credentials --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_who_refuses_our_token_is_not_called_any_more_at_once(status: int) -> None:
    """N-42, Q-02: and hears nothing but a probe now and then."""
    there = partner()
    failing(there, said(status, 2000))
    change(there)
    assert breaker(there).state is CircuitState.CREDENTIALS_BROKEN
    mark = len(there.there.world.traffic)

    change(there)
    there.owner.look()

    assert there.there.world.since(mark) == []
    assert f"HTTP {status}" in there.backlog[0].reason


def test_new_credentials_are_another_chance() -> None:
    """N-42, CRD-08: after a rotation everything they missed arrives, without a probe."""
    there = partner()
    again = failing(there, said(401, 2000))
    change(there)
    again()
    emsp = there.there.emsp
    emsp.company.registrations.rotate(emsp.partners()[0])

    change(there)

    assert breaker(there).is_clean
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_new_credentials_let_through_what_is_due_even_if_nothing_changes() -> None:
    """N-42, Q-57."""
    there = partner()
    failing(there, said(401, 2000))()
    there.will("PATCH", said(401, 2000))
    change(there)
    known = there.owner.partners()[0]
    there.owner.ports.partners.save(known.with_changes(token_we_send=AuthToken("another")))
    there.will("PATCH", said())
    there.asked.clear()

    pass_to(there, FIRST_PAUSE)

    assert there.requests() == ["PATCH locations LOC1"]
    assert breaker(there).version > 0
    assert there.owner.company.breakers.for_partner(there.owner.partners()[0]).is_clean


def test_new_credentials_have_everything_told_within_a_minute() -> None:
    """N-42, Q-57: however long the next try with the old ones would have been away."""
    there = partner()
    again = failing(there, said(401, 2000))
    change(there)
    assert until(there) > timedelta(seconds=30)
    again()
    emsp = there.there.emsp
    emsp.company.registrations.rotate(emsp.partners()[0])

    there.owner.look()

    assert breaker(there).is_clean
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


# --- asked to wait -------------------------------------------------------------------------------------------------


def in_seconds(seconds: int, _now: datetime) -> str:
    return str(seconds)


def at_a_date(seconds: int, now: datetime) -> str:
    return format_datetime(now + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", [in_seconds, at_a_date])
@pytest.mark.parametrize(("asked", "waited"), [(120, timedelta(seconds=120)), (86_400, LONGEST_RETRY_AFTER)])
def test_who_asks_us_to_wait_is_sent_nothing_before_and_then_everything(
    status: int, form: Callable[[int, datetime], str], asked: int, waited: timedelta
) -> None:
    """Q-23: as long as they ask, within reason; without a probe, for they are alive."""
    there = partner()
    body = said(status, 2000).body
    there.will("PATCH", Response(status, {"retry-after": form(asked, there.there.world.clock.now)}, body))
    change(there)
    there.asked.clear()
    mark = len(there.there.world.traffic)

    assert breaker(there).state is CircuitState.WAITING
    assert breaker(there).broken_since is None
    assert abs(until(there) - waited) < timedelta(seconds=2)
    for _ in range(10):
        change(there)
    pass_to(there, waited - timedelta(seconds=10))
    assert there.there.world.since(mark) == []
    pass_to(there, timedelta(seconds=20))

    assert [method for method, _, _ in probes(there, mark)] == ["PATCH"]
    assert there.held("LOC1") == there.own("LOC1")
    assert breaker(there).is_clean


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "٣", "1.5", "Mon, 01 Jan 99999999999 00:00:00 GMT"])
def test_who_does_not_say_how_long_is_given_ever_more_time(text: str | None) -> None:
    """Q-23: exponential, with jitter, and never taken for dead."""
    there = partner()
    headers = {} if text is None else {"retry-after": text}
    failing(there, Response(429, headers, said(429, 2000).body))
    change(there)

    for minutes in (1, 2, 4, 8, 15, 15, 15):
        assert breaker(there).state is CircuitState.WAITING
        pause = until(there)
        assert abs(pause / timedelta(minutes=minutes) - 1) < JITTER + 0.01
        there.there.world.clock.now += pause + timedelta(seconds=1)
        change(there)
