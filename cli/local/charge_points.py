"""Simulated charge points for a local run: they take commands from the queue, answer, charge cars and write CDRs.

They act as the host of the CPO: they read the queue ``commands``, write to ``command-results`` (docs/commands.md), and
send everything else to the CPO's node over its operator API.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.ocpi.types import format_date_time, parse_date_time
from cli.api import OperatorApi
from cli.output import Failure

POWER_KW: Final = 11.0
SPEED_FACTOR: Final = 60
"""Cars charge this many times as fast as real ones, so that the kWh grow visibly."""
LEAVE_S: Final = 3.0
POLL_S: Final = 1

Place = tuple[str, str]
"""A location's id and an EVSE's uid."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the charge points behave: times in seconds, and faults."""

    delay_s: float = 0.5
    """Seconds from a command to its answer."""
    is_silent: bool = False
    is_rejecting: bool = False
    tick_s: float = 2.0
    """Seconds between two meter values."""
    longest_s: float = 120.0
    """Seconds until a car is full."""

    @classmethod
    def with_faults(cls, faults: Collection[str]) -> Behaviour:
        """The behaviour with these of the plan's ``FAULTS``."""
        return cls(8.0 if "slow" in faults else 0.5, "silent" in faults, "rejecting" in faults)


@dataclass(slots=True)
class Charging:
    """A car that is charging."""

    session: dict[str, Any]
    place: Place
    partner_id: str
    began: datetime
    tariffs: list[dict[str, Any]]
    asked_to_stop: threading.Event = field(default_factory=threading.Event)

    def meter(self, now: datetime) -> dict[str, Any]:
        """The kWh so far and their cost, excluding VAT, at the first price per kWh of the tariffs."""
        kwh = round((now - self.began).total_seconds() / 3600 * POWER_KW * SPEED_FACTOR, 3)
        parts = [
            part for tariff in self.tariffs for element in tariff["elements"] for part in element["price_components"]
        ]
        price = next((part["price"] for part in parts if part["type"] == "ENERGY"), 0.0)
        return {"kwh": kwh, "total_cost": round(price * kwh, 2)}


@dataclass(slots=True)
class Reservation:
    """An EVSE that is kept free for a driver."""

    place: Place
    driver: str
    over: threading.Event = field(default_factory=threading.Event)


class ChargePoints:
    """Every charge point of the CPO."""

    def __init__(
        self,
        cpo: OperatorApi,
        sqs: Any,
        stage: str,
        behaviour: Behaviour,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._cpo = cpo
        self._sqs = sqs
        self._stage = stage
        self._behaviour = behaviour
        self._say = say
        self._urls: dict[str, str] = {}
        self._lock = threading.Lock()
        """Guards the sets below, because two drivers may want one EVSE at once."""
        self._charging: dict[str, Charging] = {}
        self._reserved: dict[str, Reservation] = {}
        """By the id of the command that reserved it."""
        self._in_use: set[Place] = set()

    def run(self, stop: threading.Event) -> None:
        """Receive and execute commands until ``stop`` is set, despite errors of the queue; then end all charging."""
        busy: list[threading.Thread] = []
        while not stop.is_set():
            try:
                commands = self._receive()
            except (BotoCoreError, ClientError):  # the emulator starts, stops or is gone
                stop.wait(0.2)
                continue
            fresh = [threading.Thread(target=self.execute, args=(each, stop), daemon=True) for each in commands]
            for thread in fresh:
                thread.start()
            busy = [thread for thread in busy if thread.is_alive()] + fresh
        with self._lock:
            ending = [car.asked_to_stop for car in self._charging.values()]
            ending += [reservation.over for reservation in self._reserved.values()]
        for event in ending:
            event.set()
        deadline = time.monotonic() + LEAVE_S
        for thread in busy:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _receive(self) -> list[dict[str, Any]]:
        url = self._url("commands")
        found = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=POLL_S)
        messages = found.get("Messages", [])
        for message in messages:
            # Deleted at once: if anything goes wrong from here on, the charge point does not answer.
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def execute(self, command: Mapping[str, Any], stop: threading.Event) -> None:
        """Execute a command, to the end of the session or reservation that it starts."""
        # After answer_by the partner was answered TIMEOUT, so nothing may start any more.
        is_late = datetime.now(UTC) > parse_date_time(command["answer_by"])
        if command["version"] != 1 or is_late or self._behaviour.is_silent or stop.wait(self._behaviour.delay_s):
            return
        doing = {
            "START_SESSION": self._start,
            "STOP_SESSION": self._stop,
            "RESERVE_NOW": self._reserve,
            "UNLOCK_CONNECTOR": self._unlock,
        }[command["command"]]
        try:
            if self._behaviour.is_rejecting:
                self._answer(command, "REJECTED")
            else:
                doing(command)
        except (Failure, BotoCoreError, ClientError) as failed:
            self._say(f"A charge point could not finish {command['command']}: {failed}")

    def _answer(self, command: Mapping[str, Any], result: str) -> None:
        body = {"version": 1, "command_id": command["command_id"], "result": result}
        self._sqs.send_message(QueueUrl=self._url("command-results"), MessageBody=json.dumps(body))

    def _url(self, name: str) -> str:
        if name not in self._urls:
            self._urls[name] = self._sqs.get_queue_url(QueueName=f"ocpi-{self._stage}-{name}")["QueueUrl"]
        return self._urls[name]

    # --- commands ----------------------------------------------------------------------------------------------------

    def _start(self, command: Mapping[str, Any]) -> None:
        request = command["request"]
        location = self._cpo.get("locations", request["location_id"])
        driver = request["token"]["auth_id"]
        evse = self._occupy(location, request.get("evse_uid"), lambda _id, kept: kept.driver == driver)
        self._answer(command, "ACCEPTED" if evse else "REJECTED")
        if evse:
            self._charge(self._plugged_in(command, location, evse))

    def _stop(self, command: Mapping[str, Any]) -> None:
        with self._lock:
            car = self._charging.get(command["request"]["session_id"])
        self._answer(command, "ACCEPTED" if car else "REJECTED")
        if car:
            car.asked_to_stop.set()

    def _unlock(self, command: Mapping[str, Any]) -> None:
        self._answer(command, "ACCEPTED")

    def _reserve(self, command: Mapping[str, Any]) -> None:
        request, command_id, replaced = command["request"], command["command_id"], command.get("replaces")
        location = self._cpo.get("locations", request["location_id"])
        evse = self._occupy(location, request.get("evse_uid"), lambda kept_id, _kept: kept_id == replaced)
        self._answer(command, "ACCEPTED" if evse else "REJECTED")
        if evse is None:
            return
        reservation = Reservation((location["id"], evse["uid"]), request["token"]["auth_id"])
        with self._lock:
            self._reserved[command_id] = reservation
        self._status(reservation.place, "RESERVED")
        self._give_up(replaced)
        left = (parse_date_time(request["expiry_date"]) - datetime.now(UTC)).total_seconds()
        reservation.over.wait(min(max(left, 0), threading.TIMEOUT_MAX))
        self._give_up(command_id)

    def _give_up(self, reserved_by: str | None) -> None:
        """Free the EVSE of a reservation, unless somebody else has it by now."""
        with self._lock:
            reservation = self._reserved.pop(reserved_by or "", None)
        if reservation:
            reservation.over.set()
            self._release(reservation.place)

    def _occupy(
        self, location: Mapping[str, Any], uid: str | None, matches: Callable[[str, Reservation], bool]
    ) -> dict[str, Any] | None:
        """An EVSE, now in use: one with a matching reservation, which ends, or a free one; None if there is none."""
        evses = {
            (location["id"], evse["uid"]): evse for evse in location.get("evses", ()) if uid in (None, evse["uid"])
        }
        with self._lock:
            kept = {each.place: by for by, each in self._reserved.items() if matches(by, each)}
            free = [p for p, evse in evses.items() if evse["status"] == "AVAILABLE" and p not in self._in_use]
            place = next((each for each in [*kept, *free] if each in evses), None)
            if place is None:
                return None
            self._in_use.add(place)
            if place in kept:
                self._reserved.pop(kept[place]).over.set()
        found: dict[str, Any] = evses[place]
        return found

    # --- charging ----------------------------------------------------------------------------------------------------

    def _charge(self, car: Charging) -> None:
        session_id = car.session["id"]
        with self._lock:
            self._charging[session_id] = car
        try:
            self._status(car.place, "CHARGING")
            self._cpo.put("sessions", session_id, body=car.session, partner=car.partner_id)
            self._cpo.patch("sessions", session_id, body={"status": "ACTIVE"})
            full = time.monotonic() + self._behaviour.longest_s
            while not car.asked_to_stop.wait(self._behaviour.tick_s) and time.monotonic() < full:
                self._cpo.patch("sessions", session_id, body=car.meter(datetime.now(UTC)))
            self._bill(car, datetime.now(UTC))
        finally:
            with self._lock:
                del self._charging[session_id]
            self._release(car.place)

    def _plugged_in(self, command: Mapping[str, Any], location: Mapping[str, Any], evse: Mapping[str, Any]) -> Charging:
        began, connector = datetime.now(UTC), evse["connectors"][0]
        tariffs = [self._cpo.get("tariffs", connector["tariff_id"])] if connector.get("tariff_id") else []
        session = {
            "id": uuid.uuid4().hex[:12].upper(),
            "start_datetime": format_date_time(began),
            "kwh": 0,
            "auth_id": command["request"]["token"]["auth_id"],
            "auth_method": "AUTH_REQUEST",
            "location": {**location, "evses": [{**evse, "status": "CHARGING", "connectors": [connector]}]},
            "currency": tariffs[0]["currency"] if tariffs else "EUR",
            "status": "PENDING",
        }
        return Charging(session, (location["id"], evse["uid"]), command["partner"]["id"], began, tariffs)

    def _bill(self, car: Charging, ended: datetime) -> None:
        final = {"status": "COMPLETED", "end_datetime": format_date_time(ended), **car.meter(ended)}
        self._cpo.patch("sessions", car.session["id"], body=final)
        self._cpo.post("cdrs", body=_cdr(car, ended), partner=car.partner_id)

    def _release(self, place: Place) -> None:
        self._status(place, "AVAILABLE")
        with self._lock:
            self._in_use.discard(place)

    def _status(self, place: Place, status: str) -> None:
        self._cpo.patch("locations", *place, body={"status": status})


def _cdr(car: Charging, ended: datetime) -> dict[str, Any]:
    meter, hours = car.meter(ended), round((ended - car.began).total_seconds() / 3600, 4)
    dimensions = [{"type": "ENERGY", "volume": meter["kwh"]}, {"type": "TIME", "volume": hours}]
    began = format_date_time(car.began)
    return {
        # The session's id: the spec has no other way to relate a CDR to its session.
        "id": car.session["id"],
        "start_date_time": began,
        "stop_date_time": format_date_time(ended),
        **{name: car.session[name] for name in ("auth_id", "auth_method", "location", "currency")},
        **({"tariffs": car.tariffs} if car.tariffs else {}),
        "charging_periods": [{"start_date_time": began, "dimensions": dimensions}],
        "total_cost": meter["total_cost"],
        "total_energy": meter["kwh"],
        "total_time": hours,
    }
