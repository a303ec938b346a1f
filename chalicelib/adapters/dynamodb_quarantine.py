"""What partners sent and we did not take, as ``Quarantine`` promises it: an item per partner (``pk``) and content."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta
from typing import Final

from chalicelib.adapters.dynamodb import Item, Table
from chalicelib.adapters.dynamodb_items import packed, unpacked
from chalicelib.node.ports import Quarantined
from chalicelib.ocpi.module import ModuleID

_KEPT: Final = timedelta(days=90)
_LONGEST_REASON: Final = 500
_LONGEST_ID_IN_KEY: Final = 200
"""A sort key has 1024 bytes, and a character up to four."""
_MOST_BYTES: Final = 390_000
"""Of a body that does not compress; DynamoDB takes 400 KB of all that an item holds."""


class DynamoQuarantine:
    """The quarantine of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, quarantined: Quarantined) -> None:
        """Keep it for 90 days; the same content again is the same entry; one call."""
        digest = hashlib.sha256(quarantined.body).hexdigest()[:16]
        body = packed(quarantined.body)
        if len(body) > _MOST_BYTES:
            body = packed(quarantined.body[:_MOST_BYTES])
        self._table.write(
            "put_item",
            Item={
                "pk": {"S": quarantined.partner_id},
                "sk": {"S": f"{quarantined.module}/{quarantined.id[:_LONGEST_ID_IN_KEY]}/{digest}"},
                "module": {"S": quarantined.module},
                "id": {"S": quarantined.id},
                "body": {"B": body},
                "reason": {"S": quarantined.reason[:_LONGEST_REASON]},
                "at": {"S": quarantined.at.isoformat(timespec="microseconds")},
                "expires_at": {"N": str(math.ceil((quarantined.at + _KEPT).timestamp()))},
            },
        )

    def of(self, partner_id: str) -> list[Quarantined]:
        """What is kept of this partner, by module and id; one call per megabyte."""
        items = self._table.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": partner_id}},
            ConsistentRead=True,
        )
        # In the sort key something follows the id, so that there "a b" comes before "a".
        return sorted(map(_quarantined_of, items), key=lambda each: (each.module, each.id))


def _quarantined_of(item: Item) -> Quarantined:
    return Quarantined(
        partner_id=item["pk"]["S"],
        module=ModuleID(item["module"]["S"]),
        id=item["id"]["S"],
        body=unpacked(item["body"]["B"]),
        reason=item["reason"]["S"],
        at=datetime.fromisoformat(item["at"]["S"]),
    )
