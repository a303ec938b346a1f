"""Objects: what is written is read, and a writer who read something else is told so."""

from __future__ import annotations

import pytest

from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import OURS, ObjectStore, theirs
from chalicelib.ocpi.paging import Window
from chalicelib.ocpi.parties import Party
from tests.stores.crawling import at, crawled, drop, fill, make, touch

THEM = theirs(Party.of("NL", "TNM"))


def test_an_unknown_object_is_none(objects: ObjectStore) -> None:
    assert objects.get(THEM, "LOC1") is None
    assert objects.get_many(THEM, ["LOC1"]) == {}
    assert objects.get_many(THEM, []) == {}
    assert objects.list_by_owner(THEM, None, 10) == []


def test_a_received_object_is_read_as_it_was_written(objects: ObjectStore) -> None:
    stored = make("LOC1", 1.234, list_name=None, metadata={"absent": {"E1": {"uid": "É"}}, "marks": ["a"]})

    objects.put(THEM, stored)

    assert objects.get(THEM, "LOC1") == stored


def test_a_moment_is_kept_to_the_millisecond(objects: ObjectStore) -> None:
    objects.put(THEM, make("LOC1", 0.1239, list_name=None))

    kept = objects.get(THEM, "LOC1")

    assert kept
    assert kept.last_updated == at(0.123)


def test_owners_do_not_see_each_others_objects(objects: ObjectStore) -> None:
    """TRA-32."""
    objects.put(THEM, make("LOC1", list_name=None))

    assert objects.get(OURS, "LOC1") is None
    assert objects.get(theirs(Party.of("DE", "TNM")), "LOC1") is None


def test_a_write_replaces_everything_but_the_list(objects: ObjectStore) -> None:
    objects.put(THEM, make("LOC1", 1, list_name=None, metadata={"deleted_at": "now"}))
    later = make("LOC1", 2, list_name=None, filler="more", version=2)

    objects.put(THEM, later)

    assert objects.get(THEM, "LOC1") == later


def test_a_write_over_another_version_is_a_conflict(objects: ObjectStore) -> None:
    objects.put(THEM, make("LOC1", list_name=None))
    objects.put(THEM, make("LOC1", list_name=None, version=2))

    for version in (1, 2, 4):
        with pytest.raises(Conflict):
            objects.put(THEM, make("LOC1", list_name=None, version=version))


def test_a_new_state_of_nothing_is_a_conflict(objects: ObjectStore) -> None:
    with pytest.raises(Conflict):
        objects.put(THEM, make("LOC1", list_name=None, version=2))


def test_many_objects_are_read_at_once(objects: ObjectStore) -> None:
    names = fill(objects, 105)

    found = objects.get_many(OURS, [*names, names[0], "NONE"])

    assert found.keys() == set(names)
    assert found["L0007"] == make("L0007", 7)


def test_ids_may_be_anything_that_partners_use(objects: ObjectStore) -> None:
    names = ["a/b", "Ä Ö", "日本" * 40, "x" * 255, "*", "#list", ":v", "%2F"]
    for name in names:
        objects.put(THEM, make(name, list_name=None))

    assert set(objects.get_many(THEM, names)) == set(names)
    assert [one.id for one in objects.list_by_owner(THEM, None, 100)] == sorted(names, key=str.encode)


def test_received_objects_come_in_the_order_of_their_ids(objects: ObjectStore) -> None:
    for number in (3, 1, 2, 5, 4):
        objects.put(THEM, make(f"LOC{number}", list_name=None))

    first = objects.list_by_owner(THEM, None, 2)
    second = objects.list_by_owner(THEM, first[-1].id, 2)
    third = objects.list_by_owner(THEM, second[-1].id, 2)

    assert [[one.id for one in some] for some in (first, second, third)] == [
        ["LOC1", "LOC2"],
        ["LOC3", "LOC4"],
        ["LOC5"],
    ]
    assert objects.list_by_owner(THEM, "LOC5", 2) == []
    assert [one.id for one in objects.list_by_owner(THEM, "LOC35", 2)] == ["LOC4", "LOC5"]


def test_a_received_object_can_be_removed_once(objects: ObjectStore) -> None:
    stored = make("LOC1", list_name=None)
    objects.put(THEM, stored)

    objects.remove(THEM, stored)

    assert objects.get(THEM, "LOC1") is None
    with pytest.raises(Conflict):
        objects.remove(THEM, stored)


def test_removing_another_version_is_a_conflict(objects: ObjectStore) -> None:
    stored = make("LOC1", list_name=None)
    objects.put(THEM, stored)
    objects.put(THEM, make("LOC1", list_name=None, version=2))

    with pytest.raises(Conflict):
        objects.remove(THEM, stored)


# --- our own -----------------------------------------------------------------------------------------------------


def test_a_created_object_is_read_as_it_was_written(objects: ObjectStore) -> None:
    stored = make("LOC1", 1.5, metadata={"a": 1})

    objects.create([stored])

    assert objects.get(OURS, "LOC1") == stored


def test_an_own_object_keeps_its_list_and_place_when_it_changes(objects: ObjectStore) -> None:
    fill(objects, 3)

    touch(objects, "L0000", 10)

    kept = objects.get(OURS, "L0000")
    assert kept == make("L0000", 10, version=2)
    assert crawled(objects, Window()) == ["L0000", "L0001", "L0002"]


def test_creating_nothing_does_nothing(objects: ObjectStore) -> None:
    objects.create([])

    assert objects.page("all", Window()).total == 0


def test_an_object_is_created_once(objects: ObjectStore) -> None:
    fill(objects, 3)

    with pytest.raises(Conflict):
        objects.create([make("NEW1"), make("L0001"), make("NEW2")])

    assert crawled(objects, Window()) == ["L0000", "L0001", "L0002"]
    assert objects.get(OURS, "NEW1") is None


def test_the_same_id_twice_in_one_creation_is_a_conflict(objects: ObjectStore) -> None:
    with pytest.raises(Conflict):
        objects.create([make("LOC1"), make("LOC1")])


def test_as_many_as_one_transaction_takes_are_created_in_order(objects: ObjectStore) -> None:
    """PAG-05."""
    names = fill(objects, 99)

    assert crawled(objects, Window(limit=10)) == names


def test_lists_are_counted_apart(objects: ObjectStore) -> None:
    fill(objects, 3, list_name="p1", prefix="A")
    fill(objects, 2, list_name="p2", prefix="B")

    assert crawled(objects, Window(), "p1") == ["A0000", "A0001", "A0002"]
    assert objects.page("p2", Window()).total == 2
    assert objects.page("p3", Window()).total == 0


def test_the_newest_object_takes_the_place_of_a_removed_one(objects: ObjectStore) -> None:
    fill(objects, 5)

    drop(objects, "L0001")

    assert crawled(objects, Window()) == ["L0000", "L0004", "L0002", "L0003"]
    assert objects.page("all", Window()).total == 4


def test_removing_the_newest_object_moves_nothing(objects: ObjectStore) -> None:
    fill(objects, 3)

    drop(objects, "L0002")

    assert crawled(objects, Window()) == ["L0000", "L0001"]


def test_a_list_can_be_emptied_and_filled_again(objects: ObjectStore) -> None:
    for name in fill(objects, 3):
        drop(objects, name)

    assert objects.page("all", Window()).total == 0
    assert crawled(objects, Window()) == []

    assert crawled(objects, Window()) == [] != fill(objects, 2)
    assert crawled(objects, Window()) == ["L0000", "L0001"]


def test_an_own_object_that_changed_is_not_removed(objects: ObjectStore) -> None:
    fill(objects, 2)
    stored = objects.get(OURS, "L0000")
    assert stored
    touch(objects, "L0000", 5)

    with pytest.raises(Conflict):
        objects.remove(OURS, stored)

    assert objects.page("all", Window()).total == 2


def test_an_own_object_that_is_gone_is_not_removed_again(objects: ObjectStore) -> None:
    fill(objects, 2)
    stored = objects.get(OURS, "L0000")
    assert stored
    objects.remove(OURS, stored)

    with pytest.raises(Conflict):
        objects.remove(OURS, stored)

    assert crawled(objects, Window()) == ["L0001"]
