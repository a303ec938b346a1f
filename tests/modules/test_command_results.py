"""Proves which result of a command counts, that it is posted once and where to, and that no failure goes unseen."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chalicelib.modules.commands.objects import RESULT
from chalicelib.modules.commands.stages import is_over, stage
from chalicelib.node.commands import Command, CommandResult, Posting, Side
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from tests.modules.relaying import REQUESTS, RESPONSE_URL, Inbox, Relaying, relaying
from tests.node.faults import at_once

Json = Any

every_result = pytest.mark.parametrize("result", RESULT)


def waiting(name: str = "START_SESSION", **fields: Json) -> tuple[Relaying, Inbox, Command]:
    """A command that is on its way to the charge point, and the host of the eMSP."""
    there = relaying()
    inbox = Inbox(there.world)
    return there, inbox, there.accepted(name, **fields)


def told(there: Relaying, command: Command) -> list[str]:
    """What has happened to it, in words."""
    return [event.what for event in there.command(command.id).events]


def seen(there: Relaying, command: Command) -> tuple[str, bool]:
    """Where the operator sees it."""
    now = there.world.clock.now
    return stage(there.command(command.id), now), is_over(there.command(command.id), now)


# --- what is posted -----------------------------------------------------------------------------------------------


@every_result
@pytest.mark.parametrize("name", list(REQUESTS))
def test_the_result_is_posted_bare_to_exactly_the_response_url(name: str, result: str) -> None:
    """CMD-04, CMD-05, CMD-03: with our token, as the host is one that they registered."""
    there, inbox, command = waiting(name, response_url=f"{RESPONSE_URL}/a%20b?c=%2F&d=1")

    there.answers(command.id, result)

    sent = there.world.traffic[-1].request
    assert (sent.method, sent.url) == ("POST", f"{RESPONSE_URL}/a%20b?c=%2F&d=1")
    assert sent.body == b'{"result":"%s"}' % result.encode()
    assert sent.headers["authorization"] == f"Token {there.pair.to_emsp.token}"
    assert inbox.results == [{"result": result}]
    assert seen(there, command) == ("answered", True)
    assert there.command(command.id).posting is Posting.DONE


@pytest.mark.parametrize(
    ("name", "fields"),
    [("STOP_SESSION", {"session_id": "S9"}), ("START_SESSION", {"location_id": "LOC9"})],
)
def test_nothing_is_posted_of_a_command_that_was_not_accepted(name: str, fields: Json) -> None:
    """CMD-04: nor when its time would be over."""
    there = relaying()
    inbox = Inbox(there.world)
    there.post(name, **fields)

    there.wait(minutes=10)

    assert inbox.requests == []


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/r", "https://emsp.example:8443/r", "https://a.emsp.example/"]
)
def test_our_token_does_not_go_to_a_host_that_they_did_not_register(url: str) -> None:
    """CMD-05, Q-59: the result does."""
    there, _, command = waiting(response_url=url)
    inbox = Inbox(there.world, url.split("/")[2])

    there.answers(command.id, "ACCEPTED")

    assert inbox.results == [{"result": "ACCEPTED"}]
    (request,) = inbox.requests
    assert "authorization" not in {name.lower() for name in request.headers}
    assert there.pair.to_emsp.token not in repr(request)


# --- which one counts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["ACCEPTED", "REJECTED", "TIMEOUT"])
@pytest.mark.parametrize("source", ["charge point", "operator"])
def test_the_first_result_counts_and_the_others_are_only_remembered(first: str, source: str) -> None:
    """CMD-04: repeated, contradictory or late."""
    there, inbox, command = waiting()

    there.answers(command.id, first)
    there.answers(command.id, first, "REJECTED", "ACCEPTED", source=source)

    assert inbox.results == [{"result": first}]
    assert there.command(command.id).result == first
    assert told(there, command) == [
        f"{first} from the charge point",
        "being answered",
        "answered at the response_url",
        f"{first} from the {source}, too late: {first} counts",
        f"REJECTED from the {source}, too late: {first} counts",
        f"ACCEPTED from the {source}, too late: {first} counts",
    ]


def test_a_second_result_before_the_first_is_posted_changes_nothing() -> None:
    """CMD-04."""
    there, inbox, command = waiting()
    for result in ("REJECTED", "ACCEPTED"):
        there.cpo.command_queues.enqueue_result(
            CommandResult(command_id=command.id, result=result, source="charge point")
        )

    there.cpo.pump_commands()

    assert inbox.results == [{"result": "REJECTED"}]


def test_of_results_that_come_at_once_one_is_the_first_and_is_posted() -> None:
    """CMD-04: from many workers."""
    there, inbox, command = waiting()
    results = [
        CommandResult(command_id=command.id, result=RESULT[number % len(RESULT)], source="charge point")
        for number in range(10)
    ]

    at_once(*(partial(there.cpo.company.command_results.receive, result) for result in results))
    there.cpo.pump_commands()

    first = there.command(command.id).result
    assert inbox.results == [{"result": first}]
    assert told(there, command)[0] == f"{first} from the charge point"
    assert len([line for line in told(there, command) if "too late" in line]) == 9


def test_a_message_to_post_a_result_that_comes_again_posts_it_no_second_time() -> None:
    """CMD-04: queues hand a message over twice now and then, also long after."""
    there, inbox, command = waiting()
    there.answers(command.id, "ACCEPTED")
    before = there.command(command.id)

    there.cpo.company.command_results.post(command.id)

    assert inbox.results == [{"result": "ACCEPTED"}]
    assert there.command(command.id) == before


def test_what_comes_without_end_is_not_remembered_without_end() -> None:
    """CMD-04: the beginning is what counts."""
    there, inbox, command = waiting()

    there.answers(command.id, *["ACCEPTED"] * 50)

    assert inbox.results == [{"result": "ACCEPTED"}]
    assert len(told(there, command)) == 20
    assert told(there, command)[2] == "answered at the response_url"


def test_a_result_that_there_is_not_is_refused_and_another_one_still_counts() -> None:
    """CMD-03: such as one of a later version."""
    there, inbox, command = waiting()

    with pytest.raises(InvalidParameters, match="result is one of"):
        there.answers(command.id, "EVSE_OCCUPIED")
    there.cpo.command_queues.results.clear()
    there.answers(command.id, "REJECTED")

    assert inbox.results == [{"result": "REJECTED"}]


@pytest.mark.parametrize("command_id", ["p999", "", "x" * 300])
def test_a_result_of_a_command_that_nobody_sent_us_is_not_found(command_id: str) -> None:
    """CMD-04."""
    there, inbox, command = waiting()

    with pytest.raises(NotFound):
        there.cpo.company.command_results.receive(
            CommandResult(command_id=command_id, result="ACCEPTED", source="charge point")
        )

    assert there.command(command.id) == command
    assert inbox.requests == []


def test_a_command_that_we_sent_takes_no_result_from_our_own_charge_points() -> None:
    """CMD-04: whoever is both CPO and eMSP does not mix them up."""
    there, _, command = waiting()
    there.cpo.ports.commands.add(replace(command, id="sent", side=Side.SENT, version=1))

    with pytest.raises(NotFound):
        there.cpo.company.command_results.receive(
            CommandResult(command_id="sent", result="ACCEPTED", source="charge point")
        )


# --- the timer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_s", [1, 60, 900])
def test_a_silent_charge_point_is_a_timeout_once_and_at_the_time_that_is_set(timeout_s: int) -> None:
    """CMD-14."""
    there = relaying(command_timeout_s=timeout_s)
    inbox, command = Inbox(there.world), there.accepted()
    ((timer, delay_s),) = there.results

    there.wait(seconds=timeout_s - 0.5)
    early = list(inbox.results)
    there.wait(seconds=1)
    there.wait(hours=1)

    assert (timer, delay_s) == (CommandResult(command_id=command.id, result="TIMEOUT", source="timer"), timeout_s)
    assert (early, inbox.results) == ([], [{"result": "TIMEOUT"}])


@every_result
def test_the_timer_does_nothing_where_there_was_a_result(result: str) -> None:
    """CMD-14, CMD-04: and leaves no word of it."""
    there, inbox, command = waiting()
    there.answers(command.id, result)
    before = there.command(command.id)

    there.wait(minutes=5)

    assert there.results == []
    assert inbox.results == [{"result": result}]
    assert there.command(command.id) == before


def test_a_result_after_the_timeout_is_remembered_and_posted_to_nobody() -> None:
    """CMD-14, CMD-04: they have heard that there was none, once."""
    there, inbox, command = waiting()
    there.wait(minutes=2)

    there.answers(command.id, "ACCEPTED")

    assert inbox.results == [{"result": "TIMEOUT"}]
    assert told(there, command)[-1] == "ACCEPTED from the charge point, too late: TIMEOUT counts"
