"""The bus gets every event in requests that EventBridge takes, and those again that it refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.adapters.eventbridge import EventBridgeBus, NotPublished
from tests.resources import Stage


def detail(number: int, **facts: Any) -> dict[str, Any]:
    """An event, as far as the bus has to know it."""
    return {"v": 1, "id": f"{number:032x}", "kind": "object.created", "object": None, "name": "Ä日本\n", **facts}


class Sink:
    """A client that keeps what it is told to send, and refuses, each time, the events with these ids."""

    def __init__(self, *refused: set[str]) -> None:
        self.sent: list[list[dict[str, Any]]] = []
        self._refused = list(refused)

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - AWS's name
        self.sent.append(Entries)
        refused = self._refused.pop(0) if self._refused else set()
        ids = [json.loads(entry["Detail"])["id"] for entry in Entries]
        said = [{"ErrorCode": "InternalFailure"} if each in refused else {"EventId": each} for each in ids]
        return {"Entries": said, "FailedEntryCount": len(refused)}


def bus(sink: Sink) -> EventBridgeBus:
    return EventBridgeBus(lambda: sink, bus="ocpi-test", source="ocpi.test")


def test_ten_events_go_in_one_request() -> None:
    sink = Sink()

    bus(sink).publish([detail(number) for number in range(23)])

    assert [len(entries) for entries in sink.sent] == [10, 10, 3]
    entry = sink.sent[2][2]
    assert {name: entry[name] for name in ("EventBusName", "Source", "DetailType")} == {
        "EventBusName": "ocpi-test",
        "Source": "ocpi.test",
        "DetailType": "object.created",
    }
    assert json.loads(entry["Detail"]) == detail(22)


def size(entries: list[dict[str, Any]]) -> int:
    """As EventBridge counts it."""
    counted = ("Source", "DetailType", "Detail")
    return sum(len(entry[name].encode()) for entry in entries for name in counted)


def test_a_request_stays_below_256_kilobytes() -> None:
    sink = Sink()

    bus(sink).publish([detail(number, object={"name": "ä" * 10_000}) for number in range(10)])

    assert len(sink.sent) > 1
    assert sum(map(len, sink.sent)) == 10
    assert all(size(entries) < 256 * 1024 for entries in sink.sent)
    assert all(json.loads(entry["Detail"])["object"] for entries in sink.sent for entry in entries)


def test_an_object_that_is_too_large_is_left_out_and_nothing_else() -> None:
    sink = Sink()
    large = detail(1, object={"name": "x" * 260_000}, href="/operator/partners/p1/locations/LOC1")

    bus(sink).publish([detail(0, object={"id": "1"}), large])

    first, second = [json.loads(entry["Detail"]) for entries in sink.sent for entry in entries]
    assert first["object"] == {"id": "1"}
    assert second == {**large, "object": None}


def test_only_what_was_refused_is_sent_again() -> None:
    refused = {detail(1)["id"], detail(3)["id"]}
    sink = Sink(refused)

    bus(sink).publish([detail(number) for number in range(5)])

    assert [[json.loads(entry["Detail"])["id"] for entry in entries] for entries in sink.sent[1:]] == [sorted(refused)]


def test_what_is_refused_twice_is_an_error_that_says_why() -> None:
    refused = {detail(1)["id"]}

    with pytest.raises(NotPublished, match="1 of 2 events: InternalFailure"):
        bus(Sink(refused, refused)).publish([detail(0), detail(1)])


@pytest.mark.parametrize("backend", ["moto", "ministack"])
def test_what_is_published_reaches_a_rule_of_the_host(backend: str, stage_of: Any) -> None:
    stage: Stage = stage_of(backend)
    events, sqs = stage.clients.events(), stage.clients.sqs()
    url = sqs.create_queue(QueueName=f"host-{stage.name}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["ocpi.test"], "detail-type": ["object.created"]})
    events.put_rule(Name="host", EventBusName=stage.bus, EventPattern=pattern)
    events.put_targets(Rule="host", EventBusName=stage.bus, Targets=[{"Id": "1", "Arn": arn}])

    EventBridgeBus(stage.clients.events, bus=stage.bus, source="ocpi.test").publish(
        [detail(1), detail(2, kind="object.removed")]
    )

    (message,) = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
    body = json.loads(message["Body"])
    assert (body["source"], body["detail-type"], body["detail"]) == ("ocpi.test", "object.created", detail(1))
