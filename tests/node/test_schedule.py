"""Proves when a CDR is tried again, when no more, and that one which may have arrived is not posted twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import RETRY_DELAYS, Backlog
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.partner import Partner, partner, said

CDRS, TARIFFS = ModuleID.CDRS, ModuleID.TARIFFS
TIMES = [timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720, *[24 * 60] * 7)]
A_MOMENT = timedelta(seconds=2)


def later(there: Partner, pause: timedelta) -> list[str]:
    """What the partner is asked when the schedule looks that much later."""
    there.there.world.clock.now += pause
    there.owner.look()
    return there.requests()


def put_in(there: Partner, object_id: str = "X1") -> None:
    there.there.put_in(CDRS, make.cdr(object_id))
    there.there.pump()


def refusing(there: Partner, answer: Response) -> None:
    """The partner answers every POST and PUT so."""
    real = there.real
    there.real = lambda request: answer if request.method in ("POST", "PUT") else real(request)


def url_of(there: Partner, object_id: str = "x1") -> str | None:
    stored = there.owner.company.own_objects[CDRS].stored(object_id)
    return str(stored.metadata["posted"]["url"]) if "posted" in stored.metadata else None


# --- when ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [said(200, 2000), said(200, 2002), said(200, 2003), said(404, None), said(405, 2000), said(400, 2000)],
    ids=lambda answer: f"{answer.status} {answer.body[:20]!r}",
)
def test_a_cdr_is_tried_at_its_times_and_then_given_up(answer: Response, caplog: pytest.LogCaptureFixture) -> None:
    """Q-57, OFF-03: in minutes, in hours, then for seven nights; then the host is told."""
    there = partner(of=CDRS)
    refusing(there, answer)
    put_in(there)
    assert there.requests() == ["POST cdrs"]

    for pause in TIMES:
        assert not later(there, pause - A_MOMENT)
        (missed,) = there.backlog
        assert missed.due_at
        assert later(there, 2 * A_MOMENT) == ["POST cdrs"]

    (missed,) = there.backlog
    assert (missed.attempts, missed.due_at) == (1 + len(TIMES), None)
    assert not later(there, timedelta(days=30))
    given_up = there.owner.ports.outbox.backlog(there.owner.partners()[0].id)["cdrs"]
    assert given_up == Backlog(objects=1, oldest=missed.first_failed_at or missed.failed_at, given_up=1)
    (said_so,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "given up" in said_so.getMessage()


def test_the_times_are_those_that_we_promise() -> None:
    """Q-57."""
    assert list(RETRY_DELAYS) == TIMES


@pytest.mark.parametrize("tries", [0, 1, 4, 11])
def test_a_cdr_that_is_taken_is_tried_no_more(tries: int) -> None:
    """Q-57, CDR-20, CDR-21."""
    there = partner(of=CDRS)
    real = there.real
    refusing(there, said(200, 2000))
    put_in(there)
    for pause in TIMES[:tries]:
        later(there, pause + A_MOMENT)
    there.real, _ = real, there.requests()

    assert later(there, TIMES[tries] + A_MOMENT) == ["POST cdrs"]

    assert there.backlog == []
    assert not later(there, timedelta(days=2))
    assert url_of(there)


@pytest.mark.parametrize("answer", [said(200, 2001), said(400, 2001)], ids=lambda answer: str(answer.status))
@pytest.mark.parametrize("tries", [0, 2])
def test_a_cdr_that_they_understood_and_call_wrong_is_given_up_at_once(
    answer: Response, tries: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Q-57: another try cannot mend it, somebody has to."""
    there = partner(of=CDRS)
    there.will("POST", *[said(200, 2000)] * tries, answer)
    put_in(there)
    for pause in TIMES[:tries]:
        later(there, pause + A_MOMENT)

    there.asked.clear()

    (missed,) = there.backlog
    assert (missed.attempts, missed.due_at) == (tries + 1, None)
    assert not later(there, timedelta(days=2))
    assert "2001" in missed.reason
    assert "given up" in caplog.text


def test_other_objects_are_tried_at_the_same_times_whatever_they_are_refused_with() -> None:
    """Q-57: they may take the object once they know another one; each try tells what is true by then."""
    there = partner()
    refusing(there, said(200, 2001))
    there.there.put_in(TARIFFS, make.tariff("T1"))
    there.there.pump()
    there.asked.clear()

    for pause in TIMES:
        assert not later(there, pause - A_MOMENT)
        assert later(there, 2 * A_MOMENT) == ["PUT tariffs T1"]
    assert not later(there, timedelta(days=30))


def test_a_change_of_what_was_given_up_is_another_try() -> None:
    """Q-57."""
    there = partner()
    there.will("PUT", *[said(200, 2001)] * (1 + len(TIMES)))
    there.there.put_in(TARIFFS, make.tariff("T1"))
    there.there.pump()
    for pause in TIMES:
        later(there, pause + A_MOMENT)
    assert there.backlog[0].due_at is None

    there.owner.company.own_objects[TARIFFS].patch("T1", (), {"currency": "CHF"})
    there.there.pump()

    assert there.held("T1", TARIFFS) == there.own("T1", TARIFFS)
    assert there.backlog == []


def test_a_try_that_is_heard_of_twice_is_made_once() -> None:
    """Q-57: the schedule may look again before the worker is done."""
    there = partner(of=CDRS)
    there.will("POST", said(200, 2000), said(200, 2000))
    put_in(there)
    there.requests()
    again = Delivery(there.owner.partners()[0].id, Announcement(CDRS, "x1", 1), attempt=1)

    for _ in range(3):
        there.owner.deliver(again)

    assert there.requests() == ["POST cdrs"]


# --- what may have arrived -----------------------------------------------------------------------------------------


def loses(answer: Response | None) -> Callable[[Partner, bool], None]:
    """The answer to the next POST gets lost, or says nothing, after the partner has kept the CDR or before."""

    def lose(there: Partner, is_kept: bool) -> None:
        real = there.real

        def once(request: Request) -> Response:
            if request.method != "POST":
                return real(request)
            there.real = real
            if is_kept:
                real(request)
            if answer is None:
                raise Unreachable("timed out")
            return answer

        there.real = once

    return lose


UNKNOWN = {
    "no answer": loses(None),
    "500": loses(said(500, 2000)),
    "502": loses(said(502, None)),
    "3000": loses(said(200, 3000)),
    "a page": loses(said(200, None)),
}


@pytest.mark.parametrize("lose", UNKNOWN.values(), ids=UNKNOWN)
def test_a_cdr_that_arrived_although_we_do_not_know_is_looked_for_and_not_posted_again(
    lose: Callable[[Partner, bool], None],
) -> None:
    """Q-57, CDR-20, CDR-21."""
    there = partner(of=CDRS)
    lose(there, True)
    put_in(there)
    assert there.requests() == ["POST cdrs"]

    assert later(there, TIMES[0] + A_MOMENT) == ["GET cdrs/X1"]

    assert there.backlog == []
    assert url_of(there) == "https://emsp.example/ocpi/emsp/2.1.1/cdrs/X1"
    assert not later(there, timedelta(days=2))


@pytest.mark.parametrize("lose", UNKNOWN.values(), ids=UNKNOWN)
def test_a_cdr_that_is_not_found_there_is_posted(lose: Callable[[Partner, bool], None]) -> None:
    """Q-57."""
    there = partner(of=CDRS)
    lose(there, False)
    put_in(there)
    there.requests()

    assert later(there, TIMES[0] + A_MOMENT) == ["GET cdrs/X1", "POST cdrs"]
    assert there.backlog == []


@pytest.mark.parametrize("look", [said(500, 3000), said(503, None), said(200, 3000), said(429, 2000), said(401, 2000)])
def test_while_they_cannot_say_whether_they_have_it_nothing_is_posted(look: Response) -> None:
    """Q-57: late is better than twice; what is unknown stays so."""
    there = partner(of=CDRS)
    UNKNOWN["no answer"](there, True)
    put_in(there)
    there.requests()
    there.will("GET", look)

    assert later(there, TIMES[0] + A_MOMENT) == ["GET cdrs/X1"]
    assert there.backlog[0].is_unsure
    assert "POST cdrs" not in later(there, timedelta(hours=1))
    later(there, timedelta(hours=1))

    assert there.backlog == []
    assert url_of(there)


@pytest.mark.parametrize("shown", [said(404, 2000), said(405, 2000), said(data={"id": "other"}), said(data=["X1"])])
def test_a_look_that_shows_another_or_nothing_is_followed_by_the_post(shown: Response) -> None:
    """Q-57: many receivers show no CDR at all."""
    there = partner(of=CDRS)
    UNKNOWN["no answer"](there, False)
    put_in(there)
    there.requests()
    there.will("GET", shown)

    assert later(there, TIMES[0] + A_MOMENT) == ["GET cdrs/X1", "POST cdrs"]
    assert there.backlog == []


def test_where_no_connection_came_about_there_is_nothing_to_look_for() -> None:
    """Q-57, Q-58."""
    there = partner(of=CDRS)
    there.there.world.down.add("emsp.example")
    put_in(there)
    there.there.world.down.clear()

    assert later(there, TIMES[0] + A_MOMENT) == ["POST cdrs"]
    assert there.backlog == []


def test_after_a_worker_has_died_the_next_looks_first() -> None:
    """Q-57, CDR-21."""
    there = partner(of=CDRS)
    there.there.put_in(CDRS, make.cdr("X1"))
    there.owner.company.fan_out.fan_out(*there.owner.queues.announcements.pop())
    delivery = there.owner.queues.deliveries.pop()
    assert isinstance(delivery, Delivery)

    there.owner.company.deliverer.deliver(delivery, is_repeated=True)

    assert there.requests() == ["GET cdrs/X1", "POST cdrs"]


def test_many_quick_changes_do_not_use_up_the_schedule() -> None:
    """Q-57: each change is told, and refused; what is tried again, and when, is as after the first."""
    there = partner()
    refusing(there, said(200, 2001))
    for number in range(20):
        there.there.put_in(TARIFFS, make.tariff("T1", tariff_alt_url=f"https://cpo.example/{number}"))
        there.there.pump()
    assert there.requests() == ["PUT tariffs T1"] * 20

    (missed,) = there.backlog

    assert missed.first_failed_at
    assert (missed.attempts, missed.due_at) == (1, missed.first_failed_at + TIMES[0])
    assert later(there, TIMES[0] + A_MOMENT) == ["PUT tariffs T1"]
    assert there.backlog[0].attempts == 2
