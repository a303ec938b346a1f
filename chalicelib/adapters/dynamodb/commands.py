"""``CommandStore`` on DynamoDB: an item per command, and one per reservation.

A command: ``pk`` is ``command/<id>``; ``partner`` and ``at`` (the time, then the id) are the index ``by_partner``;
``body`` has all fields. A reservation: ``pk`` is ``reservation/<key>``; ``command_id`` is the command that holds it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.adapters.dynamodb.cursors import fixed_width
from chalicelib.adapters.dynamodb.items import compress, decompress
from chalicelib.adapters.dynamodb.table import Item, Table, epoch
from chalicelib.node.commands import Command, CommandEvent, Posting, Side

_KEPT: Final = timedelta(days=30)
_MOMENTS: Final = ("at", "deadline")


class DynamoCommandStore:
    """The commands of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, command: Command) -> None:
        """Write a new command; one call.

        Raises:
            Conflict: a command with this id exists.
        """
        self._table.write("put_item", Item=_item(command), ConditionExpression="attribute_not_exists(pk)")

    def get(self, command_id: str) -> Command | None:
        """The command, or None; strongly consistent; one call."""
        item = self._table.get(_key(f"command/{command_id}"))
        return _command(item) if item else None

    def save(self, command: Command) -> None:
        """Write the next version of a command; one call.

        Raises:
            Conflict: the stored version is not ``command.version - 1``.
        """
        self._table.put_version(_item(command))

    def for_partner(self, partner_id: str, after: str | None, limit: int) -> list[Command]:
        """Up to ``limit`` commands from or to a partner, latest first: those before command ``after``, if given.

        Two calls, and one more with ``after``. Eventually consistent.
        """
        last = self.get(after) if after else None
        start: Item = {}
        if last is not None and last.partner_id == partner_id:
            item = _item(last)
            start = {name: item[name] for name in ("pk", "partner", "at")}
        keys = self._table.query_page(
            start,
            IndexName="by_partner",
            KeyConditionExpression="#partner = :partner",
            ExpressionAttributeNames={"#partner": "partner"},
            ExpressionAttributeValues={":partner": {"S": partner_id}},
            ScanIndexForward=False,
            Limit=limit,
        ).items
        commands = [_command(item) for item in self._table.get_all([_key(key["pk"]["S"]) for key in keys])]
        # In the order of the index, to the millisecond: the next page begins after the last one.
        return sorted(commands, key=_order, reverse=True)

    def reserve(self, key: str, command_id: str, until: datetime) -> str | None:
        """Record that this command holds a reservation; the id of the one that held it before, or None; one call."""
        return self._table.get_and_set(_key(f"reservation/{key}"), "command_id", command_id, expires_at=epoch(until))


def _order(command: Command) -> str:
    return f"{fixed_width(command.at)}/{command.id}"


def _key(pk: str) -> Item:
    return {"pk": {"S": pk}}


def _item(command: Command) -> Item:
    body: dict[str, Any] = asdict(command)
    body |= {name: body[name].isoformat() for name in _MOMENTS}
    body["events"] = [[event.at.isoformat(), event.what] for event in command.events]
    return {
        **_key(f"command/{command.id}"),
        "partner": {"S": command.partner_id},
        "at": {"S": _order(command)},
        "version": {"N": str(command.version)},
        "body": {"B": compress(json.dumps(body, ensure_ascii=False).encode())},
        "expires_at": {"N": str(epoch(command.at + _KEPT))},
    }


def _command(item: Item) -> Command:
    body = json.loads(decompress(item["body"]["B"]))
    body |= {name: datetime.fromisoformat(body[name]) for name in _MOMENTS}
    body["events"] = tuple(CommandEvent(datetime.fromisoformat(at), what) for at, what in body["events"])
    return Command(**body | {"side": Side(body["side"]), "posting": Posting(body["posting"])})
