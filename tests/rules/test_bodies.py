"""What a body may leave out, add and change: required and optional fields, null, unknown fields, PUT and PATCH."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.oracle import Field
from tests.rules.receiving import CREATED, MODULE_OF, REFUSED, receiving
from tests.specimens import Path, at, complete, named, places, put, without
from tests.world import pair

NAMES = tuple(MODULE_OF)
EVERYWHERE = [(name, path, field) for name in NAMES for path, field in places(name) if field.name != "regular_hours"]
"""Without the one field that is required by the value of another (LOC-25)."""
REQUIRED = [place for place in EVERYWHERE if place[2].is_required]
OPTIONAL = [place for place in EVERYWHERE if not place[2].is_required]
STAND_INS = {"last_updated", "twentyfourseven"}
"""What a lenient partner may leave out (Q-31, Q-44)."""

every_module = pytest.mark.parametrize("module", MODULES)
each_profile = pytest.mark.parametrize("profile", Profile)


def each(found: list[tuple[str, Path, Field]]) -> pytest.MarkDecorator:
    ids = [f"{name}.{named(path)}" for name, path, _ in found]
    return pytest.mark.parametrize(("name", "path", "field"), found, ids=ids)


# --- required ----------------------------------------------------------------------------------------------------


@each(REQUIRED)
@each_profile
def test_a_put_without_a_required_field_is_refused(name: str, path: Path, field: Field, profile: Profile) -> None:
    """TRA-16, TRA-20, TRA-36: also when it is null; nothing changes."""
    node = receiving(profile)
    whole = complete(name)
    node.put(name, whole)
    forgiven = profile is Profile.LENIENT and field.name in STAND_INS

    null = node.put(name, put(whole, path, None))
    unchanged = node.held(name) == whole
    missing = node.put(name, without(whole, path))

    assert null.outcome == REFUSED
    assert f"{named(path)} is " in null.message
    assert unchanged
    assert missing.outcome == ((200, 1000) if forgiven else REFUSED)
    assert (f"{named(path)} is missing (TRA-20)" in missing.message) is not forgiven
    assert node.held(name) == whole or forgiven


@each([place for place in REQUIRED if place[2].is_list])
@each_profile
def test_a_list_that_needs_one_element_is_not_empty(name: str, path: Path, field: Field, profile: Profile) -> None:
    """TRA-36, LOC-09, TAR-06."""
    node = receiving(profile)

    reply = node.put(name, put(complete(name), path, []))

    assert reply.outcome == REFUSED
    assert f"{named(path)} is an empty list (TRA-36)" in reply.message
    assert node.held(name) is None


@each(EVERYWHERE)
def test_a_misspelled_field_is_a_missing_one(name: str, path: Path, field: Field) -> None:
    """TRA-35, TRA-37: names are case sensitive, so another case is an unknown field beside."""
    strict = receiving(Profile.STRICT)
    misspelled = without(put(complete(name), (*path[:-1], field.name.upper()), at(complete(name), path)), path)

    reply = strict.put(name, misspelled)

    assert reply.outcome == (REFUSED if field.is_required else CREATED)
    assert (f"{named(path)} is missing (TRA-20)" in reply.message) is field.is_required


# --- optional ----------------------------------------------------------------------------------------------------


@each(OPTIONAL)
def test_null_empty_and_omitted_are_one(name: str, path: Path, field: Field) -> None:
    """TRA-36: and what is left out is answered as left out, or as its default."""
    whole, held = complete(name), []
    spellings = [without(whole, path), put(whole, path, None)] + ([put(whole, path, [])] if field.is_list else [])

    for spelled in spellings:
        strict = receiving(Profile.STRICT)
        assert strict.put(name, spelled).outcome == CREATED
        assert strict.counted() == set()
        held.append(strict.held(name))

    default = True if field.name == "charging_when_closed" else None
    assert [at(one, path) for one in held] == [default] * len(held)
    assert held[1:] == held[:-1]


@each([place for place in OPTIONAL if len(place[1]) == 1])
def test_a_put_replaces(name: str, path: Path, field: Field) -> None:
    """TRA-21: what it leaves out is gone, or its default; only the EVSEs that cannot be deleted stay (Q-29)."""
    strict, whole = receiving(Profile.STRICT), complete(name)
    strict.put(name, whole)

    reply = strict.put(name, without(whole, path))

    stays = {"evses": whole.get("evses"), "charging_when_closed": True}
    assert reply.outcome == (200, 1000)
    assert at(strict.held(name), path) == stays.get(field.name)


# --- unknown -----------------------------------------------------------------------------------------------------


@every_module
@each_profile
def test_unknown_fields_are_taken_and_kept(module: ModuleID, profile: Profile) -> None:
    """TRA-37, Q-22: at every depth, for whoever knows them."""
    nodes = receiving(profile)
    value = make.object_of(module, country_code="NL", foo={"bar": [1, None, "x"]})
    if module is ModuleID.LOCATIONS:
        value["evses"][0]["connectors"][0]["max_power"] = 11000

    reply = nodes.pair.to_emsp("PUT", nodes.pair.at_emsp(module, "X1"), value)

    held = nodes.pair.emsp.received(module, nodes.pair.cpo.party, "X1")
    assert reply.outcome == CREATED
    assert held.items() >= value.items()
    assert nodes.counted() == set()


@every_module
def test_unknown_fields_are_not_sent(module: ModuleID) -> None:
    """Q-22: what the host puts in beside is dropped, and named."""
    nodes = pair()

    kept = nodes.cpo.company.own[module].put("X1", (), make.object_of(module, foo=1))
    nodes.pump()

    assert [(remark.path, remark.rule) for remark in kept.remarks] == [("foo", "TRA-37")]
    assert "foo" not in nodes.emsp.received(module, nodes.cpo.party, "X1")


# --- not JSON ----------------------------------------------------------------------------------------------------

NOT_JSON = [b"", b"   ", b"{", b'{"id":"X1"', b"{'id':'X1'}", b"[1,]", b"{}{}", b"id=X1", b"[" * 10_000]
NOT_JSON += [b"NaN", b'{"a":Infinity}', b'"\xff"', b'{"a":"\xc3"}', b'{"a":"\x01"}']
NOT_JSON += [b'\xef\xbb\xbf{"id":"X1"}', '{"id":"X1"}'.encode("utf-16")]
UNUSABLE = [b'{"id":"X1","id":"X1"}', b'{"a":"\\ud800"}', b'{"a":1e999}', b"9" * 5000]
UNUSABLE += [b"[" * depth + b"]" * depth for depth in (300, 10_000)]
UNUSABLE += [b"null", b"true", b"1", b'"X1"', b"[]", b"[{}]"]


@every_module
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:16]))
def test_a_body_that_is_not_json_is_400(module: ModuleID, method: str, body: bytes) -> None:
    """TRA-15: nothing is stored."""
    nodes = pair()
    nodes.to_emsp("PUT", nodes.at_emsp(module, "X1"), make.object_of(module))
    before = nodes.emsp.received(module, nodes.cpo.party, "X1")

    reply = nodes.to_emsp(method, nodes.at_emsp(module, "X1"), raw=body)

    assert reply.outcome == (400, 2000)
    assert nodes.emsp.received(module, nodes.cpo.party, "X1") == before


@every_module
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: repr(body[:16]))
def test_json_that_is_no_such_object_is_2001(module: ModuleID, method: str, body: bytes) -> None:
    """TRA-16: decision 4."""
    nodes = pair()
    nodes.to_emsp("PUT", nodes.at_emsp(module, "X1"), make.object_of(module))
    before = nodes.emsp.received(module, nodes.cpo.party, "X1")

    reply = nodes.to_emsp(method, nodes.at_emsp(module, "X1"), raw=body)

    assert reply.outcome == REFUSED
    assert nodes.emsp.received(module, nodes.cpo.party, "X1") == before


# --- ids and PATCH -----------------------------------------------------------------------------------------------

DEPTHS: list[tuple[str, tuple[str, ...], str, dict[str, Any]]] = [
    ("locations", ("X1",), "id", make.location("X1")),
    ("locations", ("X1", "E1"), "uid", make.evse("E1")),
    ("locations", ("X1", "E1", "1"), "id", make.connector("1")),
    ("tariffs", ("X1",), "id", make.tariff("X1")),
]
each_depth = pytest.mark.parametrize(("module", "steps", "id_field", "value"), DEPTHS, ids=lambda part: str(part)[:20])


@each_depth
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_id_than_the_urls_is_2001(
    module: str, steps: tuple[str, ...], id_field: str, value: dict[str, Any], method: str
) -> None:
    """TRA-31: nothing is stored under either id, whether the object is there or not."""
    nodes = pair()
    url, other = nodes.at_emsp(module, *steps), nodes.at_emsp(module, *steps[:-1], "other")
    nodes.to_emsp("PUT", nodes.at_emsp(module, "X1"), make.object_of(module))

    reply = nodes.to_emsp(method, url, {**value, id_field: "other"})
    elsewhere = nodes.to_emsp("PUT", other, value)

    assert (reply.outcome, elsewhere.outcome) == (REFUSED, REFUSED)
    assert f"{id_field} is not the id in the URL (TRA-31)" in reply.message
    assert nodes.to_emsp("GET", url).data.items() >= value.items()
    assert nodes.to_emsp("GET", other).status == 404


@each_depth
def test_a_patch_changes_the_given_fields_alone(
    module: str, steps: tuple[str, ...], id_field: str, value: dict[str, Any]
) -> None:
    """TRA-22: the others stay as they are to the letter."""
    nodes = pair()
    url, stamp = nodes.at_emsp(module, *steps), "2026-02-02T00:00:00Z"
    nodes.to_emsp("PUT", nodes.at_emsp(module, "X1"), make.object_of(module))
    before = nodes.to_emsp("GET", url).data
    fields = {"id": {"currency": "SEK"} if module == "tariffs" else {"tariff_id": "T9"}, "uid": {"status": "CHARGING"}}
    change = fields[id_field] if len(steps) != 1 or module == "tariffs" else {"name": "Other"}

    reply = nodes.to_emsp("PATCH", url, change | {"last_updated": stamp})

    assert reply.outcome == (200, 1000)
    assert json.dumps(nodes.to_emsp("GET", url).data, sort_keys=True) == json.dumps(
        before | change | {"last_updated": stamp}, sort_keys=True
    )


@each_depth
def test_a_patch_of_nothing_is_404_and_creates_nothing(
    module: str, steps: tuple[str, ...], id_field: str, value: dict[str, Any]
) -> None:
    """TRA-17, TRA-24."""
    nodes = pair()
    url = nodes.at_emsp(module, *steps)

    patched = nodes.to_emsp("PATCH", url, value)

    assert patched.outcome == (404, 2003 if module == "locations" else 2000)
    assert nodes.to_emsp("GET", url).outcome == patched.outcome
