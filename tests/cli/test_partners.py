"""``partners``: each command asks the right thing and shows the answer."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer, partner


def test_an_invitation_shows_the_token_and_where_to_use_it(run: Run, server: OperatorServer) -> None:
    result = run("partners", "invite", "--role", "emsp", "--name", "Blue")

    assert result.exit_code == 0
    assert server.asked[0].body == {"role": "emsp", "name": "Blue"}
    assert "tok-1" in result.stdout
    assert "https://us.example/ocpi/cpo/versions" in result.stdout
    assert "not shown again" in result.stderr


def test_an_invitation_in_json_is_what_the_node_answered(run: Run) -> None:
    result = run("partners", "invite", "--role", "emsp", "--json")

    assert json.loads(result.stdout)["token"] == "tok-1"


def test_registering_sends_url_and_token_and_shows_the_partner(run: Run, server: OperatorServer) -> None:
    result = run("partners", "register", "https://blue.example/versions", "--role", "cpo", "--token", "tok-9")

    assert result.exit_code == 0
    assert server.asked[0].body == {"versions_url": "https://blue.example/versions", "token": "tok-9", "role": "cpo"}
    assert "registered" in result.stdout
    assert "tok-9" not in result.output


def test_a_token_left_out_is_asked_for_and_not_echoed(run: Run, server: OperatorServer) -> None:
    result = run("partners", "register", "https://blue.example/versions", "--role", "cpo", stdin="tok-9\n")

    assert server.asked[0].body["token"] == "tok-9"
    assert "tok-9" not in result.output


def test_the_list_has_a_line_per_partner(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1"), partner("c2", name="Red [Roaming]", party=None, state="invited", backlog=7)]

    lines = run("partners", "list").stdout.splitlines()

    columns = ["id", "party", "name", "their_role", "state", "breaker", "profile", "backlog", "problem"]
    assert lines[0].split() == columns
    assert lines[1].split()[:2] == ["b1", "NL/BLU"]
    assert "Red [Roaming]" in lines[2]
    assert len(lines) == 3


def test_an_empty_list_says_how_to_invite(run: Run) -> None:
    result = run("partners", "list")

    assert result.stdout == ""
    assert "partners invite" in result.stderr


def test_a_partner_is_shown_with_what_it_has_not_got(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]
    server.failures = [
        {
            "module": "locations",
            "id": "ROSENPLATZ",
            "path": ["101-1"],
            "reason": "HTTP 503",
            "attempts": 4,
            "failed_at": "2026-05-05T12:00:00Z",
        }
    ]

    result = run("partners", "show", "nl/blu")

    assert [asked.path for asked in server.asked[1:]] == [["partners", "b1"], ["partners", "b1", "outbox"]]
    assert "endpoints: locations" in result.stdout
    assert "tallies: stale_ignored" in result.stdout
    assert "locations/ROSENPLATZ/101-1" in result.stdout
    assert "HTTP 503" in result.stdout


def test_what_a_partner_gets_away_with_is_a_table_the_most_frequent_first(run: Run, server: OperatorServer) -> None:
    once, often = "lenient SES-10 sessions (the whole) changed after the end", "lenient TRA-20 tokens issuer is missing"
    server.partners = [partner("b1", tallies={once: 1, often: 12})]
    server.says["GET partners/b1"] = server.partners[0]

    lines = run("partners", "show", "b1").stdout.splitlines()

    table = lines[next(number for number, line in enumerate(lines) if line.startswith("rule")) :]
    assert [re.split(" {2,}", line.strip()) for line in table] == [
        ["rule", "module", "path", "what", "count"],
        ["TRA-20", "tokens", "issuer", "is missing", "12"],
        ["SES-10", "sessions", "(the whole)", "changed after the end", "1"],
    ]
    assert "tallies" not in "".join(lines)


def test_a_shown_partner_in_json_has_its_failures(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    assert json.loads(run("partners", "show", "b1", "--json").stdout) == {**partner("b1"), "failures": []}


def test_an_unknown_partner_is_told_where_to_look(run: Run) -> None:
    result = run("partners", "show", "NL/XXX")

    assert result.exit_code == 1
    assert "partners list" in result.stderr


def test_several_partners_of_one_name_are_told_apart_by_id(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1"), partner("c2", their_role="cpo"), partner("d3", state="unregistered")]

    result = run("partners", "show", "Blue Mobility")

    assert result.exit_code == 1
    assert "b1 (emsp, registered)" in result.stderr
    assert "c2 (cpo, registered)" in result.stderr
    assert "d3" not in result.stderr


@pytest.mark.parametrize(("what", "is_suspended"), [("suspend", "yes"), ("resume", "no")])
def test_a_partner_is_suspended_and_resumed(what: str, is_suspended: str, run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    result = run("partners", what, "NL/BLU")

    assert [(asked.method, asked.path) for asked in server.asked[1:]] == [("POST", ["partners", "b1", what])]
    assert ["is", "suspended", is_suspended] in [line.split() for line in result.stdout.splitlines()]


def test_a_suspended_partner_stands_out_in_the_list(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1", is_suspended=True)]

    line = run("partners", "list").stdout.splitlines()[1]

    assert "suspended" in line
    assert "registered" not in line


def test_rotating_puts_new_credentials(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    result = run("partners", "rotate", "b1")

    assert result.exit_code == 0
    assert (server.asked[-1].method, server.asked[-1].path) == ("PUT", ["partners", "b1", "credentials"])


def test_unregistering_asks_first(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    refused = run("partners", "unregister", "b1", stdin="n\n")

    assert refused.exit_code == 1
    assert server.asked[-1].method == "GET"


def test_unregistering_can_do_without_asking(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    result = run("partners", "unregister", "b1", "--yes")

    assert result.exit_code == 0
    assert (server.asked[-1].method, server.asked[-1].path) == ("DELETE", ["partners", "b1"])


def test_setting_changes_only_what_is_given(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1")]

    result = run("partners", "set", "b1", "--profile", "strict")

    assert server.asked[-1].body == {"profile": "strict"}
    assert "strict" in result.stdout


@pytest.mark.parametrize(("option", "value"), [("--accept-", True), ("--refuse-", False)])
def test_incomplete_locations_can_be_accepted_and_refused_again(
    option: str, value: bool, run: Run, server: OperatorServer
) -> None:
    """Q-31."""
    server.partners = [partner("b1")]

    run("partners", "set", "b1", f"{option}incomplete-locations")

    assert server.asked[-1].body == {"accept_incomplete_locations": value}


def test_a_partner_can_be_told_who_it_is(run: Run, server: OperatorServer) -> None:
    server.partners = [partner("b1", party=None)]

    run("partners", "set", "b1", "--party", "NL/BLU")

    assert server.asked[-1].body == {"party": "NL/BLU"}


def test_setting_nothing_is_a_mistake(run: Run) -> None:
    assert run("partners", "set", "b1").exit_code == 2
