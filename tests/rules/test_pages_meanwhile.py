"""Lists that change while a partner crawls them: nothing shifts, nothing is missed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.ocpi.module import ModuleID
from tests import make, oracle
from tests.rules.every import CHANGE, every_client_owned_module, every_module
from tests.rules.lists import CPO, changed_at, crawled, ids, listing, named, text
from tests.world import Pair, Reply, pair


def disturbed(nodes: Pair, module: ModuleID, meanwhile: Callable[[], object], **query: str) -> list[Reply]:
    """A crawl in pages of 10, with something happening after the first."""
    pages: list[Reply] = []
    for page in crawled(nodes, module, {"limit": "10", **query}):
        if not pages:
            meanwhile()
        pages.append(page)
    return pages


@every_module
def test_an_object_that_is_created_meanwhile_comes_last(module: ModuleID) -> None:
    """PAG-14: nothing shifts, and the total grows."""
    nodes = listing(module, 25)

    pages = disturbed(nodes, module, lambda: nodes.put_in(module, make.object_of(module, "NEW")))

    assert ids(*pages, module=module) == [*named(0, 25), "NEW"]
    assert [page.headers["x-total-count"] for page in pages] == ["25", "26", "26"]


@every_client_owned_module
def test_an_object_that_is_changed_meanwhile_keeps_its_place(module: ModuleID) -> None:
    """PAG-05, PAG-11: by creation, not by last_updated."""
    nodes = listing(module, 25)
    own = nodes.owner(module).company.own_objects[module]

    pages = disturbed(nodes, module, lambda: own.patch("X0003", (), CHANGE[module]))

    assert ids(*pages, module=module) == named(0, 25)
    assert ids(*crawled(nodes, module, {"limit": "10"}), module=module) == named(0, 25)


@pytest.mark.parametrize("gone", ["X0000", "X0009", "X0012", "X0024"])
def test_an_object_that_is_deleted_meanwhile_hides_no_other(gone: str) -> None:
    """PAG-11: the client may get one twice, but misses none."""
    nodes = listing(ModuleID.TARIFFS, 25)

    pages = disturbed(nodes, ModuleID.TARIFFS, lambda: nodes.cpo.company.own_objects[ModuleID.TARIFFS].delete(gone))

    assert set(ids(*pages)) >= set(named(0, 25)) - {gone}
    assert pages[-1].headers["x-total-count"] == "24"


@every_client_owned_module
def test_a_delta_of_a_moving_list_misses_nothing_that_stood_in_it(module: ModuleID) -> None:
    """PAG-11, PAG-18: what changes meanwhile is in this crawl or in the next, which begins where this one began."""
    nodes = listing(module, 40)
    own = nodes.owner(module).company.own_objects[module]
    since, began = text(changed_at(nodes, "X0010", module)), text(nodes.world.clock.now)

    pages = disturbed(nodes, module, lambda: own.patch("X0030", (), CHANGE[module]), date_from=since)
    following = crawled(nodes, module, {"date_from": began})

    found = ids(*pages, module=module)
    assert set(found) | set(ids(*following, module=module)) == set(named(10, 40))
    assert len(found) == len(set(found))


def test_a_location_is_listed_whole_when_one_of_its_evses_changes() -> None:
    """PAG-24, LOC-02."""
    nodes = pair()
    own = nodes.cpo.company.own_objects[ModuleID.LOCATIONS]
    for name in ("L1", "L2"):
        own.put(name, (), make.location(name, evses=[make.evse(f"{name}-{number}") for number in range(6)]))
    nodes.world.clock.pass_(minutes=5)
    since = text(nodes.world.clock.now)

    own.patch("L2", ("L2-3",), {"status": "CHARGING"})

    (found,) = nodes.to_cpo("GET", f"{CPO}/locations", query={"date_from": since}).data
    assert (found["id"], len(found["evses"])) == ("L2", 6)
    assert oracle.objections("Location", found) == []
