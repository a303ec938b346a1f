"""A crawl begins when it is due, waits for partners that are away, ends with its reason, and is one at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.pulling.state import STUCK_AFTER, PullState
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.node.faults import run_on
from tests.node.pulling import LISTED, Crawl, answered, following, ids, work_off
from tests.world import pair

AWAY = [None, *(Response(status) for status in (429, 500, 502, 503, 504))]
GENERIC = Response(200, {}, b'{"status_code": 3000}')


@pytest.mark.parametrize("away", [*AWAY, GENERIC], ids=lambda each: str(each and each.status))
def test_a_page_is_tried_again_later_and_later(away: Response | None) -> None:
    """PAG-17, Q-11: four times, then the crawl goes on as if nothing had been."""
    crawl = Crawl()
    crawl.answers = [
        answered(ids(1), following("?c=1")),
        *[away] * 4,
        answered(ids(2), following("?c=2")),
        answered([]),
    ]

    crawl.schedule.start(crawl.them, crawl.module)
    delays = work_off(crawl.us, crawl.module)

    assert delays == [0, 0, 5, 30, 120, 600, 0]
    assert [request.query.get("c") for request in crawl.asked] == [None, *["1"] * 5, "2"]
    assert (crawl.now.state, crawl.now.problem, crawl.now.attempts) == (PullState.DONE, None, 0)
    assert crawl.held([1, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("away", "problem"),
    [(None, "no answer"), (Response(503), "HTTP 503"), (GENERIC, "OCPI status 3000")],
    ids=["away", "503", "3000"],
)
def test_a_partner_that_stays_away_ends_the_crawl(away: Response | None, problem: str) -> None:
    """OFF-04: with the reason, and the next crawl asks for the same."""
    crawl = Crawl()

    done = crawl.run(away)

    assert (done.state, done.since, len(crawl.asked)) == (PullState.FAILED, None, 5)
    assert problem in str(done.problem)
    assert crawl.us.pull_steps.steps == []


def test_what_happened_is_not_told_while_the_crawl_is_well_again() -> None:
    crawl = Crawl()
    crawl.answers = [Response(503), answered(ids(1), following("?c=1"))]
    crawl.schedule.start(crawl.them, crawl.module)

    for expected in ("HTTP 503", None):
        crawl.crawler.crawl_page(crawl.us.pull_steps.steps.pop(0)[0])

        assert (crawl.now.state, crawl.now.problem) == (PullState.RUNNING, expected)


@pytest.mark.parametrize(
    "answer",
    [
        answered([], status=401),
        answered([], status=404),
        Response(200, {}, b"[]"),
        Response(200, {}, b'{"status_code": 2001, "status_message": "no", "data": []}'),
        answered({"id": "X1"}),
        answered("X1"),
    ],
    ids=["401", "404", "no envelope", "2001", "an object", "a text"],
)
def test_an_answer_that_no_patience_mends_ends_the_crawl_at_once(answer: Response) -> None:
    """TRA-12, TRA-14."""
    crawl = Crawl()

    done = crawl.run(answer)

    assert (done.state, done.since, len({request.url for request in crawl.asked})) == (PullState.FAILED, None, 1)
    assert done.problem
    assert crawl.us.pull_steps.steps == []


@pytest.mark.parametrize("body", [b'{"status_code": 1000}', b'{"status_code": 1000, "data": null}'])
def test_an_empty_list_may_be_left_out(body: bytes) -> None:
    """Q-14."""
    done = Crawl().run(Response(200, {}, body))

    assert (done.state, done.received) == (PullState.DONE, 0)


def test_who_is_no_partner_any_more_is_not_asked() -> None:
    """CRD-17: not even for the next page."""
    crawl = Crawl()
    crawl.answers = [answered(ids(1), following("?c=1"))]
    crawl.schedule.start(crawl.them, crawl.module)
    crawl.crawler.crawl_page(crawl.us.pull_steps.steps.pop(0)[0])

    crawl.us.company.registrations.unregister(crawl.them)
    done = crawl.work()

    assert (done.state, done.problem, len(crawl.asked)) == (PullState.FAILED, "they are no longer a partner", 1)
    with pytest.raises(InvalidParameters, match="serves us no locations"):
        crawl.schedule.start(crawl.them, crawl.module)


@pytest.mark.parametrize("role", list(Role))
def test_only_lists_that_the_partner_serves_are_crawled(role: Role) -> None:
    """PAG-15: never those of our own role."""
    crawl = Crawl()
    us = crawl.pair.emsp if role is Role.CPO else crawl.pair.cpo
    theirs = [module for module in LISTED if crawl.pair.receiver(module) is us]

    assert us.company.pull_schedule.pullable(us.partners()[0]) == theirs
    for module in set(LISTED) - set(theirs):
        with pytest.raises(InvalidParameters):
            us.company.pull_schedule.start(us.partners()[0], module)


def test_there_is_one_crawl_at_a_time() -> None:
    """PAG-17: who asks for another gets the one that is at work."""
    crawl = Crawl(answers=[answered([])])

    first = crawl.schedule.start(crawl.them, crawl.module)
    second = crawl.schedule.start(crawl.them, crawl.module, full=True)

    assert second == first
    assert len(crawl.us.pull_steps.steps) == 1
    assert crawl.work().state is PullState.DONE
    assert crawl.schedule.start(crawl.them, crawl.module).crawl != first.crawl


class Late:
    """Shows crawls as they were at first."""

    def __init__(self, crawl: Crawl) -> None:
        self._pulls, self._looks = crawl.us.ports.pulls, 0

    def __getattr__(self, name: str) -> object:
        if name == "get" and not self._looks:
            self._looks += 1
            return lambda *_: None
        return getattr(self._pulls, name)


def test_who_begins_at_the_same_moment_gets_the_same_crawl() -> None:
    """PAG-17."""
    crawl = Crawl(answers=[answered([])])
    first = crawl.schedule.start(crawl.them, crawl.module)
    run_on(crawl.us, pulls=Late(crawl))

    assert crawl.schedule.start(crawl.them, crawl.module) == first
    assert len(crawl.us.pull_steps.steps) == 1


def test_a_crawl_that_is_stuck_goes_on_at_its_page() -> None:
    """OFF-04: nobody is left who would fetch it; what had been asked for stays."""
    crawl = Crawl()
    crawl.answers = [answered(ids(1), following("?c=1")), answered(ids(2))]
    began = crawl.schedule.start(crawl.them, crawl.module)
    crawl.crawler.crawl_page(crawl.us.pull_steps.steps.pop(0)[0])
    crawl.us.pull_steps.steps.clear()

    crawl.world.clock.now = crawl.now.updated_at + STUCK_AFTER - timedelta(seconds=1)
    crawl.schedule.start_due(crawl.them)
    assert all(step.module is not crawl.module for step, _ in crawl.us.pull_steps.steps)

    crawl.world.clock.pass_(seconds=2)
    crawl.schedule.start_due(crawl.them)
    done = crawl.work()

    assert (done.state, done.crawl, done.since) == (PullState.DONE, began.crawl, began.began_at)
    assert [request.query.get("c") for request in crawl.asked] == [None, "1"]
    assert crawl.held([1, 2]) == [1, 2]


# --- what is due ---------------------------------------------------------------------------------------------------


def tended(crawl: Crawl) -> list[tuple[ModuleID, bool]]:
    """What is begun now, and whether as a whole; all of it is then worked off."""
    crawl.schedule.start_due(crawl.them)
    begun = [step.module for step, _ in crawl.us.pull_steps.steps]
    fulls = {pull.module: pull.is_full for pull in crawl.us.ports.pulls.of(crawl.them.id)}
    work_off(crawl.us)
    return [(module, fulls[module]) for module in begun]


def test_each_list_is_crawled_each_hour_and_whole_each_week() -> None:
    """PAG-17: and not more often, whatever the schedule does."""
    crawl = Crawl(answers=[answered([])])
    lists = crawl.schedule.pullable(crawl.them)
    assert tended(crawl) == [(module, True) for module in lists]

    crawl.world.clock.pass_(minutes=50)
    assert tended(crawl) == []

    crawl.world.clock.pass_(minutes=10)
    assert tended(crawl) == [(module, False) for module in lists]

    crawl.world.clock.pass_(days=6, hours=22, minutes=59)
    assert tended(crawl) == [(module, False) for module in lists]

    crawl.world.clock.pass_(minutes=55)
    assert tended(crawl) == [(module, True) for module in lists]


def test_a_whole_crawl_that_failed_is_due_again_in_an_hour() -> None:
    """PAG-17, PAG-25."""
    crawl = Crawl(answers=[answered([], status=401)])
    assert (crawl.module, True) in tended(crawl)
    crawl.world.clock.pass_(minutes=50)
    assert tended(crawl) == []

    crawl.world.clock.pass_(minutes=10)

    assert (crawl.module, True) in tended(crawl)


def test_a_list_that_cannot_be_had_whole_any_more_still_brings_what_is_new() -> None:
    """PAG-17, PAG-25: the two take turns, and neither is given up."""
    crawl = Crawl(answers=[answered([])])
    tended(crawl)
    crawl.answer = lambda request: answered([], status=200 if "date_from" in request.query else 400)
    crawl.world.clock.pass_(days=7)

    begun = []
    for _ in range(4):
        begun += [full for module, full in tended(crawl) if module is crawl.module]
        crawl.world.clock.pass_(hours=1)

    assert begun == [True, False, True, False]
    assert crawl.now.since == crawl.now.began_at


def test_crawls_begin_at_moments_of_their_own() -> None:
    """PAG-17: spread over a quarter of an hour, but at once where somebody asks."""
    crawl = Crawl(answers=[answered([])])
    delays = []
    for _ in range(50):
        crawl.schedule.start_due(crawl.them)
        delays += [delay_s for _, delay_s in crawl.us.pull_steps.steps]
        work_off(crawl.us)
        crawl.world.clock.pass_(hours=1)

    assert len(delays) == 50 * len(crawl.schedule.pullable(crawl.them))
    assert 0 <= min(delays) < 100
    assert 800 < max(delays) <= 900
    assert timedelta(seconds=max(delays)) < STUCK_AFTER
    crawl.schedule.start(crawl.them, crawl.module)
    assert [delay_s for _, delay_s in crawl.us.pull_steps.steps] == [0]


def test_who_is_no_partner_any_more_is_left_alone() -> None:
    """PAG-17."""
    crawl = Crawl()
    crawl.us.company.registrations.unregister(crawl.them)

    crawl.schedule.start_due(crawl.them)

    assert crawl.us.pull_steps.steps == []
    assert crawl.us.ports.pulls.of(crawl.them.id) == []


@pytest.mark.parametrize("module", LISTED)
def test_what_was_missed_while_we_were_away_is_fetched_within_the_hour(module: ModuleID) -> None:
    """OFF-04: of every list, as soon as its turn comes."""
    there = pair()
    us, owner = there.receiver(module), there.owner(module)
    them, tend = us.partners()[0], us.company.pull_schedule.start_due
    tend(them)
    work_off(us)
    there.world.down.add(us.base_url.removeprefix("https://"))
    there.world.clock.pass_(minutes=30)
    there.put_in(module, make.object_of(module, "X1"))
    owner.pump()
    there.world.down.clear()
    key = MODULES[module].key_of("X1")
    assert us.received(module, owner.party, key) is None

    there.world.clock.pass_(minutes=30)
    tend(them)
    work_off(us)

    assert us.received(module, owner.party, key) is not None
    (pull,) = [each for each in us.ports.pulls.of(them.id) if each.module is module]
    assert (pull.is_full, pull.taken) == (False, 1)
