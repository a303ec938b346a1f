"""Proves that a partner that takes no PATCH is told everything by PUT, at the same URLs."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parts import find_part
from tests import make
from tests.node.partner import Partner, partner, said
from tests.node.pushing import another_value
from tests.world import CLIENT_OWNED

LOCATIONS = ModuleID.LOCATIONS


def put_only(of: ModuleID = LOCATIONS) -> Partner:
    """A partner of whom the operator has said that it takes no PATCH."""
    there = partner(of=of)
    owner = there.owner
    owner.company.registrations.update(owner.partners()[0], takes_patches=False)
    return there


@pytest.mark.parametrize(
    ("path", "patch"),
    [((), {"city": "Gouda"}), (("E1",), {"status": "CHARGING"}), (("E1", "1"), {"amperage": 16})],
    ids=["location", "evse", "connector"],
)
def test_a_change_is_a_put_of_the_deepest_part(path: tuple[str, ...], patch: dict[str, Any]) -> None:
    """TRA-19, TRA-25, LOC-29: as it is now, with all its fields."""
    there = put_only()
    there.change(path, patch)

    there.there.pump()

    part = find_part(there.own("LOC1"), MODULES[LOCATIONS].levels, path)
    assert there.news() == [("PUT", "/".join(["locations/DE/CPO/LOC1", *path]), part)]
    assert there.held("LOC1") == there.own("LOC1")


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_change_of_one_field_is_a_put_in_every_module(module: ModuleID) -> None:
    """TRA-19, LOC-29, TAR-14, TOK-19, SES-12."""
    there = put_only(module)
    there.there.put_in(module, make.object_of(module, "X1"))
    there.there.pump()
    there.asked.clear()
    name, value = another_value(module)

    there.owner.company.own_objects[module].patch("X1", (), {name: value})
    there.there.pump()

    assert there.news() == [("PUT", f"{module}/{there.owner.party}/X1", there.own("X1", module))]
    assert there.held("X1", module) == there.own("X1", module)


def test_what_it_missed_is_put_too() -> None:
    """Q-57."""
    there = put_only()
    there.will("PUT", said(500, 3000))
    there.change(("E1",), {"status": "CHARGING"})
    there.there.pump()
    there.asked.clear()

    there.there.world.clock.pass_(minutes=2)
    there.owner.look()

    assert there.requests() == ["PUT locations LOC1/E1"]
    assert there.held("LOC1") == there.own("LOC1")
