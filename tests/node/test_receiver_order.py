"""Proves that a push older than what we hold is taken but not applied, and that nothing else is mistaken for one."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.types import format_date_time
from tests import make
from tests.node.pushing import DEPTHS, EARLIER, LATER, LATEST, Depth, counters, metadata, pushing
from tests.world import Pair, pair

every_depth = pytest.mark.parametrize("depth", DEPTHS, ids=str)
both_methods = pytest.mark.parametrize("method", ["PUT", "PATCH"])

LOCATIONS = ModuleID.LOCATIONS


@both_methods
@every_depth
def test_an_older_push_is_taken_not_applied_and_counted(depth: Depth, method: str) -> None:
    """Q-32."""
    there = pushing(depth)
    there("PUT", depth.part | {"last_updated": LATEST})
    name, value = depth.required

    reply = there(method, depth.part | {name: value, "last_updated": LATER})

    assert reply.outcome == (200, 1000)
    assert there.held[name] == depth.part[name]
    assert there.held["last_updated"] == LATEST
    assert there.counters["stale_ignored"] == 1


@both_methods
@every_depth
def test_a_push_with_an_equal_stamp_is_applied(depth: Depth, method: str) -> None:
    """Q-32."""
    there = pushing(depth)
    there("PUT", depth.part | {"last_updated": LATER})
    name, value = depth.required

    reply = there(method, depth.part | {name: value, "last_updated": LATER})

    assert reply.outcome == (200, 1000)
    assert there.held[name] == value
    assert "stale_ignored" not in there.counters


@both_methods
@every_depth
def test_a_push_without_a_stamp_gets_the_time_of_receipt(depth: Depth, method: str) -> None:
    """Q-30, Q-31."""
    there = pushing(depth)
    name, value = depth.required
    body = {key: each for key, each in depth.part.items() if key != "last_updated"} | {name: value}

    reply = there(method, body)

    assert reply.outcome == (200, 1000)
    assert there.held[name] == value
    assert there.held["last_updated"] == format_date_time(there.pair.world.clock.now)


@both_methods
@every_depth
def test_the_time_of_receipt_does_not_make_the_next_honest_push_look_stale(depth: Depth, method: str) -> None:
    """Q-32, Q-31: their clock may be behind ours."""
    there = pushing(depth)
    there("PUT", depth.part | {"last_updated": EARLIER})
    news = depth.part | {depth.optional[0]: depth.optional[1]}
    there(method, {key: value for key, value in news.items() if key != "last_updated"})
    name, value = depth.required

    there("PATCH", {name: value, "last_updated": LATER})
    there("PATCH", {name: depth.part[name], "last_updated": EARLIER})

    assert there.held[name] == value
    assert there.counters["stale_ignored"] == 1


def without_stamps(evse: dict[str, Any]) -> dict[str, Any]:
    bare = [{name: value for name, value in each.items() if name != "last_updated"} for each in evse["connectors"]]
    return {name: value for name, value in evse.items() if name != "last_updated"} | {"connectors": bare}


@both_methods
def test_parts_that_came_without_a_stamp_do_not_make_honest_pushes_look_stale(method: str) -> None:
    """Q-31, Q-32: at every depth below the one that was pushed."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(evses=[]))
    body: dict[str, Any] = {"evses": [without_stamps(make.evse())], "last_updated": LATER}
    there.to_emsp(method, url, make.location(**body) if method == "PUT" else body)

    for path, field, value in (("/E1/1", "amperage", 16), ("/E1", "status", "CHARGING"), ("", "city", "Gouda")):
        assert there.to_emsp("PATCH", url + path, {field: value, "last_updated": LATER}).outcome == (200, 1000)
        assert there.to_emsp("GET", url + path).data[field] == value

    assert "stale_ignored" not in counters(there)


@pytest.mark.parametrize(("method", "distrusted"), [("PUT", None), ("PATCH", ["E1", "E1/1"])])
def test_a_stamp_of_ours_is_distrusted_until_it_is_replaced(method: str, distrusted: list[str] | None) -> None:
    """Q-31: a PUT replaces all stamps below it, a PATCH does not."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(evses=[without_stamps(make.evse())], last_updated=EARLIER))
    assert metadata(there, LOCATIONS, "LOC1")["unsure_stamps"] == ["E1", "E1/1"]

    there.to_emsp(method, url, make.location(last_updated=LATER) if method == "PUT" else {"last_updated": LATER})

    assert metadata(there, LOCATIONS, "LOC1").get("unsure_stamps") == distrusted


@pytest.mark.parametrize("path", ["/E1", "/E1/1"])
@pytest.mark.parametrize(("stamp", "applied"), [({}, True), ({"last_updated": LATEST}, False)], ids=["ours", "theirs"])
def test_a_stamp_that_went_up_is_trusted_as_far_as_the_one_below(path: str, stamp: Any, *, applied: bool) -> None:
    """Q-31, Q-32, LOC-23: at the parents of the part that was pushed."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location())
    there.to_emsp("PATCH", url + path, {"floor_level": "1", "amperage": 16} | stamp)

    there.to_emsp("PATCH", url, {"city": "Gouda", "last_updated": LATER})

    assert there.to_emsp("GET", url).data["city"] == ("Gouda" if applied else "Utrecht")


def test_parts_that_a_put_does_not_mention_keep_their_distrusted_stamps_too() -> None:
    """Q-29, Q-31."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(evses=[without_stamps(make.evse())], last_updated=EARLIER))

    there.to_emsp("PUT", url, make.location(evses=None, last_updated=LATER))
    there.to_emsp("PATCH", f"{url}/E1", {"status": "CHARGING", "last_updated": EARLIER})

    assert there.to_emsp("GET", f"{url}/E1").data["status"] == "CHARGING"


@both_methods
@every_depth
def test_a_stamp_from_the_future_is_kept_and_counted_and_blocks_nobody(depth: Depth, method: str) -> None:
    """Q-72."""
    there = pushing(depth)
    name, value = depth.required
    now = there.pair.world.clock.now

    there(method, depth.part | {"last_updated": "2099-01-01T00:00:00Z"})
    assert there.held["last_updated"] == "2099-01-01T00:00:00Z"
    honest = format_date_time(now - timedelta(minutes=1))
    there("PATCH", {name: value, "last_updated": honest})

    assert there.held[name] == value
    assert there.held["last_updated"] == honest
    assert any("Q-72" in tally for tally in there.counters)


@every_depth
def test_a_clock_that_is_a_little_ahead_is_no_matter(depth: Depth) -> None:
    """Q-72: five minutes."""
    there = pushing(depth)
    name, value = depth.required
    ahead = format_date_time(there.pair.world.clock.now + timedelta(minutes=4))

    there("PATCH", {name: value, "last_updated": ahead})
    there("PATCH", {name: depth.part[name], "last_updated": format_date_time(there.pair.world.clock.now)})

    assert there.held[name] == value
    assert there.counters["stale_ignored"] == 1
    assert not any("Q-72" in tally for tally in there.counters)


@pytest.mark.parametrize("patch", [{}, {"id": None}, "the id", "what is known"], ids=str)
@every_depth
def test_a_patch_that_says_nothing_changes_nothing(depth: Depth, patch: Any) -> None:
    """TRA-22, Q-68."""
    there = pushing(depth)
    before, id_field, known = there.whole, depth.level.id_field, depth.required[0]
    says = {"the id": {id_field: depth.part[id_field]}, "what is known": {known: depth.part[known]}}

    reply = there("PATCH", says[patch] if isinstance(patch, str) else {id_field: None} if patch else {})

    assert reply.outcome == (200, 1000)
    assert there.whole == before


@every_depth
def test_an_unchanged_push_stores_its_stamp(depth: Depth) -> None:
    """Q-68."""
    there = pushing(depth)

    there("PUT", depth.part | {"last_updated": LATER})

    assert there.held["last_updated"] == LATER


def test_a_push_of_a_part_makes_everything_above_it_as_new() -> None:
    """LOC-23: PUT and PATCH of a connector reach the EVSE and the location; of an EVSE, the location."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(last_updated=EARLIER))

    def stamps() -> list[str]:
        return [there.to_emsp("GET", url + path).data["last_updated"] for path in ("", "/E1", "/E1/1")]

    there.to_emsp("PATCH", f"{url}/E1/1", {"amperage": 16, "last_updated": LATER})
    assert stamps() == [LATER, LATER, LATER]

    there.to_emsp("PUT", f"{url}/E1/1", make.connector(last_updated=LATEST))
    assert stamps() == [LATEST, LATEST, LATEST]

    there.to_emsp("PUT", f"{url}/E2", make.evse("E2", last_updated=EARLIER))
    assert stamps() == [LATEST, LATEST, LATEST]


@pytest.mark.parametrize("stamp", ["2026-02-02T00:00:00.500Z", "2026-02-02T00:00:00.499", "2026-02-02 00:00:00Z"])
def test_milliseconds_order_pushes_of_objects(stamp: str) -> None:
    """Q-32, FMT-04."""
    there = pair()
    url = there.at_emsp("tariffs", "T1")
    there.to_emsp("PUT", url, make.tariff("T1", last_updated="2026-02-02T00:00:00.500Z"))

    there.to_emsp("PATCH", url, {"currency": "CHF", "last_updated": stamp})

    applied = datetime.fromisoformat(stamp).replace(tzinfo=None) >= datetime(2026, 2, 2, 0, 0, 0, 500_000)  # noqa: DTZ001
    assert there.to_emsp("GET", url).data["currency"] == ("CHF" if applied else "EUR")


def test_a_part_that_is_older_than_its_parent_does_not_make_the_parent_older() -> None:
    """LOC-23, Q-32."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(last_updated=LATEST))

    there.to_emsp("PATCH", f"{url}/E1", {"status": "CHARGING", "last_updated": EARLIER})
    there.to_emsp("PATCH", url, {"city": "Gouda", "last_updated": LATER})

    held = there.to_emsp("GET", url).data
    assert (held["city"], held["last_updated"], held["evses"][0]["status"]) == ("Utrecht", LATEST, "CHARGING")


def test_fifty_patches_of_different_evses_at_once_all_survive() -> None:
    """TRA-22."""
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location(evses=[make.evse(f"E{n}") for n in range(50)]))

    at_once(there, url)

    assert {evse["status"] for evse in there.to_emsp("GET", url).data["evses"]} == {"CHARGING"}


def at_once(there: Pair, url: str) -> None:
    """Fifty PATCHes in as many threads."""
    start, statuses = threading.Barrier(50), []

    def patch(uid: str) -> None:
        start.wait()
        statuses.append(there.to_emsp("PATCH", f"{url}/{uid}", {"status": "CHARGING"}).outcome)

    threads = [threading.Thread(target=patch, args=(f"E{n}",)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [(200, 1000)] * 50
