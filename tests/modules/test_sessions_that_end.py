"""Proves that a CDR ends its session at the eMSP, whichever of the two comes first and whatever comes after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.modules import MODULES
from chalicelib.modules.sessions.completion import SessionCompletion
from chalicelib.node.events.announcing import EventAnnouncer
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import counters, read_as
from tests.world import Pair, pair

Json = dict[str, Any]

SESSIONS, CDRS = ModuleID.SESSIONS, ModuleID.CDRS

both_profiles = pytest.mark.parametrize("profile", Profile)
either_first = pytest.mark.parametrize("cdr_first", [True, False], ids=["CDR first", "session first"])

UNTIL = {"start_datetime": "2026-01-01T00:00:00Z", "last_updated": "2026-01-01T01:00:00Z", "kwh": 6}
"""A session half an hour before its CDR of 12.5 kWh was written at two."""


def put(there: Pair, session: Json) -> None:
    reply = there.to_emsp("PUT", there.at_receiver(SESSIONS, *steps(session["id"])), session)
    assert reply.code == 1000, reply.message


def steps(session_id: str) -> list[str]:
    return [quote(session_id, safe="")]


def post(there: Pair, cdr: Json) -> None:
    assert there.to_emsp("POST", "/ocpi/emsp/2.1.1/cdrs", cdr).code == 1000


def told(there: Pair, session: Json, cdr: Json, *, cdr_first: bool) -> Json:
    """The session at the eMSP after it was told of both."""
    for tell, value in [(post, cdr), (put, session)] if cdr_first else [(put, session), (post, cdr)]:
        tell(there, value)
    return held(there, session["id"])


def held(there: Pair, session_id: str = "C1") -> Json:
    found = there.emsp.received(SESSIONS, there.cpo.party, session_id)
    assert found is not None
    return dict(found)


def blamed(there: Pair) -> list[str]:
    return [name for name in counters(there, SESSIONS) if "SES-10" in name]


@both_profiles
@either_first
@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "COMPLETED", "INVALID"])
def test_a_session_and_its_cdr_come_to_the_same_in_either_order(status: str, cdr_first: bool, profile: Profile) -> None:
    """Q-47, Q-63: the CDR has the last word, and nobody is blamed for the order."""
    there = read_as(pair(), profile, SESSIONS)

    after = told(there, make.session("C1", status=status, meter_id="M1", **UNTIL), make.cdr("C1"), cdr_first=cdr_first)

    assert (after["status"], after["kwh"], after["total_cost"], after["meter_id"]) == ("COMPLETED", 12.5, 3.13, "M1")
    assert (after["start_datetime"], after["end_datetime"]) == ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z")
    assert after["last_updated"] == "2026-01-01T02:00:00Z"
    assert after["charging_periods"] == make.cdr()["charging_periods"]
    assert "start_date_time" not in after
    assert blamed(there) == []


@either_first
def test_a_late_update_is_no_news_to_a_session_that_a_cdr_has_ended(cdr_first: bool) -> None:
    """Q-47: whether it is older than the CDR or younger."""
    there = pair()
    before = told(there, make.session("C1", **UNTIL), make.cdr("C1"), cdr_first=cdr_first)
    url = there.at_receiver(SESSIONS, "C1")

    for stamp in ("2026-01-01T01:30:00Z", "2026-01-02T00:00:00Z"):
        late = {"kwh": 9, "status": "ACTIVE", "last_updated": stamp}
        assert there.to_emsp("PATCH", url, late).outcome == (200, 1000)
        assert there.to_emsp("PUT", url, make.session("C1", **UNTIL | late)).outcome == (200, 1000)

    after = held(there)
    assert after | {"last_updated": ""} == before | {"last_updated": ""}
    assert blamed(there) == []


@either_first
def test_a_session_that_is_younger_than_its_cdr_stays_that_young(cdr_first: bool) -> None:
    """Q-47: ended by the CDR, and its stamp does not go back."""
    there = pair()

    young = make.session("C1", **UNTIL | {"last_updated": "2026-01-03T00:00:00Z"})
    after = told(there, young, make.cdr("C1"), cdr_first=cdr_first)

    assert (after["status"], after["last_updated"]) == ("COMPLETED", "2026-01-03T00:00:00Z")


@either_first
def test_sessions_with_another_id_have_nothing_to_do_with_the_cdr(cdr_first: bool) -> None:
    """Q-63: the ids of sessions differ in case, those of CDRs do not."""
    there = pair()

    for other in ("C2", "c1"):
        after = told(there, make.session(other, **UNTIL), make.cdr("C1"), cdr_first=cdr_first)

        assert (after["status"], after["kwh"]) == ("ACTIVE", 6)


def test_no_session_is_made_up_from_a_cdr() -> None:
    """SES-04, Q-47."""
    there = pair()

    post(there, make.cdr("C1"))

    assert there.to_emsp("GET", there.at_receiver(SESSIONS, "C1")).status == 404
    assert there.to_emsp("PATCH", there.at_receiver(SESSIONS, "C1"), {"kwh": 1}).status == 404


@either_first
@pytest.mark.parametrize("long_id", ["ü" * 36, "x" * 200, "a/b *c"])
def test_ids_of_every_kind_connect_a_session_with_its_cdr(long_id: str, cdr_first: bool) -> None:
    """Q-27, Q-63, FMT-08."""
    there = pair()

    after = told(there, make.session(long_id, **UNTIL), make.cdr(long_id), cdr_first=cdr_first)

    assert (after["status"], after["kwh"]) == ("COMPLETED", 12.5)


def test_a_repeat_ends_the_session_that_a_crash_has_left_open() -> None:
    """CDR-08, Q-49: the answer to the first POST was lost, and so was what should have followed."""
    there = pair()
    stores = there.emsp.ports.stores
    put(there, make.session("C2", **UNTIL))
    left_open = stores[SESSIONS].get("theirs/DE/CPO", "C2")
    assert left_open is not None
    post(there, make.cdr("C2"))
    ended = stores[SESSIONS].get("theirs/DE/CPO", "C2")
    assert ended is not None
    as_left_open = replace(left_open, version=ended.version + 1, metadata={}, keys={})
    stores[SESSIONS].put("theirs/DE/CPO", as_left_open)
    assert held(there, "C2")["status"] == "ACTIVE"

    post(there, make.cdr("C2"))

    assert held(there, "C2")["status"] == "COMPLETED"


def test_a_session_that_somebody_else_writes_meanwhile_is_ended_all_the_same() -> None:
    """Q-47: what is written between our look and our write is looked at again."""
    there = pair()
    put(there, make.session("C1", **UNTIL))
    sessions, cdrs = (there.emsp.ports.stores[module] for module in (SESSIONS, CDRS))
    busy = Busy(sessions)

    announcer = EventAnnouncer(there.emsp.events, there.world.clock)
    ends = SessionCompletion(MODULES[CDRS], lambda _seconds: None, announcer, sessions=busy, cdrs=cdrs)
    ends.complete(there.emsp.partners()[0], [make.cdr("C1")])

    assert busy.refused == 1
    assert held(there)["status"] == "COMPLETED"


class Busy:
    """A store in which somebody else is always first, once."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, owner: str, stored: Any) -> None:
        if not self.refused:
            self.refused += 1
            before = self._store.get(owner, stored.id)
            self._store.put(owner, replace(before, version=before.version + 1, metadata={}, keys={}))
        self._store.put(owner, stored)
