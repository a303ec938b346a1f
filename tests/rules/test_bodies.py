"""What a body may leave out, add and change: required and optional fields, null, unknown fields, PUT and PATCH."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.oracle import Field
from tests.rules.every import CHANGE, as_read, every_module, sent_to
from tests.rules.receiving import CREATED, REFUSED, receiving
from tests.specimens import ROOTS, Path, at, complete, named, own_places, put, without
from tests.world import CLIENT_OWNED, Reply, pair

Json = Any

EVERYWHERE = [
    (name, path, field) for name in ROOTS for path, field in own_places(name) if field.name != "regular_hours"
]
"""Without the one field that is required by the value of another (LOC-25)."""
REQUIRED = [place for place in EVERYWHERE if place[2].is_required]
OPTIONAL = [place for place in EVERYWHERE if not place[2].is_required]
STAND_INS = {"last_updated", "twentyfourseven"}
"""What a lenient partner may leave out (Q-31, Q-44)."""

each_profile = pytest.mark.parametrize("profile", Profile)


def each(found: list[tuple[str, Path, Field]]) -> pytest.MarkDecorator:
    ids = [f"{name}.{named(path)}" for name, path, _ in found]
    return pytest.mark.parametrize(("name", "path", "field"), found, ids=ids)


# --- required ----------------------------------------------------------------------------------------------------


@each(REQUIRED)
@each_profile
def test_a_put_without_a_required_field_is_refused(name: str, path: Path, field: Field, profile: Profile) -> None:
    """TRA-16, TRA-20, TRA-36, SES-07, CDR-10, TOK-05: also when it is null; nothing changes."""
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
    """TRA-36, LOC-09, TAR-06, CDR-11."""
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
    nodes = pair()
    side = nodes.receiver(module)
    side.company.registrations.update(side.partners()[0], profile=profile)
    value = make.object_of(module, country_code="NL", foo={"bar": [1, None, "x"]})
    inner = value if module is ModuleID.LOCATIONS else value.get("location")
    if inner:
        inner["evses"][0]["connectors"][0]["max_power"] = 11000
    counted = side.ports.partners.counters(side.partners()[0].id)

    reply = sent_to(nodes, module, value)

    assert reply.outcome == CREATED
    assert nodes.to_receiver(module)("GET", nodes.at_receiver(module, "X1")).data == as_read(module, value)
    assert side.ports.partners.counters(side.partners()[0].id) == counted


def test_unknown_fields_are_kept_beside_a_breach_that_is_forgiven() -> None:
    """TRA-37, Q-22: the breach alone is counted."""
    node, price = receiving(Profile.LENIENT), ("elements", 0, "price_components", 0, "price")

    reply = node.put("Tariff", put(complete("Tariff"), price, "2.00") | {"foo": {"bar": 1}})

    assert reply.outcome == CREATED
    assert node.held("Tariff")["foo"] == {"bar": 1}
    assert node.counted() == {("FMT-06", "elements[].price_components[].price")}


@every_module
def test_unknown_fields_are_not_sent(module: ModuleID) -> None:
    """Q-22: what the host puts in beside is dropped, and named."""
    nodes = pair()

    kept = nodes.put_in(module, make.object_of(module, foo=1))
    nodes.pump()

    assert [(remark.path, remark.rule) for remark in kept.warnings] == [("foo", "TRA-37")]
    assert "foo" not in nodes.to_receiver(module)("GET", nodes.at_receiver(module, "X1")).data


# --- not JSON ----------------------------------------------------------------------------------------------------

NOT_JSON = [b"", b"   ", b"{", b'{"id":"X1"', b"{'id':'X1'}", b"[1,]", b"{}{}", b"id=X1", b"[" * 10_000]
NOT_JSON += [b"NaN", b'{"a":Infinity}', b'"\xff"', b'{"a":"\xc3"}', b'{"a":"\x01"}']
NOT_JSON += [b'\xef\xbb\xbf{"id":"X1"}', '{"id":"X1"}'.encode("utf-16")]
UNUSABLE = [b'{"id":"X1","id":"X1"}', b'{"a":"\\ud800"}', b'{"a":1e999}', b"9" * 5000]
UNUSABLE += [b"[" * depth + b"]" * depth for depth in (300, 10_000)]
UNUSABLE += [b"null", b"true", b"1", b'"X1"', b"[]", b"[{}]"]


SENDING = [(module, method) for module in CLIENT_OWNED for method in ("PUT", "PATCH")] + [(ModuleID.CDRS, "POST")]
each_way_to_send = pytest.mark.parametrize(("module", "method"), SENDING)


def refused(module: ModuleID, method: str, body: bytes) -> Reply:
    """The answer to these bytes, which must not change what is there."""
    nodes = pair()
    sent_to(nodes, module, make.object_of(module))
    call, url = nodes.to_receiver(module), nodes.at_receiver(module, "X1")
    before = call("GET", url).data

    reply = call(method, nodes.at_receiver(module) if method == "POST" else url, raw=body)

    assert call("GET", url).data == before
    return reply


@each_way_to_send
@pytest.mark.parametrize("body", NOT_JSON, ids=lambda body: repr(body[:16]))
def test_a_body_that_is_not_json_is_400(module: ModuleID, method: str, body: bytes) -> None:
    """TRA-15: nothing is stored."""
    assert refused(module, method, body).outcome == (400, 2000)


@each_way_to_send
@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: repr(body[:16]))
def test_json_that_is_no_such_object_is_2001(module: ModuleID, method: str, body: bytes) -> None:
    """TRA-16: decision 4."""
    assert refused(module, method, body).outcome == REFUSED


# --- ids and PATCH -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Depth:
    """One kind of URL of a client-owned object or part, what stands there, and a change of it."""

    module: ModuleID
    steps: tuple[str, ...]
    value: Json
    change: Json

    @property
    def id_field(self) -> str:
        return "uid" if "uid" in self.value else "id"

    def __str__(self) -> str:
        return f"{self.module} {len(self.steps)}"


DEPTHS = [Depth(module, ("X1",), make.object_of(module), CHANGE[module]) for module in CLIENT_OWNED]
DEPTHS += [
    Depth(ModuleID.LOCATIONS, ("X1", "E1"), make.evse("E1"), {"status": "CHARGING"}),
    Depth(ModuleID.LOCATIONS, ("X1", "E1", "1"), make.connector("1"), {"tariff_id": "T9"}),
]
each_depth = pytest.mark.parametrize("depth", DEPTHS, ids=str)


@each_depth
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_another_id_than_the_urls_is_2001(depth: Depth, method: str) -> None:
    """TRA-31, LOC-22, SES-06, TAR-05, TOK-03: nothing is stored under either id, whether the object is there or not."""
    nodes = pair()
    call = nodes.to_receiver(depth.module)
    url, other = (nodes.at_receiver(depth.module, *depth.steps[:-1], step) for step in (depth.steps[-1], "other"))
    sent_to(nodes, depth.module, make.object_of(depth.module))
    before = call("GET", url).data

    reply = call(method, url, {**depth.value, depth.id_field: "other"})
    elsewhere = call("PUT", other, depth.value)

    assert (reply.outcome, elsewhere.outcome) == (REFUSED, REFUSED)
    assert f"{depth.id_field} is not the id in the URL (TRA-31)" in reply.message
    assert call("GET", url).data == before
    assert call("GET", other).status == 404


@each_depth
def test_a_patch_changes_the_given_fields_alone(depth: Depth) -> None:
    """TRA-22, LOC-15, SES-04: the others stay as they are to the letter."""
    nodes = pair()
    call, stamp = nodes.to_receiver(depth.module), "2026-02-02T00:00:00Z"
    url = nodes.at_receiver(depth.module, *depth.steps)
    sent_to(nodes, depth.module, make.object_of(depth.module))
    before = call("GET", url).data

    reply = call("PATCH", url, depth.change | {"last_updated": stamp})

    assert reply.outcome == (200, 1000)
    assert json.dumps(call("GET", url).data, sort_keys=True) == json.dumps(
        before | depth.change | {"last_updated": stamp}, sort_keys=True
    )


@each_depth
def test_a_patch_of_nothing_is_404_and_creates_nothing(depth: Depth) -> None:
    """TRA-17, TRA-24, LOC-16, SES-04, TAR-03, TOK-01."""
    nodes = pair()
    call, url = nodes.to_receiver(depth.module), nodes.at_receiver(depth.module, *depth.steps)

    patched = call("PATCH", url, depth.value)

    assert patched.outcome == (404, 2003 if depth.module is ModuleID.LOCATIONS else 2000)
    assert call("GET", url).outcome == patched.outcome
