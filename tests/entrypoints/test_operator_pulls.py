"""Proves the host's side of pulling: crawl a list now, and see how far each crawl is and why one failed."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.entrypoints.desk import Answer, Desk, Desks, desks
from tests.node.pulling import work_off


def named(there: Desks, module: ModuleID) -> str:
    """What the receiver calls the module's owner."""
    return there.cpo_id if MODULES[module].owner is Role.CPO else there.emsp_id


def pull(there: Desks, module: ModuleID, **query: str) -> Answer:
    """What the receiver's host is answered when it asks for a crawl."""
    return there.other(module)("POST", f"/partners/{named(there, module)}/pull/{module}", query=query)


def shown(there: Desks, module: ModuleID) -> list[Any]:
    answer = there.other(module)("GET", f"/partners/{named(there, module)}/pulls")
    assert answer.status == 200
    return list(answer.json["pulls"])


@pytest.mark.parametrize("module", list(MODULES))
def test_the_host_has_a_list_crawled(module: ModuleID) -> None:
    """OFF-04: begun at once, done by the worker, shown with what it has brought."""
    there = desks()
    there.put_in(module, [make.object_of(module, "X1"), make.object_of(module, "X2")])
    there.owner(module).company.queues.announcements.clear()

    begun = pull(there, module)

    assert (begun.status, begun.json["state"], begun.json["pages"]) == (202, "running", 0)
    assert shown(there, module) == [begun.json]
    work_off(there.other(module).company)
    (done,) = shown(there, module)
    assert {name: done[name] for name in done if not name.endswith("_at")} == {
        "module": module,
        "state": "done",
        "is_full": True,
        "pages": 1,
        "total": 2,
        "received": 2,
        "taken": 2,
        "refused": 0,
        "problem": None,
    }
    assert done["began_at"] == done["full_at"] == begun.json["began_at"]
    assert done["began_at"] <= done["completed_at"] == done["updated_at"]
    assert done["completed_at"].endswith("Z")


def test_the_host_says_whether_it_wants_the_whole_list() -> None:
    """PAG-25, PAG-27: else what has changed since the last crawl."""
    there = desks()

    found = []
    for query in ({}, {}, {"full": "no"}, {"full": "yes"}):
        found.append(pull(there, ModuleID.LOCATIONS, **query).json["is_full"])
        work_off(there.emsp.company)

    assert found == [True, False, False, True]


def test_who_asks_again_gets_the_crawl_that_is_at_work() -> None:
    """PAG-17."""
    there = desks()

    first, second = (pull(there, ModuleID.TARIFFS, full=full) for full in ("no", "yes"))

    assert (second.status, second.json) == (202, first.json)
    assert len(there.emsp.company.pull_steps.steps) == 1


def test_the_host_sees_why_a_crawl_failed() -> None:
    """OFF-04."""
    there = desks()
    pull(there, ModuleID.LOCATIONS)
    there.pair.world.down.add("cpo.example")

    work_off(there.emsp.company)

    (failed,) = shown(there, ModuleID.LOCATIONS)
    assert (failed["state"], failed["completed_at"], failed["full_at"]) == ("failed", None, None)
    assert "connection refused" in failed["problem"]


def test_before_any_crawl_there_is_none_to_see() -> None:
    """OFF-04."""
    assert shown(desks(), ModuleID.LOCATIONS) == []


@pytest.mark.parametrize(
    ("method", "path", "query", "status", "error"),
    [
        ("POST", "/partners/{id}/pull/locations", {"full": "maybe"}, 422, "full is yes or no"),
        ("POST", "/partners/{id}/pull/tokens", {}, 422, "this partner serves us no tokens"),
        ("POST", "/partners/{id}/pull/nothing", {}, 404, ""),
        ("POST", "/partners/nobody/pull/locations", {}, 404, ""),
        ("GET", "/partners/nobody/pulls", {}, 404, ""),
    ],
)
def test_what_cannot_be_crawled_is_refused(
    method: str, path: str, query: dict[str, str], status: int, error: str
) -> None:
    """PAG-15."""
    there = desks()

    answer = there.emsp(method, path.format(id=there.cpo_id), query=query)

    assert answer.status == status
    assert error in answer.error
    assert there.emsp.company.pull_steps.steps == []


def test_only_the_host_may_have_lists_crawled() -> None:
    there = desks()

    for method, path in (("POST", "pull/locations"), ("GET", "pulls")):
        assert there.emsp(method, f"/partners/{there.cpo_id}/{path}", key="Bearer wrong").status == 401

    assert there.emsp.company.pull_steps.steps == []


def test_a_partner_that_is_gone_serves_no_list() -> None:
    """CRD-17."""
    there = desks()
    emsp: Desk = there.emsp
    emsp.company.company.registrations.unregister(emsp.company.partners()[0])

    assert pull(there, ModuleID.LOCATIONS).status == 422
    assert emsp.company.pull_steps.steps == []
