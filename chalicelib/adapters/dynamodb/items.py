"""How an object and the counter of a list lie in a module's table.

An object: ``pk`` (owner) and ``id``, ``body`` (see ``compress``), ``last_updated`` (fixed width), ``version``; ``list``
and ``rank`` on our own; ``aside`` (JSON) and index keys such as ``key_auth_id`` where there are any. A counter: ``pk``
is ``counters``, ``id`` the list's name, ``n`` how many objects the list has, ``removals`` how many were ever taken out.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chalicelib.adapters.dynamodb.cursors import fixed_width
from chalicelib.adapters.dynamodb.table import Item
from chalicelib.node.objects import OURS, StoredObject
from chalicelib.ocpi.errors import BodyTooLarge

_ZLIB_JSON: Final = b"\x01"
"""The only format so far: canonical JSON, compressed by zlib. A later format gets a byte of its own."""
_MOST_BYTES: Final = 396_000
"""Of what an item holds beside its keys and numbers; DynamoDB takes 400 KB of it all."""
INDEXES: Final = ("by_auth_id", "by_uid")
"""The indexes that a module's table may have beside those of its pages, by a key and ``last_updated``."""
_LEVEL: Final = 1
"""Level 6 saves a tenth of the bytes for four times the work."""


def object_key(owner: str, object_id: str) -> Item:
    """Where an object lies."""
    return {"pk": {"S": owner}, "id": {"S": object_id}}


def counter_key(list_name: str) -> Item:
    """Where the counter of a list lies."""
    return object_key("counters", list_name)


def key_attribute(index: str) -> str:
    """The attribute that an index is over: ``key_auth_id`` for ``by_auth_id``."""
    return "key_" + index.removeprefix("by_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounter:
    """How many objects a list has, and how many were ever taken out of it."""

    n: int = 0
    removals: int = 0

    @classmethod
    def of(cls, item: Item | None) -> ListCounter:
        """The counter in this item; a list that has none is empty."""
        if item is None:
            return cls()
        return cls(n=int(item["n"]["N"]), removals=int(item.get("removals", {"N": "0"})["N"]))


def item_of(stored: StoredObject) -> Item:
    """A new object of ours as it is written, but for its rank."""
    return object_key(OURS, stored.id) | content_of(stored) | {"list": {"S": stored.list or ""}}


def content_of(stored: StoredObject) -> Item:
    """What changes with each write of an object.

    Raises:
        BodyTooLarge: no item can hold it.
    """
    content: Item = {
        "body": {"B": compress(stored.body)},
        "last_updated": {"S": fixed_width(stored.last_updated)},
        "version": {"N": str(stored.version)},
    }
    if stored.metadata:
        content["aside"] = {"S": json.dumps(dict(stored.metadata), ensure_ascii=False, separators=(",", ":"))}
    content |= {key_attribute(index): {"S": key} for index, key in stored.keys.items()}
    if len(content["body"]["B"]) + len(content.get("aside", {"S": ""})["S"].encode()) > _MOST_BYTES:
        raise BodyTooLarge("the object takes more than 400 KB, even when compressed")
    return content


def stored_of(item: Item) -> StoredObject:
    """The object in this item."""
    return StoredObject(
        id=item["id"]["S"],
        body=body_of(item),
        last_updated=datetime.fromisoformat(item["last_updated"]["S"]),
        version=int(item["version"]["N"]),
        list=item["list"]["S"] if "list" in item else None,
        metadata=json.loads(item["aside"]["S"]) if "aside" in item else {},
        keys={index: item[name]["S"] for index in INDEXES if (name := key_attribute(index)) in item},
    )


def body_of(item: Item) -> bytes:
    """The object's JSON."""
    return decompress(item["body"]["B"])


def rank_of(item: Item) -> int:
    """The object's place in its list, from 1."""
    return int(item["rank"]["N"])


def compress(body: bytes) -> bytes:
    """``body`` as it is stored: one byte that names the format, then the content."""
    return _ZLIB_JSON + zlib.compress(body, _LEVEL)


def decompress(data: bytes) -> bytes:
    """What ``compress`` was given.

    Raises:
        ValueError: a later release wrote this.
    """
    if data[:1] != _ZLIB_JSON:
        raise ValueError(f"a body in format {data[:1]!r}: written by a later release")
    return zlib.decompress(memoryview(data)[1:])
