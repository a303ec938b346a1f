"""Proves that messages and schedules reach the node: from a change in SQS to what a partner still has to be told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.adapters.sqs.pushes import delivery_in
from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints import workers
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.pushing.outbox import OutboxEntry
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
    return company.ports.partners.save(
        Partner(
            id="p1",
            our_role=Role.CPO,
            state=State.REGISTERED,
            party=Party.of("NL", "MSP"),
            endpoints={TARIFFS: NOWHERE, "credentials": NOWHERE},
            token_we_send=AuthToken("token"),
        )
    )


def taken(company: Company, queue: str) -> dict[str, Any]:
    """All messages of a queue, as Lambda hands them over."""
    sqs = company.ports.push_queues._changes.client()  # type: ignore[attr-defined]
    url = sqs.get_queue_url(QueueName=company.settings.queue(queue))["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    records = [{"messageId": m["MessageId"], "body": m["Body"], "receiptHandle": m["ReceiptHandle"]} for m in found]
    return {"Records": records}


def every_minute() -> CloudWatchEvent:
    texts = dict.fromkeys(("version", "account", "region", "detail-type", "source", "time", "id"), "")
    return CloudWatchEvent({**texts, "detail": {}, "resources": []}, None)


def test_a_change_becomes_a_delivery_and_a_delivery_that_fails_stands_in_the_outbox(
    company: Company, partner: Partner
) -> None:
    """LOC-29, TAR-14, Q-57."""
    company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    workers.changes(SQSEvent(taken(company, "changes"), None))
    workers.deliveries(SQSEvent(taken(company, "deliveries.fifo"), None))

    (failure,) = company.ports.outbox.entries(partner.id)
    assert failure.announcement == T1
    assert "127.0.0.1" in failure.reason


def test_a_message_that_is_handed_over_twice_is_spread_once(company: Company, partner: Partner) -> None:
    """LOC-29: as SQS does when a worker fails after its work."""
    company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))
    event = SQSEvent(taken(company, "changes"), None)

    workers.changes(event)
    workers.changes(event)

    assert len(taken(company, "deliveries.fifo")["Records"]) == 1


@pytest.mark.parametrize(("ahead", "expected"), [(timedelta(), 1), (timedelta(hours=1), 0)], ids=["due", "not yet"])
def test_each_minute_what_is_due_for_a_partner_is_queued_again(
    company: Company, partner: Partner, ahead: timedelta, expected: int
) -> None:
    """Q-57, N-42: the schedule sends for the partner, and its message for what it missed."""
    now = datetime.now(UTC)
    company.ports.outbox.record(
        OutboxEntry(
            partner_id=partner.id,
            announcement=T1,
            reason="connection refused",
            attempts=1,
            failed_at=now,
            due_at=now + ahead,
        )
    )

    workers.tend_partners(every_minute())

    sent = taken(company, "deliveries.fifo")
    assert [json.loads(record["body"]).get("tend") for record in sent["Records"]] == [partner.id] * expected
    workers.deliveries(SQSEvent(sent, None))
    again = taken(company, "deliveries.fifo")["Records"]
    assert [delivery_in(record["body"]) for record in again] == [Delivery(partner.id, T1, 1)] * expected


@pytest.mark.parametrize("count", [None, "1", "2"])
def test_a_message_that_a_worker_gave_back_is_known_to_be_one(
    company: Company, partner: Partner, count: str | None
) -> None:
    """Q-57, CDR-21: the CDR may have arrived, so that the next try looks first."""
    cdrs = partner.with_changes(endpoints={ModuleID.CDRS: NOWHERE})
    company.ports.partners.save(cdrs)
    company.own_objects[ModuleID.CDRS].put("C1", (), make.cdr("C1"), partner.party)
    company.ports.push_queues.deliver([Delivery(partner.id, Announcement(ModuleID.CDRS, "c1", 1))])
    (record,) = taken(company, "deliveries.fifo")["Records"]
    attributes = {} if count is None else {"attributes": {"ApproximateReceiveCount": count}}

    workers.deliveries(SQSEvent({"Records": [record | attributes]}, None))

    assert ("GET" in company.ports.outbox.entries(partner.id)[0].reason) is (count == "2")


def test_equal_deliveries_of_one_cause_are_sent_once(company: Company) -> None:
    """Guards the test above: the queue itself would take both."""
    for cause in ("a", "a", "b"):
        company.ports.push_queues.deliver([Delivery("p1", T1)], cause=cause)

    assert len(taken(company, "deliveries.fifo")["Records"]) == 2
