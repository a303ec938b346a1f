"""Proves who is told of a change, when, and that an announcement whose write is late or never comes harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.partner import State
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.memory import MemoryPushQueues
from tests.node.faults import Broken, Failing, run_on
from tests.world import CompanyInWorld, Pair, World, pair, register

every_module = pytest.mark.parametrize("module", MODULES)

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS
C, M = Role.CPO, Role.EMSP
MS2 = Party.of("NL", "MS2")


class WatchedQueues(MemoryPushQueues):
    """Queues that remember what was put back, for how long, and what each batch of deliveries came from."""

    def __init__(self) -> None:
        super().__init__()
        self.put_back: list[tuple[list[Announcement], int, int]] = []
        self.causes: list[str] = []

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        if attempt:
            self.put_back.append((list(announcements), attempt, delay_s))
        super().announce(announcements, attempt=attempt, delay_s=delay_s)

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        self.causes += [cause] * len(deliveries)
        super().deliver(deliveries, cause=cause)


def announced(queues: MemoryPushQueues) -> list[Announcement]:
    """What partners are to be told, in order."""
    return [each.announcement for each in queues.deliveries if isinstance(each, Delivery)]


def watched(company: CompanyInWorld, **ports: Any) -> WatchedQueues:
    """The company's queues, which are watched from now on."""
    queues = WatchedQueues()
    run_on(company, push_queues=queues, **ports)
    company.queues = queues
    return queues


def change(module: ModuleID = TARIFFS, object_id: str = "T1", version: int = 1, **facts: Any) -> Announcement:
    return Announcement(module, object_id, version, **facts)


# --- who -----------------------------------------------------------------------------------------------------------


def network() -> tuple[World, CompanyInWorld, dict[str, CompanyInWorld]]:
    """A company in both roles with five registered partners."""
    world = World()
    us = world.company("us.example", Party.of("DE", "ALL"))
    partners = {}
    for name, role in (("CP1", C), ("CP2", C), ("MS1", M), ("MS2", M), ("MS3", M)):
        partners[name] = world.company(
            f"{name.lower()}.example", Party(country_code="NL", party_id=name), frozenset({role})
        )
        register(partners[name], us, role.other)
    return world, us, partners


def told(us: CompanyInWorld) -> list[str]:
    """Which parties the queued deliveries go to."""
    names = {partner.id: partner.party for partner in us.partners()}
    return [str(names[delivery.partner_id]) for delivery in us.queues.deliveries]


def spread(us: CompanyInWorld) -> None:
    announcements, attempt = us.queues.announcements.pop(0)
    us.company.fan_out.fan_out(announcements, attempt)


@every_module
def test_every_registered_partner_in_the_other_role_who_may_see_it_is_told(module: ModuleID) -> None:
    """LOC-29, TAR-14, TOK-19, SES-14, CDR-02: and nobody in our own role."""
    _, us, _ = network()
    us.company.registrations.invite(MODULES[module].owner.other)
    assert us.partners()[-1].state is State.INVITED
    us.company.own_objects[module].put("X1", (), make.object_of(module, "X1"), MS2)

    spread(us)

    everybody = ["NL/MS1", "NL/MS2", "NL/MS3"] if MODULES[module].owner is C else ["NL/CP1", "NL/CP2"]
    assert told(us) == ([str(MS2)] if MODULES[module].sending.private else everybody)


def test_who_is_no_longer_registered_is_told_nothing() -> None:
    """CRD-17."""
    _, us, partners = network()
    partners["MS2"].company.registrations.unregister(partners["MS2"].partners()[0])
    us.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    spread(us)

    assert told(us) == ["NL/MS1", "NL/MS3"]


@every_module
def test_who_published_no_endpoint_for_a_module_is_told_nothing_of_it(module: ModuleID) -> None:
    """OFF-02, LOC-32: such a partner pulls."""
    _, us, _ = network()
    for partner in us.partners():
        if partner.party in (Party.of("NL", "MS1"), Party.of("NL", "MS3"), Party.of("NL", "CP1")):
            endpoints = {name: url for name, url in partner.endpoints.items() if name != module}
            us.ports.partners.save(partner.with_changes(endpoints=endpoints))
    for object_id, party in (("X1", "MS1"), ("X2", "MS2")):
        us.company.own_objects[module].put(
            object_id, (), make.object_of(module, object_id), Party(country_code="NL", party_id=party)
        )

    spread(us)
    spread(us)

    other = "NL/MS2" if MODULES[module].owner is C else "NL/CP2"
    assert told(us) == [other] * (1 if MODULES[module].sending.private else 2)


def test_a_partner_that_became_one_after_the_announcement_is_told() -> None:
    """LOC-29."""
    world, us, _ = network()
    us.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    register(world.company("late.example", Party.of("NL", "LAT"), frozenset({Role.EMSP})), us, Role.CPO)

    spread(us)

    assert told(us)[-1] == "NL/LAT"


# --- when ----------------------------------------------------------------------------------------------------------


def announced_first(there: Pair) -> list[Announcement]:
    """The announcement of the tariff T1, which is not written."""
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    ((announcements, _),) = there.cpo.queues.announcements
    there.cpo.queues.announcements.clear()
    stored = there.cpo.ports.stores[TARIFFS].get("ours", "T1")
    assert stored is not None
    there.cpo.ports.stores[TARIFFS].remove("ours", stored)
    return announcements


def test_a_write_that_follows_its_announcement_is_waited_for() -> None:
    """LOC-29: within the same look, without another message."""
    there = pair()
    early = announced_first(there)
    naps: list[float] = []

    def write_meanwhile(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    queues = watched(there.cpo, sleep=write_meanwhile)

    there.cpo.company.fan_out.fan_out(early)

    assert sum(naps) < 1
    assert announced(queues) == early
    assert queues.put_back == []


def test_a_write_that_never_comes_is_looked_for_ever_more_rarely_and_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """LOC-29: what never happened is told to nobody."""
    there = pair()
    early, queues = announced_first(there), watched(there.cpo)

    with caplog.at_level(logging.WARNING):
        there.cpo.company.fan_out.fan_out(early)
        there.cpo.pump()

    assert queues.put_back == [(early, attempt, delay) for attempt, delay in enumerate((1, 5, 15, 60, 300), 1)]
    assert queues.causes == []
    assert "never written" in caplog.text


def test_a_write_that_is_minutes_late_is_told() -> None:
    """LOC-29."""
    there = pair()
    early, queues = announced_first(there), watched(there.cpo)
    there.cpo.company.fan_out.fan_out(early, attempt=3)
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    there.cpo.pump()

    assert [delay for _, _, delay in queues.put_back] == [60]
    assert there.emsp.received(TARIFFS, there.cpo.party, "T1") == there.cpo.company.own_objects[TARIFFS].get("T1")


def test_what_is_written_does_not_wait_for_what_is_not() -> None:
    """LOC-29, TAR-14: and order is kept."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    there.cpo.company.own_objects[LOCATIONS].put("LOC1", (), make.location())
    written = [change(), change(LOCATIONS, "LOC1", path=("E1",), fields=("status",)), change(LOCATIONS, "LOC1")]
    late = [change(version=2), change(LOCATIONS, "LOC2"), change(LOCATIONS, "LOC1", version=7)]
    queues = watched(there.cpo)

    there.cpo.company.fan_out.fan_out(
        [late[0], written[0], late[1], written[1], late[2], written[2]], cause="message 1"
    )

    assert announced(queues) == written
    assert queues.causes == ["message 1"] * 3
    ((put_back, attempt, delay_s),) = queues.put_back
    assert (sorted(put_back, key=late.index), attempt, delay_s) == (late, 1, 1)


def test_a_deletion_is_told_once_the_object_is_gone() -> None:
    """TAR-14."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    gone, queues = change(version=2, removed=True), watched(there.cpo)

    there.cpo.company.fan_out.fan_out([gone])
    assert queues.deliveries == []
    there.cpo.company.own_objects[TARIFFS].delete("T1")
    there.cpo.company.fan_out.fan_out([gone])

    assert announced(queues) == [gone]


def test_a_later_version_covers_an_earlier_announcement() -> None:
    """LOC-29: the worker sends what is then true, and waits for nothing."""
    there, naps = pair(), list[float]()
    own = there.cpo.company.own_objects[TARIFFS]
    for currency in ("EUR", "CHF", "DKK"):
        own.put("T1", (), make.tariff("T1", currency=currency))
    queues = watched(there.cpo, sleep=naps.append)

    there.cpo.company.fan_out.fan_out([change(version=1), change(version=2), change(version=3)])

    assert [each.version for each in announced(queues)] == [1, 2, 3]
    assert naps == []


def test_a_queue_that_fails_leaves_the_message_to_be_repeated() -> None:
    """LOC-29: nothing is put back before the deliveries are out, so a repeated message loses nothing."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    queues = watched(there.cpo)
    run_on(there.cpo, push_queues=Failing(queues, "deliver"))

    with pytest.raises(Broken):
        there.cpo.company.fan_out.fan_out([change(), change(object_id="T2")])
    assert queues.put_back == []

    there.cpo.company.fan_out.fan_out([change(), change(object_id="T2")])
    assert announced(queues) == [change()]
    assert [announcements for announcements, _, _ in queues.put_back] == [[change(object_id="T2")]]
