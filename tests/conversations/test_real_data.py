"""Proves that what a real network publishes travels from a CPO's back end to an eMSP without losing a byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.node.objects import OURS, theirs
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import counters, read_as
from tests.world import Caller, World, crawl, pair

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS

REAL = Path(__file__).parents[3] / "shared" / "docs" / "real"
"""70 locations and 5 tariffs of a German network, where somebody has put them beside this repository."""

DIRECTIONS = "Zufahrt über den Hof,\nSchranke öffnet automatisch.\tTäglich geöffnet"
INVENTED: dict[ModuleID, list[Json]] = {
    TARIFFS: [
        make.tariff(
            "ac",
            elements=[
                {"price_components": [{"type": "ENERGY", "price": 0.59, "step_size": 1}]},
                {
                    "price_components": [{"type": "PARKING_TIME", "price": 4.8, "step_size": 60}],
                    "restrictions": {"start_time": "08:00", "end_time": "19:59", "min_duration": 14460},
                },
                {"price_components": [{"type": "TIME", "price": 0, "step_size": 60}]},
            ],
        )
    ],
    LOCATIONS: [
        make.location(
            "1588625",
            name="LB Brenzstraße 2",
            country="DEU",
            directions=[{"language": "de", "text": DIRECTIONS}],
            operator={"name": "Mobilität GmbH", "website": "www.mobilitaet.example"},
            time_zone="Europe/Berlin",
            opening_times={"twentyfourseven": True},
            charging_when_closed=True,
            energy_mix={"is_green_energy": True},
            evses=[
                make.evse("8976020", evse_id="DE*SLB*E001L10000*001", capabilities=["RFID_READER"]),
                make.evse("8976021", evse_id="DE*SLB*E001L10000*002", status="UNKNOWN"),
            ],
        ),
        make.location("1588626", evses=[], charging_when_closed=False),
    ],
}


def samples() -> list[Any]:
    """The invented sample always, the real one where it is."""
    real = {module: REAL / f"ludwigsburg-{module}.json" for module in (TARIFFS, LOCATIONS)}
    absent = pytest.mark.skipif(
        not all(path.exists() for path in real.values()), reason="no real data beside the repository"
    )
    return [pytest.param(lambda: INVENTED, id="invented"), pytest.param(lambda: read(real), id="real", marks=absent)]


def read(paths: dict[ModuleID, Path]) -> dict[ModuleID, list[Json]]:
    return {module: json.loads(path.read_text()) for module, path in paths.items()}


def significant(value: Json) -> Json:
    """The object without its own stamp, which is ours to give, and with what the spec says by default."""
    default = {"charging_when_closed": True} if "coordinates" in value else {}
    return default | {name: each for name, each in value.items() if name != "last_updated" and each != []}


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("sample", samples())
def test_a_real_network_arrives_whole_at_a_partner(sample: Any, profile: Profile) -> None:
    """LOC-07, LOC-11, TAR-02, LOC-29, PAG-11: in the CPO's store, in the eMSP's, and in the list that others pull."""
    network: dict[ModuleID, list[Json]] = sample()
    world = World()
    world.clock.now = datetime(2026, 6, 1, tzinfo=UTC)
    there = read_as(pair(world), profile)

    for module, values in network.items():
        done = there.cpo.company.own_objects[module].import_all(values)
        assert (done.created, done.failed) == (len(values), ())
    there.pump()

    for module, values in network.items():
        for value in values:
            ours = there.cpo.ports.stores[module].get(OURS, value["id"])
            arrived = there.emsp.ports.stores[module].get(theirs(there.cpo.party), value["id"])
            assert ours is not None
            assert arrived is not None
            assert arrived.body == ours.body
            assert significant(json.loads(ours.body)) == significant(value)
        assert pulled(there.to_cpo, module) == [value["id"] for value in values]
    assert there.cpo.ports.outbox.entries(there.cpo.partners()[0].id) == []
    assert "stale_ignored" not in counters(there)


def pulled(call: Caller, module: ModuleID) -> list[str]:
    """The ids that a partner finds who crawls the list in pages of seven."""
    pages = list(crawl(call, f"/ocpi/cpo/2.1.1/{module}", {"limit": "7"}))
    return [item["id"] for page in pages for item in page.data]


@pytest.mark.parametrize("sample", samples())
def test_importing_the_same_network_again_moves_nothing(sample: Any) -> None:
    """Q-68."""
    network: dict[ModuleID, list[Json]] = sample()
    there = pair()
    for module, values in network.items():
        there.cpo.company.own_objects[module].import_all(values)
    there.pump()
    mark = len(there.world.traffic)
    there.world.clock.pass_(days=1)

    for module, values in network.items():
        again = there.cpo.company.own_objects[module].import_all(values)
        assert (again.unchanged, again.created + again.updated) == (len(values), 0)
    there.pump()

    assert there.world.since(mark) == []
