"""Proves where a command that an eMSP sent stands at any time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.modules.commands.stages import is_over, stage
from chalicelib.node.commands import Command, Posting, Side
from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.types import format_date_time
from tests.modules.commanding import answered, commanding


def at(command: Command, **later: float) -> str:
    """A moment so much later than the command."""
    return format_date_time(command.at + timedelta(**later))


def test_a_start_goes_from_accepted_over_done_to_its_session() -> None:
    """CMD-18, CMD-06: done means that the charge point did it, and only a session that charging has begun."""
    there = commanding()
    seen = [there.stage(command := there.send())]

    there.post(command, {"result": "ACCEPTED"})
    seen.append(there.stage(command))
    there.put_session(start_datetime=at(command, seconds=20))
    seen.append(there.stage(command))

    assert seen == [("accepted", False), ("done", False), ("session", True)]
    assert there.now(command).session_id == "S1"
    assert there.told(command) == ["answered ACCEPTED", "result ACCEPTED", "session S1"]


def test_a_command_whose_answer_is_not_there_yet_is_requested() -> None:
    """CMD-06."""
    there = commanding()
    seen: list[tuple[str, bool]] = []

    def looked_at_meanwhile(_request: Request) -> Response:
        (command,) = there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10)
        seen.append(there.stage(command))
        return answered()

    there.answer = looked_at_meanwhile

    there.send()

    assert seen == [("requested", False)]


def test_a_command_whose_answer_we_lost_ourselves_does_not_wait_for_ever() -> None:
    """CMD-18: as when this process dies while the partner thinks."""
    there = commanding()

    def killed(_request: Request) -> Response:
        raise KeyboardInterrupt

    there.answer = killed
    with pytest.raises(KeyboardInterrupt):
        there.send("UNLOCK_CONNECTOR")
    (command,) = there.emsp.ports.commands.for_partner(there.emsp.partners()[0].id, None, 10)

    assert stage(command, command.deadline - timedelta(seconds=1)) == "requested"
    assert stage(command, command.deadline) == "no result"
    assert is_over(command, command.deadline)


@pytest.mark.parametrize("answer", ["REJECTED", "NOT_SUPPORTED", "TIMEOUT", "UNKNOWN_SESSION", "EVSE_OCCUPIED"])
def test_what_is_not_accepted_at_once_is_refused_and_over(answer: str) -> None:
    """CMD-03, CMD-04."""
    there = commanding()
    there.answer = lambda _request: answered(answer)

    assert there.stage(there.send()) == ("refused", True)


def test_without_an_answer_it_has_failed_and_is_over() -> None:
    """CMD-19."""
    there = commanding()

    def silent(_request: Request) -> Response:
        raise Unreachable("timed out")

    there.answer = silent

    assert there.stage(there.send()) == ("failed", True)


@pytest.mark.parametrize("name", ["RESERVE_NOW", "STOP_SESSION", "UNLOCK_CONNECTOR"])
@pytest.mark.parametrize(
    ("result", "expected"), [("ACCEPTED", "done"), ("REJECTED", "not done"), ("FAILED", "not done")]
)
def test_a_result_ends_a_command_that_starts_no_session(name: str, result: str, expected: str) -> None:
    """CMD-03."""
    there = commanding()
    command = there.send(name)

    there.post(command, {"result": result})

    assert there.stage(command) == (expected, True)


@pytest.mark.parametrize("result", ["REJECTED", "NOT_SUPPORTED", "UNKNOWN_SESSION"])
def test_a_start_that_the_charge_point_refuses_is_over(result: str) -> None:
    """CMD-03, CMD-18."""
    there = commanding()
    command = there.send()

    there.post(command, {"result": result})

    assert there.stage(command) == ("not done", True)


def test_accepted_and_then_nothing_is_no_result_after_two_minutes_and_over_after_five() -> None:
    """CMD-18: until then a session may still say that it worked."""
    there = commanding()
    command = there.send()

    moments = {"just before": 119.9, "at the deadline": 120, "before the last": 299.9, "at last": 300}
    now = {name: command.at + timedelta(seconds=seconds) for name, seconds in moments.items()}

    assert {name: (stage(command, when), is_over(command, when)) for name, when in now.items()} == {
        "just before": ("accepted", False),
        "at the deadline": ("no result", False),
        "before the last": ("no result", False),
        "at last": ("no result", True),
    }


@pytest.mark.parametrize(
    ("result", "before", "after"), [("ACCEPTED", "done", "no session"), ("TIMEOUT", "not done", "not done")]
)
def test_five_minutes_after_the_command_no_session_is_waited_for(result: str, before: str, after: str) -> None:
    """CMD-18."""
    there = commanding()
    command = there.send()
    there.post(command, {"result": result})
    command, last = there.now(command), command.at + timedelta(minutes=5)

    assert (stage(command, last - timedelta(seconds=1)), is_over(command, last - timedelta(seconds=1))) == (
        before,
        False,
    )
    assert (stage(command, last), is_over(command, last)) == (after, True)


RESULTS = [None, "NOT_SUPPORTED", "REJECTED", "ACCEPTED", "TIMEOUT", "UNKNOWN_SESSION"]


@given(
    st.sampled_from(Side),
    st.sampled_from(["RESERVE_NOW", "START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR"]),
    st.sampled_from(RESULTS),
    st.sampled_from(RESULTS),
    st.sampled_from(Posting),
    st.sampled_from([None, "broken"]),
    st.sampled_from([None, "S1"]),
    st.lists(st.integers(0, 1000), min_size=2, max_size=2).map(sorted),
)
def test_whatever_is_known_time_alone_never_opens_again_what_is_over(
    side: Side,
    name: str,
    answer: str | None,
    result: str | None,
    posting: Posting,
    problem: str | None,
    session_id: str | None,
    seconds: list[int],
) -> None:
    """CMD-18: and what we sent ends at last, whatever we heard."""
    began = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    command = Command(
        id="c1",
        side=side,
        partner_id="p1",
        command=name,
        request={},
        at=began,
        deadline=began + timedelta(seconds=120),
        answer=answer,
        result=result,
        posting=posting,
        problem=problem,
        session_id=session_id,
    )
    sooner, later = (began + timedelta(seconds=each) for each in seconds)

    assert is_over(command, later) or not is_over(command, sooner)
    assert side is Side.RECEIVED or is_over(command, began + timedelta(minutes=5))
