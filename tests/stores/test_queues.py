"""The queues: what is sent arrives, whole and in order, and what was sent twice is told once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.sqs.pushes import NotSent, SqsPushQueues, announcements_in, delivery_in
from chalicelib.node.pushing.messages import Announcement, Delivery, PushQueues, RetryDue
from chalicelib.ocpi.module import ModuleID
from tests.memory import MemoryPushQueues
from tests.resources import Stage

NEWS = Announcement(ModuleID.LOCATIONS, "LOC1", 3, ("EVSE1", "1"), ("status", "last_updated"))
ANNOUNCEMENTS = st.builds(
    Announcement,
    module=st.sampled_from(ModuleID),
    id=st.text(max_size=255),
    version=st.integers(1, 10**6),
    path=st.lists(st.text(), max_size=2).map(tuple),
    fields=st.none() | st.lists(st.text(), max_size=3).map(tuple),
    removed=st.booleans(),
)


class Received:
    """Takes what lies in the queues, whichever they are."""

    def __init__(self, queues: PushQueues, stage: Stage | None = None) -> None:
        self.queues = queues
        self._stage = stage

    def changes(self) -> list[tuple[list[Announcement], int]]:
        if isinstance(self.queues, MemoryPushQueues):
            taken, self.queues.announcements = self.queues.announcements, []
            return taken
        return [announcements_in(body) for body in self._bodies("changes")]

    def deliveries(self) -> list[Delivery | RetryDue]:
        if isinstance(self.queues, MemoryPushQueues):
            taken, self.queues.deliveries = self.queues.deliveries, []
            return taken
        return [delivery_in(body) for body in self._bodies("deliveries.fifo")]

    def _bodies(self, name: str) -> list[str]:
        assert self._stage
        client = self._stage.clients.sqs()
        url = client.get_queue_url(QueueName=self._stage.queue(name))["QueueUrl"]
        bodies = []
        while found := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                bodies.append(message["Body"])
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def sqs(stage: Stage, client: Callable[[], Any] | None = None) -> SqsPushQueues:
    return SqsPushQueues(
        client or stage.clients.sqs, changes=stage.queue("changes"), deliveries=stage.queue("deliveries.fifo")
    )


@pytest.fixture(params=["memory", "ministack"])
def received(request: pytest.FixtureRequest) -> Received:
    if request.param == "memory":
        return Received(MemoryPushQueues())
    stage = request.getfixturevalue("stage")
    return Received(sqs(stage), stage)


def deliveries(count: int, object_id: str = "LOC1") -> list[Delivery]:
    return [Delivery("p1", Announcement(ModuleID.LOCATIONS, object_id, number + 1)) for number in range(count)]


def test_announcements_travel_together(received: Received) -> None:
    news = [NEWS, Announcement(ModuleID.TARIFFS, "T1", 1), Announcement(ModuleID.TARIFFS, "T2", 2, removed=True)]

    received.queues.announce(news, attempt=2)

    assert received.changes() == [(news, 2)]


def test_announcing_nothing_sends_nothing(received: Received) -> None:
    received.queues.announce([])
    received.queues.deliver([])

    assert received.changes() == []
    assert received.deliveries() == []


def test_deliveries_keep_their_order(received: Received) -> None:
    sent = deliveries(25)

    received.queues.deliver(sent)

    assert received.deliveries() == sent


def test_ids_of_any_kind_can_be_delivered(received: Received) -> None:
    sent = [Delivery("p1", Announcement(ModuleID.LOCATIONS, name, 1)) for name in ("Ä/ö 日本", "x" * 255, "a\tb", "*")]

    received.queues.deliver(sent)

    assert sorted(map(repr, received.deliveries())) == sorted(map(repr, sent))


def test_many_announcements_take_several_messages(stage: Stage) -> None:
    received = Received(sqs(stage), stage)
    news = [Announcement(ModuleID.LOCATIONS, f"{number:05}" + "ü" * 200, number) for number in range(500)]

    received.queues.announce(news)

    messages = received.changes()
    assert len(messages) > 1
    assert sorted(message.version for some, _ in messages for message in some) == list(range(500))


def test_a_late_announcement_waits(stage: Stage) -> None:
    received = Received(sqs(stage), stage)

    received.queues.announce([NEWS], delay_s=10_000)

    assert received.changes() == []


def test_one_object_s_news_do_not_wait_for_another_s(stage: Stage) -> None:
    sqs(stage).deliver([*deliveries(2, "A"), *deliveries(1, "B")])
    client = stage.clients.sqs()
    url = client.get_queue_url(QueueName=stage.queue("deliveries.fifo"))["QueueUrl"]

    first = client.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]
    second = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]

    found = [delivery_in(message["Body"]) for message in [*first, *second]]
    assert [each.announcement.id for each in found if isinstance(each, Delivery)] == ["A", "B"]


def test_a_delivery_that_is_sent_twice_arrives_once(stage: Stage) -> None:
    received = Received(sqs(stage), stage)
    [sent] = deliveries(1)

    received.queues.deliver([sent])
    assert received.deliveries() == [sent]
    received.queues.deliver([sent])
    assert received.deliveries() == []


def test_deliveries_that_differ_in_anything_all_arrive(stage: Stage) -> None:
    received = Received(sqs(stage), stage)
    sent = [
        Delivery("p1", NEWS),
        Delivery("p2", NEWS),
        Delivery("p1", Announcement(ModuleID.LOCATIONS, "LOC1", 4, NEWS.path, NEWS.fields)),
        Delivery("p1", Announcement(ModuleID.LOCATIONS, "LOC1", 3, ("EVSE1",), NEWS.fields)),
        Delivery("p1", Announcement(ModuleID.LOCATIONS, "LOC1", 3, NEWS.path, ("status",))),
        Delivery("p1", Announcement(ModuleID.LOCATIONS, "LOC1", 3, NEWS.path)),
        Delivery("p1", Announcement(ModuleID.LOCATIONS, "LOC1", 3, NEWS.path, removed=True)),
    ]

    received.queues.deliver(sent)

    assert len(received.deliveries()) == len(sent)


def test_an_equal_delivery_with_another_cause_arrives(stage: Stage) -> None:
    queues = sqs(stage)
    received = Received(queues, stage)

    for cause in ("one", "two", "two"):
        queues.deliver(deliveries(1), cause=cause)

    assert len(received.deliveries()) == 2


# --- refusals ----------------------------------------------------------------------------------------------------


class Refusing:
    """A client whose queue refuses the first message of a batch so many times."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self._times = times
        self.batches: list[int] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803 - AWS's names
        self.batches.append(len(Entries))
        if not self._times:
            return self._client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        self._times -= 1
        if Entries[1:]:
            self._client.send_message_batch(QueueUrl=QueueUrl, Entries=Entries[1:])
        return {"Successful": [], "Failed": [{"Id": Entries[0]["Id"], "Code": "InternalError", "SenderFault": False}]}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_a_refused_delivery_is_sent_once_more(stage: Stage) -> None:
    client = Refusing(stage.clients.sqs(), times=1)
    queues = sqs(stage, lambda: client)

    queues.deliver(deliveries(4))

    assert client.batches == [4, 1]
    assert len(Received(queues, stage).deliveries()) == 4


def test_a_delivery_that_is_refused_twice_is_an_error(stage: Stage) -> None:
    client = Refusing(stage.clients.sqs(), times=2)
    queues = sqs(stage, lambda: client)

    with pytest.raises(NotSent):
        queues.deliver(deliveries(4))


# --- messages ----------------------------------------------------------------------------------------------------


class Sink:
    """A client that keeps what it is told to send."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        return {"QueueUrl": QueueName}

    def send_message(self, MessageBody: str, **_: Any) -> None:  # noqa: N803 - AWS's name
        self.bodies.append(MessageBody)

    def send_message_batch(self, Entries: list[Any], **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
        assert len(Entries) <= 10
        for entry in Entries:
            assert entry["MessageGroupId"].isalnum()
            assert len(entry["MessageGroupId"]) <= 128 >= len(entry["MessageDeduplicationId"])
        self.bodies += [entry["MessageBody"] for entry in Entries]
        return {}


@given(news=st.lists(ANNOUNCEMENTS, min_size=1, max_size=12), attempt=st.integers(0, 10))
def test_any_message_is_read_as_it_was_written(news: list[Announcement], attempt: int) -> None:
    sink = Sink()
    queues = SqsPushQueues(lambda: sink, changes="changes", deliveries="deliveries.fifo")

    queues.announce(news, attempt=attempt)
    queues.deliver([Delivery("p1", announcement) for announcement in news])

    assert announcements_in(sink.bodies[0]) == (news, attempt)
    assert [delivery_in(body) for body in sink.bodies[1:]] == [Delivery("p1", announcement) for announcement in news]


def test_no_message_exceeds_two_hundred_kilobytes() -> None:
    sink = Sink()

    SqsPushQueues(lambda: sink, changes="changes", deliveries="deliveries.fifo").announce(
        [Announcement(ModuleID.LOCATIONS, "日" * 255, number) for number in range(1000)]
    )

    assert max(map(len, sink.bodies)) <= 200_000
    assert len(sink.bodies) < 12


def test_a_message_of_a_later_release_is_not_guessed_at() -> None:
    for body in ('{"v":2,"attempt":0,"changes":[]}', '{"v":2,"partner":"p1","change":[]}'):
        with pytest.raises(ValueError, match="later release"):
            announcements_in(body)
        with pytest.raises(ValueError, match="later release"):
            delivery_in(body)


@pytest.mark.parametrize("after", [None, "", "tariffs/T 1/ü"])
def test_a_partner_is_tended_once_per_cause(stage: Stage, after: str | None) -> None:
    """N-42: and from where it was left."""
    queues = sqs(stage)
    received = Received(queues, stage)

    for cause in ("12:00", "12:00", "12:01"):
        queues.retry(RetryDue("p1", after), cause=cause)

    assert received.deliveries() == [RetryDue("p1", after)] * 2
