"""SQS messages and schedules, handed to the node; an exception makes SQS repeat the batch, which is safe."""

from __future__ import annotations

from uuid import uuid4

from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.adapters.sqs import announcements_in, delivery_in
from chalicelib.entrypoints.running import company, telemetry


def changes(event: SQSEvent) -> None:
    """Spread each announced change to the partners that it concerns."""
    with telemetry().event("changes", uuid4().hex):
        for record in event:
            announcements, attempt = announcements_in(record.body)
            company().push.spread(announcements, attempt, cause=record.to_dict()["messageId"])


def deliveries(event: SQSEvent) -> None:
    """Tell partners what changed."""
    with telemetry().event("deliveries", uuid4().hex):
        company().deliverer.deliver([delivery_in(record.body) for record in event])


def refresh_endpoints(_event: CloudWatchEvent) -> None:
    """Tell every partner if our endpoints moved, fetch theirs in case they did, queue again what they missed."""
    with telemetry().event("refresh_endpoints", uuid4().hex):
        for partner in company().outside.partners.all():
            company().registrations.tended(partner)
            company().deliverer.catch_up(partner.id)
