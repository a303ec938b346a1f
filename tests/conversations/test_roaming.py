"""Tells the story of a CPO and an eMSP that roam: from the first handshake to the day the eMSP was down."""

from __future__ import annotations

from typing import Any

from chalicelib.modules.locations.driver_view import driver_view
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.world import Caller, CompanyInWorld, Traffic, World, register

Json = dict[str, Any]

LOCATIONS, TARIFFS = ModuleID.LOCATIONS, ModuleID.TARIFFS

DAY, NIGHT = make.tariff("DAY"), make.tariff("NIGHT", elements=[make.tariff()["elements"][0]])
SQUARE = make.location("SQUARE", evses=[make.evse("S1"), make.evse("S2")])
HARBOUR = make.location("HARBOUR", evses=[make.evse("H1", connectors=[make.connector("1", tariff_id="DAY")])])


class Story:
    """A CPO and an eMSP that have not met yet."""

    def __init__(self) -> None:
        self.world = World()
        self.cpo = self.world.company("cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}))
        self.emsp = self.world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}))
        self._mark = 0

    def opened(self) -> Story:
        """They have met, and the CPO's first tariffs and locations have arrived."""
        register(self.emsp, self.cpo, Role.CPO)
        self.cpo.company.own_objects[TARIFFS].import_all([DAY, NIGHT])
        self.cpo.company.own_objects[LOCATIONS].import_all([SQUARE, HARBOUR])
        self.cpo.pump()
        self.world.clock.pass_(hours=1)
        self.heard()
        return self

    def heard(self) -> list[str]:
        """What the eMSP was asked since the last look."""
        new, self._mark = self.world.traffic[self._mark :], len(self.world.traffic)
        return [f"{each.request.method} {_short(each)}" for each in new if each.host == "emsp.example"]

    def told(self) -> list[Json]:
        """The bodies of the same, without the stamp that each has."""
        bodies = [each.json for each in self.world.traffic[self._mark :] if each.host == "emsp.example"]
        assert all(body.pop("last_updated") for body in bodies)
        return bodies

    def agree(self) -> bool:
        """Whether the eMSP has exactly the CPO's objects."""
        return all(
            _bodies(self.cpo, module, self.cpo.party, object_id)
            == _bodies(self.emsp, module, self.cpo.party, object_id)
            for module, ids in ((LOCATIONS, ("SQUARE", "HARBOUR")), (TARIFFS, ("DAY", "NIGHT")))
            for object_id in ids
        )


def _short(traffic: Traffic) -> str:
    return traffic.path.removeprefix("/ocpi/emsp/2.1.1/").replace("/DE/CPO/", " ")


def _bodies(company: CompanyInWorld, module: ModuleID, party: Party, object_id: str) -> bytes | None:
    owner = "ours" if company.party == party else f"theirs/{party}"
    stored = company.ports.stores[module].get(owner, object_id)
    return None if stored is None or stored.metadata.get("deleted_at") else stored.body


def test_they_meet_and_the_emsp_learns_what_there_is() -> None:
    """LOC-29, TAR-14, LOC-32: pushed, so nobody pulls."""
    story = Story()

    register(story.emsp, story.cpo, Role.CPO)
    story.cpo.company.own_objects[TARIFFS].import_all([DAY, NIGHT])
    story.cpo.company.own_objects[LOCATIONS].import_all([SQUARE, HARBOUR])
    story.heard()
    story.cpo.pump()

    assert story.heard() == ["PUT tariffs DAY", "PUT tariffs NIGHT", "PUT locations SQUARE", "PUT locations HARBOUR"]
    assert story.agree()
    assert not [each for each in story.world.traffic if each.host == "cpo.example" and "/locations" in each.path]


def test_a_car_comes_and_goes() -> None:
    """LOC-29, LOC-02, Q-45: the status at EVSE depth, nothing else."""
    story = Story().opened()

    for status in ("CHARGING", "AVAILABLE"):
        story.cpo.company.own_objects[LOCATIONS].patch("SQUARE", ("S2",), {"status": status})
        story.cpo.pump()

        assert story.told() == [{"status": status}]
        assert story.heard() == ["PATCH locations SQUARE/S2"]
        assert story.agree()


def test_a_connector_gets_another_tariff() -> None:
    """LOC-29, LOC-02, LOC-23: three stamps here, three stamps there."""
    story = Story().opened()

    story.cpo.company.own_objects[LOCATIONS].patch("HARBOUR", ("H1", "1"), {"tariff_id": "NIGHT"})
    story.cpo.pump()

    assert story.told() == [{"tariff_id": "NIGHT"}]
    assert story.heard() == ["PATCH locations HARBOUR/H1/1"]
    assert story.agree()
    harbour = story.emsp.received(LOCATIONS, story.cpo.party, "HARBOUR")
    evse = harbour["evses"][0]
    assert harbour["last_updated"] == evse["last_updated"] == evse["connectors"][0]["last_updated"] != make.STAMP


def test_an_evse_is_taken_away_and_then_the_last_one() -> None:
    """LOC-30, LOC-19, LOC-20: drivers see less, the eMSP forgets nothing."""
    story = Story().opened()

    story.cpo.company.own_objects[LOCATIONS].put("SQUARE", (), SQUARE | {"evses": SQUARE["evses"][1:]})
    story.cpo.pump()

    assert story.told() == [{"status": "REMOVED"}]
    assert story.heard() == ["PATCH locations SQUARE/S1"]
    square = story.emsp.received(LOCATIONS, story.cpo.party, "SQUARE")
    assert [evse["uid"] for evse in (driver_view(square, {}) or {})["evses"]] == ["S2"]

    story.cpo.company.own_objects[LOCATIONS].patch("SQUARE", ("S2",), {"status": "REMOVED"})
    story.cpo.pump()

    square = story.emsp.received(LOCATIONS, story.cpo.party, "SQUARE")
    assert driver_view(square, {}) is None
    assert [evse["uid"] for evse in square["evses"]] == ["S1", "S2"]
    assert story.agree()


def test_a_tariff_is_taken_back_and_offered_again() -> None:
    """TAR-14, TAR-03."""
    story = Story().opened()

    story.cpo.company.own_objects[TARIFFS].delete("NIGHT")
    story.cpo.pump()
    assert story.heard() == ["DELETE tariffs NIGHT"]
    assert story.emsp.received(TARIFFS, story.cpo.party, "NIGHT") is None

    story.cpo.company.own_objects[TARIFFS].put("NIGHT", (), NIGHT)
    story.cpo.pump()
    assert story.heard() == ["PUT tariffs NIGHT"]
    assert story.agree()


def test_a_day_on_which_the_emsp_is_down_is_made_good() -> None:
    """OFF-03, Q-57: five changes, no replay of five messages, and nothing is lost."""
    story = Story().opened()
    story.world.down.add("emsp.example")

    for status in ("CHARGING", "BLOCKED", "CHARGING", "OUTOFORDER", "RESERVED"):
        story.cpo.company.own_objects[LOCATIONS].patch("SQUARE", ("S1",), {"status": status})
        story.cpo.pump()
    story.cpo.company.own_objects[LOCATIONS].patch("HARBOUR", (), {"name": "Old harbour"})
    story.cpo.company.own_objects[TARIFFS].delete("NIGHT")
    story.cpo.pump()
    backlog = story.cpo.ports.outbox.entries(story.cpo.partners()[0].id)
    assert sorted(failure.announcement.id for failure in backlog) == ["HARBOUR", "NIGHT", "SQUARE"]

    story.world.down.clear()
    story.world.clock.pass_(hours=6)
    story.heard()
    story.cpo.company.own_objects[TARIFFS].patch("DAY", (), {"currency": "CHF"})
    story.cpo.pump()
    assert story.heard() == []
    story.cpo.look()

    assert sorted(story.heard()) == [
        "DELETE tariffs NIGHT",
        "GET /ocpi/emsp/versions",
        "PATCH locations HARBOUR",
        "PATCH locations SQUARE/S1",
        "PATCH tariffs DAY",
    ]
    assert story.agree()
    assert story.cpo.ports.outbox.entries(story.cpo.partners()[0].id) == []


def test_an_emsp_that_only_pulls_is_told_nothing_and_finds_everything() -> None:
    """OFF-02, OFF-01, LOC-01."""
    story = Story()
    partner = register(story.cpo, story.emsp, Role.EMSP)
    quiet = {name: url for name, url in partner.endpoints.items() if name not in ("locations", "tariffs")}
    story.cpo.ports.partners.save(partner.with_changes(endpoints=quiet))
    story.heard()

    story.cpo.company.own_objects[LOCATIONS].import_all([SQUARE, HARBOUR])
    story.cpo.pump()

    assert story.heard() == []
    token = story.emsp.partners()[0].token_we_send
    assert token is not None
    found = Caller(story.world, "cpo.example", token.secret)("GET", "/ocpi/cpo/2.1.1/locations").data
    assert found == [story.cpo.company.own_objects[LOCATIONS].get(name) for name in ("SQUARE", "HARBOUR")]
    assert story.cpo.ports.outbox.entries(partner.id) == []
