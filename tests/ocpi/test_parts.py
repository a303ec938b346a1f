"""Parts inside objects: found, replaced, merged and compared by their ids, whatever tree they stand in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.tariffs.interface import TARIFFS
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.parts import Change, Json, Path, difference, find_part, merge_patch, touch_ancestors, with_part
from tests import make

LEVELS = LOCATIONS.levels
STAMPS = st.integers(1, 28).map(lambda day: f"2026-01-{day:02}T00:00:00Z")
IDS = st.sampled_from(("A", "B", "C"))
NOTES = st.fixed_dictionaries({"last_updated": STAMPS}, optional={"note": st.sampled_from("xyz"), "more": st.just([1])})


def parts(id_field: str, inside: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    """A list of parts with different ids."""
    return st.lists(
        st.builds(lambda id_, rest: {id_field: id_} | rest, IDS, inside), max_size=3, unique_by=lambda p: p[id_field]
    )


CONNECTORS = parts("id", NOTES)
EVSES = parts("uid", st.builds(lambda note, inner: note | {"connectors": inner}, NOTES, CONNECTORS))
TREES = st.builds(lambda note, inner: {"id": "L"} | note | {"evses": inner}, NOTES, EVSES)
PATHS = st.lists(IDS, max_size=2).map(tuple)


def anything(*_: object) -> bool:
    return True


def nothing(*_: object) -> bool:
    return False


def test_a_part_is_found_by_the_ids_on_the_way() -> None:
    """LOC-03, LOC-04: a connector of another EVSE is not."""
    location = make.location(evses=[make.evse("E1"), make.evse("E2", connectors=[make.connector("9")])])

    assert find_part(location, LEVELS, ()) is location
    assert find_part(location, LEVELS, ("E2", "9")) == make.connector("9")
    assert find_part(location, LEVELS, ("E1", "9")) is None
    assert find_part(location, LEVELS, ("E3", "9")) is None
    assert find_part(make.tariff(), TARIFFS.levels, ()) == make.tariff()


@given(TREES, PATHS, NOTES)
def test_what_is_put_at_a_path_is_found_there_and_nothing_else_changes(tree: Json, path: Path, note: Json) -> None:
    """TRA-21, TRA-22, LOC-12, LOC-13."""
    if path and find_part(tree, LEVELS, path[:-1]) is None:
        return
    part = {LEVELS[len(path)].id_field: path[-1] if path else "L"} | note

    after = with_part(tree, LEVELS, path, part)

    assert find_part(after, LEVELS, path) == part
    if path:
        elsewhere = {change.path for change in difference(tree, after, LEVELS)}
        assert {other[: len(path)] for other in elsewhere} <= {path}


@given(TREES, PATHS, STAMPS)
def test_a_touch_makes_the_parents_no_older_and_nothing_else_different(tree: Json, path: Path, stamp: str) -> None:
    """LOC-02, LOC-23."""
    after = touch_ancestors(tree, LEVELS, path, stamp)

    assert difference(tree, after, LEVELS) == ()
    for depth in range(3):
        before, now = find_part(tree, LEVELS, path[:depth]), find_part(after, LEVELS, path[:depth])
        if before is not None and now is not None:
            is_parent = depth < len(path)
            assert now["last_updated"] == max(before["last_updated"], stamp if is_parent else "")


@given(TREES, TREES)
def test_the_differences_turn_one_into_the_other(old: Json, new: Json) -> None:
    """TRA-23: but for stamps and the order of parts."""
    result = old
    for change in difference(old, new, LEVELS):
        part, given_ = find_part(new, LEVELS, change.path), find_part(result, LEVELS, change.path) or {}
        assert part is not None
        fields = part if change.fields is None else given_ | {name: part[name] for name in change.fields}
        result = with_part(result, LEVELS, change.path, fields)

    assert difference(result, new, LEVELS) == ()
    assert difference(new, new, LEVELS) == ()


@given(TREES, NOTES)
def test_a_patch_without_parts_changes_its_fields_alone(tree: Json, note: Json) -> None:
    """TRA-22."""
    assert merge_patch(tree, note, LEVELS, nothing) == (tree | note, ())


@given(TREES, EVSES)
def test_fragments_go_into_the_parts_that_they_name(tree: Json, fragments: list[Json]) -> None:
    """TRA-22, Q-45: unknown ones are added if they are complete, and are skipped and named otherwise."""
    known = {evse["uid"] for evse in tree["evses"]}
    unknown = [fragment["uid"] for fragment in fragments if fragment["uid"] not in known]

    added, nobody = merge_patch(tree, {"evses": fragments}, LEVELS, anything)
    kept, skipped = merge_patch(tree, {"evses": fragments}, LEVELS, nothing)

    assert nobody == ()
    assert {evse["uid"] for evse in added["evses"]} == known | set(unknown)
    assert [evse["uid"] for evse in kept["evses"]] == [evse["uid"] for evse in tree["evses"]]
    assert skipped.count("evses[]") == len(unknown)
    for fragment in fragments:
        here = find_part(kept, LEVELS, (fragment["uid"],)) or fragment
        assert {name: here[name] for name in fragment if name != "connectors"} == {
            name: value for name, value in fragment.items() if name != "connectors"
        }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"uid": "E1", "connectors": "garbage"}, {"uid": "E1", "connectors": [{"id": "1"}]}),
        ({"uid": "E1", "status": "CHARGING"}, {"uid": "E1", "status": "AVAILABLE"}),
        ({"uid": "NEW", "connectors": [1]}, {"uid": "NEW", "connectors": [{"id": "1"}]}),
    ],
)
def test_two_fragments_of_one_part_are_refused(first: Json, second: Json) -> None:
    """LOC-08: whether we know the part or not."""
    with pytest.raises(InvalidParameters, match=r"evses\[\] names one uid twice \(LOC-08\)"):
        merge_patch(make.location(), {"evses": [first, second]}, LEVELS, anything)


@given(
    TREES,
    st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(IDS, inner)),
)
def test_fragments_of_any_kind_are_merged_or_skipped(tree: Json, nonsense: Any) -> None:
    """TRA-16: what is no list is left to whoever validates the whole."""
    whole, skipped = merge_patch(tree, {"evses": nonsense}, LEVELS, nothing)

    if isinstance(nonsense, list):
        assert len(skipped) == len(nonsense)
    assert nonsense is None or isinstance(nonsense, list) or whole["evses"] == nonsense


def test_a_field_that_is_gone_makes_a_whole_change() -> None:
    """TRA-21, Q-21: PATCH cannot take a field away."""
    old = make.location(evses=[make.evse(floor_level="1")])

    assert difference(old, make.location(evses=[make.evse()]), LEVELS) == (Change(("E1",)),)
    assert difference(old, make.location(evses=[make.evse(floor_level="2")]), LEVELS) == (
        Change(("E1",), ("floor_level",)),
    )
