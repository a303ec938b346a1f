"""A rich conversation of two nodes, on record, and what each message in it should be by its method and URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from chalicelib.modules import MODULES
from chalicelib.node.objects import theirs
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from tests import make, specimens
from tests.rules.every import CHANGE, EVER, SPEC_NAME
from tests.world import Pair, World, crawl, pair

Json = Any

LOCATIONS, SESSIONS, CDRS = ModuleID.LOCATIONS, ModuleID.SESSIONS, ModuleID.CDRS
TARIFFS, TOKENS = ModuleID.TARIFFS, ModuleID.TOKENS

_ANSWERED: Final = {"versions": "Version", "2.1.1": "VersionDetails", "credentials": "Credentials"}


@dataclass(frozen=True)
class Message:
    """One JSON value that a node sent, and what it has to be."""

    name: str
    """How the spec's tables call it."""
    value: Json
    where: str
    """Method and URL, and whether it was asked or answered."""
    is_patch: bool = False


class RecordedWorld(World):
    """A world that notes when each request was answered, and which ones a test made itself."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[datetime] = []
        self.asked_by_us: set[int] = set()

    def send(self, request: Request, **how: Any) -> Response:
        try:
            return super().send(request, **how)
        finally:
            self.moments.append(self.clock.now)


@dataclass
class Record:
    """What two nodes sent each other."""

    world: RecordedWorld = field(default_factory=RecordedWorld)

    @property
    def requests(self) -> list[Request]:
        """What nodes asked."""
        return [each.request for at, each in enumerate(self.world.traffic) if at not in self.world.asked_by_us]

    @property
    def answers(self) -> list[tuple[Request, Response, datetime]]:
        """What nodes answered, to what, and when."""
        found = zip(self.world.traffic, self.world.moments, strict=True)
        return [(each.request, each.response, moment) for each, moment in found if each.response is not None]

    def messages(self) -> Iterator[Message]:
        """Every object that was sent, be it a body, the data of an answer, or one item of a list."""
        for request in self.requests:
            if request.body:
                where = f"{request.method} {request.url}"
                yield Message(name_of(request), json.loads(request.body), where, request.method == "PATCH")
        for request, response, _ in self.answers:
            data = json.loads(response.body).get("data")
            for value in data if isinstance(data, list) else [data] if data is not None else []:
                yield Message(name_of(request, answered=True), value, f"answer to {request.method} {request.url}")


def steps_of(request: Request) -> list[str]:
    """What follows the version in a URL; the last step where nothing does."""
    path = request.url.partition("?")[0]
    return path.partition("/2.1.1/")[2].split("/") if "/2.1.1/" in path else [path.rsplit("/", 1)[1]]


def name_of(request: Request, *, answered: bool = False) -> str:
    """What the tables call the object that this request is about."""
    module, *steps = steps_of(request)
    if module in _ANSWERED:
        return _ANSWERED[module]
    if steps[-1:] == ["authorize"]:
        return "AuthorizationInfo" if answered else "LocationReferences"
    # A receiver's URL has a country and a party before the object's id, a sender's has not.
    depth = len(steps) - (3 if "/ocpi/emsp/" in request.url else 1)
    return (
        ("Location", "EVSE", "Connector")[depth] if module == LOCATIONS and depth > 0 else SPEC_NAME[ModuleID(module)]
    )


def recorded() -> Record:
    """A CPO and an eMSP from their handshake to the end of their contract."""
    record = Record()
    nodes = pair(record.world)
    _share_what_there_is(nodes)
    _change_it(nodes)
    _charge(nodes)
    _lose_and_mend(nodes)
    _pull(nodes, record.world)
    nodes.cpo.company.registrations.rotate(nodes.cpo.partners()[0])
    nodes.emsp.company.registrations.unregister(nodes.emsp.partners()[0])
    assert nodes.to_cpo("GET", "/ocpi/cpo/versions").status == 401
    record.world.asked_by_us.add(len(record.world.traffic) - 1)
    return record


def _next(nodes: Pair) -> None:
    nodes.pump()
    nodes.world.clock.pass_(minutes=2)


def _share_what_there_is(nodes: Pair) -> None:
    for module, name in SPEC_NAME.items():
        nodes.put_in(module, specimens.complete(name))
    for number in range(4):
        for module in MODULES:
            nodes.put_in(module, make.object_of(module, f"{module} no. {number}/é*"))
    _next(nodes)


def _change_it(nodes: Pair) -> None:
    for module, change in CHANGE.items():
        nodes.owner(module).company.own_objects[module].patch(f"{module} no. 1/é*", (), change)
    locations = nodes.cpo.company.own_objects[LOCATIONS]
    where = f"{LOCATIONS} no. 2/é*"
    locations.patch(where, ("E1",), {"status": "CHARGING"})
    locations.patch(where, ("E1", "1"), {"tariff_id": "T1"})
    locations.put(where, ("E2",), make.evse("E2", coordinates={"latitude": "-1.000000", "longitude": "-179.123456"}))
    locations.put(where, ("E2", "2"), make.connector("2", terms_and_conditions="https://example.com/terms"))
    _next(nodes)
    locations.patch(where, ("E2",), {"status": "REMOVED", "evse_id": None})
    nodes.cpo.company.own_objects[TARIFFS].delete(f"{TARIFFS} no. 3/é*")
    nodes.emsp.company.own_objects[TOKENS].patch(f"{TOKENS} no. 3/é*", (), {"valid": False})
    _next(nodes)


def _charge(nodes: Pair) -> None:
    nodes.put_in(TOKENS, make.token("CARD", auth_id="NL-MSP-C7", whitelist="NEVER"))
    nodes.put_in(LOCATIONS, make.location("HOME"))
    _next(nodes)
    here = {"location_id": "HOME", "evse_uids": ["E1"]}
    assert nodes.cpo.company.authorizer.authorize("CARD", location=here).allowed == "ALLOWED"
    assert nodes.cpo.company.authorizer.authorize("CARD").allowed == "ALLOWED"
    nodes.emsp.company.own_objects[TOKENS].set_metadata("CARD", authorization={"allowed": "NO_CREDIT"})
    assert nodes.cpo.company.authorizer.authorize("CARD", location=here).allowed == "NO_CREDIT"
    period: Json = {"start_date_time": make.STAMP, "dimensions": [{"type": "ENERGY", "volume": 0.0001}]}
    own = nodes.cpo.company.own_objects[SESSIONS]
    # For whom it is, the token's contract says.
    own.put("RIDE", (), make.session("RIDE", auth_id="NL-MSP-C7", kwh=0, status="PENDING"))
    _next(nodes)
    for change in (
        {"status": "ACTIVE", "kwh": 0.0001},
        {"kwh": 12345.6789, "total_cost": 0.3},
        {"charging_periods": [period]},
        {"kwh": 99999.1, "status": "COMPLETED", "end_datetime": "2026-01-01T02:00:00Z", "total_cost": 0.31},
    ):
        own.patch("RIDE", (), change)
        _next(nodes)
    bill = make.cdr("RIDE", auth_id="NL-MSP-C7", tariffs=[make.tariff("DAY")], charging_periods=[period])
    nodes.cpo.company.own_objects[CDRS].put("RIDE", (), bill | {"total_cost": 0.0001, "total_energy": 10**11 + 0.5})
    _next(nodes)


def _lose_and_mend(nodes: Pair) -> None:
    """The eMSP was away, and then has lost an object: refused and missing things are answered, too."""
    own, store = nodes.cpo.company.own_objects[LOCATIONS], nodes.emsp.ports.stores[LOCATIONS]
    nodes.world.down.add("emsp.example")
    own.put("AWAY", (), make.location("AWAY"))
    _next(nodes)
    nodes.world.down.clear()
    lost = store.get(theirs(nodes.cpo.party), "HOME")
    assert lost
    store.remove(theirs(nodes.cpo.party), lost)
    own.patch("HOME", (), {"name": "Home again"})
    own.patch("AWAY", (), {"name": "Back again"})
    _next(nodes)


def _pull(nodes: Pair, world: RecordedWorld) -> None:
    before = len(world.traffic)
    for module in MODULES:
        pages = list(crawl(nodes.to_owner(module), nodes.list_at_owner(module), {"limit": "2", **EVER}))
        assert len(pages) > 1
        nodes.to_receiver(module)("GET", nodes.at_receiver(module, f"{module}%20no.%201%2F%C3%A9*"))
        nodes.to_owner(module)("GET", nodes.list_at_owner(module), query={"offset": "-1"})
        nodes.to_owner(module)("DELETE", nodes.list_at_owner(module))
        nodes.to_receiver(module)("GET", nodes.at_receiver(module, "nowhere"))
    for step in ("HOME", "HOME/E1", "HOME/E1/1"):
        assert nodes.to_cpo("GET", f"/ocpi/cpo/2.1.1/locations/{step}").code == 1000
    world.asked_by_us.update(range(before, len(world.traffic)))
