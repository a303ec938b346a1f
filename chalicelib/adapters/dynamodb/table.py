"""One DynamoDB table as its stores use it: few calls, plain attributes, refusals as exceptions of ours."""

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
"""An item or a key with its attributes as DynamoDB spells them: ``{"id": {"S": "LOC1"}}``."""

Action = tuple[str, dict[str, Any]]
"""What a transaction does with one item: ``Put``, ``Update`` or ``Delete``, and the parameters."""

MOST_KEYS: Final = 100
"""How many items one BatchGetItem reads."""

CONDITION_FAILED: Final = "ConditionalCheckFailed"
_PASSING: Final = {
    "None",
    CONDITION_FAILED,
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
}
_ATTEMPTS: Final = 60
"""Fifty writers that meet at one counter all get through; each round lets one of them win."""
_FRUITLESS_READS: Final = 8


def epoch(moment: datetime) -> int:
    """The second in which the moment is over: what expires then is still there until then."""
    return math.ceil(moment.timestamp())


@dataclass(frozen=True, slots=True)
class QueryPage:
    """What one Query found; ``last`` is where the next one goes on, empty if there is nothing more."""

    items: list[Item]
    count: int
    last: Item


class TransactionCancelled(Exception):
    """A transaction was refused because of what others wrote; ``codes`` has the reason of each action, or ``None``."""

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = codes

    def refused(self, place: int) -> bool:
        """Whether the condition of this action failed."""
        return self.codes[place] == CONDITION_FAILED


class Retryable(Exception):
    """Others write the same items right now, or an index has not caught up: repeating helps."""


class Table:
    """A table by its name. What AWS itself fails at is raised as botocore raises it."""

    def __init__(self, name: str, client: LazyClient, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name = name
        self.sleep = sleep
        self._client = client

    def get(self, key: Item) -> Item | None:
        """The item, strongly consistent; one call."""
        found: Item | None = self._client().get_item(TableName=self.name, Key=key, ConsistentRead=True).get("Item")
        return found

    def get_all(self, keys: Sequence[Item]) -> list[Item]:
        """Those items that exist, in no order, strongly consistent; one call per hundred, unless they exceed 16 MB."""
        found: list[Item] = []
        for start in range(0, len(keys), MOST_KEYS):
            found += self._batch(keys[start : start + MOST_KEYS])
        return found

    def _batch(self, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        fruitless = 0
        while keys:
            request = {self.name: {"Keys": keys, "ConsistentRead": True}}
            answer = self._client().batch_get_item(RequestItems=request)
            items = answer["Responses"].get(self.name, [])
            found += items
            # What did not fit is asked for at once; what was throttled has to wait.
            keys = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            fruitless = 0 if items else fruitless + 1
            if keys and fruitless == _FRUITLESS_READS:
                raise Retryable(f"{self.name} does not answer: throttled")
            if keys and fruitless:
                self.pause(fruitless)
        return found

    def ask(self, start: Item, **request: Any) -> QueryPage:
        """The answer of one Query that begins behind the key ``start``, unless that is empty."""
        behind = {"ExclusiveStartKey": start} if start else {}
        answer = self._client().query(TableName=self.name, **request, **behind)
        return QueryPage(answer.get("Items", []), answer["Count"], answer.get("LastEvaluatedKey") or {})

    def query(self, **request: Any) -> Iterator[Item]:
        """Every item that the Query finds, one call per megabyte."""
        answer = self.ask({}, **request)
        yield from answer.items
        while answer.last:
            answer = self.ask(answer.last, **request)
            yield from answer.items

    def under(self, pk: str, after: str = "", **request: Any) -> Iterator[Item]:
        """Every item with this ``pk``, by its ``sk``, those behind ``after``; one call per megabyte."""
        behind = {":after": {"S": after}} if after else {}
        return self.query(
            KeyConditionExpression="pk = :pk" + (" AND sk > :after" if after else ""),
            ExpressionAttributeValues={":pk": {"S": pk}, **behind},
            ConsistentRead=True,
            **request,
        )

    def write(self, action: str, **request: Any) -> None:
        """One ``put_item``, ``update_item`` or ``delete_item``.

        Raises:
            Conflict: its condition does not hold, or a transaction is at work on the item.
        """
        client = self._client()
        try:
            getattr(client, action)(TableName=self.name, **request)
        except (
            client.exceptions.ConditionalCheckFailedException,
            client.exceptions.TransactionConflictException,
        ) as lost:
            raise Conflict("somebody else wrote first") from lost

    def put_next(self, item: Item) -> None:
        """Write this ``version`` of the item, the one behind the stored version, or 1 for a new item; one call.

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

    def exchanged(self, key: Item, name: str, value: str, *, expires_at: int) -> str | None:
        """What the item's attribute ``name`` was before it became ``value``; None if it was nothing; one call."""
        before = self._client().update_item(
            TableName=self.name,
            Key=key,
            UpdateExpression="SET #name = :value, expires_at = :expires_at",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": value}, ":expires_at": {"N": str(expires_at)}},
            ReturnValues="UPDATED_OLD",
        )
        found: str | None = before.get("Attributes", {}).get(name, {}).get("S")
        return found

    def transact(self, actions: Sequence[Action]) -> None:
        """All of the actions or none; one call.

        Raises:
            TransactionCancelled: a condition does not hold, or others are at work on the items.
        """
        client = self._client()
        items = [{kind: {"TableName": self.name, **request}} for kind, request in actions]
        try:
            client.transact_write_items(TransactItems=items)
        except client.exceptions.TransactionCanceledException as cancelled:
            codes = [reason.get("Code", "None") for reason in cancelled.response["CancellationReasons"]]
            if not _PASSING.issuperset(codes):
                raise
            raise TransactionCancelled(codes) from cancelled

    def repeated(self, attempt: Callable[[], T]) -> T:
        """What ``attempt`` answers once it is not ``Retryable``.

        Raises:
            Conflict: others kept winning.
        """
        for number in range(_ATTEMPTS):
            try:
                return attempt()
            except Retryable:
                self.pause(number)
        raise Conflict("too many writers at once")

    def pause(self, number: int) -> None:
        """Wait a random while, on average longer with each ``number``, so that those who met do not meet again."""
        self.sleep(backoff_s(number))
