"""Proves that messages and schedules reach the node: from a change in SQS to what a partner still has to be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.bootstrap import Company
from chalicelib.entrypoints import workers
from chalicelib.node.partners import Partner, State
from chalicelib.node.ports import Announcement, Delivery, Failure
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make

TARIFFS = ModuleID.TARIFFS
T1 = Announcement(TARIFFS, "T1", 1)
NOWHERE = "https://127.0.0.1/tariffs"
"""An address that we never call, so that no test waits for the network."""


@pytest.fixture
def partner(company: Company) -> Partner:
    """An eMSP that cannot be reached."""
    return company.outside.partners.save(
        Partner(
            "p1",
            Role.CPO,
            State.REGISTERED,
            party=Party("NL", "MSP"),
            endpoints={TARIFFS: NOWHERE, "credentials": NOWHERE},
            token_we_send=AuthToken("token"),
        )
    )


def taken(company: Company, queue: str) -> dict[str, Any]:
    """All messages of a queue, as Lambda hands them over."""
    sqs = company.outside.queues._changes.client()  # type: ignore[attr-defined]
    url = sqs.get_queue_url(QueueName=company.settings.queue(queue))["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    records = [{"messageId": m["MessageId"], "body": m["Body"], "receiptHandle": m["ReceiptHandle"]} for m in found]
    return {"Records": records}


def every_day() -> CloudWatchEvent:
    texts = dict.fromkeys(("version", "account", "region", "detail-type", "source", "time", "id"), "")
    return CloudWatchEvent({**texts, "detail": {}, "resources": []}, None)


def test_a_change_becomes_a_delivery_and_a_delivery_that_fails_stands_in_the_outbox(
    company: Company, partner: Partner
) -> None:
    """LOC-29, TAR-14, Q-57."""
    company.own[TARIFFS].put("T1", (), make.tariff("T1"))

    workers.changes(SQSEvent(taken(company, "changes"), None))
    workers.deliveries(SQSEvent(taken(company, "deliveries.fifo"), None))

    (failure,) = company.outside.outbox.of(partner.id)
    assert failure.announcement == T1
    assert "127.0.0.1" in failure.reason


def test_a_message_that_is_handed_over_twice_is_spread_once(company: Company, partner: Partner) -> None:
    """LOC-29: as SQS does when a worker fails after its work."""
    company.own[TARIFFS].put("T1", (), make.tariff("T1"))
    event = SQSEvent(taken(company, "changes"), None)

    workers.changes(event)
    workers.changes(event)

    assert len(taken(company, "deliveries.fifo")["Records"]) == 1


@pytest.mark.parametrize(("ago", "expected"), [(timedelta(days=1), 1), (timedelta(), 0)], ids=["due", "not yet"])
def test_the_daily_round_queues_again_what_a_partner_missed(
    company: Company, partner: Partner, ago: timedelta, expected: int
) -> None:
    """Q-57: a partner to whom nothing else has happened since."""
    company.outside.outbox.record(Failure(partner.id, T1, "connection refused", 1, datetime.now(UTC) - ago))

    workers.refresh_endpoints(every_day())

    assert len(taken(company, "deliveries.fifo")["Records"]) == expected


def test_equal_deliveries_of_one_cause_are_sent_once(company: Company) -> None:
    """Guards the test above: the queue itself would take both."""
    for cause in ("a", "a", "b"):
        company.outside.queues.deliver([Delivery("p1", T1)], cause=cause)

    assert len(taken(company, "deliveries.fifo")["Records"]) == 2
