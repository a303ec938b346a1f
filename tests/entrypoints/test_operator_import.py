"""Proves what a host can say about a whole list of its own objects: that partners are not to be told one by one."""

from __future__ import annotations

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import desks

every_module = pytest.mark.parametrize("module", MODULES)


@every_module
def test_a_list_that_is_not_to_be_pushed_is_kept_and_nobody_is_told(module: ModuleID) -> None:
    there = desks()
    quietly = there.named(module) | {"push": "no"}

    answer = there.owner(module)("PUT", f"/{module}", [make.object_of(module, "X1")], query=quietly)
    there.pair.pump()

    assert (answer.status, answer.json["created"]) == (200, 1)
    assert there.owner(module)("GET", f"/{module}/X1").status == 200
    partner = there.cpo_id if there.other(module) is there.emsp else there.emsp_id
    assert there.other(module)("GET", f"/partners/{partner}/{module}").json["items"] == []


@every_module
def test_a_list_is_pushed_unless_the_host_says_otherwise(module: ModuleID) -> None:
    """TOK-19."""
    there = desks()

    there.put_in(module, [make.object_of(module, "X1")])
    there.pair.pump()

    partner = there.cpo_id if there.other(module) is there.emsp else there.emsp_id
    assert len(there.other(module)("GET", f"/partners/{partner}/{module}").json["items"]) == 1


@pytest.mark.parametrize("push", ["yes", "", "NO"])
def test_there_is_one_way_to_say_so(push: str) -> None:
    desk = desks().cpo

    answer = desk("PUT", "/tariffs", [make.tariff("T1")], query={"push": push})

    assert answer.status == 422
    assert desk("GET", "/tariffs").json["total"] == 0
