"""Proves that a partner ends up with what we have, whatever the host does and whatever happens on the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chalicelib.modules import MODULES
from chalicelib.node.owning.own_objects import OwnObjects
from chalicelib.node.pushing.messages import Delivery, RetryDue
from chalicelib.ocpi.errors import ClientError
from chalicelib.ocpi.module import Level, ModuleID
from chalicelib.ocpi.parts import difference, find_part
from chalicelib.ocpi.reading import Profile
from tests import make
from tests import strategies as drawn
from tests.node.pushing import counters, kept, read_as
from tests.world import CLIENT_OWNED, CompanyInWorld, Pair, pair

Json = dict[str, Any]

LOCATIONS, TARIFFS, TOKENS = ModuleID.LOCATIONS, ModuleID.TARIFFS, ModuleID.TOKENS
IDS = {LOCATIONS: ["LOC1", "LOC2"], TARIFFS: ["T1"], TOKENS: ["K1"]}
E, C = st.sampled_from(["E1", "E2", "E3"]), st.sampled_from(["1", "2"])


def some_fields(fields: Any, options: Any) -> st.SearchStrategy[Json]:
    """A PATCH: some of the fields, with values of their own or null."""
    every = {name: values for name, values in {**fields, **options}.items() if name != "evses"}
    return st.fixed_dictionaries({}, optional=every)


Edit = tuple[str, ModuleID, str, tuple[str, ...], Json]

edits: st.SearchStrategy[Edit] = st.one_of(
    st.sampled_from(IDS[LOCATIONS]).flatmap(
        lambda id_: st.one_of(
            st.tuples(st.just("put"), st.just(LOCATIONS), st.just(id_), st.just(()), drawn.locations(st.just(id_))),
            E.flatmap(
                lambda uid: st.tuples(
                    st.just("put"), st.just(LOCATIONS), st.just(id_), st.just((uid,)), drawn.evses(st.just(uid))
                )
            ),
            st.tuples(E, C).flatmap(
                lambda path: st.tuples(
                    st.just("put"), st.just(LOCATIONS), st.just(id_), st.just(path), drawn.connectors(st.just(path[1]))
                )
            ),
            st.tuples(
                st.just("patch"),
                st.just(LOCATIONS),
                st.just(id_),
                st.just(()),
                some_fields(drawn.location_fields, drawn.location_options),
            ),
            st.tuples(
                st.just("patch"),
                st.just(LOCATIONS),
                st.just(id_),
                st.tuples(E),
                some_fields(drawn.evse_fields, drawn.evse_options),
            ),
            st.tuples(
                st.just("patch"),
                st.just(LOCATIONS),
                st.just(id_),
                st.tuples(E, C),
                some_fields(drawn.connector_fields, drawn.connector_options),
            ),
        )
    ),
    st.tuples(st.just("put"), st.just(TARIFFS), st.just("T1"), st.just(()), drawn.tariffs(st.just("T1"))),
    st.tuples(
        st.just("patch"),
        st.just(TARIFFS),
        st.just("T1"),
        st.just(()),
        some_fields(drawn.tariff_fields, drawn.tariff_options),
    ),
    st.tuples(st.just("put"), st.just(TOKENS), st.just("K1"), st.just(()), drawn.tokens(st.just("K1"))),
    st.tuples(st.just("patch"), st.just(TOKENS), st.just("K1"), st.just(()), some_fields(drawn.token_fields, {})),
    st.tuples(st.just("delete"), st.just(TARIFFS), st.just("T1"), st.just(()), st.just({})),
)


def apply(own: OwnObjects, edit: Edit) -> None:
    """Do as the host asks; what is not valid or not there it is told."""
    verb, _, object_id, path, value = edit
    try:
        if verb == "put":
            own.put(object_id, path, value)
        elif verb == "patch":
            own.patch(object_id, path, value)
        else:
            own.delete(object_id)
    except ClientError:
        pass


def ordered(whole: Json | None, levels: tuple[Level, ...]) -> Json | None:
    """The object with its parts in the order of their ids: their order has no meaning."""
    inner = levels[1] if len(levels) > 1 else None
    if whole is None or inner is None or inner.list_field not in whole:
        return whole
    parts = [ordered(part, levels[1:]) or {} for part in whole[inner.list_field]]
    return whole | {inner.list_field: sorted(parts, key=lambda part: str(part[inner.id_field]))}


def assert_equal(there: Pair) -> None:
    """Each has exactly the objects that the other owns."""
    for module, ids in IDS.items():
        owner, receiver = there.owner(module), there.receiver(module)
        for object_id in ids:
            stored = owner.ports.stores[module].get("ours", object_id)
            ours = owner.company.own_objects[module].get(object_id) if stored else None
            assert receiver.received(module, owner.party, object_id) == ours


def by_chance(data: st.DataObject, what: str) -> bool:
    return data.draw(st.booleans(), label=what)


def deliver_some(owner: CompanyInWorld, data: st.DataObject) -> None:
    """Some runs of each worker: objects in any order, each object's own deliveries in theirs."""
    queues = owner.queues
    while queues.announcements and by_chance(data, "spread"):
        announcements, attempt = queues.announcements.pop(0)
        owner.company.fan_out.fan_out(announcements, attempt)
    while queues.deliveries and by_chance(data, "take another"):
        heads = {lane(each): each for each in reversed(queues.deliveries)}
        head = heads[data.draw(st.sampled_from(sorted(heads)), label="of")]
        queues.deliveries.remove(head)
        owner.deliver(head)


def lane(asked: Delivery | RetryDue) -> tuple[str, str]:
    """What keeps its order."""
    return ("", "") if isinstance(asked, RetryDue) else (asked.announcement.module, asked.announcement.id)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_partner_has_what_we_have_in_the_end(data: st.DataObject) -> None:
    """LOC-29, TAR-14, TOK-19, TRA-19, TRA-23, LOC-23: edits and deliveries in any order, some while they are down."""
    there = read_as(read_as(pair(), Profile.STRICT), Profile.STRICT, TOKENS)
    two = [make.evse("E1", connectors=[make.connector("1"), make.connector("2")]), make.evse("E2")]
    there.cpo.company.own_objects[LOCATIONS].put("LOC1", (), make.location("LOC1", evses=two))
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    for edit in data.draw(st.lists(edits, min_size=1, max_size=6), label="edits"):
        owner = there.owner(edit[1])
        apply(owner.company.own_objects[edit[1]], edit)
        if by_chance(data, "down"):
            there.world.down.update(("cpo.example", "emsp.example"))
        deliver_some(owner, data)
        there.world.down.clear()
        there.world.clock.pass_(seconds=data.draw(st.sampled_from([0, 1, 90]), label="pause"))
    there.pump()
    there.world.clock.pass_(days=1)
    for each in (there.cpo, there.emsp):
        each.look()

    assert_equal(there)
    for each in (there.cpo, there.emsp):
        assert each.ports.outbox.entries(each.partners()[0].id) == []
    assert "stale_ignored" not in counters(there) | counters(there, TOKENS)


@pytest.mark.parametrize("module", CLIENT_OWNED)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_differs_is_all_that_a_receiver_has_to_be_told(module: ModuleID, data: st.DataObject) -> None:
    """TRA-22, TRA-23, LOC-29: the changes alone make the old object the new one."""
    there, levels = pair(), MODULES[module].levels
    call = there.to_receiver(module)
    two = [data.draw(drawn.objects(module, st.just("X1"))) for _ in range(2)]
    old, new = (kept(drawn.significant(each)) for each in two)
    # What is final does not start again, whatever a receiver is told.
    assume(not MODULES[module].sending.is_final(old))
    call("PUT", there.at_receiver(module, "X1"), old)

    for change in difference(old, new, levels):
        part = find_part(new, levels, change.path)
        assert part is not None
        is_whole = MODULES[module].sending.never_patched.intersection(change.fields or ())
        fields = None if is_whole else change.fields
        method, body = ("PUT", part) if fields is None else ("PATCH", {name: part[name] for name in fields})
        url = there.at_receiver(module, "X1", *change.path)
        told = {name: value for name, value in body.items() if name != "last_updated"}
        call(method, url, told)

    held = call("GET", there.at_receiver(module, "X1")).data
    lost = {each["uid"] for each in old.get("evses", ())} - {each["uid"] for each in new.get("evses", ())}
    if lost and "evses" not in new:
        # PUT without EVSEs keeps them; our own never lose one, they become REMOVED.
        held = {name: value for name, value in held.items() if name != "evses"}
    assert without_stamps(ordered(held, levels)) == without_stamps(ordered(new, levels))


def without_stamps(value: Any) -> Any:
    """The value without any ``last_updated``."""
    if isinstance(value, dict):
        return {name: without_stamps(each) for name, each in value.items() if name != "last_updated"}
    return [without_stamps(each) for each in value] if isinstance(value, list) else value
