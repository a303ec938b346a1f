"""Proves that partners are told in their own lanes: who hangs holds up nobody else, and objects keep their order."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.sqs.pushes import LANES, SqsPushQueues, delivery_in
from chalicelib.node.pushing.messages import Announcement, Delivery, RetryDue
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import ModuleID
from tests.node.delivery_traffic import CHANGES, DELIVERIES, PATIENCE_S, Sqs, Traffic

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=36)
"""Of partners and of objects; those of ours are narrower than what a partner may call its objects."""
TOLD = st.tuples(IDS, st.sampled_from(ModuleID), IDS)
TARIFFS = [f"T{number}" for number in range(60)]


def lanes(told: list[tuple[str, ModuleID, str]]) -> list[list[Delivery]]:
    """The lanes in which partners are told of one change after the other; its number is the version."""
    sqs = Sqs()
    changes = [
        Delivery(partner, Announcement(module, object_id, number))
        for number, (partner, module, object_id) in enumerate(told)
    ]
    SqsPushQueues(lambda: sqs, changes=CHANGES, deliveries=DELIVERIES).deliver(changes)
    asked = [[delivery_in(body) for body in lane] for lane in sqs.deliveries.waiting().values()]
    return [[each for each in lane if isinstance(each, Delivery)] for lane in asked]


@given(st.lists(TOLD, max_size=40))
def test_no_lane_serves_two_partners_and_no_partner_has_more_than_eight(told: list[tuple[str, ModuleID, str]]) -> None:
    """N-42: a worker takes one message at a time, so who hangs holds up its own lanes and nobody else's."""
    partners = [{delivery.partner_id for delivery in lane} for lane in lanes(told)]

    assert all(len(served) == 1 for served in partners)
    assert all(partners.count({partner}) <= LANES for partner, *_ in told)


@given(st.lists(TOLD, max_size=20), st.permutations(range(60)))
def test_all_that_is_about_one_object_is_told_in_its_order(
    told: list[tuple[str, ModuleID, str]], order: list[int]
) -> None:
    told = [told[number % len(told)] for number in order if told]

    for lane in lanes(told):
        versions = [delivery.announcement.version for delivery in lane]
        assert versions == sorted(versions)
        objects = {_about(delivery) for delivery in lane}
        assert [n for n, each in enumerate(told) if each in objects] == versions


def _about(delivery: Delivery) -> tuple[str, ModuleID, str]:
    return delivery.partner_id, delivery.announcement.module, delivery.announcement.id


@given(st.lists(IDS, min_size=1, max_size=40))
def test_who_looks_after_a_partner_uses_its_lanes(places: list[str]) -> None:
    sqs = Sqs()
    queues = SqsPushQueues(lambda: sqs, changes=CHANGES, deliveries=DELIVERIES)
    for number, place in enumerate(places):
        for partner in ("one", "two"):
            queues.retry(RetryDue(partner, place), cause=str(number))
            queues.deliver([Delivery(partner, Announcement(ModuleID.TARIFFS, place, number))])

    waiting = sqs.deliveries.waiting().values()

    served = [{delivery_in(body).partner_id for body in lane} for lane in waiting]
    assert all(len(partners) == 1 for partners in served)
    assert all(served.count({partner}) <= LANES for partner in ("one", "two"))


def test_a_partner_that_hangs_holds_up_nobody_else() -> None:
    """It fills its own lanes, so one worker more than those serves all the others."""
    released = threading.Event()

    def hang() -> Response | None:
        released.wait(PATIENCE_S)
        return None

    traffic = Traffic([hang, lambda: None, lambda: None])
    hanging, *others = traffic.receivers
    with traffic.workers(LANES + 1):
        for number, tariff in enumerate(TARIFFS):
            traffic.change(tariff, number)
        ours = traffic.tariffs()
        others_told = [receiver.wait_for(ours) for receiver in others]
        hung, told = hanging.requests, len(hanging.held)
        released.set()
        told_at_last = hanging.wait_for(ours)

    assert (others_told, told) == ([True, True], 0)
    assert 0 < hung <= LANES
    assert told_at_last
