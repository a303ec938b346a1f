"""The items of a module's table: objects, and the counters of our lists.

An object: ``pk`` (owner key) and ``id``, ``body`` (see ``compress``), ``last_updated`` (fixed width), ``version``;
``list`` and ``rank`` if it is our own; ``aside`` (its metadata, JSON) and index keys such as ``key_auth_id`` if any.
A counter: ``pk`` is ``counters``, ``id`` the name of the list, ``n`` the number of its objects, ``removals`` how many
were ever removed.
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
"""The first byte of compressed JSON, the only format so far. Another format needs another byte."""
_MOST_BYTES: Final = 396_000
"""Of body and metadata; the limit of DynamoDB is 400 KB for the whole item."""
INDEXES: Final = ("by_auth_id", "by_uid")
"""The indexes for ``ObjectStore.find`` that a table may have, sorted by ``last_updated``."""
_LEVEL: Final = 1
"""Level 6 saves a tenth of the bytes, and takes four times the CPU time."""


def object_key(owner: str, object_id: str) -> Item:
    """The key of an object's item."""
    return {"pk": {"S": owner}, "id": {"S": object_id}}


def counter_key(list_name: str) -> Item:
    """The key of a list's counter."""
    return object_key("counters", list_name)


def key_attribute(index: str) -> str:
    """The attribute that is the key of an index: ``key_auth_id`` for ``by_auth_id``."""
    return "key_" + index.removeprefix("by_")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCounter:
    """The counter of a list."""

    n: int = 0
    """How many objects it has, and so the highest rank."""
    removals: int = 0
    """How many objects were ever removed from it."""

    @classmethod
    def of(cls, item: Item | None) -> ListCounter:
        """The counter in this item; zeros if there is no item."""
        if item is None:
            return cls()
        return cls(n=int(item["n"]["N"]), removals=int(item.get("removals", {"N": "0"})["N"]))


def item_of(stored: StoredObject) -> Item:
    """The item of a new object of ours, without its rank."""
    return object_key(OURS, stored.id) | content_of(stored) | {"list": {"S": stored.list or ""}}


def content_of(stored: StoredObject) -> Item:
    """The attributes that each write of an object replaces.

    Raises:
        BodyTooLarge: they exceed the limit of an item.
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
    """The object's JSON, decompressed."""
    return decompress(item["body"]["B"])


def rank_of(item: Item) -> int:
    """The object's rank: its position in its list, from 1."""
    return int(item["rank"]["N"])


def compress(body: bytes) -> bytes:
    """``body`` as it is stored: one byte for the format, then the compressed content."""
    return _ZLIB_JSON + zlib.compress(body, _LEVEL)


def decompress(data: bytes) -> bytes:
    """The body that was compressed by ``compress``.

    Raises:
        ValueError: an unknown format, written by a later release.
    """
    if data[:1] != _ZLIB_JSON:
        raise ValueError(f"a body in format {data[:1]!r}: written by a later release")
    return zlib.decompress(memoryview(data)[1:])
