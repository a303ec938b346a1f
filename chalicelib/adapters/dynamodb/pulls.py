"""``PullStore`` on DynamoDB: an item per partner (``pk``) and module (``sk``), its fields as JSON in ``body``.

For each page of a full crawl there is one more item: ``sk`` is ``<module>/<crawl>/<page>``, ``seen`` the concatenated
digests of the object ids on that page.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.adapters.dynamodb.table import Item, Table, epoch
from chalicelib.node.pulling.state import DIGEST_BYTES, Pull, PullState, digest_of
from chalicelib.ocpi.module import ModuleID

_SEEN_FOR: Final = timedelta(days=2)
_MOMENTS: Final = ("began_at", "updated_at", "since", "completed_at", "full_at")


class DynamoPullStore:
    """The pulls of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, partner_id: str, module: ModuleID) -> Pull | None:
        """The pull, or None; strongly consistent; one call."""
        item = self._table.get(_key(partner_id, module))
        return _pull(item) if item else None

    def of(self, partner_id: str) -> list[Pull]:
        """All pulls from this partner, ordered by module; one call per module."""
        return [pull for module in sorted(ModuleID) if (pull := self.get(partner_id, module))]

    def save(self, pull: Pull) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not ``pull.version - 1``.
        """
        body: dict[str, Any] = asdict(pull)
        body |= {name: body[name] and body[name].isoformat() for name in _MOMENTS}
        self._table.put_version(
            {
                **_key(pull.partner_id, pull.module),
                "version": {"N": str(pull.version)},
                "body": {"S": json.dumps(body, ensure_ascii=False, separators=(",", ":"))},
            }
        )

    def record_seen(self, pull: Pull, ids: Collection[str]) -> None:
        """Write, for two days, which object ids the page that was just fetched contained; one call."""
        expires_at = epoch(pull.updated_at + _SEEN_FOR)
        self._table.write(
            "put_item",
            Item={
                **_key(pull.partner_id, f"{pull.module}/{pull.crawl}/{pull.page}"),
                "seen": {"B": b"".join(map(digest_of, ids)) or b"\0"},
                "expires_at": {"N": str(expires_at)},
            },
        )

    def seen(self, pull: Pull) -> Collection[bytes]:
        """The digests of all object ids on this crawl's pages; one call per megabyte."""
        items = self._table.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :crawl)",
            ExpressionAttributeValues={
                ":pk": {"S": pull.partner_id},
                ":crawl": {"S": f"{pull.module}/{pull.crawl}/"},
            },
            ConsistentRead=True,
        )
        pages = [item["seen"]["B"] for item in items]
        return {page[at : at + DIGEST_BYTES] for page in pages for at in range(0, len(page), DIGEST_BYTES)}


def _key(partner_id: str, what: str) -> Item:
    return {"pk": {"S": partner_id}, "sk": {"S": str(what)}}


def _pull(item: Item) -> Pull:
    body = json.loads(item["body"]["S"])
    body |= {name: body[name] and datetime.fromisoformat(body[name]) for name in _MOMENTS}
    return Pull(**body | {"module": ModuleID(body["module"]), "state": PullState(body["state"])})
