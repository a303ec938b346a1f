"""Proves that however changes and deliveries interleave, a partner hears nothing older, and all of it in the end."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.node.pushing.messages import Delivery
from chalicelib.ocpi.errors import ClientError, Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.partner import Partner, partner

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS
WHAT = st.sampled_from(["E1", "E2", "location", "connector", "put E1", "put location", "tariff", "delete tariff"])
WHEN = st.sampled_from(["", "", "nobody answers", "while a request is under way", "the answer gets lost"])


@dataclass
class Numbering:
    """A host whose every change carries the next number, and the numbers that its partner was sent."""

    there: Partner
    changes: int = 0
    told: list[tuple[str, int]] = field(default_factory=list)
    """What carried which number."""
    next_change: str | None = None
    """What changes while the next request is under way."""
    lost: int = 0
    """Answers that get lost."""

    def __post_init__(self) -> None:
        self.real, self.there.real = self.there.real, self.answer

    def change(self, what: str) -> None:
        self.changes += 1
        number, own = (
            self.changes,
            {module: self.there.owner.company.own_objects[module] for module in (LOCATIONS, TARIFFS)},
        )
        match what:
            case "E1" | "E2":
                own[LOCATIONS].patch("LOC1", (what,), {"floor_level": str(number)})
            case "location":
                own[LOCATIONS].patch("LOC1", (), {"postal_code": str(number)})
            case "connector":
                own[LOCATIONS].patch("LOC1", ("E1", "1"), {"amperage": number})
            case "put E1":
                evse = make.evse("E1", floor_level=str(number), connectors=[make.connector(amperage=number)])
                own[LOCATIONS].put("LOC1", ("E1",), evse)
            case "put location":
                own[LOCATIONS].put("LOC1", (), own[LOCATIONS].get("LOC1") | {"postal_code": str(number)})
            case "tariff":
                own[TARIFFS].put("T1", (), make.tariff("T1", elements=[_element(number)]))
            case "delete tariff":
                with contextlib.suppress(ClientError):
                    own[TARIFFS].delete("T1")

    def answer(self, request: Request) -> Response:
        if request.body:
            steps = request.url.partition(f"/{self.there.owner.party}/")[2]
            self.told += _numbers(steps, json.loads(request.body))
        what, self.next_change = self.next_change, None
        if what:
            self.change(what)
        answer = self.real(request)
        if self.lost:
            self.lost -= 1
            raise Unreachable("timed out")
        return answer

    def assert_never_older(self) -> None:
        latest: dict[str, int] = {}
        for what, number in self.told:
            assert number >= latest.get(what, 0), (what, self.told)
            latest[what] = number


def _element(number: int) -> Json:
    return {"price_components": [{"type": "ENERGY", "price": number, "step_size": 1}]}


def _numbers(at: str, value: Json) -> list[tuple[str, int]]:
    own = [(f"{at} {name}", int(value[name])) for name in ("floor_level", "postal_code", "amperage") if name in value]
    own += [(at, int(element["price_components"][0]["price"])) for element in value.get("elements", ())]
    parts = [(part["uid"], part) for part in value.get("evses", ())]
    parts += [(part["id"], part) for part in value.get("connectors", ())]
    return own + [found for step, part in parts for found in _numbers(f"{at}/{step}", part)]


def numbered_location() -> Json:
    evses = [make.evse(uid, floor_level="0", connectors=[make.connector(amperage=0)]) for uid in ("E1", "E2")]
    return make.location(postal_code="0", evses=evses)


def by_chance(data: st.DataObject, what: str) -> bool:
    return data.draw(st.booleans(), label=what)


def work_some(there: Partner, data: st.DataObject) -> None:
    """Some runs of each worker: announcements in any order, deliveries of an object in theirs, some of them twice."""
    queues = there.owner.queues
    while queues.announcements and by_chance(data, "spread"):
        which = data.draw(st.integers(0, len(queues.announcements) - 1), label="which")
        there.owner.company.fan_out.fan_out(*queues.announcements.pop(which))
    while queues.deliveries and by_chance(data, "deliver"):
        heads = {_about(each): each for each in reversed(queues.deliveries)}
        head = heads[data.draw(st.sampled_from(sorted(heads)), label="of")]
        queues.deliveries.remove(head)
        for _ in range(data.draw(st.sampled_from([1, 1, 2]), label="times")):
            there.owner.deliver(head)


def _about(asked: Any) -> str:
    return asked.announcement.id if isinstance(asked, Delivery) else ""


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(WHAT, WHEN), min_size=1, max_size=10), data=st.data())
def test_no_request_carries_an_older_state_than_one_before_it_and_the_last_is_ours(
    steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    """OFF-03, Q-57, LOC-29, TAR-14, TRA-25."""
    there = partner(numbered_location())
    host = Numbering(there)
    for what, when in steps:
        if when == "while a request is under way":
            host.next_change = what
        else:
            host.change(what)
        if when == "nobody answers":
            there.there.world.down.add("emsp.example")
        host.lost = when == "the answer gets lost"
        work_some(there, data)
        there.there.world.down.clear()
        host.lost = 0
    there.owner.pump()
    for _ in range(3):
        there.there.world.clock.pass_(days=1)
        there.owner.look()

    host.assert_never_older()
    assert there.held("LOC1") == there.own("LOC1")
    tariff = there.owner.ports.stores[TARIFFS].get("ours", "T1")
    assert there.held("T1", TARIFFS) == (there.own("T1", TARIFFS) if tariff else None)
    assert there.backlog == []


@settings(max_examples=50, deadline=None)
@given(changes=st.lists(WHAT, min_size=30, max_size=30))
def test_thirty_changes_at_once_cost_a_handful_of_requests(changes: list[str]) -> None:
    """OFF-03, Q-57: whatever they are; two objects, and of one of them four parts."""
    there = partner(numbered_location())
    host = Numbering(there)
    for what in changes:
        host.change(what)
    there.owner.pump()

    host.assert_never_older()
    assert there.held("LOC1") == there.own("LOC1")
    assert len(there.asked) <= 16
