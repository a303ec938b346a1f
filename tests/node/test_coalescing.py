"""Proves that many changes cost a partner few requests, and that the last one tells what is true in the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.node.pushing.coalescing import MOST_PARTS
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import SentVersion, sent_after
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.faults import Broken, Failing, run_on
from tests.node.partner import Partner, partner, said
from tests.node.pushing import another_value
from tests.world import CLIENT_OWNED

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS
STATUSES = ("AVAILABLE", "BLOCKED", "CHARGING")


def meanwhile(there: Partner, action: Callable[[], object]) -> None:
    """Let this happen while the next request is under way."""
    real = there.real

    def once(request: Request) -> Response:
        there.real = real
        action()
        return real(request)

    there.real = once


def hundred_times(there: Partner, *uids: str) -> None:
    """The status of these EVSEs changes a hundred times in turns; the last time it is OUTOFORDER."""
    for n in range(100 - len(uids)):
        there.change((uids[n % len(uids)],), {"status": STATUSES[n // len(uids) % 3]})
    for uid in uids:
        there.change((uid,), {"status": "OUTOFORDER"})


def large(count: int) -> Partner:
    return partner(make.location(evses=[make.evse(f"E{n}") for n in range(count)]))


# --- a hundred changes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_hundred_changes_while_a_request_is_under_way_cost_two_more(module: ModuleID) -> None:
    """OFF-03, Q-57, LOC-29, TAR-14, TOK-19, SES-12."""
    there = partner(of=module)
    name, value = another_value(module)
    first = make.object_of(module, "X1")[name]

    def change() -> None:
        for n in range(100):
            there.owner.company.own_objects[module].patch("X1", (), {name: first if n % 2 else value})

    meanwhile(there, change)
    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()

    assert 2 <= len(there.asked) <= 3
    assert there.held("X1", module) == there.own("X1", module)
    assert there.backlog == []


@pytest.mark.parametrize(("evses", "most"), [(1, 3), (2, 4), (3, 5), (MOST_PARTS + 3, MOST_PARTS + 3)])
def test_changes_of_several_evses_cost_little_more_than_those_of_one(evses: int, most: int) -> None:
    """OFF-03, TRA-23: with many of them the whole location is the smaller conversation."""
    there = large(evses)
    meanwhile(there, lambda: hundred_times(there, *(f"E{n}" for n in range(evses))))

    there.change(("E0",), {"status": "CHARGING"})
    there.there.pump()

    assert len(there.asked) <= most
    assert there.held("LOC1") == there.own("LOC1")


@pytest.mark.parametrize("fields", [("status",), ("physical_reference",), ("status", "physical_reference")], ids=repr)
def test_the_next_hundred_changes_cost_no_more_than_the_first(fields: tuple[str, ...]) -> None:
    """OFF-03: what was told ahead then is remembered for days, and hides nothing that is told ahead now."""
    there = large(1)
    meanwhile(there, lambda: hundred_times(there, "E0"))
    there.change(("E0",), {"status": "CHARGING"})
    there.there.pump()
    before = len(there.asked)

    def change() -> None:
        for n in range(100):
            there.change(("E0",), dict.fromkeys(fields, STATUSES[n % 3]))

    meanwhile(there, change)
    there.change(("E0",), {"status": "CHARGING"})
    there.there.pump()

    assert len(there.asked) <= before + 4
    assert there.held("LOC1") == there.own("LOC1")


def test_another_field_in_between_is_told_too() -> None:
    """OFF-03, TRA-23."""
    there = large(2)

    def change() -> None:
        for n in range(30):
            there.change(("E0",), {"status": STATUSES[n % 3]})
            there.change(("E0",), {"floor_level": str(n)})
            there.change((), {"name": f"Square {n}"})
            there.change(("E1", "1"), {"amperage": n + 1})

    meanwhile(there, change)
    there.change(("E0",), {"status": "CHARGING"})
    there.there.pump()

    assert len(there.asked) <= 8
    assert there.held("LOC1") == there.own("LOC1")


def test_what_is_told_as_a_whole_needs_no_more_of_its_parts() -> None:
    """OFF-03, LOC-29."""
    there = large(1)

    def change() -> None:
        for n in range(50):
            floor = {"floor_level": "1"} if n % 2 else {}
            there.there.cpo.company.own_objects[LOCATIONS].put("LOC1", ("E0",), make.evse("E0", **floor))
            there.change(("E0", "1"), {"amperage": n + 1})

    meanwhile(there, change)
    there.change((), {"name": "New"})
    there.there.pump()

    steps = ["", "/E0/1", "/E0"]
    assert [path for path in there.requests() if "PATCH" in path] == [f"PATCH locations LOC1{step}" for step in steps]
    assert there.held("LOC1") == there.own("LOC1")


def test_a_partner_that_refuses_the_first_request_hears_the_rest_in_few() -> None:
    """OFF-03, Q-57: what failed comes along with the next news."""
    there = large(1)
    there.will("PATCH", said(500, 3000))
    meanwhile(there, lambda: None)
    there.change(("E0",), {"status": "BLOCKED"})
    hundred_times(there, "E0")

    there.there.pump()

    assert len(there.asked) <= 3
    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


def test_what_was_missed_is_settled_although_a_worker_died_before_it_could_do_so() -> None:
    """OFF-03, Q-57: what it has told ahead covers the message that comes again, but the entry is still there."""
    there = large(1)
    there.will("PATCH", said(500, 3000))
    there.change(("E0",), {"status": "BLOCKED"})
    there.there.pump()
    hundred_times(there, "E0")
    run_on(there.owner, outbox=Failing(there.owner.ports.outbox, "clear"))
    for announcements, attempt in there.owner.queues.announcements:
        there.owner.company.fan_out.fan_out(announcements, attempt)
    there.owner.queues.announcements.clear()
    first = there.owner.queues.deliveries[0]

    with pytest.raises(Broken):
        there.owner.deliver(first)
    there.there.pump()

    assert there.held("LOC1") == there.own("LOC1")
    assert there.backlog == []


# --- what was told is not taken for more than it was ---------------------------------------------------------------


@pytest.mark.parametrize("fails", [False, True], ids=["", "the partner does not answer meanwhile"])
@pytest.mark.parametrize("is_spread", [False, True], ids=["at once", "the removal is heard of first"])
def test_what_was_told_of_a_tariff_says_nothing_of_another_with_its_id(fails: bool, is_spread: bool) -> None:
    """OFF-03, TAR-14: versions begin anew, so that 2 may be later than 20."""
    there = partner()
    tariffs = there.there.cpo.company.own_objects[TARIFFS]
    tariffs.put("T1", (), make.tariff("T1"))
    for n in range(20):
        tariffs.patch("T1", (), {"tariff_alt_url": f"https://cpo.example/{n}"})
    there.there.pump()
    assert len(there.asked) <= 3
    if fails:
        there.there.world.down.add("emsp.example")

    tariffs.delete("T1")
    if is_spread:
        there.there.cpo.company.fan_out.fan_out(*there.there.cpo.queues.announcements.pop())
    tariffs.put("T1", (), make.tariff("T1", currency="CHF"))
    there.there.pump()
    there.there.world.down.clear()
    for n in range(5):
        tariffs.patch("T1", (), {"tariff_alt_url": f"https://cpo.example/new/{n}"})
        there.there.pump()

        assert there.held("T1", TARIFFS) == there.own("T1", TARIFFS)
    assert there.backlog == []


@pytest.mark.parametrize(
    ("announcement", "is_covered"),
    [
        (Announcement(LOCATIONS, "L", 5, ("E1",), ("status",)), True),
        (Announcement(LOCATIONS, "L", 6, ("E1",), ("status",)), False),
        (Announcement(LOCATIONS, "L", 5, ("E1",), ("status", "floor_level")), False),
        (Announcement(LOCATIONS, "L", 5, ("E1",)), False),
        (Announcement(LOCATIONS, "L", 5, ("E1", "1"), ("amperage",)), False),
        (Announcement(LOCATIONS, "L", 5, (), ("status",)), False),
        (Announcement(LOCATIONS, "L", 4, ("E2",)), True),
        (Announcement(LOCATIONS, "L", 4, ("E2", "1"), ("amperage",)), True),
        (Announcement(LOCATIONS, "L", 5, ("E2", "1"), ("amperage",)), False),
        (Announcement(LOCATIONS, "L", 4, ("E2",), removed=True), False),
        (Announcement(LOCATIONS, "L", 1), False),
    ],
    ids=repr,
)
def test_an_announcement_is_skipped_only_if_all_of_it_was_told(announcement: Announcement, is_covered: bool) -> None:
    """OFF-03."""
    told = [SentVersion(5, ("E1",), ("last_updated", "status")), SentVersion(4, ("E2",), None)]

    assert any(each.covers(announcement) for each in told) is is_covered


ANNOUNCED = st.builds(
    Announcement,
    st.just(LOCATIONS),
    st.just("L"),
    st.integers(1, 9),
    st.sampled_from([(), ("E1",), ("E2",), ("E1", "1")]),
    st.none() | st.lists(st.sampled_from("ab"), min_size=1, unique=True).map(tuple),
)


@settings(max_examples=100)
@given(news=st.lists(ANNOUNCED, min_size=1, max_size=8), asked=ANNOUNCED)
def test_whatever_was_told_covers_no_more_than_some_news_that_were_told_later(
    news: list[Announcement], asked: Announcement
) -> None:
    """OFF-03: each of the fields was told with a state at least as new."""
    news.sort(key=lambda each: each.version)
    told: tuple[SentVersion, ...] = ()
    for each in news:
        told = sent_after(told, each.version, [each])

    if any(each.covers(asked) for each in told):
        for field in asked.fields or (None,):
            assert any(_tells(each, asked, field) and each.version >= asked.version for each in news)


def _tells(news: Announcement, asked: Announcement, field: str | None) -> bool:
    if news.fields is None:
        return asked.path[: len(news.path)] == news.path
    return asked.path == news.path and field is not None and field in news.fields
