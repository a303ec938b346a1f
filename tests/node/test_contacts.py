"""Proves that an operator can tell when a partner was last in touch, in which direction, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.partners.contacts import Contact, ContactRecorder, problem_of
from chalicelib.node.telemetry import Exchange
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import desks
from tests.world import Clock, CompanyInWorld, Recorder, pair


def contact(company: CompanyInWorld, module: str, direction: str) -> Contact | None:
    """The company's last contact with its only partner."""
    found = company.ports.partners.contacts(company.partners()[0].id)
    return next((each for each in found if (each.module, each.direction) == (module, direction)), None)


# --- what both sides know ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", list(MODULES))
def test_a_push_leaves_its_mark_on_both_sides(module: ModuleID) -> None:
    there = pair()
    began = there.world.clock.now

    there.put_in(module, make.object_of(module))
    there.pump()

    for company, direction in ((there.owner(module), "out"), (there.receiver(module), "in")):
        found = contact(company, module, direction)
        assert found
        assert found.last_success
        assert began <= found.last_success <= there.world.clock.now
        assert (found.last_failure, found.problem) == (None, None)


def test_a_handshake_is_a_contact_in_both_directions() -> None:
    there = pair()

    for company in (there.cpo, there.emsp):
        found = company.ports.partners.contacts(company.partners()[0].id)
        assert {("versions", "in"), ("credentials", "out")} <= {(each.module, each.direction) for each in found}
        assert [each.problem for each in found if each.problem] == []


def test_a_partner_that_does_not_answer_is_a_failure_with_its_reason() -> None:
    there = pair()
    there.world.down.add("emsp.example")

    there.put_in(ModuleID.LOCATIONS, make.location())
    there.pump()

    found = contact(there.cpo, "locations", "out")
    assert found
    assert (found.last_success, found.problem) == (None, "no answer: PUT emsp.example: connection refused")


def test_what_we_refuse_is_a_failure_beside_the_last_success() -> None:
    there = pair()
    url = there.at_emsp("locations", "LOC1")
    there.to_emsp("PUT", url, make.location())

    there.to_emsp("PUT", url, make.location(country=7))

    found = contact(there.emsp, "locations", "in")
    assert found
    assert found.last_success
    assert found.last_failure
    assert found.problem
    assert found.problem.startswith("HTTP 200, OCPI status 2001: ")


def test_who_asks_for_an_unknown_object_is_in_touch() -> None:
    """TRA-17, Q-76."""
    there = pair()

    assert there.to_emsp("GET", there.at_emsp("locations", "NOWHERE")).status == 404

    found = contact(there.emsp, "locations", "in")
    assert found
    assert found.last_success
    assert found.last_failure is None


def test_a_token_that_nobody_knows_leaves_no_mark() -> None:
    """TRA-03: whoever it is."""
    there = pair()
    before = there.emsp.ports.partners.contacts(there.emsp.partners()[0].id)
    there.world.clock.pass_(minutes=5)

    assert there.to_emsp("GET", "/ocpi/emsp/versions", headers={"authorization": "Token nobody"}).status == 401

    assert there.emsp.ports.partners.contacts(there.emsp.partners()[0].id) == before


def test_the_operator_sees_when_it_went_well_last_and_what_went_wrong() -> None:
    there = desks()
    path = f"/partners/{there.emsp_id}"
    there.pair.world.clock.pass_(minutes=1)
    there.put_in(ModuleID.TARIFFS, make.tariff("T1"))
    there.pair.pump()
    there.pair.world.down.add("emsp.example")
    there.put_in(ModuleID.TARIFFS, make.tariff("T2"))
    there.pair.pump()

    shown = there.cpo("GET", path).json["contacts"]

    (found,) = [each for each in shown if (each["module"], each["direction"]) == ("tariffs", "out")]
    assert found == {
        "module": "tariffs",
        "direction": "out",
        "last_success": "2026-03-01T12:01:00Z",
        "last_failure": "2026-03-01T12:01:00Z",
        "problem": "no answer: PUT emsp.example: connection refused",
    }
    assert all("contacts" not in each for each in there.cpo("GET", "/partners").json["partners"])


# --- what counts as a success ----------------------------------------------------------------------------------------


def exchange(http_status: int = 200, status_code: int | None = 1000, problem: str = "", **facts: Any) -> Exchange:
    told: dict[str, Any] = {"direction": "out", "partner_id": "p1", "module": "locations", "method": "PUT"}
    return Exchange(
        **told | {"path": "/secret/path", "latency_ms": 1.0} | facts,
        http_status=http_status,
        status_code=status_code,
        problem=problem,
    )


@pytest.mark.parametrize(
    ("http_status", "status_code", "problem"),
    [
        (200, 1000, None),
        (201, 1001, None),
        (200, None, None),
        (404, 2000, None),
        (404, 2003, None),
        (200, 2003, None),
        (0, None, "no answer: why"),
        (200, 2001, "HTTP 200, OCPI status 2001: why"),
        (200, 3000, "HTTP 200, OCPI status 3000: why"),
        (200, 7, "HTTP 200, OCPI status 7: why"),
        (302, None, "HTTP 302: why"),
        (401, 2000, "HTTP 401, OCPI status 2000: why"),
        (405, 2000, "HTTP 405, OCPI status 2000: why"),
        (502, None, "HTTP 502: why"),
        (500, 1000, "HTTP 500, OCPI status 1000: why"),
    ],
)
def test_two_who_understand_each_other_have_no_problem(
    http_status: int, status_code: int | None, problem: str | None
) -> None:
    """TRA-14, Q-14, Q-76."""
    assert problem_of(exchange(http_status, status_code, "why")) == problem


def test_a_problem_has_500_characters_at_most_and_all_of_them_whole() -> None:
    assert problem_of(exchange(500, None, "x" * 1000)) == "HTTP 500: " + "x" * 490
    assert problem_of(exchange(500, None, "a\ud800b")) == "HTTP 500: a?b"
    assert problem_of(exchange(500, None)) == "HTTP 500"


# --- what it costs ---------------------------------------------------------------------------------------------------


@dataclass
class Notes:
    """A store that counts, or fails."""

    fails: bool = False
    noted: list[tuple[Any, ...]] = field(default_factory=list)

    def record_contact(self, *what: str | datetime | None) -> None:
        self.noted.append(what)
        if self.fails:
            raise OSError("the table is gone")


def test_a_busy_partner_costs_one_write_a_minute_for_each_outcome() -> None:
    notes, clock = Notes(), Clock()
    contacts = ContactRecorder(Recorder(), notes, clock)

    for _ in range(3):
        for _ in range(50):
            contacts.record_exchange(exchange())
            contacts.record_exchange(exchange(500))
        clock.pass_(minutes=1)

    assert [each[-1] for each in notes.noted] == [None, "HTTP 500, OCPI status 1000"] * 3


def test_partners_modules_and_directions_are_noted_apart() -> None:
    notes = Notes()
    contacts = ContactRecorder(Recorder(), notes, Clock())

    different: list[dict[str, Any]] = [{}, {"partner_id": "p2"}, {"module": "cdrs"}, {"direction": "in"}, {}]
    for facts in different:
        contacts.record_exchange(exchange(**facts))

    names = [each[:3] for each in notes.noted]
    assert names == [
        ("p1", "locations", "out"),
        ("p2", "locations", "out"),
        ("p1", "cdrs", "out"),
        ("p1", "locations", "in"),
    ]


def test_a_store_that_fails_costs_nobody_an_answer_and_is_spared_for_a_minute() -> None:
    notes, heard = Notes(fails=True), Recorder()
    contacts = ContactRecorder(heard, notes, Clock())

    for _ in range(3):
        contacts.record_exchange(exchange())

    assert len(heard.exchanges) == 3
    assert len(notes.noted) == 1
