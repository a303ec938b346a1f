"""One DynamoDB table: the operations that the stores need, with failed conditions as exceptions of our own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from chalicelib.adapters.aws import LazyClient
from chalicelib.node.conflicts import Conflict, backoff_s

T = TypeVar("T")

Item = dict[str, dict[str, Any]]
"""An item or a key, in DynamoDB's JSON: ``{"id": {"S": "LOC1"}}``."""

Action = tuple[str, dict[str, Any]]
"""One action of a transaction: ``Put``, ``Update`` or ``Delete``, and its parameters."""

MOST_KEYS: Final = 100
"""Items that one BatchGetItem reads."""

CONDITION_FAILED: Final = "ConditionalCheckFailed"
_EXPECTED_CODES: Final = {
    "None",
    CONDITION_FAILED,
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
}
_ATTEMPTS: Final = 60
"""Enough for fifty concurrent writers of one counter: in each round one of them succeeds."""
_EMPTY_READS: Final = 8
"""Reads in a row that return nothing, until we give up."""


def epoch(moment: datetime) -> int:
    """The moment in Unix seconds, rounded up, so that an item never expires too early."""
    return math.ceil(moment.timestamp())


@dataclass(frozen=True, slots=True)
class QueryPage:
    """The response to one Query."""

    items: list[Item]
    count: int
    next_key: Item
    """Where the next Query has to start; empty if there are no more items."""


class TransactionCancelled(Exception):
    """A transaction was not executed: a condition failed, others were writing the same items, or it was throttled."""

    def __init__(self, codes: Sequence[str]) -> None:
        """``codes`` has DynamoDB's reason for each action, ``"None"`` for those that would have succeeded."""
        super().__init__(", ".join(codes))
        self.codes = codes

    def condition_failed(self, index: int) -> bool:
        """Whether the condition of this action, counted from 0, failed."""
        return self.codes[index] == CONDITION_FAILED


class Retryable(Exception):
    """A temporary failure: concurrent writes, throttling, or an index that is not up to date. See ``Table.retry``."""


class Table:
    """A table by its name. Other failures of AWS are raised as botocore's exceptions."""

    def __init__(self, name: str, client: LazyClient, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self.sleep = sleep
        self._client = client

    def get(self, key: Item) -> Item | None:
        """The item, or None; strongly consistent; one call."""
        item: Item | None = self._client().get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        return item

    def get_all(self, keys: Sequence[Item]) -> list[Item]:
        """The items that exist, in no order; strongly consistent; one call per hundred keys, or per 16 MB.

        Raises:
            Retryable: the table is throttled.
        """
        items: list[Item] = []
        for start in range(0, len(keys), MOST_KEYS):
            items += self._get_batch(keys[start : start + MOST_KEYS])
        return items

    def _get_batch(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        empty_reads = 0
        while keys:
            request = {self.name: {"Keys": keys, "ConsistentRead": True}}
            answer = self._client().batch_get_item(RequestItems=request)
            items = answer["Responses"].get(self.name, [])
            found += items
            # Keys can be left because of the response's size, or because of throttling: only then we back off.
            keys = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            empty_reads = 0 if items else empty_reads + 1
            if keys and empty_reads == _EMPTY_READS:
                raise Retryable(f"{self.name} does not answer: throttled")
            if keys and empty_reads:
                self._back_off(empty_reads)
        return found

    def query_page(self, start: Item, **request: Any) -> QueryPage:
        """The response to one Query; one call.

        Args:
            start: the key after which it begins: ``next_key`` of the page before, or empty for the first page.
            request: the parameters of the Query.
        """
        exclusive_start = {"ExclusiveStartKey": start} if start else {}
        answer = self._client().query(TableName=self.name, **request, **exclusive_start)
        return QueryPage(answer.get("Items", []), answer["Count"], answer.get("LastEvaluatedKey") or {})

    def query(self, **request: Any) -> Iterator[Item]:
        """Every item that matches the Query, one call per megabyte."""
        page = self.query_page({}, **request)
        yield from page.items
        while page.next_key:
            page = self.query_page(page.next_key, **request)
            yield from page.items

    def query_partition(self, pk: str, after: str = "", **request: Any) -> Iterator[Item]:
        """Every item with this ``pk`` and an ``sk`` after ``after``, ordered by ``sk``.

        Strongly consistent; one call per megabyte.
        """
        after_value = {":after": {"S": after}} if after else {}
        return self.query(
            KeyConditionExpression="pk = :pk" + (" AND sk > :after" if after else ""),
            ExpressionAttributeValues={":pk": {"S": pk}, **after_value},
            ConsistentRead=True,
            **request,
        )

    def write(self, action: str, **request: Any) -> None:
        """One ``put_item``, ``update_item`` or ``delete_item``; one call.

        Raises:
            Conflict: its condition failed, or a transaction is writing the item.
        """
        client = self._client()
        try:
            getattr(client, action)(TableName=self.name, **request)
        except (
            client.exceptions.ConditionalCheckFailedException,
            client.exceptions.TransactionConflictException,
        ) as lost:
            raise Conflict("somebody else wrote first") from lost

    def put_version(self, item: Item) -> None:
        """Put an item whose ``version`` is 1 for a new item, else the stored one plus 1; one call.

        Raises:
            Conflict: the stored version is not the one before.
        """
        version = int(item["version"]["N"])
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if version > 1:
            condition = {
                "ConditionExpression": "#version = :before",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":before": {"N": str(version - 1)}},
            }
        self.write("put_item", Item=item, **condition)

    def get_and_set(self, key: Item, name: str, value: str, *, expires_at: int) -> str | None:
        """Set the item's attribute ``name`` to ``value``, atomically; its former value, or None; one call."""
        before = self._client().update_item(
            TableName=self.name,
            Key=key,
            UpdateExpression="SET #name = :value, expires_at = :expires_at",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}, ":expires_at": {"N": str(expires_at)}},
            ReturnValues="UPDATED_OLD",
        )
        former: str | None = before.get("Attributes", {}).get(name, {}).get("S")
        return former

    def transact(self, actions: Sequence[Action]) -> None:
        """Execute all of the actions, or none; one call.

        Raises:
            TransactionCancelled: a condition failed, others are writing the items, or the table is throttled.
        """
        client = self._client()
        items = [{kind: {"TableName": self.name, **request}} for kind, request in actions]
        try:
            client.transact_write_items(TransactItems=items)
        except client.exceptions.TransactionCanceledException as cancelled:
            codes = [reason.get("Code", "None") for reason in cancelled.response["CancellationReasons"]]
            if not _EXPECTED_CODES.issuperset(codes):
                raise
            raise TransactionCancelled(codes) from cancelled

    def retry(self, attempt: Callable[[], T]) -> T:
        """The result of ``attempt``, which is called again, after a back-off, whenever it raises ``Retryable``.

        Raises:
            Conflict: every attempt failed.
        """
        for number in range(_ATTEMPTS):
            try:
                return attempt()
            except Retryable:
                self._back_off(number)
        raise Conflict("too many writers at once")

    def _back_off(self, attempt: int) -> None:
        self.sleep(backoff_s(attempt))
