"""Lists that change while a partner crawls them: nothing shifts, nothing is missed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make, oracle
from tests.rules.lists import CPO, changed_at, ids, listing, named, text
from tests.world import Pair, Reply, crawl, pair

every_module = pytest.mark.parametrize("module", MODULES)


def crawled(nodes: Pair, module: ModuleID, meanwhile: Callable[[], object], **query: str) -> list[Reply]:
    """A crawl in pages of 10, with something happening after the first."""
    pages: list[Reply] = []
    for page in crawl(nodes.to_cpo, f"{CPO}/{module}", {"limit": "10", **query}):
        if not pages:
            meanwhile()
        pages.append(page)
    return pages


@every_module
def test_an_object_that_is_created_meanwhile_comes_last(module: ModuleID) -> None:
    """PAG-14: nothing shifts, and the total grows."""
    nodes = listing(module, 25)

    pages = crawled(nodes, module, lambda: nodes.cpo.company.own[module].put("NEW", (), make.object_of(module, "NEW")))

    assert ids(*pages) == [*named(0, 25), "NEW"]
    assert [page.headers["x-total-count"] for page in pages] == ["25", "26", "26"]


@every_module
def test_an_object_that_is_changed_meanwhile_keeps_its_place(module: ModuleID) -> None:
    """PAG-05, PAG-11: by creation, not by last_updated."""
    nodes = listing(module, 25)
    change = {"locations": {"name": "Other"}, "tariffs": {"currency": "SEK"}}[module]

    pages = crawled(nodes, module, lambda: nodes.cpo.company.own[module].patch("X0003", (), change))

    assert ids(*pages) == named(0, 25)
    assert ids(*crawl(nodes.to_cpo, f"{CPO}/{module}", {"limit": "10"})) == named(0, 25)


@pytest.mark.parametrize("gone", ["X0000", "X0009", "X0012", "X0024"])
def test_an_object_that_is_deleted_meanwhile_hides_no_other(gone: str) -> None:
    """PAG-11: the client may get one twice, but misses none."""
    nodes = listing(ModuleID.TARIFFS, 25)

    pages = crawled(nodes, ModuleID.TARIFFS, lambda: nodes.cpo.company.own[ModuleID.TARIFFS].delete(gone))

    assert set(ids(*pages)) >= set(named(0, 25)) - {gone}
    assert pages[-1].headers["x-total-count"] == "24"


@every_module
def test_a_delta_of_a_moving_list_misses_nothing_that_stood_in_it(module: ModuleID) -> None:
    """PAG-11, PAG-18: what changes meanwhile is in this crawl or in the next, which begins where this one began."""
    nodes = listing(module, 40)
    change = {"locations": {"name": "Other"}, "tariffs": {"currency": "SEK"}}[module]
    since, began = text(changed_at(nodes, "X0010", module)), text(nodes.world.clock.now)

    pages = crawled(nodes, module, lambda: nodes.cpo.company.own[module].patch("X0030", (), change), date_from=since)
    following = crawl(nodes.to_cpo, f"{CPO}/{module}", {"date_from": began})

    assert set(ids(*pages)) | set(ids(*following)) == set(named(10, 40))
    assert len(ids(*pages)) == len(set(ids(*pages)))


def test_a_location_is_listed_whole_when_one_of_its_evses_changes() -> None:
    """PAG-24, LOC-02."""
    nodes = pair()
    own = nodes.cpo.company.own[ModuleID.LOCATIONS]
    for name in ("L1", "L2"):
        own.put(name, (), make.location(name, evses=[make.evse(f"{name}-{number}") for number in range(6)]))
    nodes.world.clock.pass_(minutes=5)
    since = text(nodes.world.clock.now)

    own.patch("L2", ("L2-3",), {"status": "CHARGING"})

    (found,) = nodes.to_cpo("GET", f"{CPO}/locations", query={"date_from": since}).data
    assert (found["id"], len(found["evses"])) == ("L2", 6)
    assert oracle.objections("Location", found) == []
