"""Locations that lack what drivers can do without: taken where the operator says so, and nowhere else."""

from __future__ import annotations

from typing import Any, Final

import pytest

from chalicelib.modules import MODULES
from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID, stand_ins_of
from chalicelib.ocpi.reading import Profile, read_value
from tests import make
from tests.rules.receiving import CREATED, MODEL_OF, NOW, REFUSED, Receiving, counted_as, receiving
from tests.specimens import Path, at, complete, named, own_places, put, without

Json = Any

CONNECTOR = ("evses", 0, "connectors", 0)
STAND_INS: Final[dict[Path, Any]] = {
    ("type",): "UNKNOWN",
    ("postal_code",): "",
    (*CONNECTOR, "power_type"): "UNKNOWN",
    (*CONNECTOR, "voltage"): 0,
    (*CONNECTOR, "amperage"): 0,
}
NEVER = [
    path
    for path, field in own_places("Location")
    if field.is_required and path not in STAND_INS and field.name not in {"last_updated", "twentyfourseven"}
]
BARE_CONNECTOR = {"id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "last_updated": make.STAMP}

each_field = pytest.mark.parametrize("path", STAND_INS, ids=named)


def accepting(profile: Profile = Profile.LENIENT) -> Receiving:
    """A reader whose operator lets the partner leave things out."""
    node = receiving(profile)
    node.pair.emsp.company.registrations.update(node.partner, accept_incomplete_locations=True)
    return node


@each_field
def test_a_field_that_may_be_missing_is_stood_in_for_and_counted(path: Path) -> None:
    """Q-31, TRA-20: once, for the stand-in's own faults are none of theirs."""
    node = accepting()

    reply = node.put("Location", without(complete("Location"), path))

    assert reply.outcome == CREATED
    assert at(node.held("Location"), path) == STAND_INS[path]
    assert node.counted() == {("TRA-20", counted_as(path))}


@each_field
def test_null_is_missing(path: Path) -> None:
    """Q-31, TRA-36."""
    node = accepting()

    reply = node.put("Location", put(complete("Location"), path, None))

    assert reply.outcome == CREATED
    assert at(node.held("Location"), path) == STAND_INS[path]
    assert {place for _, place in node.counted()} == {counted_as(path)}


@each_field
@pytest.mark.parametrize("node", [receiving(Profile.LENIENT), receiving(Profile.STRICT)], ids=["lenient", "strict"])
def test_it_is_refused_where_the_operator_does_not_say_so(path: Path, node: Receiving) -> None:
    """Q-31, TRA-20."""
    reply = node.put("Location", without(complete("Location"), path))

    assert reply.outcome == REFUSED
    assert f"Location: {named(path)} is missing (TRA-20)" in reply.message


@each_field
def test_it_is_refused_in_strict_whatever_the_operator_says(path: Path) -> None:
    """Q-31, TRA-20."""
    assert accepting(Profile.STRICT).put("Location", without(complete("Location"), path)).outcome == REFUSED


@pytest.mark.parametrize("path", NEVER, ids=named)
def test_any_other_required_field_must_be_there(path: Path) -> None:
    """Q-31, TRA-20."""
    reply = accepting().put("Location", without(complete("Location"), path))

    assert reply.outcome == REFUSED
    assert named(path) in reply.message


def test_the_setting_can_be_taken_back() -> None:
    """Q-31."""
    node, incomplete = accepting(), without(complete("Location"), ("type",))
    node.pair.emsp.company.registrations.update(node.partner, accept_incomplete_locations=False)

    assert node.put("Location", incomplete).outcome == REFUSED


def test_parts_on_their_own_may_be_incomplete_too() -> None:
    """Q-31, LOC-12, LOC-13: an EVSE, and a connector."""
    node = accepting()
    node.put("Location", make.location("x"))
    evse = make.evse("E2", connectors=[BARE_CONNECTOR])

    added = node.pair.to_emsp("PUT", node.pair.at_emsp("locations", "x", "E2"), evse)
    replaced = node.pair.to_emsp("PUT", node.pair.at_emsp("locations", "x", "E1", "1"), BARE_CONNECTOR)

    stand_ins = {"power_type": "UNKNOWN", "voltage": 0, "amperage": 0}
    assert (added.outcome, replaced.outcome) == (CREATED, (200, 1000))
    assert [one["connectors"] for one in node.held("Location")["evses"]] == [[BARE_CONNECTOR | stand_ins]] * 2
    fields = [f"{inside}{field}" for inside in ("", "connectors[].") for field in stand_ins]
    assert node.counted() == {("TRA-20", field) for field in fields}


@pytest.mark.parametrize("accepts", [True, False])
def test_a_fragment_of_a_patch_adds_an_incomplete_evse_only_where_that_is_accepted(*, accepts: bool) -> None:
    """Q-31, Q-45: otherwise it is skipped and counted."""
    node = accepting() if accepts else receiving(Profile.LENIENT)
    node.put("Location", make.location("x"))
    fragment = make.evse("E2", connectors=[BARE_CONNECTOR])

    reply = node.pair.to_emsp("PATCH", node.pair.at_emsp("locations", "x"), {"evses": [fragment]})

    assert reply.outcome == (200, 1000)
    assert len(node.held("Location")["evses"]) == (2 if accepts else 1)
    assert (("Q-45", "evses[]") in node.counted()) is not accepts


def test_what_was_stood_in_for_can_be_patched_away() -> None:
    """TRA-22: and is not counted again by a PATCH of something else."""
    node = accepting()
    node.put("Location", make.location("x", evses=[make.evse("E1", connectors=[BARE_CONNECTOR])]))
    before, url = node.counted(), node.pair.at_emsp("locations", "x", "E1", "1")

    other = node.pair.to_emsp("PATCH", url, {"tariff_id": "T1"})
    counted = node.counted()
    mended = node.pair.to_emsp("PATCH", url, {"power_type": "DC", "voltage": 400, "amperage": 125})

    assert (other.outcome, mended.outcome) == ((200, 1000), (200, 1000))
    assert counted == before
    assert at(node.held("Location"), (*CONNECTOR, "power_type")) == "DC"


@pytest.mark.parametrize("module", [module for module in MODULES if module is not ModuleID.LOCATIONS])
def test_no_other_module_has_anything_that_may_be_missing(module: ModuleID) -> None:
    """Q-31: CDR and token fields never."""
    assert stand_ins_of(MODULES[module].levels) == {}


@pytest.mark.parametrize("name", ["Session", "CDR"])
@pytest.mark.parametrize("path", STAND_INS, ids=named)
def test_the_location_in_a_session_or_cdr_must_be_complete(name: str, path: Path) -> None:
    """Q-31: even if somebody read it with what stands in for parts of a Location."""
    incomplete = without(complete(name), ("location", *path))

    with pytest.raises(InvalidParameters, match=r"location\..*is missing \(TRA-20\)"):
        read_value(MODEL_OF[name], incomplete, Profile.LENIENT, NOW, stand_ins=stand_ins_of(LOCATIONS.levels))
