"""Calls the app's queue and schedule handlers as Lambda would: batches, deletion on success, another try on failure."""

from __future__ import annotations

import json
import re
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from chalice.app import Chalice, ScheduledEventConfig, ScheduleExpression, SQSEventConfig
from chalice.local import LambdaContext

# A poll that outlives its process may still swallow a message, so polls are short.
POLL_S: Final = 1
# The visibility timeout of a message. Deployed queues have six minutes, too long for a developer to wait.
VISIBILITY_TIMEOUT_S: Final = 60
RETRY_S: Final = 5
# Batches of a queue that are processed at the same time, by whether it is FIFO. A partner that hangs blocks its eight
# message groups, and leaves as many to the others. SQS keeps the order within a message group.
WORKERS: Final = {True: 16, False: 1}

TIMEOUT_S: Final = 60
MEMORY_MB: Final = 1024
UNIT_S: Final = {"minute": 60, "hour": 3600, "day": 86_400}


def start(app: Chalice, sqs: Any, stop: threading.Event) -> None:
    """Start the threads for every queue and every schedule that the app declares; they end with the process."""
    for source in app.event_sources:
        handler = app.handler_map[source.name]
        if isinstance(source, SQSEventConfig):
            queue = str(source.queue)
            most = WORKERS[queue.endswith(".fifo")]
            poller = Poller(sqs, source.name, queue, min(source.batch_size, 10), handler, most)
            _thread(f"poll {queue}", poller.run, stop)
        elif isinstance(source, ScheduledEventConfig):
            schedule = Schedule(source.name, period_s(source.schedule_expression), handler)
            _thread(f"schedule {source.name}", schedule.run, stop)


def _thread(name: str, run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, name=name, daemon=True).start()


@dataclass(frozen=True, slots=True)
class Poller:
    """Passes batches of messages from one queue to one handler."""

    sqs: Any
    name: str
    queue: str
    batch_size: int
    handler: Callable[[Any, Any], Any]
    most: int = 1
    """Most batches that are processed at the same time; meanwhile no other is received."""

    def run(self, stop: threading.Event) -> None:
        """Receive and process batches until ``stop`` is set, despite errors of the queue."""
        url, free = "", threading.Semaphore(self.most)
        while not stop.is_set():
            free.acquire()
            try:
                url = url or self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]
                messages = self.receive(url)
            except (BotoCoreError, ClientError):  # the emulator starts, stops or is gone
                messages = []
                stop.wait(0.2)
            if messages:
                _thread(f"work at {self.queue}", self._work, url, messages, free)
            else:
                free.release()

    def _work(self, url: str, messages: Sequence[Mapping[str, Any]], free: threading.Semaphore) -> None:
        try:
            self.process(url, messages)
        except (BotoCoreError, ClientError):  # as above; the batch comes again
            pass
        finally:
            free.release()

    def receive(self, url: str) -> list[dict[str, Any]]:
        """The next batch; empty if there is none within ``POLL_S`` seconds."""
        found: list[dict[str, Any]] = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=self.batch_size,
            WaitTimeSeconds=POLL_S,
            VisibilityTimeout=VISIBILITY_TIMEOUT_S,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        return found

    def process(self, url: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Call the handler with a batch; delete the batch if that succeeds, else let it come again."""
        # The handler's return value does not matter: Chalice does not use partial batch responses.
        worked = call(self.name, self.handler, {"Records": [self._record(message) for message in messages]})
        receipts = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
        if worked:
            self.sqs.delete_message_batch(QueueUrl=url, Entries=receipts)
        else:
            again = [{**receipt, "VisibilityTimeout": RETRY_S} for receipt in receipts]
            self.sqs.change_message_visibility_batch(QueueUrl=url, Entries=again)

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
                for name, attribute in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{self.sqs.meta.region_name}:000000000000:{self.queue}",
            "awsRegion": self.sqs.meta.region_name,
        }


@dataclass(frozen=True, slots=True)
class Schedule:
    """Calls one handler at a fixed rate, the first time after one period, as EventBridge does."""

    name: str
    period_s: float
    handler: Callable[[Any, Any], Any]

    def run(self, stop: threading.Event) -> None:
        """Call the handler until ``stop`` is set."""
        due = time.monotonic() + self.period_s
        while not stop.wait(max(0.0, due - time.monotonic())):
            call(self.name, self.handler, self.event(datetime.now(UTC)))
            due += self.period_s

    def event(self, now: datetime) -> dict[str, Any]:
        """The event that EventBridge would send."""
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "local",
            "resources": [f"arn:aws:events:local:000000000000:rule/{self.name}"],
            "detail": {},
        }


def call(name: str, handler: Callable[[Any, Any], Any], event: Mapping[str, Any]) -> bool:
    """Call a handler with an event of plain JSON, as Lambda does; True if it raised no exception."""
    try:
        handler(json.loads(json.dumps(event, default=str)), LambdaContext(name, MEMORY_MB, TIMEOUT_S * 1000))
    except Exception:  # noqa: BLE001 - Lambda logs whatever a handler raises, and lives on
        traceback.print_exc()
        return False
    return True


def period_s(expression: str | ScheduleExpression) -> float:
    """The seconds of an expression such as ``rate(5 minutes)``.

    Raises:
        ValueError: it is another kind of expression, which no handler of ours uses.
    """
    text = expression if isinstance(expression, str) else expression.to_string()
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text)
    if not match:
        raise ValueError(f"the local runner knows rates only, not {text}")
    return float(int(match[1]) * UNIT_S[match[2]])
