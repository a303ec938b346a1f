"""Proves that the weather is bad, or else nothing would be proved in it."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from tests.chaos.network import FATES, LATE, MOODS, BadNetwork, Faults
from tests.chaos.weather import Weather
from tests.world import World


def test_a_bad_network_knows_every_trouble_until_it_is_calm() -> None:
    arrived, world, weather = list[Request](), World(), Weather(1)

    def server(request: Request) -> Response:
        arrived.append(request)
        return Response(200)

    world.hosts["there.example"] = server
    network = BadNetwork(world, weather, Faults(mood=0.2))

    def send() -> None:
        network.turn()
        network.send(Request(method="PUT", url="https://there.example/locations"), lambda _share: None)
        world.clock.pass_(seconds=30)

    for _ in range(1000):
        with suppress(Unreachable):
            send()
    assert {*network.met} == {"", *FATES, *MOODS} - {"down", "shaky"}
    assert 10 < sum(LATE in request.headers for request in arrived) <= network.met["late"]
    weather.is_calm = True
    network.clear()
    world.clock.pass_(minutes=10)
    network.arrive()
    before = len(arrived)
    for _ in range(50):
        send()
    assert len(arrived) == before + 50
