"""The items of a stage's tables as text: taken from one stage, put into another, and compared."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Any, Final

from tests.resources import Stage

Json = Any

TABLES: Final = (
    "cdrs",
    "commands",
    "events",
    "locations",
    "outbox",
    "partners",
    "pulls",
    "quarantine",
    "sessions",
    "tariffs",
    "tokens",
)
_MOST_AT_ONCE: Final = 25
_KEYS: Final = ("pk", "sk", "id")


def dumped(stage: Stage) -> dict[str, list[Json]]:
    """Every item of every table by its key, as DynamoDB spells it, with bytes in Base64."""
    found: dict[str, list[Json]] = {}
    for table in TABLES:
        pages = stage.clients.dynamodb().get_paginator("scan").paginate(TableName=stage.queue(table))
        items = [_each(item, _as_text) for page in pages for item in page["Items"]]
        found[table] = sorted(items, key=lambda item: [item[name]["S"] for name in _KEYS if name in item])
    return found


def load(stage: Stage, tables: dict[str, list[Json]]) -> None:
    """Put the items into the stage's tables, where they stay although their time is over by the clock on the wall."""
    client = stage.clients.dynamodb()
    for table, items in tables.items():
        keep(stage, table)
        for start in range(0, len(items), _MOST_AT_ONCE):
            puts = [{"PutRequest": {"Item": _each(item, _as_bytes)}} for item in items[start : start + _MOST_AT_ONCE]]
            left = client.batch_write_item(RequestItems={stage.queue(table): puts})
            assert not left["UnprocessedItems"]


def keep(stage: Stage, table: str) -> None:
    """Let nothing in the table expire by itself: its times are those of a clock that a test sets."""
    expiry = {"AttributeName": "expires_at", "Enabled": False}
    stage.clients.dynamodb().update_time_to_live(TableName=stage.queue(table), TimeToLiveSpecification=expiry)


def legible(tables: dict[str, list[Json]]) -> dict[str, list[Json]]:
    """The items with compressed bodies as format and text, for zlib may compress differently in each version."""
    return {table: [_each(item, _inflated) for item in items] for table, items in tables.items()}


def _each(item: dict[str, Json], change: Callable[[Any], Json]) -> dict[str, Json]:
    """The item with each of its binary attributes changed."""
    return {
        name: {kind: [change(each) for each in data] if kind == "BS" else change(data)} if kind in ("B", "BS") else fact
        for name, fact in item.items()
        for kind, data in fact.items()
    }


def _as_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _as_bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _inflated(text: str) -> Json:
    data = _as_bytes(text)
    try:
        return {"format": data[0], "content": zlib.decompress(data[1:]).decode()}
    except (zlib.error, UnicodeDecodeError, IndexError):
        return text
