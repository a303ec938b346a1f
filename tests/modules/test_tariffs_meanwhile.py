"""Proves that a tariff that is deleted while its list is on its way to us does not come back with it."""

from __future__ import annotations

from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.pulling import Crawl, answered

TARIFFS = ModuleID.TARIFFS


def test_what_is_deleted_while_a_list_is_under_way_does_not_come_back() -> None:
    """TAR-16, PAG-25, Q-28: but for a tariff that the owner has made anew since."""
    crawl = Crawl(TARIFFS)
    crawl.pair.put_in(TARIFFS, make.tariff("X1"))
    crawl.owner.pump()
    listed = crawl.holds("X1")

    def answer(_request: Request) -> Response:
        crawl.owner.company.own_objects[TARIFFS].delete("X1")
        crawl.owner.pump()
        return answered([listed])

    crawl.answer = answer
    crawl.run()

    assert crawl.holds("X1") is None
    crawl.world.clock.pass_(minutes=1)
    crawl.answer = lambda _request: answered([listed | {"last_updated": "2026-03-01T12:00:59Z"}])
    crawl.run()
    assert crawl.holds("X1") is not None


def test_what_is_still_listed_long_after_it_was_deleted_is_there_again() -> None:
    """PAG-25: the owner's list is the last word."""
    crawl = Crawl(TARIFFS)
    crawl.pair.put_in(TARIFFS, make.tariff("X1"))
    crawl.owner.pump()
    listed = crawl.holds("X1")
    crawl.owner.company.own_objects[TARIFFS].delete("X1")
    crawl.owner.pump()
    assert crawl.holds("X1") is None

    crawl.world.clock.pass_(minutes=6)
    crawl.run(answered([listed]))

    assert crawl.holds("X1") == listed
