"""The queues of commands: what is sent is what is read, with its delay and its lane; and what a command costs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.sqs.commands import SqsCommandQueues, UnreadableResult, answer_in, result_in
from chalicelib.node.commands import CommandResult
from chalicelib.node.conflicts import Conflict
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests.conversations.on_aws import CompanyOnAws
from tests.modules.crashing import Fuse
from tests.modules.relaying import REQUESTS, ROOT, two_evses
from tests.node.faults import run_on
from tests.resources import Stage
from tests.world import Caller, World, register

Json = Any
TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
SQS_TAKES = {9, 10, 13, *range(0x20, 0xD800), *range(0xE000, 0xFFFE)}
"""What the body of a message may consist of, besides what lies above U+FFFF."""


class Sink:
    """A client that keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"QueueUrl": f"https://queue/{QueueName}"}

    def send_message(self, **message: Any) -> None:
        assert {ord(letter) for letter in message["MessageBody"]} <= SQS_TAKES
        self.sent.append(message)


def queues_to(sink: Sink) -> SqsCommandQueues:
    return SqsCommandQueues(
        lambda: sink, commands="commands", results="command-results", answers="command-answers.fifo"
    )


@given(TEXT, TEXT, st.sampled_from(["timer", "charge point"]))
def test_any_result_is_read_as_it_was_written(command_id: str, result: str, source: str) -> None:
    """CMD-14: the timer is told from a charge point."""
    sink, sent = Sink(), CommandResult(command_id=command_id, result=result, source=source)

    queues_to(sink).enqueue_result(sent)

    (message,) = sink.sent
    assert message["QueueUrl"] == "https://queue/command-results"
    assert result_in(message["MessageBody"]) == sent


@given(TEXT)
def test_any_request_reaches_the_back_end_as_it_is(text: str) -> None:
    """CMD-01: also with characters that SQS itself does not take."""
    sink, request = Sink(), {"version": 1, "request": {"token": {"issuer": text + "\uffff\x00日本"}}}

    queues_to(sink).enqueue_command(request)

    (message,) = sink.sent
    assert message["QueueUrl"] == "https://queue/commands"
    assert json.loads(message["MessageBody"]) == request


@pytest.mark.parametrize(("delay_s", "expected"), [(0, 0), (60, 60), (900, 900), (5000, 900)])
def test_a_timer_waits_as_long_as_a_queue_lets_it(delay_s: int, expected: int) -> None:
    """CMD-14."""
    sink = Sink()

    queues_to(sink).enqueue_result(CommandResult(command_id="c1", result="TIMEOUT", source="timer"), delay_s=delay_s)

    assert sink.sent[0]["DelaySeconds"] == expected


def test_an_answer_goes_once_into_its_lane() -> None:
    """CMD-04."""
    sink = Sink()

    queues_to(sink).enqueue_answer("c1", "p1-7")

    (message,) = sink.sent
    assert answer_in(message.pop("MessageBody")) == "c1"
    assert message == {
        "QueueUrl": "https://queue/command-answers.fifo",
        "MessageGroupId": "p1-7",
        "MessageDeduplicationId": "c1",
    }


def test_the_host_s_result_needs_no_source() -> None:
    """CMD-04: and what else it says is its own business, but no word of it makes it the operator's."""
    body = {"version": 1, "command_id": "c1", "result": "REJECTED", "text": "occupied"}

    assert result_in(json.dumps(body)) == CommandResult(command_id="c1", result="REJECTED", source="charge point")
    assert result_in(json.dumps(body | {"source": "operator"})) == CommandResult(
        command_id="c1", result="REJECTED", source="charge point"
    )


RIGHT: Json = {"version": 1, "command_id": "c1", "result": "ACCEPTED"}


@pytest.mark.parametrize(
    "body",
    [
        *("", "ACCEPTED", "{", "[]", "null", "1", '"version"', "[" * 10_000),
        *(json.dumps({name: value for name, value in RIGHT.items() if name != left_out}) for left_out in RIGHT),
        *(json.dumps(RIGHT | {name: None}) for name in RIGHT),
        json.dumps(RIGHT | {"version": 2}),
        json.dumps(RIGHT | {"version": "1"}),
        json.dumps(RIGHT | {"command_id": 1}),
        json.dumps(RIGHT | {"result": {"result": "ACCEPTED"}}),
        '{"version": 1, "command_id": "c1", "command_id": "c2", "result": "ACCEPTED"}',
    ],
    ids=lambda body: body[:50],
)
def test_garbage_from_the_host_is_called_so(body: str) -> None:
    """CMD-03: another try cannot help."""
    with pytest.raises(UnreadableResult):
        result_in(body)


@given(
    TEXT | st.recursive(st.none() | st.integers() | TEXT, lambda inner: st.dictionaries(TEXT, inner)).map(json.dumps)
)
def test_nothing_that_the_host_sends_is_any_other_failure(body: str) -> None:
    with pytest.raises(UnreadableResult):
        result_in(body)


def test_an_answer_of_a_later_release_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="later release"):
        answer_in('{"v": 2, "command": "c1"}')


# --- on the real thing --------------------------------------------------------------------------------------------


@contextmanager
def counted(stage: Stage) -> Iterator[Counter[str]]:
    """The calls of the stage's DynamoDB and SQS clients."""
    made: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        made[model.name] += 1

    clients = [stage.clients.dynamodb(), stage.clients.sqs()]
    for client in clients:
        client.meta.events.register("before-call.*.*", count, unique_id="counted")
    yield made
    for client in clients:
        client.meta.events.unregister("before-call.*.*", unique_id="counted")


@pytest.fixture
def cpo(stage: Stage) -> CompanyOnAws:
    world = World()
    found = CompanyOnAws(stage, world, "cpo.example", Party.of("DE", "CPO"), frozenset({Role.CPO}), {})
    world.serve("cpo.example", found)
    found.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), two_evses())
    return found


@pytest.fixture
def emsp(cpo: CompanyOnAws) -> Caller:
    emsp = cpo.world.company("emsp.example", Party.of("NL", "MSP"), frozenset({Role.EMSP}))
    register(emsp, cpo, Role.CPO)
    token = emsp.partners()[0].token_we_send
    assert token
    return Caller(cpo.world, "cpo.example", token.secret)


def test_a_start_and_its_result_cost_a_handful_of_calls(cpo: CompanyOnAws, emsp: Caller, stage: Stage) -> None:
    """CMD-19: five calls where the driver's token is known and the partner was met a moment ago."""
    for number in range(2):
        with counted(stage) as made:
            reply = emsp("POST", f"{ROOT}/START_SESSION", REQUESTS["START_SESSION"])
        assert reply.data == {"result": "ACCEPTED"}
        # Location, token, then what is new: the partner with its grant, the token, the addresses of two queues.
        known = {"GetItem": 2, "PutItem": 1, "SendMessage": 2}
        first = {"GetItem": 4, "PutItem": 1, "UpdateItem": 2, "SendMessage": 2, "GetQueueUrl": 2}
        assert made == (known if number else first)

    command_id = cpo.asked()[0]["command_id"]
    results = cpo.company.command_results
    with counted(stage) as made:
        results.receive(CommandResult(command_id=command_id, result="ACCEPTED", source="charge point"))
    assert made == {"GetItem": 1, "PutItem": 1, "SendMessage": 1, "GetQueueUrl": 1}
    with counted(stage) as made:
        results.post(command_id)
    # The command twice, its partner, the two notes around the POST, and that they were in touch.
    assert made == {"GetItem": 3, "PutItem": 2, "UpdateItem": 1}


def test_a_note_that_came_about_although_its_answer_got_lost_is_recognised(cpo: CompanyOnAws, emsp: Caller) -> None:
    """CMD-04: DynamoDB's client repeats such a write by itself, and is then refused."""
    emsp("POST", f"{ROOT}/START_SESSION", REQUESTS["START_SESSION"])
    fuse = Fuse(at=2, after=True, error=Conflict)
    run_on(cpo, commands=fuse.around(cpo.ports.commands, "save"))
    command_id = cpo.asked()[0]["command_id"]
    cpo.company.command_results.receive(CommandResult(command_id=command_id, result="ACCEPTED", source="charge point"))
    mark = len(cpo.world.traffic)

    cpo.company.command_results.post(command_id)

    assert fuse.blown == "save STARTED"
    assert [each.json for each in cpo.world.since(mark)] == [{"result": "ACCEPTED"}]


def test_finding_a_partner_s_commands_costs_two_calls_and_one_more_behind_another(
    cpo: CompanyOnAws, emsp: Caller, stage: Stage
) -> None:
    emsp("POST", f"{ROOT}/RESERVE_NOW", REQUESTS["RESERVE_NOW"])
    partner_id = cpo.partners()[0].id

    with counted(stage) as made:
        (found,) = cpo.ports.commands.for_partner(partner_id, None, 10)
    assert made == {"Query": 1, "BatchGetItem": 1}

    with counted(stage) as made:
        cpo.ports.commands.for_partner(partner_id, found.id, 10)
    assert made == {"GetItem": 1, "Query": 1}


def test_a_timer_that_was_just_set_is_not_read(cpo: CompanyOnAws, emsp: Caller) -> None:
    """CMD-14: it waits in the queue."""
    emsp("POST", f"{ROOT}/START_SESSION", REQUESTS["START_SESSION"])
    (message,) = cpo.asked()

    cpo.pump()

    command = cpo.ports.commands.get(message["command_id"])
    assert command
    assert command.result is None
