"""Nobody charges with a suspended partner: no driver of theirs is let in, no command goes out, no result, no CDR."""

from __future__ import annotations

import pytest

from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.entrypoints.desk import desks
from tests.modules.suspending import resumed, suspended


@pytest.mark.parametrize("whitelist", ["ALWAYS", "ALLOWED", "ALLOWED_OFFLINE", "NEVER"])
def test_drivers_of_a_suspended_partner_do_not_charge_and_it_is_not_asked(whitelist: str) -> None:
    """N-03, TOK-06."""
    there = desks()
    there.emsp("PUT", "/tokens/K1", make.token("K1", whitelist=whitelist))
    there.pair.pump()
    suspended(there.cpo)
    mark = len(there.pair.world.traffic)

    answer = there.cpo("POST", "/authorize", {"uid": "K1"}).json

    assert (answer["allowed"], answer["decided_by"]) == ("NOT_ALLOWED", "nobody")
    assert there.pair.world.since(mark) == []
    resumed(there.cpo)
    assert there.cpo("POST", "/authorize", {"uid": "K1"}).json["allowed"] == "ALLOWED"


def test_a_suspended_partner_gets_no_commands() -> None:
    """N-03."""
    there = desks()
    there.emsp("PUT", "/tokens/K1", make.token("K1"))
    there.pair.pump()
    suspended(there.emsp)
    path, body = f"/partners/{there.cpo_id}/commands/START_SESSION", {"token_uid": "K1", "location_id": "LOC1"}
    mark = len(there.pair.world.traffic)

    answer = there.emsp("POST", path, body)

    assert (answer.status, answer.error) == (409, "this partner is suspended: resume it first")
    assert there.pair.world.since(mark) == []
    assert there.emsp("GET", f"/partners/{there.cpo_id}/commands").json["items"] == []


def test_what_a_charge_point_did_is_not_posted_to_a_suspended_partner() -> None:
    """N-03, CMD-14: it is still there to be looked at."""
    there = desks()
    there.cpo("PUT", "/locations/LOC1", make.location("LOC1"))
    there.emsp("PUT", "/tokens/K1", make.token("K1"))
    there.pair.pump()
    there.emsp("POST", f"/partners/{there.cpo_id}/commands/START_SESSION", {"token_uid": "K1", "location_id": "LOC1"})
    command_id = there.pair.cpo.command_queues.asked[-1]["command_id"]
    suspended(there.cpo)
    mark = len(there.pair.world.traffic)

    there.cpo("POST", f"/commands/{command_id}/result", {"result": "ACCEPTED"})
    there.pair.cpo.pump_commands()

    assert there.pair.world.since(mark) == []
    shown = there.cpo("GET", f"/commands/{command_id}").json
    assert (shown["result"], shown["problem"]) == ("ACCEPTED", "they are suspended")


def test_a_cdr_is_not_fetched_from_a_suspended_partner() -> None:
    """N-03, CDR-05."""
    there = desks()
    there.put_in(ModuleID.CDRS, make.cdr("C1"))
    there.pair.pump()
    suspended(there.cpo)
    mark = len(there.pair.world.traffic)

    answer = there.cpo("GET", "/cdrs/C1/posting", query={"fetch": "yes"})

    assert answer.status == 409
    assert "suspended" in answer.error
    assert there.pair.world.since(mark) == []
