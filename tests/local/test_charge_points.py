"""Simulated charge points do what real ones do: answer, charge, report, bill, and keep what is reserved."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.sessions.objects import Session
from chalicelib.ocpi.types import format_date_time
from cli.local.charge_points import Behaviour, ChargePoints
from cli.output import Failure
from tests import make

PATIENCE_S = 10
QUICK = Behaviour(delay_s=0, tick_s=0.001)


class Surroundings:
    """The CPO's node and the queues, as charge points see them; everything that is done to them is noted."""

    def __init__(self, *evses: str) -> None:
        connectors = [make.connector("1", tariff_id="T1")]
        location = make.location("LOC1", evses=[make.evse(uid, connectors=connectors) for uid in evses])
        self.stored: dict[str, Any] = {"LOC1": location, "T1": make.tariff("T1"), "sessions": {}, "cdrs": []}
        self.noted = threading.Condition()
        self.commands: list[str] = []
        self.results: dict[str, str] = {}
        self.statuses: list[tuple[str, str]] = []
        self.session_statuses: list[str] = []
        self.said: list[str] = []
        self.trouble: list[Exception] = []

    def until(self, found: Callable[[], Any]) -> Any:
        """What is found as soon as it is."""
        with self.noted:
            assert self.noted.wait_for(found, PATIENCE_S), (self.results, self.statuses, self.said)
            return found()

    def say(self, line: str) -> None:
        with self.noted:
            self.said.append(line)
            self.noted.notify_all()

    # The operator API.

    def get(self, _module: str, object_id: str) -> Any:
        if object_id not in self.stored:
            raise Failure(f"no such object: {object_id}")
        return json.loads(json.dumps(self.stored[object_id]))

    def put(self, _module: str, session_id: str, *, body: Any, partner: str) -> None:
        with self.noted:
            self.stored["sessions"][session_id] = body | {"for": partner}
            self._note_session(session_id)

    def patch(self, module: str, *path: str, body: Any) -> None:
        with self.noted:
            if module == "sessions":
                self.stored["sessions"][path[0]].update(body)
                self._note_session(path[0])
            else:
                (evse,) = (each for each in self.stored[path[0]]["evses"] if each["uid"] == path[1])
                evse.update(body)
                self.statuses.append((path[1], body["status"]))
            self.noted.notify_all()

    def post(self, _module: str, *, body: Any, partner: str) -> None:
        with self.noted:
            self.stored["cdrs"].append(body | {"for": partner})
            self.noted.notify_all()

    def _note_session(self, session_id: str) -> None:
        status = self.stored["sessions"][session_id]["status"]
        if status not in self.session_statuses[-1:]:
            self.session_statuses.append(status)
        self.noted.notify_all()

    # SQS.

    def get_queue_url(self, *, QueueName: str) -> dict[str, str]:  # noqa: N803
        return {"QueueUrl": QueueName}

    def receive_message(self, *, QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "ocpi-test-commands"
        with self.noted:
            if self.trouble:
                raise self.trouble.pop()
            self.noted.wait_for(lambda: self.commands, 0.01)
            taken, self.commands = self.commands, []
        return {"Messages": [{"Body": body, "ReceiptHandle": body} for body in taken]} if taken else {}

    def delete_message(self, **_: Any) -> None:
        pass

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803
        assert QueueUrl == "ocpi-test-command-results"
        message = json.loads(MessageBody)
        assert message.keys() == {"version", "command_id", "result"}
        with self.noted:
            assert message["command_id"] not in self.results
            self.results[message["command_id"]] = message["result"]
            self.noted.notify_all()

    # What a test asks for.

    def ask(self, command_id: str, command: str, *, within_s: float = 60, replaces: str = "", **request: Any) -> None:
        message = {
            "version": 1,
            "command_id": command_id,
            "command": command,
            "partner": {"id": "p1", "party": "NL/MSP", "name": "Blue"},
            "answer_by": format_date_time(datetime.now(UTC) + timedelta(seconds=within_s)),
            "request": request,
            **({"replaces": replaces} if replaces else {}),
        }
        with self.noted:
            self.commands.append(json.dumps(message))
            self.noted.notify_all()

    def result(self, command_id: str) -> Any:
        return self.until(lambda: self.results.get(command_id))


def driver(name: str = "D1") -> dict[str, Any]:
    return {"token": make.token(f"uid-{name}", auth_id=name), "location_id": "LOC1"}


def in_(seconds: float) -> str:
    return format_date_time(datetime.now(UTC) + timedelta(seconds=seconds))


@contextmanager
def charge_points(around: Surroundings, behaviour: Behaviour = QUICK) -> Iterator[Surroundings]:
    api: Any = around
    stop = threading.Event()
    points = ChargePoints(api, around, "test", behaviour, around.say)
    thread = threading.Thread(target=points.run, args=(stop,))
    thread.start()
    try:
        yield around
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_car_charges_until_it_is_stopped_and_is_billed() -> None:
    with charge_points(Surroundings("E1", "E2")) as around:
        around.ask("c1", "START_SESSION", **driver())
        (session,) = around.until(lambda: list(around.stored["sessions"].values()))
        around.until(lambda: session["kwh"] > 0)
        around.ask("c2", "STOP_SESSION", session_id=session["id"])
        (cdr,) = around.until(lambda: around.stored["cdrs"])
        around.until(lambda: ("E1", "AVAILABLE") in around.statuses)

    assert around.results == {"c1": "ACCEPTED", "c2": "ACCEPTED"}
    assert around.session_statuses == ["PENDING", "ACTIVE", "COMPLETED"]
    assert around.statuses == [("E1", "CHARGING"), ("E1", "AVAILABLE")]
    assert (session["for"], cdr["for"]) == ("p1", "p1")
    assert (cdr["id"], cdr["total_energy"], cdr["total_cost"]) == (session["id"], session["kwh"], session["total_cost"])
    assert cdr["auth_id"] == session["auth_id"] == "D1"


def test_what_is_reported_is_ocpi_to_the_letter() -> None:
    with charge_points(Surroundings("E1")) as around:
        around.ask("c1", "START_SESSION", **driver())
        (session,) = around.until(lambda: list(around.stored["sessions"].values()))
        around.ask("c2", "STOP_SESSION", session_id=session["id"])
        (cdr,) = around.until(lambda: around.stored["cdrs"])

    stamped = {"last_updated": "2026-05-05T12:00:00Z"}
    for model, reported in ((Session, session), (Cdr, cdr)):
        model.model_validate({name: value for name, value in reported.items() if name != "for"} | stamped)


def test_a_full_car_ends_its_session_itself() -> None:
    with charge_points(Surroundings("E1"), Behaviour(delay_s=0, tick_s=0.001, longest_s=0)) as around:
        around.ask("c1", "START_SESSION", **driver())
        around.until(lambda: around.stored["cdrs"])

    assert around.session_statuses[-1] == "COMPLETED"


def test_cars_are_let_go_when_the_charge_points_are_switched_off() -> None:
    with charge_points(Surroundings("E1")) as around:
        around.ask("c1", "START_SESSION", **driver())
        around.until(lambda: around.session_statuses[-1:] == ["ACTIVE"])

    assert around.session_statuses[-1] == "COMPLETED"
    assert len(around.stored["cdrs"]) == 1
    assert around.statuses[-1] == ("E1", "AVAILABLE")


def test_of_two_drivers_who_want_one_evse_one_gets_it() -> None:
    with charge_points(Surroundings("E1", "E2")) as around:
        for number in range(6):
            around.ask(f"c{number}", "START_SESSION", **driver(f"D{number}"), evse_uid="E1")
        around.until(lambda: len(around.results) == 6)

    assert sorted(around.results.values()) == ["ACCEPTED"] + ["REJECTED"] * 5


def test_a_session_that_is_not_there_is_not_stopped_and_a_connector_is_unlocked() -> None:
    with charge_points(Surroundings("E1")) as around:
        around.ask("c1", "STOP_SESSION", session_id="S1")
        around.ask("c2", "UNLOCK_CONNECTOR", location_id="LOC1", evse_uid="E1", connector_id="1")
        around.until(lambda: len(around.results) == 2)

    assert around.results == {"c1": "REJECTED", "c2": "ACCEPTED"}


def test_what_is_reserved_is_for_its_driver_alone() -> None:
    with charge_points(Surroundings("E1")) as around:
        around.ask("c1", "RESERVE_NOW", **driver("D1"), reservation_id=1, expiry_date=in_(600))
        around.until(lambda: around.statuses == [("E1", "RESERVED")])
        around.ask("c2", "START_SESSION", **driver("D2"))
        assert around.result("c2") == "REJECTED"
        around.ask("c3", "START_SESSION", **driver("D1"))
        assert around.result("c3") == "ACCEPTED"
        around.until(lambda: around.statuses[-1] == ("E1", "CHARGING"))


def test_a_reservation_ends_when_it_expires() -> None:
    with charge_points(Surroundings("E1")) as around:
        around.ask("c1", "RESERVE_NOW", **driver(), reservation_id=1, expiry_date=in_(0))
        around.until(lambda: around.statuses == [("E1", "RESERVED"), ("E1", "AVAILABLE")])

    assert around.results == {"c1": "ACCEPTED"}


def test_a_reservation_that_replaces_one_frees_what_that_kept() -> None:
    """CMD-12."""
    with charge_points(Surroundings("E1", "E2")) as around:
        around.ask("c1", "RESERVE_NOW", **driver(), reservation_id=1, expiry_date=in_(600), evse_uid="E1")
        around.until(lambda: around.statuses == [("E1", "RESERVED")])
        around.ask(
            "c2", "RESERVE_NOW", replaces="c1", **driver(), reservation_id=1, expiry_date=in_(600), evse_uid="E2"
        )
        around.until(lambda: around.statuses[-2:] == [("E2", "RESERVED"), ("E1", "AVAILABLE")])
        around.ask("c3", "RESERVE_NOW", replaces="c2", **driver(), reservation_id=1, expiry_date=in_(0), evse_uid="E2")
        around.until(lambda: around.statuses[-2:] == [("E2", "RESERVED"), ("E2", "AVAILABLE")])

    assert set(around.results.values()) == {"ACCEPTED"}
    assert len(around.statuses) == 5


@pytest.mark.parametrize("fault", ["silent", "rejecting", "late"])
def test_charge_points_with_faults_charge_nobody(fault: str) -> None:
    behaviour = Behaviour(0, is_silent=fault == "silent", is_rejecting=fault == "rejecting")
    around: Any = Surroundings("E1")
    around.ask("c1", "START_SESSION", **driver(), within_s=-2 if fault == "late" else 60)

    ChargePoints(around, around, "test", behaviour).execute(json.loads(around.commands[0]), threading.Event())

    assert around.results == ({"c1": "REJECTED"} if fault == "rejecting" else {})
    assert around.statuses == []


def test_faults_make_habits() -> None:
    assert Behaviour.with_faults(()) == Behaviour()
    assert Behaviour.with_faults(["silent"]).is_silent
    assert Behaviour.with_faults(["slow"]).delay_s > 5
    assert Behaviour.with_faults(["slow", "rejecting"]).is_rejecting


def test_trouble_with_the_node_or_the_queue_ends_one_command_and_nothing_else() -> None:
    around = Surroundings("E1")
    around.trouble = [EndpointConnectionError(endpoint_url="http://emulator")]
    with charge_points(around):
        around.ask("c1", "START_SESSION", token=make.token("K1"), location_id="GONE")
        around.until(lambda: around.said)
        around.ask("c2", "UNLOCK_CONNECTOR", location_id="LOC1", evse_uid="E1", connector_id="1")
        assert around.result("c2") == "ACCEPTED"

    assert around.said == ["A charge point could not finish START_SESSION: no such object: GONE"]
