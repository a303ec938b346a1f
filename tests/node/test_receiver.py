"""Proves what a receiver answers and keeps, at every depth of every module. Spec: Client owned object push."""

from __future__ import annotations

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import DEPTHS, LATER, Depth, Pushing, kept, pushing
from tests.world import CLIENT_OWNED, Caller, World, pair, register

every_depth = pytest.mark.parametrize("depth", DEPTHS, ids=str)
every_module = pytest.mark.parametrize("module", CLIENT_OWNED)
parts_only = pytest.mark.parametrize("depth", [depth for depth in DEPTHS if depth.path], ids=str)
both_profiles = pytest.mark.parametrize("profile", Profile)


def other_id(there: Pushing) -> tuple[str, dict[str, object]]:
    """The URL of a sibling that does not exist, and what to PUT there."""
    *above, _ = there.depth.path or ("",)
    steps, id_field = (*above, "NEW") if there.depth.path else (), there.depth.level.id_field
    url = there.url(*steps) if steps else there.url(id="NEW")
    return url, there.depth.part | {id_field: "NEW"}


@every_depth
def test_a_put_creates_once_and_replaces_from_then_on(depth: Depth) -> None:
    """TRA-26, TRA-27, LOC-11, LOC-12, LOC-13, TAR-02."""
    there = pushing(depth)
    url, part = other_id(there)

    outcomes = [there.call("PUT", url, part).outcome for _ in range(2)]

    assert outcomes == [(201, 1000), (200, 1000)]


@every_depth
def test_what_was_put_is_what_get_shows(depth: Depth) -> None:
    """LOC-17, TRA-17, TAR-02."""
    there = pushing(depth)
    name, value = depth.optional
    part = depth.part | {name: value}

    there("PUT", part)

    assert there.held == kept(part)


@every_depth
def test_a_put_forgets_the_optional_fields_that_it_leaves_out(depth: Depth) -> None:
    """TRA-21."""
    there = pushing(depth)
    name, value = depth.optional
    there("PUT", depth.part | {name: value})
    assert there.held[name] == value

    there("PUT", depth.part)

    assert name not in there.held


@both_profiles
@every_depth
def test_a_put_that_lacks_a_required_field_changes_nothing(depth: Depth, profile: Profile) -> None:
    """TRA-19, TRA-20, LOC-21: in the lenient profile only the stamp may be missing (Q-31)."""
    there = pushing(depth, profile)
    before = there.held
    required = [name for name, field in depth.level.model.model_fields.items() if field.is_required()]

    for name in required:
        incomplete = {key: value for key, value in depth.part.items() if key != name}
        forgiven = name == "last_updated" and profile is Profile.LENIENT
        reply = there("PUT", incomplete)

        assert reply.outcome == ((200, 1000) if forgiven else (200, 2001)), name
        assert forgiven or name in reply.message
        assert there.held == before or forgiven


@both_profiles
@every_depth
def test_a_null_in_a_required_field_is_a_missing_field(depth: Depth, profile: Profile) -> None:
    """TRA-36, TRA-20."""
    there = pushing(depth, profile)
    before = there.held

    reply = there("PUT", depth.part | {depth.required[0]: None})

    assert reply.outcome == (200, 2001)
    assert there.held == before


@every_depth
def test_a_put_that_was_refused_creates_nothing(depth: Depth) -> None:
    """TRA-16, TRA-20."""
    there = pushing(depth)
    url, part = other_id(there)

    reply = there.call("PUT", url, part | {depth.required[0]: 17.5, "last_updated": "yesterday"})

    assert reply.outcome == (200, 2001)
    assert there.call("GET", url).status == 404


@every_depth
def test_a_patch_changes_only_what_it_names(depth: Depth) -> None:
    """TRA-22, LOC-15."""
    there = pushing(depth)
    before, (name, value) = there.held, depth.required

    reply = there("PATCH", {name: value, "last_updated": LATER})

    assert reply.outcome == (200, 1000)
    assert there.held == before | {name: value, "last_updated": LATER}


@every_depth
def test_a_patch_of_what_is_not_there_is_404_and_creates_nothing(depth: Depth) -> None:
    """TRA-24, LOC-16, Q-46."""
    there = pushing(depth)
    url, part = other_id(there)

    reply = there.call("PATCH", url, part)

    assert reply.status == 404
    assert reply.code == (2003 if depth.module.identifier is ModuleID.LOCATIONS else 2000)
    assert there.call("GET", url).status == 404


@parts_only
def test_a_part_of_what_is_not_there_is_404_and_creates_nothing(depth: Depth) -> None:
    """LOC-14, LOC-17."""
    there = pair()
    url = there.at_emsp(depth.module.identifier, "X1", *depth.path)

    for method in ("GET", "PUT", "PATCH"):
        assert there.to_emsp(method, url, depth.part).outcome == (404, 2003)

    assert there.to_emsp("GET", there.at_emsp(depth.module.identifier, "X1")).status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_connector_of_an_evse_that_is_not_there_is_404_and_makes_none_up(method: str) -> None:
    """LOC-14, LOC-16: also where its location is there."""
    there = pair()
    location = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", location, make.location("LOC1"))
    before = there.to_emsp("GET", location).data

    reply = there.to_emsp(method, there.at_emsp("locations", "LOC1", "E9", "1"), make.connector("1"))

    assert reply.outcome == (404, 2003)
    assert there.to_emsp("GET", location).data == before


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@every_depth
def test_another_id_than_the_urls_is_refused(depth: Depth, method: str) -> None:
    """TRA-31, LOC-22, TAR-05."""
    there = pushing(depth)
    url, part = other_id(there)
    before = there.whole

    reply = there(method, part | {"last_updated": LATER})

    assert reply.outcome == (200, 2001)
    assert f"{depth.level.model.__name__}.{depth.level.id_field}" in reply.message
    assert there.whole == before
    assert there.call("GET", url).status == 404


@every_depth
def test_a_patch_may_repeat_the_id_of_the_url(depth: Depth) -> None:
    """LOC-22, TRA-23."""
    there = pushing(depth)
    name, value = depth.required

    reply = there("PATCH", {depth.level.id_field: depth.part[depth.level.id_field], name: value, "last_updated": LATER})

    assert reply.outcome == (200, 1000)
    assert there.held[name] == value


@pytest.mark.parametrize("foreign", ["NL/BBB", "DE/XXX", "GERMANY/CPO", "DE/CPOX", "NL/MSPX", "the receiver's own"])
@every_depth
def test_nobody_reaches_the_objects_of_another_party(depth: Depth, foreign: str) -> None:
    """TRA-30, TAR-05."""
    there = pushing(depth)
    before = there.whole
    owner, receiver = (side(depth.module.identifier).party for side in (there.pair.owner, there.pair.receiver))
    url = there.url(*depth.path).replace(f"/{owner}/", f"/{receiver if 'own' in foreign else foreign}/")

    for method in ("GET", "PUT", "PATCH"):
        assert there.call(method, url, depth.part).outcome == (404, 2000)

    assert there.whole == before


@every_depth
def test_the_party_in_the_url_may_be_in_any_letter_case(depth: Depth) -> None:
    """TRA-30, Q-33."""
    there = pushing(depth)
    name, value = depth.required

    owner = str(there.pair.owner(depth.module.identifier).party)
    url = there.url(*depth.path).replace(f"/{owner}/", f"/{owner.title()}/")
    assert url != there.url(*depth.path)

    reply = there.call("PATCH", url, {name: value})

    assert reply.outcome == (200, 1000)
    assert there.held[name] == value


@every_depth
def test_other_methods_are_405_with_those_that_are_allowed(depth: Depth) -> None:
    """TRA-29, LOC-18, TAR-02, TRA-18."""
    there = pushing(depth)
    deletable = depth.module.deletable and not depth.path
    allowed = ["GET", "PUT", "PATCH", *(["DELETE"] if deletable else [])]

    refused = [there(method, depth.part) for method in ("POST", "DELETE") if method not in allowed]

    assert [reply.outcome for reply in refused] == [(405, 2000)] * (1 if deletable else 2)
    assert [reply.headers["allow"] for reply in refused] == [", ".join([*allowed, "OPTIONS"])] * len(refused)
    assert there.held


@every_depth
def test_options_is_answered_without_a_body(depth: Depth) -> None:
    """Q-26."""
    there = pushing(depth)

    response = there("OPTIONS").response

    assert (response.status, response.body) == (204, b"")


@pytest.mark.parametrize("raw", [b"", b"{", b'{"id": "X1"', b"\xff\xfe", b'{"name": "\xc3'])
@every_depth
def test_a_body_that_is_not_json_is_400(depth: Depth, raw: bytes) -> None:
    """TRA-15."""
    there = pushing(depth)
    before = there.held

    assert [there(method, raw=raw).status for method in ("PUT", "PATCH")] == [400, 400]

    assert there.held == before


@pytest.mark.parametrize("body", [[], "text", 17, True, [{"status": "CHARGING"}]], ids=str)
@every_depth
def test_json_that_is_no_object_is_2001(depth: Depth, body: object) -> None:
    """TRA-16, TRA-22."""
    there = pushing(depth)
    before = there.held

    assert [there(method, body).outcome for method in ("PUT", "PATCH")] == [(200, 2001), (200, 2001)]

    assert there.held == before


@every_module
def test_equal_ids_of_two_owners_are_two_objects(module: ModuleID) -> None:
    """TRA-32, TRA-06."""
    world, role = World(), MODULES[module].owner
    us = world.company("us.example", Party.of("NL", "US1"), frozenset({role.other}))
    owners = [
        world.company(f"{name}.example", Party(country_code="DE", party_id=name), frozenset({role}))
        for name in ("ONE", "TWO")
    ]
    for owner in owners:
        register(us, owner, role)
    calls = [Caller(world, "us.example", token.secret) for o in owners if (token := o.partners()[0].token_we_send)]
    urls = [f"/ocpi/{role.other}/2.1.1/{module}/DE/{name}/1" for name in ("ONE", "TWO")]

    for call, url, stamp in zip(calls, urls, ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), strict=True):
        assert call("PUT", url, make.object_of(module, "1", last_updated=stamp)).outcome == (201, 1000)

    assert [call("GET", url).data["last_updated"] for call, url in zip(calls, urls, strict=True)] == [
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
    ]
    assert calls[0]("GET", urls[1]).status == 404
