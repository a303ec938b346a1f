"""Proves that a CDR is posted once, where nobody told us whether it has arrived."""

from __future__ import annotations

import pytest

from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.partner import Partner, partner, said

CDRS, LOCATIONS = ModuleID.CDRS, ModuleID.LOCATIONS
NEWS = Announcement(CDRS, "c1", 1)


def unsure() -> Partner:
    """A partner that answered the POST of CDR C1 with HTTP 500, whatever that means."""
    there = partner(of=CDRS)
    there.will("POST", said(500, 3000))
    there.there.put_in(CDRS, make.cdr("C1"))
    there.owner.pump()
    assert there.requests() == ["POST cdrs"]
    assert [each.is_unsure for each in there.backlog] == [True]
    return there


def minutes(there: Partner, number: int) -> list[str]:
    """What the partner is asked after so many minutes."""
    there.there.world.clock.pass_(minutes=number)
    there.owner.look()
    return there.requests()


def test_a_cdr_is_looked_for_under_the_id_that_it_was_posted_with() -> None:
    """FMT-07, Q-57, Q-67: not every receiver knows that the case of its id does not matter."""
    there = unsure()

    assert minutes(there, 2) == ["GET cdrs/C1", "POST cdrs"]
    assert there.backlog == []


@pytest.mark.parametrize("answer", [said(200, None), said(200, 3000), Response(200)], ids=["HTML", "3000", "nothing"])
def test_who_cannot_tell_whether_a_cdr_is_there_gets_it_later(answer: Response) -> None:
    """Q-57, Q-11: twice would be worse than late."""
    there = unsure()
    there.will("GET", answer)

    assert minutes(there, 2) == ["GET cdrs/C1"]
    assert [each.is_unsure for each in there.backlog] == [True]
    assert minutes(there, 10) == ["GET cdrs/C1", "POST cdrs"]


def test_a_cdr_is_not_looked_for_while_they_may_be_at_work_with_it() -> None:
    """Q-57: although they are reached again at once, by something else."""
    there = unsure()

    there.change((), {"name": "Harbour"})
    there.owner.pump()

    assert there.requests() == ["PATCH locations LOC1"]
    assert minutes(there, 2) == ["GET cdrs/C1", "POST cdrs"]


def test_another_announcement_of_a_cdr_that_waits_does_not_post_it_earlier() -> None:
    """Q-57: a host that repeats itself announces it twice."""
    there = unsure()

    there.owner.deliver(Delivery(there.backlog[0].partner_id, NEWS))

    assert there.requests() == []
    assert [each.attempts for each in there.backlog] == [1]


@pytest.mark.parametrize(("announcement", "is_unsure"), [(NEWS, True), (Announcement(LOCATIONS, "LOC1", 1), False)])
def test_a_worker_that_died_may_have_posted_it_even_where_they_are_not_called_now(
    announcement: Announcement, is_unsure: bool
) -> None:
    """Q-57, CDR-09: what it has begun is looked for when they are called again."""
    there = partner(of=CDRS)
    there.there.put_in(CDRS, make.cdr("C1"))
    company, (known,) = there.owner.company, there.owner.partners()
    company.registrations.update(known, is_suspended=True)

    company.deliverer.deliver(Delivery(known.id, announcement), is_repeated=True)

    assert [each.is_unsure for each in there.backlog] == [is_unsure]
