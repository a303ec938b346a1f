"""Proves that the host can read what partners did page by page, without missing or repeating any of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from openapi_schema_validator import OAS31Validator

from chalicelib.entrypoints.operator import api
from chalicelib.entrypoints.operator.openapi import description
from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import Answer, Desk, Desks, desks
from tests.node.hearing import push

DOCUMENT = description(api.OPERATIONS)


@pytest.fixture
def there() -> Desks:
    """Two who are registered for more than a week, and have done nothing since."""
    found = desks()
    for company in (found.pair.cpo, found.pair.emsp):
        company.pump_events()
        company.bus.published.clear()
    found.pair.world.clock.pass_(days=8)
    return found


def tariffs(there: Desks, *names: str) -> None:
    """New tariffs of the CPO arrive at the eMSP, and its host is told."""
    for name in names:
        push(there.pair, ModuleID.TARIFFS, make.tariff(name))
    there.pair.emsp.pump_events()


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.json
    return [event["object_id"] for event in answer.json["items"]]


def after(desk: Desk, cursor: str, **query: str) -> Answer:
    return desk("GET", "/events", query={"after": cursor, **query})


def test_events_are_read_in_order_and_on_from_a_cursor(there: Desks) -> None:
    tariffs(there, "T1", "T2", "T3")
    there.pair.world.clock.pass_(seconds=3)

    first = there.emsp("GET", "/events", query={"limit": "2"})
    second = after(there.emsp, first.json["next"])
    tariffs(there, "T4")
    there.pair.world.clock.pass_(seconds=3)

    assert (ids(first), ids(second)) == (["T1", "T2"], ["T3"])
    assert ids(after(there.emsp, second.json["next"])) == ["T4"]


def test_an_event_is_what_the_bus_told_but_for_the_object(there: Desks) -> None:
    tariffs(there, "T1")
    there.pair.world.clock.pass_(seconds=3)

    (event,) = there.emsp("GET", "/events").json["items"]

    (published,) = there.pair.emsp.bus.published
    assert published["object"]["id"] == "T1"
    assert event == {**published, "object": None}


def test_an_event_that_could_still_be_overtaken_is_not_shown_yet(there: Desks) -> None:
    tariffs(there, "T1")

    early = there.emsp("GET", "/events")
    there.pair.world.clock.pass_(seconds=3)

    assert (ids(early), ids(after(there.emsp, early.json["next"]))) == ([], ["T1"])


def test_who_follows_an_empty_feed_for_weeks_goes_on(there: Desks) -> None:
    cursor = there.emsp("GET", "/events").json["next"]
    for _ in range(20):
        there.pair.world.clock.pass_(days=1)
        answer = after(there.emsp, cursor)
        assert ids(answer) == []
        cursor = answer.json["next"]


def test_who_was_away_for_more_than_a_week_is_told_that_something_is_missing(there: Desks) -> None:
    cursor = there.emsp("GET", "/events").json["next"]
    there.pair.world.clock.pass_(days=9)

    answer = after(there.emsp, cursor)

    assert answer.status == 422
    assert "7 days" in answer.error


def test_who_begins_with_the_oldest_has_time_to_read_on(there: Desks) -> None:
    tariffs(there, "T1", "T2")
    there.pair.world.clock.pass_(days=6, hours=23, minutes=59)
    first = there.emsp("GET", "/events", query={"limit": "1"})
    there.pair.world.clock.pass_(minutes=30)

    assert ids(after(there.emsp, first.json["next"])) == ["T2"]


def test_the_latest_are_the_last_ones_and_lead_on(there: Desks) -> None:
    tariffs(there, "T1", "T2", "T3")
    there.pair.world.clock.pass_(seconds=3)

    latest = there.emsp("GET", "/events", query={"latest": "yes", "limit": "2"})
    tariffs(there, "T4")
    there.pair.world.clock.pass_(seconds=3)

    assert ids(latest) == ["T2", "T3"]
    assert ids(after(there.emsp, latest.json["next"])) == ["T4"]


@pytest.mark.parametrize(
    "query",
    [
        {"after": "yesterday"},
        {"after": "2026-03-01T12:00:00.000000Z"},
        {"after": "\ud800"},
        {"latest": "maybe"},
        {"latest": "yes", "after": "2026-03-01T12:00:00.000000Z/"},
        {"limit": "many"},
    ],
)
def test_what_makes_no_sense_is_refused(there: Desks, query: dict[str, str]) -> None:
    assert there.emsp("GET", "/events", query=query).status == 422


def test_a_page_has_a_hundred_events_at_most(there: Desks) -> None:
    tariffs(there, *(f"T{number}" for number in range(101)))
    there.pair.world.clock.pass_(seconds=3)

    assert len(ids(there.emsp("GET", "/events", query={"limit": "1000"}))) == 100


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("object_id", ["X1", "a b", "x?y#z%"])
def test_what_an_event_tells_of_stands_where_it_says(there: Desks, module: ModuleID, object_id: str) -> None:
    if module is ModuleID.CDRS:
        push(there.pair, module, make.cdr(object_id))
    else:
        value = make.object_of(module, object_id)
        there.pair.to_receiver(module)("PUT", there.pair.at_receiver(module, quote(object_id, safe="")), value)

    (event,) = there.pair.receiver(module).pump_events()

    answer = there.other(module)("GET", event["href"].removeprefix("/operator"))
    assert (answer.status, answer.json) == (200, event["object"])


def test_the_answer_is_as_it_is_described(there: Desks) -> None:
    tariffs(there, "T1")
    there.pair.world.clock.pass_(seconds=3)
    answer: Any = there.emsp("GET", "/events").json

    ok = DOCUMENT["paths"]["/operator/events"]["get"]["responses"]["2XX"]
    schema = {**ok["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
    OAS31Validator(schema).validate(answer)
    assert answer["items"]
