"""Pushing to a receiver at any depth of any module: what the tests of the receiver have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.node.objects import theirs
from chalicelib.ocpi.module import Level, Module, ModuleID
from chalicelib.ocpi.parts import find_part
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.world import CLIENT_OWNED, Caller, Pair, Reply, pair

Json = dict[str, Any]

NEW_VALUES: dict[str, Json] = {
    "Location": {"city": "Gouda", "time_zone": "Europe/Amsterdam"},
    "Evse": {"status": "CHARGING", "floor_level": "-1"},
    "Connector": {"amperage": 16, "tariff_id": "T9"},
    "Tariff": {"currency": "CHF", "tariff_alt_url": "https://cpo.example/t"},
    "Session": {"kwh": 2.25, "meter_id": "M1"},
    "Cdr": {"total_cost": 4.2, "remark": "checked"},
    "Token": {"issuer": "Other Mobility", "visual_number": "DF000-2001"},
}
"""For each object another value of a required field and a value of an optional one."""


def another_value(module: ModuleID) -> tuple[str, Any]:
    """A required field of the module's objects, and another value of it than ``make`` gives."""
    return next(iter(NEW_VALUES[MODULES[module].model.__name__].items()))


EARLIER, LATER, LATEST = "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z"
"""All of them after what ``make`` says, and before the world's clock begins."""


@dataclass(frozen=True)
class Depth:
    """One URL of one module: the object itself, or a part of it."""

    module: Module
    path: tuple[str, ...]

    @property
    def level(self) -> Level:
        return self.module.level_of(self.path)

    @property
    def whole(self) -> Json:
        """The object that is addressed, or holds the part that is."""
        return make.object_of(self.module.identifier, "X1")

    @property
    def part(self) -> Json:
        part = find_part(self.whole, self.module.levels, self.path)
        assert part is not None
        return part

    @property
    def required(self) -> tuple[str, Any]:
        """A required field and another value of it."""
        return next(iter(NEW_VALUES[self.level.model.__name__].items()))

    @property
    def optional(self) -> tuple[str, Any]:
        """An optional field and a value of it."""
        return list(NEW_VALUES[self.level.model.__name__].items())[1]

    def __str__(self) -> str:
        return "/".join([self.module.identifier, *(level.list_field for level in self.module.levels[1:][: self.steps])])

    @property
    def steps(self) -> int:
        return len(self.path)


def depths() -> list[Depth]:
    """Every URL that a receiver is pushed to."""
    found = []
    for module in map(MODULES.__getitem__, CLIENT_OWNED):
        path: tuple[str, ...] = ()
        found.append(Depth(module, path))
        for level in module.levels[1:]:
            path = (*path, found[-1].part[level.list_field][0][level.id_field])
            found.append(Depth(module, path))
    return found


DEPTHS = depths()


@dataclass(frozen=True)
class Pushing:
    """The module's owner pushes at one depth to a receiver that holds the whole object already."""

    pair: Pair
    depth: Depth

    def url(self, *path: str, id: str = "X1") -> str:  # noqa: A002 - the spec's name
        return self.pair.at_receiver(self.depth.module.identifier, id, *path)

    @property
    def call(self) -> Caller:
        """Calls the receiver as the owner."""
        return self.pair.to_receiver(self.depth.module.identifier)

    def __call__(self, method: str, body: Any = None, **other: Any) -> Reply:
        """The answer of the URL that the depth names."""
        return self.call(method, self.url(*self.depth.path), body, **other)

    @property
    def held(self) -> Json:
        """The part as the receiver shows it."""
        reply = self("GET")
        assert reply.outcome == (200, 1000)
        return dict(reply.data)

    @property
    def whole(self) -> Json:
        """The whole object as the receiver shows it."""
        return dict(self.call("GET", self.url()).data)

    @property
    def counters(self) -> dict[str, int]:
        return counters(self.pair, self.depth.module.identifier)


def counters(there: Pair, module: ModuleID = ModuleID.LOCATIONS) -> dict[str, int]:
    """What the module's receiver has counted about its owner."""
    receiver = there.receiver(module)
    return receiver.ports.partners.counters(receiver.partners()[0].id)


def read_as(there: Pair, profile: Profile, module: ModuleID = ModuleID.LOCATIONS) -> Pair:
    """The pair, the module's receiver now reading in this profile."""
    receiver = there.receiver(module)
    receiver.company.registrations.update(receiver.partners()[0], profile=profile)
    return there


def kept(value: Any) -> Any:
    """The value with what a receiver knows of each Location although nobody says it."""
    if isinstance(value, dict):
        place = {"charging_when_closed": True} if "coordinates" in value and "city" in value else {}
        return place | {name: kept(each) for name, each in value.items()}
    return [kept(each) for each in value] if isinstance(value, list) else value


def pushing(depth: Depth, profile: Profile = Profile.LENIENT) -> Pushing:
    """A receiver that holds the object, and an owner that pushes at this depth."""
    there = Pushing(read_as(pair(), profile, depth.module.identifier), depth)
    assert there.call("PUT", there.url(), depth.whole).outcome == (201, 1000)
    return there


def metadata(there: Pair, module: ModuleID, object_id: str) -> Any:
    """What the eMSP knows about the CPO's object beside its body."""
    stored = there.emsp.ports.stores[module].get(theirs(there.cpo.party), object_id)
    assert stored is not None
    return stored.metadata
