"""``Quarantine`` on DynamoDB: an item per entry; ``pk`` is the partner's id, ``sk`` the entry's name."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from chalicelib.adapters.dynamodb.items import compress, decompress
from chalicelib.adapters.dynamodb.table import Item, Table, epoch
from chalicelib.node.receiving.quarantine import QuarantineEntry, entry_name_of
from chalicelib.ocpi.module import ModuleID

_KEPT: Final = timedelta(days=90)
_LONGEST_REASON: Final = 500
_MOST_BYTES: Final = 390_000
"""Of a compressed body; a larger one is cut. DynamoDB's limit is 400 KB for the whole item."""


class DynamoQuarantine:
    """The quarantine of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, quarantined: QuarantineEntry) -> None:
        """Write the entry, for 90 days; the same content again replaces the same entry; one call."""
        body, is_cut = compress(quarantined.body), quarantined.is_cut
        if len(body) > _MOST_BYTES:
            is_cut = True
            body = compress(quarantined.body[:_MOST_BYTES])
        self._table.write(
            "put_item",
            Item={
                **_key(quarantined.partner_id, entry_name_of(quarantined)),
                "module": {"S": quarantined.module},
                "id": {"S": quarantined.id},
                "body": {"B": body},
                "is_cut": {"BOOL": is_cut},
                "reason": {"S": quarantined.reason[:_LONGEST_REASON]},
                "at": {"S": quarantined.at.isoformat(timespec="microseconds")},
                "expires_at": {"N": str(epoch(quarantined.at + _KEPT))},
            },
        )

    def of(self, partner_id: str, after: str = "", limit: int | None = None) -> list[QuarantineEntry]:
        """Up to ``limit`` entries of this partner, ordered by name, those after ``after``; one call per megabyte."""
        items = self._table.query_partition(partner_id, after, **({"Limit": limit} if limit else {}))
        return list(map(_entry_of, islice(items, limit)))

    def get(self, partner_id: str, entry: str) -> QuarantineEntry | None:
        """The entry with this name, or None; strongly consistent; one call."""
        item = self._table.get(_key(partner_id, entry))
        return _entry_of(item) if item else None

    def drop(self, partner_id: str, entry: str) -> None:
        """Delete the entry, if there is one; one call."""
        self._table.write("delete_item", Key=_key(partner_id, entry))


def _key(partner_id: str, entry: str) -> Item:
    return {"pk": {"S": partner_id}, "sk": {"S": entry}}


def _entry_of(item: Item) -> QuarantineEntry:
    return QuarantineEntry(
        partner_id=item["pk"]["S"],
        module=ModuleID(item["module"]["S"]),
        id=item["id"]["S"],
        body=decompress(item["body"]["B"]),
        reason=item["reason"]["S"],
        at=datetime.fromisoformat(item["at"]["S"]),
        is_cut=item.get("is_cut", {}).get("BOOL", False),
        entry=item["sk"]["S"],
    )
