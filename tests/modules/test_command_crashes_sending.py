"""Proves that an eMSP sends a command at most once and loses no result, whichever of its steps fails."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.http import Request, Response
from tests.modules.commanding import Commanding, answered, body_of, commanding
from tests.modules.crashing import Died, Fuse
from tests.node.faults import Broken, run_on

Json = Any

STEPS = range(1, 8)
in_each_way = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
with_each_error = pytest.mark.parametrize("error", [Broken, Died])
at_each_step = pytest.mark.parametrize("step", STEPS)


def with_fuse(fuse: Fuse) -> Commanding:
    """An eMSP whose step number ``fuse.at`` fails."""
    there = commanding()
    ports = there.emsp.ports
    commands = fuse.around(ports.commands, "add", "get", "save")
    run_on(there.emsp, commands=commands, web=fuse.around(there.world, "send"))
    return there


def sent(there: Commanding) -> str | None:
    """What the operator is told of a START_SESSION: the answer, or that it failed."""
    try:
        command = there.send()
    except (Broken, Died) as failed:
        return type(failed).__name__
    return command.answer


@at_each_step
@in_each_way
@with_each_error
@pytest.mark.parametrize("hasty", [True, False])
def test_whatever_fails_the_command_is_sent_at_most_once_and_its_result_is_kept(
    step: int, after: bool, error: type[BaseException], hasty: bool
) -> None:
    """CMD-06, Q-57: a result that comes before the answer at once, or after we broke off, finds its command."""
    fuse = Fuse(step, after, error)
    there = with_fuse(fuse)
    told: list[int] = []

    def result(request: Request) -> None:
        # A CPO that heard of a failure of ours has no reason to stop; here it asks until it is heard.
        while not told or told[-1] != 1000:
            try:
                told.append(there.calls("POST", body_of(request)["response_url"], {"result": "REJECTED"}).code)
            except Died:
                told.append(0)

    def answer(request: Request) -> Response:
        if hasty:
            result(request)
        return answered()

    there.answer = answer
    outcome = sent(there)
    if there.cpo.asked and not hasty:
        result(there.cpo.asked[0])

    kept = there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10)
    assert len(there.cpo.asked) <= 1
    assert outcome in ("ACCEPTED", error.__name__)
    if there.cpo.asked:
        (command,) = kept
        assert command.result == "REJECTED"
        assert command.response_url == body_of(there.cpo.asked[0])["response_url"]
        assert command.answer == "ACCEPTED" or outcome == error.__name__
        assert there.stage(command) == ("not done", True)
    else:
        assert outcome == error.__name__
        assert fuse.blown in ("add", "send")


def test_the_steps_above_are_all_that_there_are() -> None:
    """CMD-06: three of ours, and two for a result."""
    fuse = Fuse(100)
    there = with_fuse(fuse)

    assert sent(there) == "ACCEPTED"
    (command,) = there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10)
    there.post(command, {"result": "ACCEPTED"})

    assert fuse.calls == ["add", "send", "get", "save", "get", "get", "save"]
    assert len(fuse.calls) == len(STEPS)


@in_each_way
@with_each_error
def test_a_command_whose_sending_broke_off_is_there_to_be_seen(after: bool, error: type[BaseException]) -> None:
    """CMD-06, CMD-18: nobody knows whether it arrived; it is over when no result has come in time."""
    there = with_fuse(Fuse(2, after, error))

    sent(there)

    (command,) = there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10)
    assert (command.answer, there.stage(command)) == (None, ("requested", False))
    there.world.clock.pass_(minutes=3)
    assert there.stage(command) == ("no result", True)
    assert len(there.cpo.asked) == after
