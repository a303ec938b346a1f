"""What an owner does not list any more is hidden after two complete crawls, and shown again when it comes back."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.events.announcing import EventAnnouncer
from chalicelib.node.objects import ObjectStore, StoredObject, is_gone, theirs
from chalicelib.node.pulling.disappearance import Disappearance
from chalicelib.node.pulling.state import PullState, digest_of
from chalicelib.ocpi.module import ModuleID
from tests.entrypoints.desk import Desk
from tests.node.pulling import Crawl, answered, following, ids
from tests.node.pushing import LATER

EXPIRING = [ModuleID.LOCATIONS, ModuleID.TARIFFS]
LASTING = [ModuleID.SESSIONS, ModuleID.CDRS, ModuleID.TOKENS]


def stored(crawl: Crawl, number: int) -> StoredObject:
    owner = theirs(crawl.owner.party)
    found = crawl.us.ports.stores[crawl.module].get(owner, MODULES[crawl.module].key_of(f"X{number}"))
    assert found is not None
    return found


def gone(crawl: Crawl, *numbers: int) -> list[int]:
    return [number for number in numbers if is_gone(stored(crawl, number))]


def crawl_of_two(module: ModuleID = ModuleID.LOCATIONS) -> Crawl:
    """The owner has listed X1 and X2, from now on X1 alone."""
    crawl = Crawl(module)
    crawl.run(answered(ids(1, 2, module=module)), full=True)
    crawl.answers = [answered(ids(1, module=module))]
    return crawl


@pytest.mark.parametrize("module", EXPIRING)
def test_two_complete_crawls_hide_what_they_do_not_list(module: ModuleID) -> None:
    """PAG-25, TAR-15, Q-28: it stays in the store, for what still refers to it."""
    crawl = crawl_of_two(module)

    crawl.run(full=True)
    assert gone(crawl, 1, 2) == []
    first = stored(crawl, 2).metadata["absent_since"]
    crawl.world.clock.pass_(days=7)
    crawl.run(full=True)

    assert gone(crawl, 1, 2) == [2]
    assert stored(crawl, 2).metadata["absent_since"] == first
    assert json.loads(stored(crawl, 2).body)["id"] == "X2"
    assert not stored(crawl, 1).metadata


@pytest.mark.parametrize("module", LASTING)
def test_sessions_cdrs_and_tokens_never_expire(module: ModuleID) -> None:
    """PAG-25, TOK-22, CDR-08, Q-28."""
    crawl = crawl_of_two(module)

    for _ in range(3):
        assert crawl.run(full=True).is_full

    assert gone(crawl, 1, 2) == []
    assert not any(name.startswith("absent") for name in stored(crawl, 2).metadata)


@pytest.mark.parametrize("module", EXPIRING)
def test_a_delta_says_nothing_about_what_it_does_not_list(module: ModuleID) -> None:
    """PAG-25: also between two complete crawls."""
    crawl = crawl_of_two(module)

    for _ in range(3):
        assert not crawl.run().is_full
    assert not stored(crawl, 2).metadata
    crawl.run(full=True)
    crawl.run()

    assert gone(crawl, 1, 2) == []


@pytest.mark.parametrize("module", EXPIRING)
def test_a_crawl_that_breaks_off_says_nothing(module: ModuleID) -> None:
    """PAG-25."""
    crawl = crawl_of_two(module)
    crawl.run(full=True)

    for last in (answered([], status=401), answered([], following("?c=2"))):
        page = answered(ids(1, module=module), following("?c=1"))
        assert crawl.run(page, last, full=True).state is PullState.FAILED

    assert gone(crawl, 1, 2) == []


@pytest.mark.parametrize("module", EXPIRING)
def test_what_is_listed_by_the_second_of_two_is_there(module: ModuleID) -> None:
    """PAG-25: the crawls that do not list it follow each other."""
    crawl = crawl_of_two(module)
    crawl.run(full=True)

    crawl.run(answered(ids(1, 2, module=module)), full=True)
    assert not stored(crawl, 2).metadata
    crawl.run(answered(ids(1, module=module)), full=True)

    assert gone(crawl, 1, 2) == []


def test_a_broken_object_is_listed_all_the_same() -> None:
    """PAG-25, TRA-39."""
    crawl = crawl_of_two()

    for _ in range(3):
        crawl.run(answered([*ids(1), {"id": "X2"}]), full=True)

    assert gone(crawl, 1, 2) == []


def test_what_is_broken_when_it_is_listed_again_is_shown_as_it_was() -> None:
    """PAG-25, TRA-39: it exists, and the two crawls that did not list it count no more."""
    crawl = hidden(ModuleID.LOCATIONS)
    before = stored(crawl, 2).body

    crawl.run(answered([*ids(1), {"id": "X2"}]), full=True)

    assert gone(crawl, 1, 2) == []
    assert stored(crawl, 2).body == before
    assert not any(name.startswith("absent") for name in stored(crawl, 2).metadata)


def hidden(module: ModuleID) -> Crawl:
    crawl = crawl_of_two(module)
    crawl.run(full=True)
    crawl.run(full=True)
    assert gone(crawl, 1, 2) == [2]
    return crawl


@pytest.mark.parametrize("module", EXPIRING)
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("fields", [{}, {"last_updated": LATER}], ids=["as it was", "changed"])
def test_what_is_listed_again_is_shown_again(module: ModuleID, fields: dict[str, Any], *, full: bool) -> None:
    """PAG-25."""
    crawl = hidden(module)

    crawl.run(answered(ids(1, 2, module=module, **fields)), full=full)

    assert not stored(crawl, 2).metadata


@pytest.mark.parametrize("module", EXPIRING)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_pushed_again_is_shown_again(module: ModuleID, method: str) -> None:
    """PAG-25."""
    crawl = hidden(module)
    body = ids(2, module=module, last_updated=LATER)[0] if method == "PUT" else {"last_updated": LATER}

    assert crawl.pair.to_receiver(module)(method, crawl.pair.at_receiver(module, "X2"), body).code == 1000

    assert not stored(crawl, 2).metadata


@pytest.mark.parametrize(("left", "is_mistake"), [(0, True), (19, True), (23, True), (24, False), (29, False)])
def test_where_too_much_would_vanish_nothing_does(left: int, *, is_mistake: bool) -> None:
    """PAG-25, Q-28: more than a fifth is a mistake, and the operator is told."""
    crawl = Crawl()
    crawl.run(answered(ids(*range(30))), full=True)

    crawl.run(answered(ids(*range(left))), full=True)
    done = crawl.run(full=True)

    assert done.state is PullState.DONE
    assert len(gone(crawl, *range(30))) == (0 if is_mistake else 30 - left)
    assert (f"{30 - left} of 30 are not listed any more" in (done.problem or "")) is is_mistake


def test_whoever_is_stopped_on_the_way_goes_on_from_there() -> None:
    """PAG-25: a worker has a minute, and many objects may have vanished."""
    crawl = Crawl()
    crawl.run(answered(ids(*range(30))), full=True)
    looked: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            if name == "get":
                looked.append(name)
            return getattr(store, name)

    store, announcer = crawl.us.ports.stores[crawl.module], EventAnnouncer(crawl.us.events, crawl.world.clock)
    absence = Disappearance(crawl.module, cast("ObjectStore", Counting()), lambda _: None, announcer)
    seen = {digest_of(f"X{number}") for number in range(25)}

    for _ in range(2):
        absence.note(crawl.them, crawl.owner.party, seen, "crawl", crawl.world.clock())
        assert len(looked) == 5


def test_what_was_deleted_is_not_counted() -> None:
    """TAR-16, Q-28: it is gone by its owner's own word."""
    crawl = crawl_of_two(ModuleID.TARIFFS)
    crawl.pair.to_receiver(crawl.module)("DELETE", crawl.pair.at_receiver(crawl.module, "X2"))
    before = stored(crawl, 2)

    crawl.run(full=True)

    assert stored(crawl, 2) == before


def test_drivers_do_not_see_what_is_gone() -> None:
    """PAG-25, Q-28: the host still does, as it was sent."""
    crawl = hidden(ModuleID.LOCATIONS)
    desk, url = Desk(crawl.us), f"/partners/{crawl.them.id}/locations"

    seen, shown = [desk("GET", url, query=query).json["items"] for query in ({"view": "drivers"}, dict[str, str]())]

    assert [location["id"] for location in seen] == ["X1"]
    assert desk("GET", f"{url}/X2", query={"view": "drivers"}).status == 404
    assert [location["id"] for location in shown] == ["X1", "X2"]
    assert "absent" not in json.dumps(shown)
    answer = crawl.pair.to_receiver(crawl.module)("GET", crawl.pair.at_receiver(crawl.module, "X2"))
    assert (answer.code, answer.data) == (1000, shown[1])


@pytest.mark.parametrize("module", EXPIRING)
def test_the_host_is_told_what_is_gone(module: ModuleID) -> None:
    """PAG-25, TAR-15, Q-28: and since when, beside the objects; until it is listed again."""
    crawl = crawl_of_two(module)
    desk, url = Desk(crawl.us), f"/partners/{crawl.them.id}/{module}"
    told = [desk("GET", url).json["gone"]]

    for _ in range(2):
        crawl.world.clock.pass_(days=7)
        crawl.run(full=True)
        told.append(desk("GET", url).json["gone"])

    assert told == [{}, {}, {"X2": stored(crawl, 2).metadata["absent_since"]}]
    assert [each["id"] for each in desk("GET", url).json["items"]] == ["X1", "X2"]
    crawl.run(answered(ids(1, 2, module=module)), full=True)
    assert desk("GET", url).json["gone"] == {}


def test_drivers_still_see_what_one_crawl_did_not_list() -> None:
    """PAG-25."""
    crawl = crawl_of_two()
    crawl.run(full=True)

    seen = Desk(crawl.us)("GET", f"/partners/{crawl.them.id}/locations", query={"view": "drivers"}).json["items"]

    assert [location["id"] for location in seen] == ["X1", "X2"]
