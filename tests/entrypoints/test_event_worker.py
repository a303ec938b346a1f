"""Proves that what a request announces reaches the bus and the feed through the worker that Lambda would call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from chalice.app import SQSEvent

from chalicelib.adapters.sqs.events import SqsEventQueue
from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints import workers
from chalicelib.node.events.announcing import Event, EventKind
from chalicelib.node.objects import StoredObject, theirs
from chalicelib.node.partners.partner import Partner, State
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make

OWNER = Party.of("NL", "MSP")


class Sink:
    """A queue that keeps what it is told to send."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def get_queue_url(self, **_: Any) -> dict[str, str]:
        return {"QueueUrl": "events"}

    def send_message(self, MessageBody: str, **_: Any) -> None:  # noqa: N803 - AWS's name
        self.bodies.append(MessageBody)


def batch(*messages: tuple[Sequence[Event], int]) -> SQSEvent:
    """A batch as Lambda hands it over."""
    sink = Sink()
    for events, attempt in messages:
        SqsEventQueue("events", lambda: sink).announce(events, attempt=attempt)
    return SQSEvent({"Records": [{"messageId": "m", "body": body, "receiptHandle": "r"} for body in sink.bodies]}, None)


def created(object_id: str) -> Event:
    return Event(
        kind=EventKind.CREATED,
        partner_id="p1",
        object_id=object_id,
        version=1,
        at=datetime.now(UTC),
        module=ModuleID.TOKENS,
        owner=OWNER,
    )


@pytest.fixture
def published(company: Company) -> list[list[str]]:
    """The ids of the objects in each publication on the bus, once there are the tokens A, B and C of a partner."""
    company.ports.partners.save(Partner(id="p1", our_role=Role.CPO, state=State.REGISTERED, name="Red", party=OWNER))
    for token in "ABC":
        stored = StoredObject(id=token, body=json.dumps(make.token(token)).encode(), last_updated=datetime.now(UTC))
        company.ports.stores[ModuleID.TOKENS].put(theirs(OWNER), stored)
    found: list[list[str]] = []
    publisher, bus = company.publisher, company.ports.event_bus

    class Watched:
        def publish(self, details: Any) -> None:
            found.append([detail["object_id"] for detail in details])
            bus.publish(details)

    publisher._bus = Watched()
    return found


def test_the_events_of_a_batch_are_published_together(published: list[list[str]]) -> None:
    workers.events(batch(([created("A")], 0), ([created("B"), created("C")], 0)))

    assert published == [["A", "B", "C"]]


def test_what_is_late_is_put_back_as_often_as_it_was_and_once_more(
    published: list[list[str]], company: Company
) -> None:
    late: list[tuple[list[str], int]] = []

    class Queue:
        def announce(self, events: Sequence[Event], /, *, attempt: int = 0, delay_s: int = 0) -> None:
            late.append(([event.object_id for event in events], attempt))

    company.publisher._queue = Queue()
    workers.events(batch(([created("A"), created("X")], 0), ([created("Y")], 3), ([created("Z")], 5)))

    assert published == [["A"]]
    assert late == [(["X"], 1), (["Y"], 4)]


def test_an_event_is_a_line_in_the_log(published: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    workers.events(batch(([replace(created("A"), path=("E1",))], 0)))

    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line["message"] == "event object.created NL/MSP tokens/A/E1"


def test_an_event_of_a_later_release_waits_for_it(published: list[list[str]]) -> None:
    later = {"messageId": "m", "body": '{"v": 2, "attempt": 0, "events": []}', "receiptHandle": "r"}

    with pytest.raises(ValueError, match="later release"):
        workers.events(SQSEvent({"Records": [later]}, None))

    assert published == []
