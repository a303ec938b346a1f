"""A network that drops, delays, cuts off and answers for the partner, and partners that are away for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from tests.chaos.weather import Weather, Worker
from tests.modules.crashing import Died
from tests.node.faults import Broken
from tests.world import World

_TIMEOUT_S: Final = 10
_LATEST_S: Final = 300
"""After which a request that was given up has been worked at or never will be."""
_LATEST_POST_S: Final = 30
"""What is posted does not say that it comes too late: who looks for it a minute later has to find it."""
_YIELDS: Final = 0.3
FATES: Final = (
    "dropped",
    "refused",
    "late",
    "late",
    "late",
    "500",
    "502",
    "503",
    "429",
    "truncated",
    "garbage",
    "reset",
)
MOODS: Final = ("down", "401", "403", "500", "503", "429", "shaky", "shaky")
_TO_CONNECTOR: Final = 5
"""Steps below the module's endpoint: country, party, Location, EVSE, Connector."""
LATE: Final = "x-late"
"""A header that the network adds to requests that their sender has given up on."""


@dataclass(frozen=True)
class Faults:
    """How often what goes wrong."""

    request: float = 0.15
    """Of single requests."""
    mood: float = 0.02
    """Per step, that a partner turns bad for a while."""


class BadNetwork:
    """The way out for our companies in a world."""

    def __init__(self, world: World, weather: Weather, faults: Faults) -> None:
        self.world = world
        self.weather = weather
        self.faults = faults
        self.met: Counter[str] = Counter()
        """How often each kind of trouble was met."""
        self._moods: dict[str, tuple[str, datetime]] = {}
        self._late: list[tuple[datetime, Request]] = []

    # --- weather -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Let a partner turn bad, by chance."""
        if self.weather.strikes(self.faults.mood):
            host = self.weather.one_of(sorted(self.world.hosts))
            until = self.world.clock.now + timedelta(minutes=self.weather.number(1, 40))
            self._moods[host] = (self.weather.one_of(MOODS), until)

    def clear(self) -> None:
        """From now on all is well."""
        self._moods.clear()

    def arrive(self) -> None:
        """Let in what is late."""
        now = self.world.clock.now
        due = [request for at, request in self._late if at <= now]
        self._late = [each for each in self._late if each[0] > now]
        for request in due:
            with suppress(Unreachable):
                self._answer(replace(request, headers={**request.headers, LATE: "1"}))

    @property
    def next_due(self) -> datetime | None:
        """When the next late request arrives."""
        return min((at for at, _ in self._late), default=None)

    # --- requests ----------------------------------------------------------------------------------------------------

    def web(self, worker: Worker) -> Way:
        """The network as a worker's node calls it."""
        return Way(self, worker)

    def send(self, request: Request, pause: Callable[[float], None]) -> Response:
        """The answer to a request, if it arrives and if that comes back."""
        pause(_YIELDS)
        self.arrive()
        fate = self._fate(request)
        self.met[fate] += 1
        if fate in ("dropped", "late"):
            self.world.clock.pass_(seconds=_TIMEOUT_S)
            if fate == "late":
                latest_s = _LATEST_POST_S if request.method == "POST" else _LATEST_S
                self._late.append((self.world.clock.now + timedelta(seconds=self.weather.number(0, latest_s)), request))
            raise Unreachable("no answer within 10 s")
        if fate == "refused":
            raise Unreachable("connection refused", unsent=True)
        if fate.isdigit() and fate != "502":
            return self._refusal(int(fate))
        response = self._answer(request)
        pause(_YIELDS)
        return self._mangled(fate, response)

    def _fate(self, request: Request) -> str:
        host = urlsplit(request.url).netloc
        mood, until = self._moods.get(host, ("", self.world.clock.now))
        if until <= self.world.clock.now:
            mood = ""
        if mood == "down":
            return self.weather.one_of(("dropped", "refused"))
        if mood and mood != "shaky":
            return mood
        if not self.weather.strikes(0.5 if mood else self.faults.request):
            return ""
        fate = self.weather.one_of(FATES)
        return fate if fate != "late" or _may_be_late(request) else "dropped"

    def _refusal(self, status: int) -> Response:
        wait = {429: "20", 503: str(self.weather.number(1, 300))}.get(status)
        body = b'{"status_code":2000,"timestamp":"2026-03-01T12:00:00Z"}' if self.weather.flips(0.5) else b"<html>"
        return Response(status, {"retry-after": wait} if wait and self.weather.flips(0.7) else {}, body)

    def _mangled(self, fate: str, response: Response) -> Response:
        match fate:
            case "reset":
                raise Unreachable("connection reset")
            case "truncated":
                return Response(response.status, response.headers, response.body[: len(response.body) // 2])
            case "garbage":
                return Response(200, {}, b"<html>Welcome</html>")
            case "502":
                return Response(502, {}, b"<html>Bad gateway</html>")
        return response

    def _answer(self, request: Request) -> Response:
        try:
            return self.world.send(request)
        except (Broken, Died):
            # The process behind the address is gone.
            return Response(502, {}, b"<html>Bad gateway</html>")
        finally:
            self.world.traffic.clear()


def _may_be_late(request: Request) -> bool:
    """Whether the receiver can tell that it comes too late: not where what it brings may have been removed since."""
    removable = "/tariffs/" in request.url or len(request.url.partition("/locations/")[2].split("/")) == _TO_CONNECTOR
    return request.method in ("PUT", "PATCH", "POST") and not removable


@dataclass(frozen=True)
class Way:
    """One worker's way out; while it waits for an answer the world goes on."""

    network: BadNetwork
    worker: Worker

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing: every host of this world may be called."""

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The answer, if there is one; we may not live to see it."""
        return self.worker.call(request.method, lambda: self.network.send(request, self.worker.pause), yields=0)
