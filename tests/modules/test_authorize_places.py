"""Proves where a driver may charge: what of the places that a CPO asks about exists, and what the host allows of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.modules.tokens.authorize import Ruling, decide
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.modules.test_authorize import ALLOWED, AT_LOC1, INFO, ask, issued, rule

Json = dict[str, Any]


def places(*evse_uids: str, connectors: list[str] | None = None, at: str = "LOC1") -> Json:
    found: Json = {"location_id": at}
    found |= {"evse_uids": list(evse_uids)} if evse_uids else {}
    return found | ({"connector_ids": connectors} if connectors else {})


# --- what exists ---------------------------------------------------------------------------------------------------


def test_nothing_asked_about_a_place_nothing_answered_about_one() -> None:
    """TOK-15."""
    assert ask(issued(locations=1)).data == ALLOWED


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (places(), places()),
        (places("E1"), places("E1")),
        (places("E2", "E1"), places("E2", "E1")),
        (places("E1", "E9"), places("E1")),
        (places("E1", connectors=["2"]), places("E1", connectors=["2"])),
        (places("E1", connectors=["2", "9"]), places("E1", connectors=["2"])),
        (places("E1", "E2", connectors=["1"]), places("E1", "E2")),
        (places("E1", "E9", connectors=["1"]), places("E1")),
        (places(connectors=["1"]), places()),
    ],
)
def test_what_is_known_of_the_places_is_allowed(asked: Json, answered: Json) -> None:
    """TOK-15, Q-78: connectors are told apart only where one EVSE is given."""
    reply = ask(issued(locations=1), asked)

    assert (reply.outcome, reply.data) == ((200, 1000), ALLOWED | {"location": answered})


@pytest.mark.parametrize("asked", [places(at="LOC9"), places("E9"), places("E1", connectors=["9"])])
def test_a_place_that_the_cpo_shares_not_with_us_is_unknown(asked: Json) -> None:
    """TOK-17, Q-53, Q-76: it does share others."""
    reply = ask(issued(locations=1), asked)

    assert (reply.outcome, reply.data) == ((200, 2003), None)
    assert reply.message.startswith("LocationReferences.")


def test_where_a_cpo_shares_no_locations_we_decide_without() -> None:
    """TOK-17, Q-53."""
    there = issued(locations=0)

    reply = ask(there, places("E1", connectors=["1"]))

    assert reply.data == ALLOWED | {"location": places("E1", connectors=["1"])}


@pytest.mark.parametrize("ruling", [{"needs_location": True}, {"locations": [AT_LOC1]}])
def test_a_token_that_needs_a_place_needs_one_that_we_know(ruling: Json) -> None:
    """TOK-17, Q-53."""
    there = issued(locations=0)
    rule(there, ruling)

    assert ask(there, places()).outcome == (200, 2003)


def test_a_cpo_that_has_not_said_who_it_is_is_answered_all_the_same() -> None:
    """TOK-17: it can have shared nothing with us."""
    there = issued(locations=1)
    partners = there.pair.emsp.ports.partners
    partner = partners.get(there.cpo_id)
    assert partner is not None
    partners.save(partner.with_changes(party=None), release=Party.of("DE", "CPO"))
    there.pair.world.clock.pass_(hours=1)

    assert ask(there, places("E9")).data == ALLOWED | {"location": places("E9")}


# --- what is allowed of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ruling", [{"needs_location": True}, {"locations": [AT_LOC1]}])
def test_a_token_that_is_not_good_everywhere_asks_where(ruling: Json) -> None:
    """TOK-13: but a token that is good nowhere does not ask."""
    there = issued(locations=1)
    rule(there, ruling)

    assert ask(there).outcome == ask(there, {}).outcome == (200, 2002)
    assert ask(there, places()).data == ALLOWED | {"location": places()}

    rule(there, ruling | {"allowed": "EXPIRED"})
    assert ask(there).data == {"allowed": "EXPIRED"}


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (places("E1", "E2"), places("E1")),
        (places("E1"), places("E1")),
        (places(), places("E1")),
        (places("E2"), None),
        (places(at="LOC2"), None),
        (places("E1", connectors=["1", "2"]), places("E1", connectors=["1", "2"])),
    ],
)
def test_of_the_places_asked_about_those_that_the_host_allows_are_answered(asked: Json, allowed: Json | None) -> None:
    """TOK-15: where nothing is left of them, it is NOT_ALLOWED, and no place is named."""
    there = issued(locations=2)
    rule(there, {"locations": [places("E1")], "info": INFO})

    reply = ask(there, asked)

    verdict = ALLOWED | {"location": allowed} if allowed else {"allowed": "NOT_ALLOWED"}
    assert (reply.outcome, reply.data) == ((200, 1000), verdict | {"info": INFO})


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (places("E1", connectors=["1", "2"]), places("E1", connectors=["2"])),
        (places("E1", connectors=["1"]), None),
        (places("E1"), places("E1", connectors=["2"])),
    ],
)
def test_connectors_are_allowed_within_their_evse(asked: Json, allowed: Json | None) -> None:
    """TOK-15, Q-78."""
    there = issued(locations=1)
    rule(there, {"locations": [places("E1", connectors=["2"])]})

    assert ask(there, asked).data == (ALLOWED | {"location": allowed} if allowed else {"allowed": "NOT_ALLOWED"})


ids = st.lists(st.sampled_from(["E1", "E2", "E3"]), unique=True, max_size=3)
some_places = st.builds(lambda at, evse_uids: places(*evse_uids, at=at), st.sampled_from(["LOC1", "LOC2"]), ids)


@given(
    asked=some_places, good=st.lists(some_places, min_size=1, max_size=2, unique_by=lambda each: each["location_id"])
)
def test_nothing_is_allowed_that_was_not_asked_about_and_ruled_good(asked: Json, good: list[Json]) -> None:
    """TOK-15: and all that was."""
    ruling = Ruling.model_validate({"locations": good}, context=Profile.STRICT.level)

    info = decide(make.token(), ruling, asked)

    every = {"E1", "E2", "E3"}
    wanted = set(asked.get("evse_uids", every))
    fitting = [set(each.get("evse_uids", every)) for each in good if each["location_id"] == asked["location_id"]]
    expected = wanted & fitting[0] if fitting else set()
    assert info["allowed"] == ("ALLOWED" if expected else "NOT_ALLOWED")
    if expected:
        assert info["location"]["location_id"] == asked["location_id"]
        assert set(info["location"].get("evse_uids", every)) == expected


def test_one_of_several_places_is_enough() -> None:
    """TOK-15."""
    there = issued(locations=2)
    rule(there, {"locations": [places(at="LOC9"), places("E2", at="LOC2"), places("E1")]})

    assert ask(there, places("E1", "E2", at="LOC2")).data == ALLOWED | {"location": places("E2", at="LOC2")}


def test_a_blocked_token_is_blocked_everywhere() -> None:
    """TOK-14, TOK-15."""
    there = issued(locations=1)
    rule(there, {"allowed": "BLOCKED", "locations": [places()]})

    assert ask(there, places("E1")).data == {"allowed": "BLOCKED"}


# --- what the host may say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ruling", "said"),
    [
        ([], "not an object"),
        ({"allowed": "MAYBE"}, "allowed is not a value of this enum"),
        ({"allowed": "ALLOWED", "colour": "red"}, "no colour"),
        ({"info": INFO | {"colour": "red"}}, "no info.colour"),
        ({"info": "Hello"}, "info is not an object"),
        ({"needs_location": "yes"}, "needs_location is not a boolean"),
        ({"locations": [{"evse_uids": ["E1"]}]}, "locations[0].location_id is missing"),
        ({"locations": [places("E1"), places("E2")]}, "locations name a Location twice"),
    ],
)
def test_a_ruling_that_means_nothing_is_refused(ruling: Any, said: str) -> None:
    there = issued()

    answer = there.emsp("PUT", "/tokens/K1/authorization", ruling)

    assert answer.status == 422
    assert said in answer.error
    assert there.emsp("GET", "/tokens/K1/authorization").status == 404


def test_what_is_only_warned_about_is_no_unknown_field() -> None:
    """FMT-09."""
    there = issued()
    info = {"language": "en", "text": "Please\ncall <b>us</b>"}

    rule(there, {"allowed": "BLOCKED", "info": info})

    assert ask(there).data == {"allowed": "BLOCKED", "info": info}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_tokens_of_ours_are_ruled_about(method: str) -> None:
    """TOK-16."""
    there = issued()

    assert there.emsp(method, "/tokens/NONE/authorization", {}).status == 404
    answer = there.cpo(method, "/tokens/K1/authorization", {})
    assert (answer.status, answer.error) == (404, "this node does not own tokens")
