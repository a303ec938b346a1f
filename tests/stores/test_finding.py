"""Objects by another key than their id: found under what they say now, whoever owns them, the latest change first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.node.objects import MOST_INDEX_HITS, OURS, IndexHit, ObjectStore, StoredObject, theirs
from chalicelib.ocpi.paging import Window
from chalicelib.ocpi.parties import Party
from tests.stores.crawling import at, crawled, make

MSP, TNM = theirs(Party.of("NL", "MSP")), theirs(Party.of("DE", "TNM"))


def card(
    uid: str, second: float = 0, *, auth_id: str = "NL-1", list_name: str | None = None, version: int = 1
) -> StoredObject:
    """A token that can be found by its uid in upper case, and by its contract."""
    keys = {"by_uid": uid.upper(), "by_auth_id": auth_id}
    return make(uid, second, list_name=list_name, keys=keys, version=version)


def found(store: ObjectStore, index: str, key: str, limit: int = MOST_INDEX_HITS) -> list[tuple[str, str]]:
    """The owners and ids."""
    return [(each.owner, each.stored.id) for each in store.find(index, key, limit)]


def test_what_nobody_has_is_not_found(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1"))

    assert tokens.find("by_uid", "B2") == []
    assert tokens.find("by_uid", "a1") == []
    assert tokens.find("by_auth_id", "A1") == []


def test_an_object_is_found_whole_by_each_of_its_keys(tokens: ObjectStore) -> None:
    stored = replace(card("a1", 1.5), metadata={"authorization": {"allowed": "BLOCKED"}})

    tokens.put(MSP, stored)

    assert tokens.find("by_uid", "A1") == tokens.find("by_auth_id", "NL-1") == [IndexHit(MSP, stored)]


def test_objects_of_all_owners_are_found_with_whose_they_are(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1", 1))
    tokens.put(TNM, card("A1", 2))
    tokens.create([card("A1", 3, list_name="all")])

    assert found(tokens, "by_uid", "A1") == [(OURS, "A1"), (TNM, "A1"), (MSP, "A1")]


def test_the_latest_change_comes_first(tokens: ObjectStore) -> None:
    for name, second in (("A", 2), ("B", 0.5), ("C", 3), ("D", 0.501)):
        tokens.put(MSP, card(name, second))
    tokens.put(MSP, card("B", 10, version=2))

    assert [object_id for _, object_id in found(tokens, "by_auth_id", "NL-1")] == ["B", "C", "A", "D"]


def test_no_more_are_found_than_asked_for_and_those_are_the_latest(tokens: ObjectStore) -> None:
    for number in range(MOST_INDEX_HITS + 5):
        tokens.put(MSP, card(f"K{number:03}", number))

    assert [object_id for _, object_id in found(tokens, "by_auth_id", "NL-1", 2)] == ["K054", "K053"]
    assert len(tokens.find("by_auth_id", "NL-1")) == MOST_INDEX_HITS


def test_under_a_key_that_it_has_no_longer_an_object_is_not_found(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1", auth_id="NL-1"))

    tokens.put(MSP, card("A1", 1, auth_id="NL-2", version=2))

    assert tokens.find("by_auth_id", "NL-1") == []
    assert found(tokens, "by_auth_id", "NL-2") == found(tokens, "by_uid", "A1") == [(MSP, "A1")]


def test_keys_that_are_taken_away_are_gone(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1"))

    bare = make("A1", 1, list_name=None, version=2)
    tokens.put(MSP, bare)

    assert tokens.get(MSP, "A1") == bare
    assert tokens.find("by_uid", "A1") == tokens.find("by_auth_id", "NL-1") == []

    tokens.put(MSP, card("A1", 2, version=3))
    assert found(tokens, "by_uid", "A1") == [(MSP, "A1")]


def test_one_key_may_go_while_the_other_stays(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1"))

    tokens.put(MSP, replace(card("A1", version=2), keys={"by_uid": "A1"}))

    assert tokens.find("by_auth_id", "NL-1") == []
    assert found(tokens, "by_uid", "A1") == [(MSP, "A1")]


@pytest.mark.parametrize("index", ["by_uid", "by_auth_id"])
def test_an_object_without_a_key_is_found_by_none(tokens: ObjectStore, index: str) -> None:
    tokens.put(MSP, make("A1", list_name=None))
    tokens.create([make("A2")])

    assert tokens.find(index, "") == []


def test_a_removed_object_is_not_found(tokens: ObjectStore) -> None:
    tokens.put(MSP, card("A1"))
    tokens.create([card("A1", list_name="all")])

    tokens.remove(MSP, card("A1"))
    assert found(tokens, "by_uid", "A1") == [(OURS, "A1")]

    tokens.remove(OURS, card("A1", list_name="all"))
    assert tokens.find("by_uid", "A1") == []


@pytest.mark.parametrize("key", ["x" * 36, "Ä/ö 日本", "#list", ":key", "*", " "])
def test_keys_may_be_anything_that_partners_use(tokens: ObjectStore, key: str) -> None:
    tokens.put(MSP, card("A1", auth_id=key))

    assert found(tokens, "by_auth_id", key) == [(MSP, "A1")]


# --- what an object carries beside its body ------------------------------------------------------------------------


def test_keys_and_what_is_known_beside_the_body_survive_every_way_of_writing(tokens: ObjectStore) -> None:
    first = [
        replace(card(uid, list_name="all"), metadata={"turn": {"at": "now"}, "É": [1, None]}) for uid in ("A", "B")
    ]
    tokens.create(first)
    changed = replace(first[0], version=2, last_updated=at(5), metadata={"posted": {"url": None}})

    tokens.put(OURS, changed)

    assert tokens.get(OURS, "A") == changed
    assert tokens.get_many(OURS, ["A", "B"]) == {"A": changed, "B": first[1]}
    assert tokens.list_by_owner(OURS, None, 5) == [changed, first[1]]


def test_an_own_object_without_anything_beside_its_body_has_nothing(tokens: ObjectStore) -> None:
    tokens.create([replace(card("A", list_name="all"), metadata={"a": 1})])

    tokens.put(OURS, make("A", 1, version=2))

    assert tokens.get(OURS, "A") == make("A", 1, version=2)


# --- a list per party ----------------------------------------------------------------------------------------------


def fill_two(store: ObjectStore) -> None:
    """Objects for NL/MSP and DE/TNM in turns, one in each second."""
    for number in range(6):
        store.create([card(f"K{number}", number, list_name="NL/MSP" if number % 2 else "DE/TNM")])


def test_lists_in_one_table_have_ranks_and_counts_of_their_own(tokens: ObjectStore) -> None:
    fill_two(tokens)

    for limit in (1, 2, 10):
        assert crawled(tokens, Window(limit=limit), "NL/MSP") == ["K1", "K3", "K5"]
        assert crawled(tokens, Window(limit=limit), "DE/TNM") == ["K0", "K2", "K4"]
        assert crawled(tokens, Window(limit=limit, date_from=at(2)), "NL/MSP") == ["K3", "K5"]
        assert crawled(tokens, Window(limit=limit, date_to=at(3)), "DE/TNM") == ["K0", "K2"]
    assert [tokens.page(name, Window()).total for name in ("NL/MSP", "DE/TNM", "all", "NL/TNM")] == [3, 3, 0, 0]
    assert tokens.page("NL/MSP", Window(date_from=at(2))).total == 2


def test_what_is_removed_from_one_list_moves_nothing_in_another(tokens: ObjectStore) -> None:
    fill_two(tokens)

    tokens.remove(OURS, card("K1", 1, list_name="NL/MSP"))
    tokens.create([card("K6", 6, list_name="NL/MSP")])

    assert crawled(tokens, Window(limit=1), "NL/MSP") == ["K5", "K3", "K6"]
    assert crawled(tokens, Window(limit=1), "DE/TNM") == ["K0", "K2", "K4"]
    assert [tokens.page(name, Window()).total for name in ("NL/MSP", "DE/TNM")] == [3, 3]


def test_a_change_leaves_an_object_in_its_list(tokens: ObjectStore) -> None:
    fill_two(tokens)

    tokens.put(OURS, card("K1", 20, auth_id="NL-9", list_name="DE/TNM", version=2))

    kept = tokens.get(OURS, "K1")
    assert kept
    assert (kept.list, kept.keys["by_auth_id"]) == ("NL/MSP", "NL-9")
    assert crawled(tokens, Window(), "NL/MSP") == ["K1", "K3", "K5"]
    assert crawled(tokens, Window(), "DE/TNM") == ["K0", "K2", "K4"]
    assert crawled(tokens, Window(limit=1, date_from=at(4)), "NL/MSP") == ["K5", "K1"]
