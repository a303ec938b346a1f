"""The feed keeps events in the order in which they were noted; the queue carries them whole."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb.events import DynamoEventFeed
from chalicelib.adapters.sqs.events import SqsEventQueue, events_in
from chalicelib.node.events.announcing import (
    FEED_EXPIRES_AFTER,
    FEED_RETENTION,
    Event,
    EventFeed,
    EventKind,
    EventQueue,
    cursor_at,
    moment_of,
)
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party
from tests.memory import MemoryEventQueue
from tests.resources import Stage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVENTS = st.builds(
    Event,
    kind=st.sampled_from(EventKind),
    partner_id=st.text(max_size=20),
    object_id=st.text(max_size=255),
    version=st.integers(1, 10**9),
    at=st.datetimes(timezones=st.just(UTC)),
    module=st.none() | st.sampled_from(ModuleID),
    owner=st.none() | st.just(Party.of("DE", "CPO")),
    path=st.lists(st.text(max_size=20), max_size=2).map(tuple),
    reason=st.text(max_size=20),
)


def event(object_id: str = "LOC1", version: int = 1, **facts: Any) -> Event:
    return Event(
        kind=EventKind.CREATED,
        partner_id="p1",
        object_id=object_id,
        version=version,
        at=NOON,
        module=ModuleID.LOCATIONS,
        owner=Party.of("DE", "CPO"),
        **facts,
    )


def detail(number: int, **facts: Any) -> dict[str, Any]:
    """What the feed is given."""
    return {"v": 1, "id": f"{number:032x}", "kind": "object.created", "object": None, "name": "Ä日本\n", **facts}


def noted(feed: EventFeed, *moments: datetime) -> list[dict[str, Any]]:
    """The details that are noted at these times."""
    details = [detail(number) for number in range(len(moments))]
    for each, moment in zip(details, moments, strict=True):
        feed.append(each, moment)
    return details


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# --- the feed ------------------------------------------------------------------------------------------------------


def test_events_are_read_in_the_order_in_which_they_were_noted(feed: EventFeed) -> None:
    details = noted(feed, after(2), after(0.000001), after(1))

    found = feed.after(cursor_at(NOON), after(60), 10)

    assert [each.detail for each in found] == [details[1], details[2], details[0]]
    assert [each.cursor for each in found] == sorted(each.cursor for each in found)


def test_events_of_one_moment_are_all_there(feed: EventFeed) -> None:
    details = noted(feed, *[NOON] * 5)

    first = feed.after(cursor_at(NOON), after(1), 2)
    rest = feed.after(first[-1].cursor, after(1), 10)

    assert [each.detail for each in [*first, *rest]] == details


def test_reading_on_page_by_page_across_days_misses_nothing_and_repeats_nothing(feed: EventFeed) -> None:
    days = [NOON + timedelta(days=number, seconds=second) for number in range(4) for second in range(3)]
    details = noted(feed, *days)
    cursor, read = cursor_at(NOON - timedelta(days=1)), []

    while page := feed.after(cursor, NOON + timedelta(days=5), 5):
        read += [each.detail for each in page]
        cursor = page[-1].cursor

    assert read == details


def test_what_is_noted_at_a_time_or_later_is_not_read_before_it(feed: EventFeed) -> None:
    details = noted(feed, after(0), after(5))

    assert [each.detail for each in feed.after(cursor_at(after(-1)), after(5), 10)] == details[:1]
    assert [each.detail for each in feed.latest(after(5), 10)] == details[:1]


def test_nothing_is_behind_the_last_one_or_in_the_future(feed: EventFeed) -> None:
    noted(feed, NOON)
    (last,) = feed.latest(after(1), 10)

    for cursor in (last.cursor, cursor_at(after(1)), cursor_at(after(90)), cursor_at(NOON + timedelta(days=3))):
        assert feed.after(cursor, after(1), 10) == []


def test_the_latest_are_the_last_ones_in_order(feed: EventFeed) -> None:
    days = [NOON + timedelta(days=number, seconds=second) for number in range(3) for second in range(2)]
    details = noted(feed, *days)
    until = NOON + timedelta(days=4)

    assert [each.detail for each in feed.latest(until, 3)] == details[-3:]
    assert [each.detail for each in feed.latest(until, 100)] == details


def test_the_latest_are_not_older_than_seven_days(feed: EventFeed) -> None:
    noted(feed, NOON, NOON + FEED_RETENTION)

    assert len(feed.latest(NOON + FEED_RETENTION + timedelta(seconds=1), 100)) == 1


def test_an_empty_journal_has_nothing_to_read(feed: EventFeed) -> None:
    assert feed.after(cursor_at(NOON), after(1), 10) == feed.latest(after(1), 10) == []


def test_an_event_noted_twice_at_one_time_is_one(feed: EventFeed) -> None:
    for _ in range(2):
        noted(feed, NOON)

    assert len(feed.latest(after(1), 10)) == 1


def test_an_event_goes_away_by_itself(moto_stage: Stage) -> None:
    table = moto_stage.table("events")
    noted(DynamoEventFeed(table), NOON)

    (item,) = table.query(KeyConditionExpression="pk = :day", ExpressionAttributeValues={":day": {"S": "2026-03-01"}})

    assert int(item["expires_at"]["N"]) == (NOON + FEED_EXPIRES_AFTER).timestamp()


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)), st.text("0123456789abcdef", max_size=32))  # noqa: DTZ001 - as hypothesis wants it
def test_a_cursor_tells_its_time_and_sorts_by_it(moment: datetime, event_id: str) -> None:
    cursor = cursor_at(moment, event_id)

    assert moment_of(cursor) == moment
    assert cursor_at(moment) <= cursor < cursor_at(moment + timedelta(microseconds=1))


@pytest.mark.parametrize(
    "wrong", ["", "x", "2026-03-01", "2026-03-01T12:00:00Z/", "2026-3-1T12:00:00.000000Z/", cursor_at(NOON, "a" * 33)]
)
def test_what_is_no_cursor_is_not_taken_for_one(wrong: str) -> None:
    with pytest.raises(ValueError):
        moment_of(wrong)


# --- the queue -----------------------------------------------------------------------------------------------------


class Received:
    """Takes what lies in the queue, whichever it is."""

    def __init__(self, queue: EventQueue, stage: Stage | None = None) -> None:
        self.queue = queue
        self._stage = stage

    def __call__(self) -> list[tuple[list[Event], int]]:
        if isinstance(self.queue, MemoryEventQueue):
            taken, self.queue.messages = self.queue.messages, []
            return taken
        assert self._stage
        client = self._stage.clients.sqs()
        url, found = client.get_queue_url(QueueName=self._stage.queue("events"))["QueueUrl"], []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(events_in(message["Body"]))
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture(params=["memory", "ministack"])
def received(request: pytest.FixtureRequest) -> Received:
    if request.param == "memory":
        return Received(MemoryEventQueue())
    stage = request.getfixturevalue("stage")
    return Received(SqsEventQueue(stage.queue("events"), stage.clients.sqs), stage)


def test_events_travel_together_and_whole(received: Received) -> None:
    news = [
        event("Ä/日本", 7, path=("E1", "1"), reason="why"),
        Event(
            kind=EventKind.BROKEN,
            partner_id="p1",
            object_id="p1",
            version=3,
            at=NOON + timedelta(microseconds=1),
            reason="no answer",
        ),
    ]

    received.queue.announce(news, attempt=2)

    assert received() == [(news, 2)]


def test_no_events_are_no_message(received: Received) -> None:
    received.queue.announce([])

    assert received() == []


class Sink:
    """A client that keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"QueueUrl": QueueName}

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)


@given(st.lists(EVENTS, min_size=1, max_size=3), st.integers(0, 5))
def test_any_event_is_read_as_it_was_written(news: list[Event], attempt: int) -> None:
    sink = Sink()

    SqsEventQueue("events", lambda: sink).announce(news, attempt=attempt)

    (message,) = sink.sent
    assert message["MessageBody"].isascii()
    assert events_in(message["MessageBody"]) == (news, attempt)


def test_many_events_are_several_messages(received: Received) -> None:
    news = [event("x" * 255, version) for version in range(1, 2001)]

    received.queue.announce(news)

    messages = [news for news, _ in received()]
    assert [each for message in messages for each in message] == news


def test_an_event_of_a_later_release_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="later release"):
        events_in(json.dumps({"v": 2, "attempt": 0, "events": []}))


@given(EVENTS, EVENTS)
def test_an_event_has_an_id_of_its_own_whenever_it_was_announced(one: Event, other: Event) -> None:
    def told(event: Event) -> tuple[Any, ...]:
        return event.kind, event.partner_id, event.module, event.object_id, event.version, event.path

    assert re.fullmatch("[0-9a-f]{32}", one.id)
    assert (one.id == other.id) == (told(one) == told(other))


def test_an_id_does_not_depend_on_when_or_why() -> None:
    assert (
        event().id
        == Event(
            kind=EventKind.CREATED,
            partner_id="p1",
            object_id="LOC1",
            version=1,
            at=after(1),
            module=ModuleID.LOCATIONS,
            owner=None,
            path=(),
            reason="again",
        ).id
    )
