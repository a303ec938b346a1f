"""Handlers are called as Lambda would call them: in batches, again after a failure, at their rate."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from chalice.app import Chalice, Rate, ScheduleExpression, SQSEvent
from chalice.local import LambdaContext

from cli.local import workers
from cli.local.workers import Poller, Schedule, period_s

NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)


class Queue:
    """An SQS client that knows one queue."""

    meta = SimpleNamespace(region_name="eu-central-1")

    def __init__(self, *bodies: str) -> None:
        self.waiting = list(bodies)
        self.deleted: list[str] = []
        self.hidden: list[int] = []
        self.emptied = threading.Event()

    def get_queue_url(self, **asked: Any) -> dict[str, str]:
        return {"QueueUrl": f"http://emulator/{asked['QueueName']}"}

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        size = asked["MaxNumberOfMessages"]
        batch, self.waiting = self.waiting[:size], self.waiting[size:]
        if not batch:
            self.emptied.set()
            return {}
        return {"Messages": [message(body) for body in batch]}

    def delete_message_batch(self, **asked: Any) -> None:
        self.deleted += [entry["ReceiptHandle"] for entry in asked["Entries"]]

    def change_message_visibility_batch(self, **asked: Any) -> None:
        self.hidden += [entry["VisibilityTimeout"] for entry in asked["Entries"]]


def message(body: str) -> dict[str, Any]:
    return {
        "MessageId": f"id of {body}",
        "ReceiptHandle": f"receipt of {body}",
        "Body": body,
        "MD5OfBody": "",
        "Attributes": {"MessageGroupId": "group"},
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "test"}},
    }


def poller(queue: Queue, handler: Any) -> Poller:
    return Poller(queue, "worker", "ocpi-test-changes", 10, handler)


def take(queue: Queue, handler: Any) -> None:
    """Take one batch from the queue."""
    one = poller(queue, handler)
    one.process("url", one.receive("url"))


def test_a_batch_is_handed_over_and_deleted() -> None:
    queue, events = Queue("a", "b"), []

    take(queue, lambda event, _: events.append(event))

    assert [record["body"] for record in events[0]["Records"]] == ["a", "b"]
    assert queue.deleted == ["receipt of a", "receipt of b"]


def test_a_batch_that_fails_comes_again_soon(capsys: pytest.CaptureFixture[str]) -> None:
    queue = Queue("a")

    def fail(_event: object, _context: object) -> None:
        raise RuntimeError("the table is gone")

    take(queue, fail)

    assert queue.deleted == []
    assert queue.hidden == [workers.RETRY_S]
    assert "the table is gone" in capsys.readouterr().err


def test_a_record_looks_as_lambda_makes_it() -> None:
    queue, events = Queue("a"), []

    take(queue, lambda event, _: events.append(event))

    record = events[0]["Records"][0]
    assert record["messageId"] == "id of a"
    assert record["attributes"] == {"MessageGroupId": "group"}
    assert record["messageAttributes"] == {"kind": {"dataType": "String", "stringValue": "test"}}
    assert record["eventSourceARN"].endswith(":ocpi-test-changes")


def test_an_empty_queue_calls_nobody() -> None:
    queue, stop = Queue(), threading.Event()
    one = poller(queue, lambda *_: pytest.fail("called"))
    running = threading.Thread(target=one.run, args=(stop,))

    running.start()
    queue.emptied.wait(5)
    stop.set()
    running.join(5)

    assert not running.is_alive()


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_batches_are_worked_at_side_by_side_and_no_more(most: int) -> None:
    queue, stop = Queue("a", "b", "c", "d"), threading.Event()
    begun, released = threading.Semaphore(0), threading.Event()

    def hang(_event: object, _context: object) -> None:
        begun.release()
        released.wait(5)

    threading.Thread(target=Poller(queue, "worker", "ocpi-test.fifo", 1, hang, most).run, args=(stop,)).start()
    together = [begun.acquire(timeout=5) for _ in range(most)]
    another = begun.acquire(timeout=0.05)
    left = len(queue.waiting)
    released.set()
    queue.emptied.wait(5)
    stop.set()

    assert (together, another, left) == ([True] * most, False, 4 - most)


def test_the_apps_own_handlers_are_found_and_called_with_their_context() -> None:
    app, queue, stop = Chalice("test"), Queue("a"), threading.Event()
    names: list[str] = []
    bodies: list[str] = []

    @app.on_sqs_message(queue="ocpi-test-changes", batch_size=10, name="worker")
    def worker(event: SQSEvent) -> None:
        names.append(cast("LambdaContext", event.context).function_name)
        bodies.extend(record.body for record in event)

    workers.start(app, queue, stop)
    queue.emptied.wait(5)
    stop.set()

    assert names == ["worker"]
    assert bodies == ["a"]


def test_a_schedule_calls_at_its_rate_until_told_to_stop() -> None:
    stop, events = threading.Event(), []

    def handler(event: dict[str, Any], _context: object) -> None:
        events.append(event["time"])
        if len(events) == 3:
            stop.set()

    Schedule("tick", 0.01, handler).run(stop)

    assert len(events) == 3


def test_a_scheduled_event_looks_as_eventbridge_makes_it() -> None:
    event = Schedule("tick", 60, lambda *_: None).event(NOON)

    assert event["time"] == "2026-05-05T12:00:00Z"
    assert event["detail-type"] == "Scheduled Event"


@pytest.mark.parametrize(
    ("expression", "seconds"), [(Rate(1, Rate.DAYS), 86_400), (Rate(5, Rate.MINUTES), 300), ("rate(2 hours)", 7200)]
)
def test_rates_are_understood(expression: str | ScheduleExpression, seconds: float) -> None:
    assert period_s(expression) == seconds


def test_other_expressions_are_refused() -> None:
    with pytest.raises(ValueError, match="cron"):
        period_s("cron(0 12 * * ? *)")
