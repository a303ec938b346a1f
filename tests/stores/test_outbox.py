"""The outbox: one entry per partner and object, which says no less than what still has to be told."""

from __future__ import annotations

from chalicelib.node.ports import Announcement, Delivery, Failure, Outbox
from chalicelib.ocpi.module import ModuleID
from tests.conftest import Stage
from tests.stores.crawling import at

STATUS = Announcement(ModuleID.LOCATIONS, "LOC/1", 3, ("EVSE1",), ("status",))
WHOLE = Announcement(ModuleID.LOCATIONS, "LOC/1", 5)


def failure(announcement: Announcement, second: float = 0, partner_id: str = "p1", reason: str = "timeout") -> Failure:
    return Failure(partner_id, announcement, reason, 1, at(second))


def test_a_failure_is_remembered_as_it_was(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, 1.000001))

    assert outbox.of("p1") == [failure(STATUS, 1.000001)]
    assert outbox.of("p2") == []


def test_the_same_failure_again_is_counted_on(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, 1))
    outbox.record(failure(Announcement(ModuleID.LOCATIONS, "LOC/1", 4, ("EVSE1",), ("status",)), 2, reason="refused"))

    [entry] = outbox.of("p1")

    assert (entry.announcement.version, entry.announcement.fields) == (4, ("status",))
    assert (entry.attempts, entry.reason, entry.failed_at) == (2, "refused", at(2))


def test_two_failures_that_differ_make_the_whole_object_dirty(outbox: Outbox) -> None:
    for name, others in {
        "other fields": Announcement(ModuleID.LOCATIONS, "X", 4, ("EVSE1",), ("coordinates",)),
        "another part": Announcement(ModuleID.LOCATIONS, "X", 4, ("EVSE2",), ("status",)),
        "the whole": Announcement(ModuleID.LOCATIONS, "X", 4),
    }.items():
        first = Announcement(ModuleID.LOCATIONS, "X", 3, ("EVSE1",), ("status",))
        for both in ((first, others), (others, first)):
            outbox.record(failure(both[0], partner_id=name))
            outbox.record(failure(both[1], partner_id=name))

            [entry] = outbox.of(name)
            assert entry.announcement == Announcement(ModuleID.LOCATIONS, "X", both[1].version)
            outbox.settle(Delivery(name, first))


def test_a_removal_that_failed_stays_a_removal_until_the_object_is_back(outbox: Outbox) -> None:
    outbox.record(failure(STATUS))
    outbox.record(failure(Announcement(ModuleID.LOCATIONS, "LOC/1", 4, removed=True)))
    assert outbox.of("p1")[0].announcement.removed

    outbox.record(failure(Announcement(ModuleID.LOCATIONS, "LOC/1", 1)))
    assert not outbox.of("p1")[0].announcement.removed


def test_what_is_settled_is_forgotten(outbox: Outbox) -> None:
    outbox.record(failure(STATUS))
    outbox.record(failure(WHOLE, partner_id="p2"))
    outbox.record(failure(Announcement(ModuleID.TARIFFS, "LOC/1", 1)))

    outbox.settle(Delivery("p1", WHOLE))
    outbox.settle(Delivery("p3", WHOLE))

    assert [entry.announcement.module for entry in outbox.of("p1")] == [ModuleID.TARIFFS]
    assert len(outbox.of("p2")) == 1


def test_what_failed_first_comes_first(outbox: Outbox) -> None:
    for second, object_id in enumerate("cab"):
        outbox.record(failure(Announcement(ModuleID.TARIFFS, object_id, 1), second))
    outbox.record(failure(Announcement(ModuleID.TARIFFS, "c", 2), 10))

    assert [entry.announcement.id for entry in outbox.of("p1")] == ["c", "a", "b"]


def test_a_long_reason_is_cut(outbox: Outbox) -> None:
    outbox.record(failure(STATUS, reason="x" * 10_000))

    assert len(outbox.of("p1")[0].reason) == 500


def test_an_entry_expires_a_month_after_its_last_failure(stage: Stage) -> None:
    from chalicelib.adapters.dynamodb_outbox import DynamoOutbox

    outbox, table = DynamoOutbox(stage.table("outbox")), stage.table("outbox")
    outbox.record(failure(STATUS, 0))
    outbox.record(failure(STATUS, 60))

    item = table.get({"pk": {"S": "p1"}, "sk": {"S": "locations/LOC/1"}})

    assert item
    assert int(item["expires_at"]["N"]) == at(60 + 30 * 24 * 3600).timestamp()
