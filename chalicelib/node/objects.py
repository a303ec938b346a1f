"""An object as it is stored, whoever owns it, and the port that stores it.

Each object is stored under its owner key and its id. Our own objects have the owner key ``ours``; those that a partner
sent us have the key of its party, such as ``theirs/DE/ABC``.

A partner's object is *absent* if the last complete pull of its list did not contain it (metadata ``absent_since``,
``absent_pulls``, ``absent_in``). After two such pulls in a row it is *gone*: stored, but hidden from drivers (Q-28).
A *deleted* object is a tombstone (``deleted_at``): its owner deleted it by a request. Metadata ``absent`` is another
thing: parts, such as EVSEs, that the owner's last version of the object left out (Q-29).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from chalicelib.ocpi.paging import Page, Window
from chalicelib.ocpi.parties import Party

GONE_AFTER: Final = 2
"""Complete pulls in a row that did not contain an object, until it is gone."""


def is_gone(stored: StoredObject) -> bool:
    """Whether the owner's list did not contain the object in the last two complete pulls (Q-28)."""
    return int(stored.metadata.get("absent_pulls", 0)) >= GONE_AFTER


OURS: Final = "ours"
"""The owner key of our own objects."""

MOST_PER_CREATE: Final = 99
"""New objects that one transaction takes: 100 actions, one of which updates the list's counter."""


def theirs(party: Party) -> str:
    """The owner key of a partner's objects, such as ``theirs/DE/ABC``."""
    return f"theirs/{party}"


def owner_of(key: str) -> Party | None:
    """The party that an owner key stands for; None for our own."""
    return None if key == OURS else Party.of(*key.split("/")[1:])


MOST_INDEX_HITS: Final = 50
"""Objects with the same index key, such as the tokens of one contract, that are read at most."""

LONGEST_ID: Final = 255
"""Characters of an object's id: no profile accepts a longer one, and it has to fit in a database key."""


def is_storable(object_id: str) -> bool:
    """Whether an object can have this id: 1 to 255 characters, no lone surrogates. Ids in URLs are unchecked before."""
    return 0 < len(object_id) <= LONGEST_ID and not _LONE_SURROGATE.search(object_id)


_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as it is stored: its JSON, and what we know about it."""

    id: str
    """As ``Module.key_of`` normalizes it."""
    body: bytes
    """The object's JSON in UTF-8."""
    last_updated: datetime
    """In milliseconds; orders pulls by date."""
    version: int = 1
    """For optimistic locking: 1 for a new object, and one more with each write."""
    list: str | None = None
    """The list that one of our own objects is in: ``all``, or a party's (see ``visibility``); None if received."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What we know about the object and partners do not see; JSON values."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Its key in each of the module's indexes, such as ``by_auth_id``."""

    def with_metadata(self, **metadata: Any) -> StoredObject:
        """The next version, with these entries of ``metadata`` set; a value of None removes the entry."""
        merged = {name: value for name, value in {**self.metadata, **metadata}.items() if value is not None}
        return replace(self, version=self.version + 1, metadata=merged)


@dataclass(frozen=True, slots=True)
class IndexHit:
    """An object that was found by an index."""

    owner: str
    """Its owner key."""
    stored: StoredObject


class ObjectStore(Protocol):
    """The port that stores the objects of one module, with optimistic locking.

    Each of our lists numbers its objects: the *rank*, from 1, without gaps, in the order of creation. Pages are read by
    rank.
    """

    def get(self, owner: str, object_id: str) -> StoredObject | None:
        """The object, or None; strongly consistent; one call."""

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the objects that exist, by id; strongly consistent; one call per hundred."""

    def put(self, owner: str, stored: StoredObject) -> None:
        """Write a received object, or the next version of one of our own; one call.

        ``stored.version`` is the version that it will have: 1 for a new received object, else the stored one plus 1.

        Raises:
            Conflict: the stored version is not ``stored.version - 1``.
            BodyTooLarge: the object is larger than the store can hold.
        """

    def create(self, stored: Sequence[StoredObject]) -> None:
        """Add new objects of ours to their list, all or nothing; they get the next ranks in this order.

        Two calls: one for the counter, one transaction. If the objects exceed the 4 MB of a transaction it takes
        several, each of them all or nothing. Retries while others create objects in the same list.

        Args:
            stored: at most ``MOST_PER_CREATE``, all of one list.

        Raises:
            Conflict: one of them exists already.
            BodyTooLarge: one of them is larger than the store can hold.
        """

    def remove(self, owner: str, stored: StoredObject) -> None:
        """Delete the object; in a list of ours its rank goes to the newest object, so that ranks have no gaps.

        Raises:
            Conflict: the stored version is not ``stored.version``.
        """

    def page(self, list_name: str, window: Window) -> Page:
        """A page of one of our lists: two calls, plus one per further hundred objects.

        Ordered by rank, or, if the window's dates select a part of the list only, by ``last_updated``, oldest first.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """

    def find(self, index: str, key: str, limit: int = MOST_INDEX_HITS) -> list[IndexHit]:
        """Up to ``limit`` objects of any owner with this key in an index, latest change first; two calls.

        Eventually consistent: what was written this instant may be missing.
        """

    def list_by_owner(self, owner: str, after: str | None, limit: int) -> list[StoredObject]:
        """Up to ``limit`` objects of an owner, ordered by id, those after id ``after``; strongly consistent."""
