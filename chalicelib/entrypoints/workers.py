"""SQS messages and schedules, handed to the node; an exception makes SQS repeat the batch, which is safe."""

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
    """Spread each announced change to the partners that it concerns."""
    with telemetry().event("changes", uuid4().hex):
        for record in event:
            announcements, attempt = announcements_in(record.body)
            company().fan_out.fan_out(announcements, attempt, cause=record.to_dict()["messageId"])


def deliveries(event: SQSEvent) -> None:
    """Tell a partner what changed, or look after one; one at a time, for each waits for somebody else's answer."""
    with telemetry().event("deliveries", uuid4().hex):
        for record in event:
            asked = delivery_in(record.body)
            if isinstance(asked, RetryDue):
                company().retries.retry(asked)
            else:
                count = record.to_dict().get("attributes", {}).get("ApproximateReceiveCount", "1")
                company().deliverer.deliver(asked, is_repeated=count != "1")


def command_results(event: SQSEvent) -> None:
    """Take what charge points answered, and the timers of those that did not."""
    with telemetry().event("command_results", uuid4().hex):
        for record in event:
            try:
                company().results.receive(result_in(record.body))
            except (UnreadableResult, ClientError) as useless:
                # The host's mistake: another try cannot mend it, and must not hold up the others.
                _LOG.error("a result in the queue was not taken: %s", useless)


def command_answers(event: SQSEvent) -> None:
    """Post a result to whoever asked. What fails here is our own: SQS repeats it, and nothing is posted twice."""
    with telemetry().event("command_answers", uuid4().hex):
        for record in event:
            company().results.post(answer_in(record.body))


def pulls(event: SQSEvent) -> None:
    """Fetch the next page of a crawl; one at a time, for a page of objects takes its time to keep."""
    with telemetry().event("pulls", uuid4().hex):
        for record in event:
            company().crawler.crawl_page(step_in(record.body))


def events(event: SQSEvent) -> None:
    """Tell the host what partners changed."""
    with telemetry().event("events", uuid4().hex):
        announced: dict[int, list[Event]] = {}
        for record in event:
            found, attempt = events_in(record.body)
            announced.setdefault(attempt, []).extend(found)
        for attempt, found in announced.items():
            company().publisher.publish(found, attempt)


def pull_partners(_event: CloudWatchEvent) -> None:
    """Begin to crawl every list whose turn has come."""
    with telemetry().event("pull_partners", uuid4().hex):
        for partner in company().ports.partners.all():
            company().pull_schedule.start_due(partner)


def tend_partners(_event: CloudWatchEvent) -> None:
    """Send for the partners that something is due for."""
    with telemetry().event("tend_partners", uuid4().hex):
        company().retries.retry_all()


def refresh_endpoints(_event: CloudWatchEvent) -> None:
    """Tell every partner if our endpoints moved, and fetch theirs in case they did."""
    with telemetry().event("refresh_endpoints", uuid4().hex):
        for partner in company().ports.partners.all():
            company().registrations.tended(partner)
