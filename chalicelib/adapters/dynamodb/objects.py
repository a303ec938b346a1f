"""``ObjectStore`` on DynamoDB: the objects of one module in one table, and a counter per list of ours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

from chalicelib.adapters.aws import batches
from chalicelib.adapters.dynamodb.items import (
    INDEXES,
    ListCounter,
    content_of,
    counter_key,
    item_of,
    key_attribute,
    object_key,
    rank_of,
    stored_of,
)
from chalicelib.adapters.dynamodb.pages import Pages
from chalicelib.adapters.dynamodb.table import Action, Item, Retryable, Table, TransactionCancelled
from chalicelib.node.conflicts import Conflict
from chalicelib.node.objects import MOST_INDEX_HITS, MOST_PER_CREATE, OURS, IndexHit, StoredObject
from chalicelib.ocpi.paging import Page, Window

_MOST_BYTES: Final = 3_000_000
"""Of the items in one transaction: in Base64, as they are sent, less than DynamoDB's limit of 4 MB."""


class DynamoObjectStore:
    """The objects of one module, of every owner."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._pages = Pages(table)

    def get(self, owner: str, object_id: str) -> StoredObject | None:
        """The object, or None; strongly consistent; one call."""
        item = self._table.get(object_key(owner, object_id))
        return stored_of(item) if item else None

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the objects that exist, by id; strongly consistent; one call per hundred."""
        keys = [object_key(owner, object_id) for object_id in dict.fromkeys(object_ids)]
        return {item["id"]["S"]: stored_of(item) for item in self._table.get_all(keys)}

    def put(self, owner: str, stored: StoredObject) -> None:
        """Write a received object, or the next version of one of our own; one call.

        Raises:
            Conflict: the stored version is not ``stored.version - 1``.
            BodyTooLarge: the object is larger than an item can hold.
        """
        # An update instead of a put, because it keeps the list and the rank of an object of ours.
        self._table.write("update_item", Key=object_key(owner, stored.id), **_update_to(stored))

    def create(self, stored: Sequence[StoredObject]) -> None:
        """Add new objects of ours to their list; two calls for each transaction that they need.

        Raises:
            Conflict: one of them exists already.
            BodyTooLarge: one of them is larger than an item can hold.
        """
        if len({one.id for one in stored}) < len(stored):
            raise Conflict("an id is given twice")
        for batch in batches(map(item_of, stored), _size, MOST_PER_CREATE, _MOST_BYTES):
            self._table.retry(partial(self._create, batch))

    def _create(self, batch: Sequence[Item]) -> None:
        list_name = batch[0]["list"]["S"]
        counter = ListCounter.of(self._table.get(counter_key(list_name)))
        puts: list[Action] = [
            ("Put", {"Item": item | {"rank": {"N": str(rank)}}, "ConditionExpression": "attribute_not_exists(pk)"})
            for rank, item in enumerate(batch, counter.n + 1)
        ]
        try:
            self._table.transact([*puts, _count(list_name, counter, len(batch))])
        except TransactionCancelled as cancelled:
            if any(map(cancelled.condition_failed, range(len(puts)))):
                raise Conflict("one of the objects exists already") from cancelled
            raise Retryable from cancelled

    def remove(self, owner: str, stored: StoredObject) -> None:
        """Delete the object; in a list of ours its rank goes to the newest object.

        One call; for an object of ours two, and a third if it is not the newest itself.

        Raises:
            Conflict: the stored version is not ``stored.version``.
        """
        if owner == OURS:
            self._table.retry(partial(self._remove, stored))
        else:
            self._table.write("delete_item", Key=object_key(owner, stored.id), **_at_version(stored))

    def _remove(self, stored: StoredObject) -> None:
        list_name = stored.list or ""
        keys = [counter_key(list_name), object_key(OURS, stored.id)]
        items = {item["pk"]["S"]: item for item in self._table.get_all(keys)}
        counter, item = ListCounter.of(items.get("counters")), items.get(OURS)
        if item is None or int(item["version"]["N"]) != stored.version:
            raise Conflict("the object has changed")
        rank = rank_of(item)
        actions: list[Action] = [
            ("Delete", {"Key": object_key(OURS, stored.id), **_at_version(stored, rank)}),
            _count(list_name, counter, -1),
        ]
        if rank != counter.n:
            actions.append(_move(self._key_at(list_name, counter.n), counter.n, rank))
        try:
            self._table.transact(actions)
        except TransactionCancelled as cancelled:
            raise Retryable from cancelled

    def _key_at(self, list_name: str, rank: int) -> Item:
        """The key of the object with this rank, as the index knows it.

        Raises:
            Retryable: the index is not up to date.
        """
        keys = self._table.query_page(
            {},
            IndexName="by_rank",
            KeyConditionExpression="#list = :list AND #rank = :rank",
            ExpressionAttributeNames={"#list": "list", "#rank": "rank"},
            ExpressionAttributeValues={":list": {"S": list_name}, ":rank": {"N": str(rank)}},
        ).items
        if not keys:
            raise Retryable("the index does not know the newest object yet")
        # The index may be outdated: then the condition on the object's rank fails, and we read again.
        return object_key(OURS, keys[-1]["id"]["S"])

    def page(self, list_name: str, window: Window) -> Page:
        """A page of one of our lists; module ``pages`` says how many calls it takes.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """
        return self._pages.page(list_name, window)

    def find(self, index: str, key: str, limit: int = MOST_INDEX_HITS) -> list[IndexHit]:
        """Up to ``limit`` objects of any owner with this key in an index, latest change first; two calls.

        Eventually consistent.
        """
        if not key:
            return []
        keys = self._table.query_page(
            {},
            IndexName=index,
            KeyConditionExpression="#key = :key",
            ExpressionAttributeNames={"#key": key_attribute(index)},
            ExpressionAttributeValues={":key": {"S": key}},
            ScanIndexForward=False,
            Limit=limit,
        ).items
        items = self._table.get_all([{"pk": each["pk"], "id": each["id"]} for each in keys])
        # The index may be outdated, so the key is compared with the object that was read.
        hits = [IndexHit(item["pk"]["S"], stored_of(item)) for item in items]
        hits = [hit for hit in hits if hit.stored.keys.get(index) == key]
        return sorted(hits, key=lambda hit: hit.stored.last_updated, reverse=True)

    def list_by_owner(self, owner: str, after: str | None, limit: int) -> list[StoredObject]:
        """Up to ``limit`` objects of an owner, ordered by id, those after id ``after``; one call per megabyte."""
        items = self._table.query(
            KeyConditionExpression="pk = :owner AND id > :after" if after else "pk = :owner",
            ExpressionAttributeValues={":owner": {"S": owner}} | ({":after": {"S": after}} if after else {}),
            ConsistentRead=True,
            Limit=limit,
        )
        return [stored_of(item) for item in islice(items, limit)]


def _size(item: Item) -> int:
    # Up to 1024 bytes for the id, and 512 for the other attributes and the names of all.
    return len(item["body"]["B"]) + 1536


def _update_to(stored: StoredObject) -> dict[str, Any]:
    """The parameters of an update to this version, on the condition that the version before is stored."""
    content = content_of(stored)
    values = {f":{name}": value for name, value in content.items()}
    update = "SET " + ", ".join(f"#{name} = :{name}" for name in content)
    names = {f"#{name}": name for name in content}
    removed = [name for name in ("aside", *map(key_attribute, INDEXES)) if name not in content]
    if removed:
        update += " REMOVE " + ", ".join(f"#{name}" for name in removed)
        names |= {f"#{name}": name for name in removed}
    if stored.version == 1:
        condition = "attribute_not_exists(pk)"
    else:
        condition, values[":before"] = "#version = :before", {"N": str(stored.version - 1)}
    return {
        "UpdateExpression": update,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _at_version(stored: StoredObject, rank: int | None = None) -> dict[str, Any]:
    """The condition that the stored object has this version and, if given, this rank, as parameters of a request."""
    condition, names, values = "#version = :version", {"#version": "version"}, {":version": {"N": str(stored.version)}}
    if rank is not None:
        condition += " AND #rank = :rank"
        names, values = names | {"#rank": "rank"}, values | {":rank": {"N": str(rank)}}
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _move(key: Item, rank: int, to: int) -> Action:
    """The action that changes the rank of an object, on the condition that it has ``rank``."""
    request = {
        "Key": key,
        "UpdateExpression": "SET #rank = :to",
        "ConditionExpression": "#rank = :rank",
        "ExpressionAttributeNames": {"#rank": "rank"},
        "ExpressionAttributeValues": {":rank": {"N": str(rank)}, ":to": {"N": str(to)}},
    }
    return "Update", request


def _count(list_name: str, counter: ListCounter, more: int) -> Action:
    """The action that adds ``more`` to a list's counter, on the condition that it has not changed since it was read."""
    values = {":n": {"N": str(counter.n)}, ":new": {"N": str(counter.n + more)}, ":out": {"N": str(int(more < 0))}}
    request = {
        "Key": counter_key(list_name),
        "UpdateExpression": "SET n = :new ADD removals :out",
        "ConditionExpression": "n = :n" if counter.n else "attribute_not_exists(n) OR n = :n",
        "ExpressionAttributeValues": values,
    }
    return "Update", request
