"""Proves that results and answers in SQS reach the node, and that garbage among them holds up nobody."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.app import SQSEvent

from app import app
from chalicelib.adapters.sqs.commands import SqsCommandQueues
from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints import workers
from chalicelib.node.commands import Command, CommandResult, Posting, Side

Json = Any

NOWHERE = "https://127.0.0.1/results"
"""An address that we never call, so that no test waits for the network."""


def command_of(company: Company, command_id: str, result: str | None = None) -> Command:
    """A command that a partner has sent us, and that was accepted."""
    now = datetime.now(UTC)
    deadline, request = now + timedelta(seconds=60), {"response_url": NOWHERE}
    command = Command(
        id=command_id,
        side=Side.RECEIVED,
        partner_id="p1",
        command="STOP_SESSION",
        request=request,
        at=now,
        deadline=deadline,
        answer="ACCEPTED",
        result=result,
    )
    company.ports.commands.add(command)
    return command


def event_of(*bodies: str) -> SQSEvent:
    """A batch as Lambda hands it over."""
    return SQSEvent({"Records": [{"messageId": "m", "body": body, "receiptHandle": "r"} for body in bodies]}, None)


def result_of(command_id: str, result: str = "ACCEPTED", **more: Json) -> str:
    """What a host's back end sends."""
    return json.dumps({"version": 1, "command_id": command_id, "result": result, **more})


def taken(company: Company, queue: str) -> list[str]:
    """All messages of a queue."""
    queues = company.ports.command_queues
    assert isinstance(queues, SqsCommandQueues)
    sqs = queues._results.client()
    url = sqs.get_queue_url(QueueName=company.settings.queue(queue))["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [message["Body"] for message in found]


def now(company: Company, command_id: str) -> Command:
    found = company.ports.commands.get(command_id)
    assert found
    return found


def test_a_result_goes_through_both_queues_and_both_workers(company: Company) -> None:
    """CMD-04: as far as the partner, who is none any more, which the operator sees."""
    command_of(company, "c1")
    company.ports.command_queues.enqueue_result(
        CommandResult(command_id="c1", result="ACCEPTED", source="charge point")
    )

    workers.command_results(event_of(*taken(company, "command-results")))
    counted = now(company, "c1")
    workers.command_answers(event_of(*taken(company, "command-answers.fifo")))

    assert (counted.result, counted.posting) == ("ACCEPTED", Posting.NONE)
    after = now(company, "c1")
    assert (after.posting, after.problem) == (Posting.FAILED, "they are no longer a partner")


def test_the_timer_is_told_from_the_charge_point(company: Company) -> None:
    """CMD-14: a timer that comes too late is nothing to remember."""
    command_of(company, "c1")
    timer = result_of("c1", "TIMEOUT", source="timer")

    workers.command_results(event_of(result_of("c1"), timer))

    assert [event.what for event in now(company, "c1").events] == ["ACCEPTED from the charge point"]


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "hello",
        "{",
        "[" * 100_000,
        "[]",
        "5",
        '"text"',
        "null",
        "{}",
        '{"version": 1, "command_id": "c1"}',
        '{"version": 1, "command_id": 1, "result": "ACCEPTED"}',
        '{"version": 1, "command_id": "c1", "result": {"result": "ACCEPTED"}}',
        '{"version": 1, "command_id": "\\ud800", "result": "ACCEPTED"}',
        result_of("c1", "FAILED"),
        result_of("c1", version=2),
        result_of("c9"),
        result_of(""),
        result_of("c" * 3000),
    ],
    ids=lambda text: text[:60],
)
def test_garbage_is_dropped_and_what_lies_before_and_behind_it_is_taken(company: Company, garbage: str) -> None:
    """CMD-03: another try could not mend it."""
    command_of(company, "c1")
    command_of(company, "c2")
    command_of(company, "c3")

    workers.command_results(event_of(result_of("c2"), garbage, result_of("c3")))

    assert [now(company, each).result for each in ("c1", "c2", "c3")] == [None, "ACCEPTED", "ACCEPTED"]


def test_a_batch_that_comes_again_changes_nothing(company: Company) -> None:
    """CMD-04: as when a worker died after its work; the second POST would be one too many."""
    command_of(company, "c1", result="ACCEPTED")
    event = event_of('{"v": 1, "command": "c1"}')

    workers.command_answers(event)
    first = now(company, "c1")
    workers.command_answers(event)

    assert first.posting is Posting.FAILED
    assert now(company, "c1") == first


def test_a_message_of_a_later_release_waits_for_it(company: Company) -> None:
    """CMD-04: the queue keeps what a worker fails on, so a roll-back loses no answer."""
    command_of(company, "c1", result="ACCEPTED")

    with pytest.raises(ValueError, match="later release"):
        workers.command_answers(event_of('{"v": 2, "command": "c1"}'))

    assert now(company, "c1").posting is Posting.NONE


def test_answers_are_handed_over_one_by_one() -> None:
    """CMD-04: in one batch, whoever hangs would hold up the lanes of all the others in it."""
    sizes = {source.name: source.batch_size for source in app.event_sources if hasattr(source, "batch_size")}

    assert sizes["command_answer_worker"] == 1
    assert sizes["command_result_worker"] == 10
