"""Proves, for objects and patches of every shape, that a receiver keeps what is valid and refuses what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import Level, ModuleID
from chalicelib.ocpi.reading import Profile, read
from tests import strategies as drawn
from tests.node.pushing import LATER, kept, read_as
from tests.world import CLIENT_OWNED, Pair, pair

Json = dict[str, Any]

every_module = pytest.mark.parametrize("module", CLIENT_OWNED)
both_profiles = pytest.mark.parametrize("profile", Profile)

X1 = st.just("X1")


def parts(whole: Json, levels: tuple[Level, ...], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Json]]:
    """The object and every part in it, with its path."""
    found = [(path, whole)]
    for level in levels[1:2]:
        for part in whole.get(level.list_field) or ():
            found += parts(part, levels[1:], (*path, part[level.id_field]))
    return found


@every_module
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_valid_object_survives_a_put_unchanged_at_every_depth(module: ModuleID, data: st.DataObject) -> None:
    """LOC-11, LOC-17, TAR-02, TRA-36: apart from nulls, empty lists and defaults."""
    sent, there = data.draw(drawn.objects(module, X1)), read_as(pair(), Profile.STRICT, module)
    call, expected = there.to_receiver(module), kept(drawn.significant(sent))

    reply = call("PUT", there.at_receiver(module, "X1"), sent)

    assert reply.outcome == (201, 1000)
    for path, part in parts(expected, MODULES[module].levels):
        assert call("GET", there.at_receiver(module, "X1", *path)).data == part


def names(levels: tuple[Level, ...]) -> list[str]:
    """Every field of the object and its parts."""
    return sorted({name for level in levels for name in level.model.model_fields})


def patches(module: ModuleID) -> st.SearchStrategy[Json]:
    """Fields of the module's objects with the values of a valid one, or with anything at all."""
    known = st.sampled_from(names(MODULES[module].levels))
    wild = st.dictionaries(known | drawn.texts(5), drawn.junk, max_size=3)
    tame = drawn.objects(module, X1).flatmap(
        lambda whole: st.lists(st.sampled_from(sorted(whole)), max_size=4).map(
            lambda chosen: {name: whole[name] for name in chosen}
        )
    )
    return st.builds(lambda a, b: a | b, tame, wild | st.just({}))


def is_valid(there: Pair, shown: Json, module: ModuleID, profile: Profile) -> bool:
    """Whether what the receiver shows would be taken again."""
    return bool(read(MODULES[module].model, json.dumps(shown).encode(), profile, there.world.clock.now))


@both_profiles
@every_module
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_patch_leads_to_a_valid_object_or_is_refused_and_changes_nothing(
    module: ModuleID, profile: Profile, data: st.DataObject
) -> None:
    """TRA-22, TRA-16."""
    there = read_as(pair(), profile, module)
    call, top, whole = there.to_receiver(module), there.at_receiver(module, "X1"), data.draw(drawn.objects(module, X1))
    call("PUT", top, whole)
    path, _ = data.draw(st.sampled_from(parts(whole, MODULES[module].levels)))
    before = call("GET", top).data

    patch = data.draw(patches(module) | st.just({"last_updated": LATER}))
    reply = call("PATCH", there.at_receiver(module, "X1", *path), patch)

    assert reply.outcome in ((200, 1000), (200, 2001))
    if reply.code == 2001:
        assert call("GET", top).data == before
    else:
        assert is_valid(there, call("GET", top).data, module, profile)


@every_module
@settings(max_examples=40, deadline=None)
@given(body=drawn.junk | st.binary(max_size=20))
def test_no_body_whatever_is_an_accident(module: ModuleID, body: Any) -> None:
    """TRA-15, TRA-16: never 3000."""
    there = pair()
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    for method in ("PUT", "PATCH"):
        reply = there.to_receiver(module)(method, there.at_receiver(module, "X1"), raw=raw)

        assert reply.outcome in ((400, 2000), (200, 2001), (404, 2000), (404, 2003))
