"""Everything that we own can be pulled, and each partner finds, and counts, its own share of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.world import Caller, CompanyInWorld, Reply, World, crawl, register

SESSIONS, CDRS = ModuleID.SESSIONS, ModuleID.CDRS
ONE, TWO = Party.of("NL", "ONE"), Party.of("NL", "TWO")
EVER = {"date_from": "2015-01-01T00:00:00Z"}

every_module = pytest.mark.parametrize("module", MODULES)
each_private_module = pytest.mark.parametrize("module", [SESSIONS, CDRS])


class Shop:
    """A company in both roles, and how two others call it, each as a CPO and as an eMSP."""

    def __init__(self) -> None:
        self.world = World()
        self.us = self.world.company("us.example", Party.of("DE", "USS"))
        self.calls = {
            (their_role, party): self._registered(party, their_role) for party in (ONE, TWO) for their_role in Role
        }

    def _registered(self, party: Party, their_role: Role) -> Caller:
        host = f"{party.party_id}-{their_role}.example".lower()
        them: CompanyInWorld = self.world.company(host, party, frozenset({their_role}))
        token = register(them, self.us, their_role.other).token_we_send
        assert token is not None
        return Caller(self.world, "us.example", token.secret)

    def put(self, module: ModuleID, object_id: str, party: Party) -> None:
        """Take an object of our own; where the module is private, for this party."""
        self.us.company.own_objects[module].put(object_id, (), make.object_of(module, object_id), party)

    def path(self, module: ModuleID) -> str:
        return f"/ocpi/{MODULES[module].owner}/2.1.1/{module}"

    def list(self, module: ModuleID, party: Party, **query: str) -> Reply:
        """The first page that this party gets."""
        return self.calls[MODULES[module].owner.other, party]("GET", self.path(module), query=query)


def ids(module: ModuleID, *pages: Reply) -> list[str]:
    return [each[MODULES[module].id_field] for page in pages for each in page.data]


@every_module
def test_whatever_we_own_can_be_pulled(module: ModuleID) -> None:
    """OFF-01, PAG-01, PAG-11: also by a partner that was never told of it."""
    shop = Shop()
    for name in ("X1", "X2", "X3"):
        shop.put(module, name, ONE)

    pages = list(crawl(shop.calls[MODULES[module].owner.other, ONE], shop.path(module), {"limit": "2", **EVER}))

    assert [len(page.data) for page in pages] == [2, 1]
    assert ids(module, *pages) == ["X1", "X2", "X3"]


@each_private_module
def test_what_is_for_another_is_not_listed_and_not_counted(module: ModuleID) -> None:
    """TRA-40, TRA-06, PAG-06."""
    shop = Shop()
    for name, party in [("A1", ONE), ("B1", TWO), ("A2", ONE), ("B2", TWO), ("A3", ONE)]:
        shop.put(module, name, party)

    ones, twos = shop.list(module, ONE, limit="2", **EVER), shop.list(module, TWO, limit="2", **EVER)

    assert (ids(module, ones), ids(module, twos)) == (["A1", "A2"], ["B1", "B2"])
    assert [page.headers["x-total-count"] for page in (ones, twos)] == ["3", "2"]
    assert ["link" in page.headers for page in (ones, twos)] == [True, False]


@every_module
def test_only_the_list_of_sessions_needs_a_date(module: ModuleID) -> None:
    """PAG-19, PAG-20, Q-10."""
    shop = Shop()
    shop.put(module, "X1", ONE)

    bare, until = shop.list(module, ONE), shop.list(module, ONE, date_to="2100-01-01T00:00:00Z")

    assert [page.outcome for page in (bare, until)] == [(200, 2001 if module is SESSIONS else 1000)] * 2
    assert module is SESSIONS or ids(module, bare) == ids(module, until) == ["X1"]
    assert module is not SESSIONS or bare.message == "date_from is required for sessions (PAG-19)"
    assert ids(module, shop.list(module, ONE, **EVER)) == ["X1"]


@each_private_module
def test_a_window_is_about_changes_and_not_about_charging(module: ModuleID) -> None:
    """PAG-23: who charged in January stands in today's list, if we learn of it today."""
    shop = Shop()
    today = format_date_time(shop.world.clock.now - timedelta(minutes=1))
    shop.put(module, "X1", ONE)

    january = shop.list(module, ONE, date_from="2025-12-31T00:00:00Z", date_to="2026-02-01T00:00:00Z")

    assert (ids(module, january), january.headers["x-total-count"]) == ([], "0")
    assert ids(module, shop.list(module, ONE, date_from=today)) == ["X1"]
