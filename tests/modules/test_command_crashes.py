"""Proves that a result reaches its partner once, whichever step of a command fails, before or after it took effect.

Every call of a store, a queue or the network fails in turn, in two ways: with an exception that the node can see, and
by the death of the process, after which nothing more is done. SQS repeats what was not finished, and what was.

The one window that stays open: a process that dies after it wrote down that it begins to post, and before it has posted
for sure. Nobody can know then whether the partner heard it. It is not posted again, and the operator is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.modules.commands.results import BROKE_OFF
from chalicelib.modules.commands.stages import is_over, stage
from chalicelib.node.commands import Command, CommandResult, Posting
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.modules.crashing import Died, Fuse, Repeating
from tests.modules.relaying import REQUESTS, ROOT, Inbox, Relaying, relaying
from tests.node.faults import Broken, run_on

Json = Any

STEPS = range(1, 20)
in_each_way = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
with_each_error = pytest.mark.parametrize("error", [Broken, Died])
at_each_step = pytest.mark.parametrize("step", STEPS)


@dataclass
class Outcome:
    """What came of one command."""

    answered: str | int | None
    """The result at once; an error's status code; None if the process died."""
    posted: list[Json]
    """The results that arrived at the ``response_url``."""
    command: Command | None
    fuse: Fuse


def outcome(step: int, error: type[BaseException], result: str | None, name: str, *, after: bool) -> Outcome:
    """A command whose step number ``step`` fails; the charge point says ``result``, or nothing."""
    there, fuse, queues = relaying(), Fuse(step, after, error), Repeating()
    inbox = Inbox(there.world)
    _fused(there, fuse, queues)
    answered = _asked(there, name)
    # The back end answers what it gets, whatever the partner heard.
    for message in queues.asked if result else ():
        queues.enqueue_result(
            CommandResult(command_id=message["command_id"], result=str(result), source="charge point")
        )
    results = there.cpo.company.command_results
    queues.work(results.receive, results.post, timers=False)
    there.world.clock.pass_(minutes=2)
    queues.work(results.receive, results.post, timers=True)
    kept = there.commands()
    return Outcome(answered, inbox.results, kept[0] if kept else None, fuse)


def _fused(there: Relaying, fuse: Fuse, queues: Repeating) -> None:
    ports = there.cpo.ports
    tokens = fuse.around(ports.stores[ModuleID.TOKENS], "get", "put")
    run_on(
        there.cpo,
        stores={**ports.stores, ModuleID.TOKENS: tokens},
        commands=fuse.around(ports.commands, "add", "get", "save", "reserve"),
        command_queues=fuse.around(queues, "enqueue_command", "enqueue_result", "enqueue_answer"),
        partners=fuse.around(ports.partners, "get"),
        web=fuse.around(there.world, "send"),
    )


def _asked(there: Relaying, name: str) -> str | int | None:
    try:
        reply = there.pair.to_cpo("POST", f"{ROOT}/{name}", REQUESTS[name] | {"token": make.token("NEW")})
    except Died:
        return None
    return reply.code if reply.data is None else str(reply.data["result"])


def in_the_window(found: Outcome) -> bool:
    """Whether it failed between the note that posting begins and the end of the POST, as nobody can tell apart."""
    noted = found.fuse.blown == "save STARTED" and found.fuse.after and found.fuse.error is Died
    return noted or found.fuse.blown == "send"


@at_each_step
@in_each_way
@with_each_error
@pytest.mark.parametrize("result", ["REJECTED", None])
def test_whatever_fails_an_accepted_command_has_one_result(
    step: int, after: bool, error: type[BaseException], result: str | None
) -> None:
    """CMD-04, CMD-14: none is lost and none comes twice, outside the window that is named above."""
    found = outcome(step, error, result, "START_SESSION", after=after)

    expected = [{"result": result or "TIMEOUT"}]
    if found.answered == "ACCEPTED":
        assert found.posted == expected or (in_the_window(found) and found.posted == [])
    elif found.answered is None:
        # It died before it answered: what they hear at the response_url is then the first that they hear.
        assert found.posted in ([], [{"result": "TIMEOUT"}], expected)
    else:
        assert (found.answered, found.posted) == (3000, [])


@at_each_step
@in_each_way
@with_each_error
def test_a_reservation_that_fails_in_between_is_told_to_have_failed_and_has_no_result(
    step: int, after: bool, error: type[BaseException]
) -> None:
    """CMD-04, CMD-12: where the partner heard of a failure, no timer surprises it."""
    found = outcome(step, error, None, "RESERVE_NOW", after=after)

    if found.answered == 3000:
        assert found.posted == []
        assert found.command is None or found.command.answer is None
    else:
        assert found.answered in ("ACCEPTED", None)
        assert len(found.posted) <= 1


def test_the_steps_above_are_all_that_there_are() -> None:
    """CMD-04: from the driver's token to the last note; what comes after is repeated for nothing."""
    calls = outcome(len(STEPS) + 100, Broken, "ACCEPTED", "RESERVE_NOW", after=False).fuse.calls

    once = calls[: calls.index("send") + 3]
    assert once == [
        *("get", "put"),  # the driver's token
        *("add", "reserve", "enqueue_result", "enqueue_command"),
        *("get", "save", "enqueue_answer"),
        *("get", "save", "enqueue_answer"),  # the message came twice
        *("get", "get", "save STARTED", "send"),
        *("get", "save"),
    ]
    assert len(once) < len(STEPS)


@in_each_way
def test_what_broke_off_within_the_post_is_not_posted_again_and_the_operator_sees_it(after: bool) -> None:
    """CMD-04: the open window. One POST at most, and one that may have arrived."""
    step = outcome(100, Broken, "ACCEPTED", "START_SESSION", after=False).fuse.calls.index("send") + 1

    found = outcome(step, Died, "ACCEPTED", "START_SESSION", after=after)

    assert found.fuse.blown == "send"
    assert found.posted == ([{"result": "ACCEPTED"}] if after else [])
    assert found.command
    assert (found.command.posting, found.command.problem) == (Posting.FAILED, BROKE_OFF)


def test_a_death_right_before_the_post_is_the_same_window() -> None:
    """CMD-04: it cannot be told from a death within it, so the result stays unposted, and the operator sees it."""
    step = outcome(100, Broken, "ACCEPTED", "START_SESSION", after=False).fuse.calls.index("save STARTED") + 1

    found = outcome(step, Died, "ACCEPTED", "START_SESSION", after=True)

    assert found.fuse.blown == "save STARTED"
    assert (found.answered, found.posted) == ("ACCEPTED", [])
    assert found.command
    assert (found.command.posting, found.command.problem) == (Posting.FAILED, BROKE_OFF)


def test_what_a_charge_point_does_although_its_partner_heard_of_a_failure_is_remembered() -> None:
    """CMD-04: the message was on its way, and only we did not know."""
    step = outcome(100, Broken, None, "START_SESSION", after=False).fuse.calls.index("enqueue_command") + 1

    found = outcome(step, Broken, "ACCEPTED", "START_SESSION", after=True)

    assert (found.answered, found.posted) == (3000, [])
    assert found.command
    assert (found.command.answer, found.command.result, found.command.posting) == (None, None, Posting.NONE)
    assert [event.what for event in found.command.events] == ["not passed on"] + [
        "ACCEPTED from the charge point, which nobody waits for"
    ] * 2
    now = found.command.deadline
    assert (stage(found.command, now), is_over(found.command, now)) == ("failed", True)
