"""Proves that what the host puts in is neither lost nor doubled: long lists, many at once, and failures half-way."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import MOST_PER_CREATE
from chalicelib.node.owning.own_objects import ImportResult
from chalicelib.ocpi.errors import InvalidParameters, NotFound, ServerError
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.node.faults import Broken, Failing, at_once, run_on, with_failing_stores
from tests.node.pushing import another_value
from tests.world import CLIENT_OWNED, Pair, pair

Json = dict[str, Any]

every_module = pytest.mark.parametrize("module", MODULES)

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS


def listed(there: Pair, module: ModuleID) -> list[str]:
    """The ids in the owner's list, as the partner sees it."""
    every = {"limit": "100", "date_from": "2020-01-01T00:00:00Z"}
    reply = there.to_owner(module)("GET", there.list_at_owner(module), query=every)
    assert int(reply.headers["x-total-count"]) == len(reply.data)
    return [each[MODULES[module].id_field] for each in reply.data]


def arrived(there: Pair, module: ModuleID, object_id: str) -> Json | None:
    """The object at the receiver, after everything that is queued has been told."""
    there.pump()
    key, receiver = MODULES[module].key_of(object_id), there.receiver(module)
    found: Json | None = receiver.received(module, there.owner(module).party, key)
    return found


def import_all(there: Pair, module: ModuleID, values: list[Any]) -> ImportResult:
    """What the owner's host puts in, for the receiver where the module is private."""
    return there.owner(module).company.own_objects[module].import_all(values, there.receiver(module).party)


# --- lists ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_list_is_taken_object_by_object(module: ModuleID) -> None:
    """LOC-29, TAR-14: one bad object does not stop the others."""
    there, (name, value) = pair(), another_value(module)
    good = [make.object_of(module, f"X{n}") for n in range(4)]
    import_all(there, module, good[:2])

    changed, bad, lone = good[1] | {name: value}, good[2] | {name: [17]}, {MODULES[module].id_field: "X9"}
    done = import_all(there, module, [good[0], changed, bad, "no object", lone, good[3], good[3], {name: value}])

    assert (done.created, done.updated, done.unchanged) == (1, 1, 1)
    assert [(place, object_id) for place, object_id, _ in done.failed] == [
        (2, "X2"),
        (3, ""),
        (4, "X9"),
        (6, "X3"),
        (7, ""),
    ]
    assert name in done.failed[0][2]
    assert "stands in the list twice" in done.failed[3][2]
    assert listed(there, module) == ["X0", "X1", "X3"]


def test_an_object_stands_in_a_list_twice_however_far_apart() -> None:
    """PAG-05."""
    own = pair().cpo.company.own_objects[TARIFFS]
    values = [make.tariff(f"T{n}") for n in range(2 * MOST_PER_CREATE)] + [make.tariff("T0", currency="CHF")]

    done = own.import_all(values)

    assert (done.created, done.updated) == (2 * MOST_PER_CREATE, 0)
    assert done.failed == ((2 * MOST_PER_CREATE, "T0", "T0 stands in the list twice"),)
    assert own.get("T0")["currency"] == "EUR"


def test_a_long_list_keeps_its_order_and_can_be_repeated() -> None:
    """PAG-05, Q-68."""
    there = pair()
    own = there.cpo.company.own_objects[TARIFFS]
    values = [make.tariff(f"T{n:03}") for n in range(100)]

    assert own.import_all(values) == ImportResult(created=100)
    there.cpo.queues.announcements.clear()
    assert own.import_all(values) == ImportResult(unchanged=100)

    assert listed(there, TARIFFS) == [f"T{n:03}" for n in range(100)]
    assert there.cpo.queues.announcements == []


def test_a_list_that_is_not_to_be_told_is_found_by_pulling_and_its_next_change_is_told_again() -> None:
    """PAG-05, TOK-19."""
    there = pair()
    tokens = there.emsp.company.own_objects[ModuleID.TOKENS]

    done = tokens.import_all([make.token("K1"), make.token("K2")], push=False)
    there.emsp.pump()

    assert done == ImportResult(created=2)
    assert there.cpo.received(ModuleID.TOKENS, there.emsp.party, "K1") is None
    assert listed(there, ModuleID.TOKENS) == ["K1", "K2"]

    tokens.import_all([make.token("K1", valid=False), make.token("K2")])
    there.emsp.pump()

    received = there.cpo.received(ModuleID.TOKENS, there.emsp.party, "K1")
    assert received is not None
    assert received["valid"] is False
    assert there.cpo.received(ModuleID.TOKENS, there.emsp.party, "K2") is None


def test_unknown_fields_and_doubtful_facts_are_told_and_the_fields_are_not_sent_on() -> None:
    """Q-22, TRA-37, FMT-18."""
    own = pair().cpo.company.own_objects[LOCATIONS]

    done = own.import_all([make.location("LOC1", colour="red", time_zone="Mars/Olympus")])

    assert done.created == 1
    remarks = {(object_id, each.path, each.rule) for object_id, each in done.warnings}
    assert remarks == {("LOC1", "colour", "TRA-37"), ("LOC1", "time_zone", "FMT-18")}
    assert "colour" not in own.get("LOC1")


@pytest.mark.parametrize("call", ["create", "put"])
def test_a_conflict_half_way_through_a_list_does_not_spoil_the_count(call: str) -> None:
    """Q-68."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].import_all([make.tariff("T0"), make.tariff("T1")])
    with_failing_stores(there.cpo, call, error=Conflict)

    done = there.cpo.company.own_objects[TARIFFS].import_all([make.tariff(f"T{n}", currency="CHF") for n in range(4)])

    assert done == ImportResult(created=2, updated=2)


# --- at once -------------------------------------------------------------------------------------------------------


def test_fifty_patches_of_different_evses_at_once_all_survive() -> None:
    """TRA-22, LOC-02: here and at the partner."""
    there = pair()
    own = there.cpo.company.own_objects[LOCATIONS]
    own.put("LOC1", (), make.location(evses=[make.evse(f"E{n}") for n in range(50)]))

    at_once(*(lambda n=n: own.patch("LOC1", (f"E{n}",), {"status": "CHARGING"}) for n in range(50)))

    assert {evse["status"] for evse in own.get("LOC1")["evses"]} == {"CHARGING"}
    assert arrived(there, LOCATIONS, "LOC1") == own.get("LOC1")


@every_module
def test_fifty_creations_at_once_get_a_place_each(module: ModuleID) -> None:
    """PAG-05, PAG-11."""
    there = pair()

    at_once(*(lambda n=n: there.put_in(module, make.object_of(module, f"X{n}")) for n in range(50)))

    assert sorted(listed(there, module)) == sorted(f"X{n}" for n in range(50))


def test_fifty_creations_of_one_object_make_one() -> None:
    """TRA-26."""
    there = pair()
    own, outcomes = there.cpo.company.own_objects[TARIFFS], []

    at_once(*(lambda: outcomes.append(own.put("T1", (), make.tariff("T1")).outcome) for _ in range(50)))

    assert sorted(outcomes) == ["created"] + ["unchanged"] * 49
    assert listed(there, TARIFFS) == ["T1"]


def test_who_never_wins_is_told_to_come_again() -> None:
    """TRA-38."""
    there = pair()
    with_failing_stores(there.cpo, "create", times=1000, error=Conflict)

    with pytest.raises(ServerError, match="send it again"):
        there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))


# --- failures half-way ---------------------------------------------------------------------------------------------


@every_module
def test_a_change_that_cannot_be_announced_is_not_written(module: ModuleID) -> None:
    """LOC-29, TAR-14: the host repeats the call, and nothing was lost."""
    there = pair()
    owner = there.owner(module)
    run_on(owner, push_queues=Failing(owner.queues, "announce"))

    with pytest.raises(Broken):
        there.put_in(module, make.object_of(module, "X1"))
    assert listed(there, module) == []

    assert there.put_in(module, make.object_of(module, "X1")).outcome == "created"
    assert arrived(there, module, "X1") == owner.company.own_objects[module].get("X1")


@every_module
def test_an_announced_object_that_is_not_written_is_told_to_nobody(module: ModuleID) -> None:
    """LOC-29, TAR-14: until the host repeats the call."""
    there = pair()
    owner = there.owner(module)
    with_failing_stores(owner, "create")

    with pytest.raises(Broken):
        there.put_in(module, make.object_of(module, "X1"))
    assert arrived(there, module, "X1") is None
    assert owner.ports.outbox.entries(owner.partners()[0].id) == []

    assert there.put_in(module, make.object_of(module, "X1")).outcome == "created"
    assert arrived(there, module, "X1") == owner.company.own_objects[module].get("X1")


def test_an_announced_change_that_is_not_written_is_not_told() -> None:
    """LOC-29."""
    there = pair()
    there.cpo.company.own_objects[LOCATIONS].put("LOC1", (), make.location())
    before = arrived(there, LOCATIONS, "LOC1")
    with_failing_stores(there.cpo, "put")
    own = there.cpo.company.own_objects[LOCATIONS]

    with pytest.raises(Broken):
        own.patch("LOC1", ("E1",), {"status": "CHARGING"})
    assert arrived(there, LOCATIONS, "LOC1") == before == own.get("LOC1")

    own.patch("LOC1", ("E1",), {"status": "CHARGING"})
    assert arrived(there, LOCATIONS, "LOC1") == own.get("LOC1") != before


@pytest.mark.parametrize("call", ["announce", "remove"])
def test_a_deletion_that_fails_half_way_deletes_nowhere(call: str) -> None:
    """TAR-14, TAR-03."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    before = arrived(there, TARIFFS, "T1")
    if call == "announce":
        run_on(there.cpo, push_queues=Failing(there.cpo.queues, call))
    else:
        with_failing_stores(there.cpo, call)
    own = there.cpo.company.own_objects[TARIFFS]

    with pytest.raises(Broken):
        own.delete("T1")
    assert arrived(there, TARIFFS, "T1") == before == own.get("T1")

    own.delete("T1")
    assert arrived(there, TARIFFS, "T1") is None


# --- what is not there ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("object_id", ["", "x" * 256, "unknown"])
def test_what_we_do_not_have_is_not_found(object_id: str) -> None:
    """LOC-04."""
    own = pair().cpo.company.own_objects[LOCATIONS]

    for attempt in (
        lambda: own.get(object_id),
        lambda: own.patch(object_id, (), {"name": "x"}),
        lambda: own.put(object_id, ("E1",), make.evse("E1")),
        lambda: own.delete(object_id),
    ):
        with pytest.raises(NotFound, match="we have no such Location"):
            attempt()


@pytest.mark.parametrize("object_id", ["", "x" * 40, "x" * 2000])
def test_an_id_that_no_partner_could_address_is_refused(object_id: str) -> None:
    """FMT-10, LOC-07."""
    with pytest.raises(InvalidParameters, match="id"):
        pair().cpo.company.own_objects[LOCATIONS].put(object_id, (), make.location(object_id))
