"""Proves that what is final stays as it is, and that we keep rules ourselves that we only ask of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.objects import OURS
from chalicelib.node.owning.drafts import FinalObject
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import another_value, counters, read_as
from tests.world import Pair, pair

Json = dict[str, Any]

SESSIONS, CDRS = ModuleID.SESSIONS, ModuleID.CDRS
FINAL = [
    (SESSIONS, make.session("X1", status="COMPLETED", end_datetime="2026-01-01T02:00:00Z")),
    (SESSIONS, make.session("X1", status="INVALID")),
    (CDRS, make.cdr("X1")),
]
every_final_object = pytest.mark.parametrize(("module", "value"), FINAL, ids=["COMPLETED", "INVALID", "a CDR"])


def ended(module: ModuleID, value: Json) -> Pair:
    """The CPO has put the object in, and the eMSP has it."""
    there = pair()
    assert there.put_in(module, value).outcome == "created"
    there.pump()
    there.world.clock.pass_(hours=1)
    return there


@every_final_object
def test_what_is_final_refuses_every_change(module: ModuleID, value: Json) -> None:
    """SES-10, CDR-09: here and so at the partner, and nothing is announced."""
    there = ended(module, value)
    own, store = there.cpo.company.own_objects[module], there.cpo.ports.stores[module]
    key, (name, other) = MODULES[module].key_of("X1"), another_value(module)
    before, mark = store.get(OURS, key), len(there.world.traffic)

    changes: list[Callable[[], object]] = [
        lambda: own.put("X1", (), value | {name: other}, there.emsp.party),
        lambda: own.patch("X1", (), {name: other}),
        lambda: own.patch("X1", (), {"meter_id": "M1"}),
        lambda: own.put("X1", (), {**value, "total_cost": 99.5}),
    ]
    for change in changes:
        with pytest.raises(FinalObject, match="is final and cannot change any more"):
            change()
    done = own.import_all([value | {name: other}], there.emsp.party)
    there.pump()

    assert ["final" in reason for _, _, reason in done.failed] == [True]
    assert store.get(OURS, key) == before
    assert there.world.since(mark) == []


@every_final_object
def test_what_is_final_may_be_repeated(module: ModuleID, value: Json) -> None:
    """SES-10, CDR-09, Q-68: hosts repeat what they are not sure of."""
    there = ended(module, value)
    own, mark = there.cpo.company.own_objects[module], len(there.world.traffic)

    outcomes = [
        there.put_in(module, value).outcome,
        own.put("X1", (), value | {"last_updated": "2026-03-01T12:30:00Z"}).outcome,
        own.patch("X1", (), {}).outcome,
    ]
    there.pump()

    assert outcomes == ["unchanged"] * 3
    assert own.import_all([value], there.emsp.party).unchanged == 1
    assert there.world.since(mark) == []


def test_a_cdr_is_the_same_whatever_the_letter_case_of_its_id() -> None:
    """FMT-07, CDR-18, CDR-09: so the other spelling would change it."""
    there = ended(CDRS, make.cdr("X1"))

    with pytest.raises(FinalObject):
        there.put_in(CDRS, make.cdr("x1", total_cost=99.5))

    assert there.cpo.company.own_objects[CDRS].get("x1")["id"] == "X1"


@pytest.mark.parametrize("status", ["PENDING", "ACTIVE"])
def test_a_session_may_change_until_it_is_final(status: str) -> None:
    """SES-10: PENDING may never become ACTIVE, and either may end."""
    there = ended(SESSIONS, make.session("X1", status=status))
    own = there.cpo.company.own_objects[SESSIONS]

    assert own.patch("X1", (), {"kwh": 9.5}).outcome == "updated"
    assert own.patch("X1", (), {"status": "INVALID"}).outcome == "updated"
    with pytest.raises(FinalObject):
        own.patch("X1", (), {"status": status})


# --- rules that we keep ourselves ----------------------------------------------------------------------------------

TWO_EVSES = make.location(evses=[make.evse("E1"), make.evse("E2")])
TWO_CONNECTORS = make.location(evses=[make.evse("E1", connectors=[make.connector("1"), make.connector("2")])])
NO_EVSE = make.location(evses=None)


def period(hour: int) -> Json:
    return {"start_date_time": f"2026-01-01T{hour:02}:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1}]}


BREACHES = [
    *((SESSIONS, "SES-08", {"location": place}) for place in (TWO_EVSES, TWO_CONNECTORS, NO_EVSE)),
    *((CDRS, "CDR-15", {"location": place}) for place in (TWO_EVSES, TWO_CONNECTORS, NO_EVSE)),
    (CDRS, "CDR-12", {"charging_periods": [period(0), period(2), period(1)]}),
    (CDRS, "CDR-12", {"charging_periods": [period(1)]}),
    (CDRS, "CDR-13", {"total_time": 120}),
    (CDRS, "CDR-13", {"total_time": 1.9}),
    (CDRS, "CDR-13", {"total_parking_time": 2.5}),
    (CDRS, "CDR-13", {"total_parking_time": -1}),
]
every_breach = pytest.mark.parametrize(("module", "rule", "breach"), BREACHES)


@every_breach
def test_we_do_not_break_these_rules_ourselves(module: ModuleID, rule: str, breach: Json) -> None:
    """SES-08, CDR-12, CDR-13, CDR-15: the host is told which, and nothing is stored."""
    there = pair()
    value = make.object_of(module, "X1") | breach

    with pytest.raises(InvalidParameters, match=rf"{next(iter(breach))} .*\({rule}\)"):
        there.put_in(module, value)

    done = there.cpo.company.own_objects[module].import_all([value], there.emsp.party)
    assert [rule in reason for _, _, reason in done.failed] == [True]
    assert there.cpo.ports.stores[module].get(OURS, MODULES[module].key_of("X1")) is None


def test_a_change_may_not_break_them_either() -> None:
    """SES-08."""
    there = ended(SESSIONS, make.session("X1"))

    with pytest.raises(InvalidParameters, match="SES-08"):
        there.cpo.company.own_objects[SESSIONS].patch("X1", (), {"location": TWO_EVSES})


@pytest.mark.parametrize("profile", Profile)
@every_breach
def test_others_who_break_them_are_heard_and_counted(
    module: ModuleID, rule: str, breach: Json, profile: Profile
) -> None:
    """SES-08, CDR-12, CDR-13, CDR-15: accept and warn."""
    there = read_as(pair(), profile)
    value = make.object_of(module, "X1") | breach
    method, url = ("POST", there.at_receiver(CDRS)) if module is CDRS else ("PUT", there.at_receiver(module, "X1"))

    reply = there.to_receiver(module)(method, url.rstrip("/"), value)

    assert reply.outcome == (201, 1000)
    assert [name for name in counters(there) if name.startswith(f"lenient {rule} {module} {next(iter(breach))}")]


@pytest.mark.parametrize("fields", [{}, {"total_parking_time": 0.5}, {"charging_periods": [period(0), period(1)]}])
def test_what_keeps_them_is_not_doubted(fields: Json) -> None:
    """CDR-12, CDR-13, CDR-15."""
    there = pair()

    kept = there.put_in(CDRS, make.cdr("X1", **fields))

    assert (kept.outcome, kept.warnings) == ("created", ())
