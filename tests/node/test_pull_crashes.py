"""Whatever fails and whatever comes twice, a crawl ends complete, and fetches no page more than once more for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from chalicelib.node.objects import is_gone, theirs
from chalicelib.node.pulling.state import PullState, PullStep
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests.modules.crashing import Died, Fuse
from tests.node.faults import Broken, run_on
from tests.node.pulling import LISTED, Crawl, answered, following, ids

STORE = ("get", "get_many", "put")
PULLS = ("get", "save", "record_seen", "seen")
MOST_CALLS = 60
"""More than a crawl of three pages makes."""


class Repeating:
    """The queue as SQS has it: a message stays until its worker succeeds, and comes once more even then."""

    def __init__(self) -> None:
        self.steps: list[PullStep] = []

    def enqueue(self, step: PullStep, *, delay_s: int = 0) -> None:
        self.steps.append(step)

    def work(self, crawl: Crawl) -> None:
        for _ in range(200):
            if not self.steps:
                return
            step, done = self.steps.pop(0), 0
            while done < 2:
                try:
                    crawl.crawler.crawl_page(step)
                    done += 1
                except (Broken, Died):
                    continue
        raise AssertionError("it never ends")


@dataclass
class Fallible:
    """A crawl of three pages whose outside goes through a fuse."""

    crawl: Crawl
    fuse: Fuse
    queue: Repeating

    def __init__(self, module: ModuleID, fuse: Fuse) -> None:
        self.crawl, self.fuse, self.queue = Crawl(module), fuse, Repeating()
        self.crawl.answer = self.answer
        ports = self.crawl.us.ports
        run_on(
            self.crawl.us,
            stores={each: fuse.around(store, *STORE) for each, store in ports.stores.items()},
            pulls=fuse.around(ports.pulls, *PULLS),
            pull_queue=fuse.around(self.queue, "enqueue"),
            quarantine=fuse.around(ports.quarantine, "record"),
            web=fuse.around(self.crawl.world, "send"),
        )
        # What the tests look at goes past the fuse.
        self.crawl.us.ports = ports

    def answer(self, request: object) -> Response:
        """Four objects on three pages, and one that is broken."""
        place = int(self.crawl.asked[-1].query.get("c", 0))
        pages = [ids(0, 1, module=self.crawl.module), [None], ids(2, 3, module=self.crawl.module)]
        return answered(pages[place], following(f"?c={place + 1}") if place < 2 else None, 5)

    def run(self) -> None:
        """Begin, if need be an hour later once more; from then on the queue alone keeps it going."""
        for _ in range(3):
            try:
                self.crawl.schedule.start(self.crawl.them, self.crawl.module, full=True)
            except (Broken, Died):
                self.crawl.world.clock.pass_(hours=1)
                continue
            self.queue.work(self.crawl)
            return


def calls_of(module: ModuleID) -> int:
    """How many calls a crawl makes in which nothing fails."""
    whole = Fallible(module, Fuse(0))
    whole.run()
    return len(whole.fuse.calls)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("error", [Broken, Died])
@pytest.mark.parametrize("module", LISTED)
def test_a_crawl_survives_whatever_fails(module: ModuleID, error: type[BaseException], *, after: bool) -> None:
    """OFF-04, PAG-27: each call in turn, before and after it has taken effect."""
    count = calls_of(module)
    assert 20 < count < MOST_CALLS

    for at in range(1, count + 1):
        attempt = Fallible(module, Fuse(at, after=after, error=error))
        attempt.run()

        crawl, where = attempt.crawl, (at, attempt.fuse.blown)
        assert attempt.fuse.blown is not None, where
        assert (crawl.now.state, crawl.now.received, crawl.now.refused) == (PullState.DONE, 5, 1), where
        assert crawl.held(range(4)) == [0, 1, 2, 3], where
        assert len(crawl.quarantine) == 1, where
        fetched = Counter(request.query.get("c") for request in crawl.asked)
        assert set(fetched) == {None, "1", "2"}, where
        assert max(fetched.values()) <= 2, where
        assert sum(fetched.values()) <= 4, where
        owner = theirs(crawl.owner.party)
        versions = {each.version for each in crawl.us.ports.stores[module].list_by_owner(owner, None, 10)}
        assert versions == {1}, where


def test_a_message_that_comes_twice_fetches_nothing() -> None:
    """PAG-27: and is nothing to an earlier crawl's end."""
    whole = Fallible(ModuleID.LOCATIONS, Fuse(0))

    whole.run()
    stale = PullStep(partner_id=whole.crawl.them.id, module=ModuleID.LOCATIONS, crawl="an earlier one", page=0)
    whole.crawl.crawler.crawl_page(stale)

    assert len(whole.crawl.asked) == 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crawl_counts_once_for_what_it_does_not_list(*, after: bool) -> None:
    """PAG-25, Q-28: one complete crawl hides nothing, however often its last page was worked at."""
    absent = "X9"

    def begun(at: int) -> Fallible:
        made = Fallible(ModuleID.LOCATIONS, Fuse(0, after=after))
        receiver, path = made.crawl.pair.to_emsp, made.crawl.pair.at_receiver(ModuleID.LOCATIONS, absent)
        assert receiver("PUT", path, ids(9)[0]).code == 1000
        made.fuse.at, made.fuse.calls[:] = at, []
        made.run()
        return made

    for at in range(1, len(begun(0).fuse.calls) + 1):
        attempt = begun(at)

        crawl = attempt.crawl
        stored = crawl.us.ports.stores[ModuleID.LOCATIONS].get(theirs(crawl.owner.party), absent)
        assert crawl.now.state is PullState.DONE, attempt.fuse.blown
        assert stored is not None
        assert stored.metadata["absent_pulls"] == 1, attempt.fuse.blown
        assert not is_gone(stored)
