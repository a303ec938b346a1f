"""The quarantine: whatever a partner sent and we did not take is kept once, whole, and found again."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from chalicelib.adapters.dynamodb.quarantine import DynamoQuarantine
from chalicelib.node.receiving.quarantine import Quarantine, QuarantineEntry
from chalicelib.ocpi.module import ModuleID
from tests.resources import Stage
from tests.stores.crawling import at

CDR = QuarantineEntry(
    partner_id="p1",
    module=ModuleID.CDRS,
    id="C1",
    body=b'{"id":"C1","total_cost":3.13}',
    reason="differs",
    at=at(1.000001),
)


def test_what_is_kept_is_found_as_it_was(quarantine: Quarantine) -> None:
    """CDR-08, Q-49."""
    quarantine.record(CDR)

    assert quarantine.of("p1") == [CDR]
    assert quarantine.of("p2") == []


def test_the_same_content_again_is_the_same_entry(quarantine: Quarantine) -> None:
    """Q-49: some partners repeat themselves every night."""
    for second in (1, 2, 3):
        quarantine.record(replace(CDR, at=at(second)))

    assert quarantine.of("p1") == [replace(CDR, at=at(3))]


def test_every_other_content_is_another_entry(quarantine: Quarantine) -> None:
    """CDR-08."""
    kept = [replace(CDR, body=CDR.body + b" " * number) for number in range(3)]
    for each in kept:
        quarantine.record(each)

    assert sorted(quarantine.of("p1"), key=lambda each: each.body) == kept


def test_the_entries_of_a_partner_come_by_their_names_and_in_pieces(quarantine: Quarantine) -> None:
    for number in range(7):
        quarantine.record(replace(CDR, id=f"C{number}"))
    quarantine.record(replace(CDR, partner_id="p2", id="C9"))

    found = quarantine.of("p1")
    assert sorted(each.id for each in found) == [f"C{number}" for number in range(7)]
    assert [each.entry for each in found] == sorted({each.entry for each in found})
    assert [each.id for each in quarantine.of("p2")] == ["C9"]
    pieces, after = [], ""
    while piece := quarantine.of("p1", after, 3):
        pieces.append(piece)
        after = piece[-1].entry
    assert [len(piece) for piece in pieces] == [3, 3, 1]
    assert [each for piece in pieces for each in piece] == found


@pytest.mark.parametrize("object_id", ["a/b", "/", "a//", "Ä ö/日本", "cdrs/x", "x" * 255, "日" * 255, "#sk", "*", " "])
def test_ids_may_be_anything_that_partners_use(quarantine: Quarantine, object_id: str) -> None:
    kept = replace(CDR, id=object_id)

    quarantine.record(kept)

    assert quarantine.of("p1") == [kept]


def test_what_a_partner_sent_is_kept_however_many_it_is(quarantine: Quarantine) -> None:
    for number in range(60):
        quarantine.record(replace(CDR, id=f"C{number:03}", body=os.urandom(20_000)))

    assert sorted(each.id for each in quarantine.of("p1")) == [f"C{number:03}" for number in range(60)]


def test_a_body_that_no_item_holds_is_kept_as_far_as_it_goes(quarantine: Quarantine) -> None:
    """Q-49: what is too large to keep must not be an error of ours, or the partner would hear 3000."""
    body = b'{"id":"C1","remark":"' + os.urandom(600_000).hex().encode()

    for _ in range(2):
        quarantine.record(replace(CDR, body=body))

    [entry] = quarantine.of("p1")
    assert body.startswith(entry.body)
    assert len(entry.body) > 100_000
    assert entry.is_cut is (entry.body != body)
    assert entry.reason == "differs"


def test_two_large_bodies_that_begin_alike_are_two_entries(quarantine: Quarantine) -> None:
    """CDR-08."""
    body = os.urandom(600_000)

    for end in (b"1", b"2"):
        quarantine.record(replace(CDR, body=body + end))

    assert len(quarantine.of("p1")) == 2


def test_an_entry_is_found_by_its_name(quarantine: Quarantine) -> None:
    for number in range(3):
        quarantine.record(replace(CDR, body=CDR.body + b" " * number))

    kept = quarantine.of("p1")

    assert len({each.entry for each in kept}) == 3
    assert [quarantine.get("p1", each.entry) for each in kept] == kept
    assert quarantine.get("p2", kept[0].entry) is None
    assert quarantine.get("p1", "nothing") is None


def test_an_entry_is_called_the_same_whenever_it_comes_again(quarantine: Quarantine) -> None:
    quarantine.record(CDR)
    [before] = quarantine.of("p1")

    quarantine.record(replace(CDR, at=at(2)))
    quarantine.record(replace(before, reason="refused again"))

    [after] = quarantine.of("p1")
    assert (after.entry, after.reason) == (before.entry, "refused again")


def test_what_is_dropped_is_gone(quarantine: Quarantine) -> None:
    kept, dropped = CDR, replace(CDR, id="C2")
    for each in (kept, dropped):
        quarantine.record(each)
    [entry] = [each.entry for each in quarantine.of("p1") if each.id == "C2"]

    for _ in range(2):
        quarantine.drop("p1", entry)

    assert quarantine.of("p1") == [kept]


def test_a_long_reason_is_cut(quarantine: Quarantine) -> None:
    quarantine.record(replace(CDR, reason="x" * 10_000))

    assert len(quarantine.of("p1")[0].reason) == 500


def test_an_entry_expires_ninety_days_after_it_came_last(stage: Stage) -> None:
    table = stage.table("quarantine")
    quarantine = DynamoQuarantine(table)
    quarantine.record(replace(CDR, at=at(0)))
    quarantine.record(replace(CDR, at=at(60)))

    [item] = table.query(KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "p1"}})

    assert int(item["expires_at"]["N"]) == at(60 + 90 * 24 * 3600).timestamp()
