"""Handlers of SQS messages and schedules; an exception makes SQS deliver the batch again, which is safe."""

from __future__ import annotations

import logging
from uuid import uuid4

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.adapters.sqs.commands import UnreadableResult, answer_in, result_in
from chalicelib.adapters.sqs.events import events_in
from chalicelib.adapters.sqs.pulls import step_in
from chalicelib.adapters.sqs.pushes import announcements_in, delivery_in
from chalicelib.entrypoints.running import company, telemetry
from chalicelib.node.events.announcing import Event
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.ocpi.errors import ClientError

_LOG = logging.getLogger(__name__)


def changes(event: SQSEvent) -> None:
    """Queue a delivery of each announced change for every partner that it concerns."""
    with telemetry().event("changes", uuid4().hex):
        for record in event:
            announcements, attempt = announcements_in(record.body)
            company().fan_out.fan_out(announcements, attempt, cause=record.to_dict()["messageId"])


def deliveries(event: SQSEvent) -> None:
    """Push a change to a partner, or retry what is due for one; one message at a time, for each waits for a partner."""
    with telemetry().event("deliveries", uuid4().hex):
        for record in event:
            asked = delivery_in(record.body)
            if isinstance(asked, RetryDue):
                company().retries.retry(asked)
            else:
                count = record.to_dict().get("attributes", {}).get("ApproximateReceiveCount", "1")
                company().deliverer.deliver(asked, is_repeated=count != "1")


def command_results(event: SQSEvent) -> None:
    """Receive the results of charge points, and of the timers of commands without one."""
    with telemetry().event("command_results", uuid4().hex):
        for record in event:
            try:
                company().command_results.receive(result_in(record.body))
            except (UnreadableResult, ClientError) as invalid:
                # The host's mistake: a retry cannot succeed, and would delay the other messages.
                _LOG.error("a result in the queue was not taken: %s", invalid)


def command_answers(event: SQSEvent) -> None:
    """Post results to the partners that sent the commands; if we fail, SQS repeats it, and nothing is posted twice."""
    with telemetry().event("command_answers", uuid4().hex):
        for record in event:
            company().command_results.post(answer_in(record.body))


def pulls(event: SQSEvent) -> None:
    """Fetch the next page of a crawl; one message at a time, for it takes time to store a page of objects."""
    with telemetry().event("pulls", uuid4().hex):
        for record in event:
            company().crawler.crawl_page(step_in(record.body))


def events(event: SQSEvent) -> None:
    """Publish events about the changes of partners to the host."""
    with telemetry().event("events", uuid4().hex):
        announced: dict[int, list[Event]] = {}
        for record in event:
            found, attempt = events_in(record.body)
            announced.setdefault(attempt, []).extend(found)
        for attempt, found in announced.items():
            company().publisher.publish(found, attempt)


def pull_partners(_event: CloudWatchEvent) -> None:
    """Start a crawl of every list of a partner that is due."""
    with telemetry().event("pull_partners", uuid4().hex):
        for partner in company().ports.partners.all():
            company().pull_schedule.start_due(partner)


def tend_partners(_event: CloudWatchEvent) -> None:
    """Queue a retry for each partner for which something is due."""
    with telemetry().event("tend_partners", uuid4().hex):
        company().retries.retry_all()


def refresh_endpoints(_event: CloudWatchEvent) -> None:
    """Tell every partner if our endpoints have changed, and fetch theirs."""
    with telemetry().event("refresh_endpoints", uuid4().hex):
        for partner in company().ports.partners.all():
            company().registrations.sync_endpoints(partner)
