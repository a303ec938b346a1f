"""What the node does on DynamoDB and SQS: what each request costs, and that nobody's write is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.conversations.on_aws import CallCount, CompanyOnAws, pair_on_aws
from tests.memory import MemoryPushQueues
from tests.node.faults import at_once
from tests.node.partner import said
from tests.resources import Stage
from tests.world import Pair


@pytest.fixture
def pair(new_stage: Callable[[], Stage]) -> Pair:
    return pair_on_aws(new_stage(), new_stage())


def stage_of(company: Any) -> Stage:
    assert isinstance(company, CompanyOnAws)
    return company.stage


def test_a_page_costs_two_calls_at_any_offset(pair: Pair) -> None:
    pair.cpo.company.own_objects[ModuleID.TARIFFS].import_all([make.tariff(f"T{n:03}") for n in range(150)])
    pair.to_cpo("GET", "/ocpi/cpo/2.1.1/tariffs")

    for query in ({}, {"offset": "90"}, {"offset": "140"}, {"limit": "99"}, {"limit": "1", "offset": "149"}):
        with CallCount(stage_of(pair.cpo)) as made:
            reply = pair.to_cpo("GET", "/ocpi/cpo/2.1.1/tariffs", query=query)

        assert reply.outcome == (200, 1000)
        assert made == {"Query": 1, "BatchGetItem": 1}, query


def test_a_patch_costs_two_calls_once_the_caller_is_known(pair: Pair) -> None:
    path = pair.at_emsp("locations", "LOC1")
    pair.to_emsp("PUT", path, make.location("LOC1"))

    with CallCount(stage_of(pair.emsp)) as made:
        reply = pair.to_emsp("PATCH", f"{path}/E1", {"status": "CHARGING", "last_updated": "2026-02-01T00:00:00Z"})

    assert reply.outcome == (200, 1000)
    assert made == {"GetItem": 1, "UpdateItem": 1}


def test_a_burst_of_requests_reads_the_caller_once_and_notes_once_that_it_was_in_touch(pair: Pair) -> None:
    pair.world.clock.pass_(minutes=1)

    with CallCount(stage_of(pair.emsp)) as made:
        for _ in range(5):
            assert pair.to_emsp("GET", pair.at_emsp("locations", "NONE")).status == 404

    assert made == {"GetItem": 2 + 5, "UpdateItem": 1}


def test_fifty_patches_of_different_evses_at_once_all_survive(pair: Pair) -> None:
    """TRA-22."""
    evses = [make.evse(f"E{n}") for n in range(50)]
    path = pair.at_emsp("locations", "LOC1")
    pair.to_emsp("PUT", path, make.location("LOC1", evses=evses))
    patch = {"status": "CHARGING", "last_updated": "2026-02-01T00:00:00Z"}

    at_once(*(lambda n=n: pair.to_emsp("PATCH", f"{path}/E{n}", patch) for n in range(50)))

    stored = pair.to_emsp("GET", path).data
    assert {evse["status"] for evse in stored["evses"]} == {"CHARGING"}


def test_fifty_creations_at_once_get_fifty_dense_places_in_the_list(pair: Pair) -> None:
    """PAG-05, PAG-11."""
    own = pair.cpo.company.own_objects[ModuleID.TARIFFS]

    at_once(*(lambda n=n: own.put(f"T{n}", (), make.tariff(f"T{n}")) for n in range(50)))

    page = pair.to_cpo("GET", "/ocpi/cpo/2.1.1/tariffs", query={"limit": "99"})
    assert page.headers["x-total-count"] == "50"
    assert sorted(tariff["id"] for tariff in page.data) == sorted(f"T{n}" for n in range(50))


def test_changes_travel_through_the_queues_and_arrive_whole(pair: Pair) -> None:
    """LOC-29, TRA-28."""
    own = pair.cpo.company.own_objects[ModuleID.LOCATIONS]
    own.import_all([make.location(f"LOC{n}") for n in range(25)])
    own.patch("LOC7", ("E1",), {"status": "OUTOFORDER"})

    pair.cpo.pump()

    for n in range(25):
        ours = pair.to_cpo("GET", f"/ocpi/cpo/2.1.1/locations/LOC{n}").response.body
        theirs = pair.to_emsp("GET", pair.at_emsp("locations", f"LOC{n}")).response.body
        assert json.loads(theirs)["data"] == json.loads(ours)["data"]


def test_a_delivery_costs_three_calls_where_all_goes_well(pair: Pair) -> None:
    """N-43: the partner, what is written down about the two, the object; once it is noted that they were in touch."""
    pair.world.hosts["emsp.example"] = lambda _request: said()
    own, queues = pair.cpo.company.own_objects[ModuleID.TARIFFS], MemoryPushQueues()
    own.import_all([make.tariff("T1"), make.tariff("T2")])
    pair.cpo.pump()
    partner = pair.cpo.partners()[0]
    queues.deliver([Delivery(partner.id, Announcement(ModuleID.TARIFFS, f"T{n}", 1)) for n in (1, 2)])
    mark = len(pair.world.traffic)

    for asked in queues.deliveries:
        with CallCount(stage_of(pair.cpo)) as made:
            pair.cpo.deliver(asked)

        assert made == {"GetItem": 2, "BatchGetItem": 1}
    assert len(pair.world.since(mark)) == 2


def test_a_partner_that_is_back_gets_what_it_missed_through_the_queues(pair: Pair) -> None:
    """N-42, OFF-03, Q-57: the breaker, the schedule, the index of what is due and the leases, as they are on AWS."""
    own = pair.cpo.company.own_objects[ModuleID.TARIFFS]
    pair.world.down.add("emsp.example")
    own.import_all([make.tariff(f"T{n}") for n in range(8)])
    pair.cpo.pump()
    partner = pair.cpo.partners()[0]
    assert pair.cpo.ports.breakers.breaker(partner.id).needs_probe
    assert len(pair.cpo.ports.outbox.entries(partner.id)) == 8
    pair.world.down.clear()
    mark = len(pair.world.traffic)

    pair.world.clock.pass_(minutes=2)
    pair.cpo.look()

    # Our own pull begins, too, within a minute.
    sent = [each.request.method for each in pair.world.since(mark) if not each.path.endswith("/tokens")]
    assert sent == ["GET", *["PUT"] * 8]
    assert pair.cpo.ports.outbox.entries(partner.id) == []
    assert pair.cpo.ports.breakers.breaker(partner.id).is_clean


def test_what_a_partner_that_is_down_missed_stands_in_the_outbox(pair: Pair) -> None:
    """OFF-03."""
    pair.world.down.add("emsp.example")

    pair.cpo.company.own_objects[ModuleID.TARIFFS].put("T1", (), make.tariff("T1"))
    pair.cpo.pump()

    partner = pair.cpo.partners()[0]
    (failure,) = pair.cpo.ports.outbox.entries(partner.id)
    assert (failure.announcement.module, failure.announcement.id) == (ModuleID.TARIFFS, "T1")
    assert "refused" in failure.reason
