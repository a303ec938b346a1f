"""What we store of an object, whoever owns it, and the port that stores it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from chalicelib.ocpi.paging import Page, Window
from chalicelib.ocpi.parties import Party

GONE_AFTER: Final = 2
"""Complete crawls in a row that did not list an object."""


def is_gone(stored: StoredObject) -> bool:
    """Whether the owner lists the object no longer."""
    return int(stored.metadata.get("absent_pulls", 0)) >= GONE_AFTER


OURS: Final = "ours"
"""The owner key of our own objects."""

MOST_PER_CREATE: Final = 99
"""How many new objects one transaction takes: a hundred actions, one of which moves the list's counter."""


def theirs(party: Party) -> str:
    """The owner key of a party's objects."""
    return f"theirs/{party}"


def owner_of(key: str) -> Party | None:
    """Whose objects an owner key stands for; None for ours."""
    return None if key == OURS else Party.of(*key.split("/")[1:])


MOST_INDEX_HITS: Final = 50
"""Objects that share a key, such as the cards of one contract, as far as anybody looks."""

LONGEST_ID: Final = 255
"""Characters of an object's id; no profile lets a longer one pass, and a key has to hold it."""


def is_storable(object_id: str) -> bool:
    """Whether there can be an object with this id at all; what a URL says is not checked yet, nor half characters."""
    return 0 < len(object_id) <= LONGEST_ID and not _HALF_CHARACTER.search(object_id)


_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object as it lies in the store.

    ``version`` is 1 for a new object and grows by one with each write. ``last_updated`` has milliseconds and orders
    delta pulls. ``aside`` is what we know about the object beside its body.
    """

    id: str
    body: bytes
    last_updated: datetime
    version: int = 1
    list: str | None = None
    """The list an own object stands in: ``all``, or a party's; None for received objects."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """By which it is found in the module's indexes, such as ``by_auth_id``."""

    def with_metadata(self, **aside: Any) -> StoredObject:
        """The next version, with this noted beside the same body; None forgets."""
        noted = {name: value for name, value in {**self.metadata, **aside}.items() if value is not None}
        return replace(self, version=self.version + 1, metadata=noted)


@dataclass(frozen=True, slots=True)
class IndexHit:
    """An object that an index knew, and whose it is."""

    owner: str
    """``ours``, or as ``theirs`` says."""
    stored: StoredObject


class ObjectStore(Protocol):
    """The objects of one module."""

    def get(self, owner: str, object_id: str) -> StoredObject | None:
        """The object, strongly consistent; one call."""

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, StoredObject]:
        """Those of the objects that exist, by id; strongly consistent; one call per hundred."""

    def put(self, owner: str, stored: StoredObject) -> None:
        """Write a received object, or a new state of an own one; one call.

        ``stored.version`` is the version it will have: 1 for a new received object, else the one it replaces plus 1.

        Raises:
            Conflict: the stored version is not the one before.
            BodyTooLarge: the object is larger than the store can hold.
        """

    def create(self, stored: Sequence[StoredObject]) -> None:
        """Add new own objects to their list, in this order, all or nothing; they get the next ranks.

        All of one list, at most ``MOST_PER_CREATE``. Two calls: the counter, the transaction. What is stored of them may
        exceed the 4 MB of one transaction; then it takes several, each of them all or nothing. Repeats itself while
        others create in the same list.

        Raises:
            Conflict: one of them exists already.
            BodyTooLarge: one of them is larger than the store can hold.
        """

    def remove(self, owner: str, stored: StoredObject) -> None:
        """Delete the object; in a list of ours the newest object takes over its rank, so that ranks stay dense.

        Raises:
            Conflict: the stored version is another one.
        """

    def page(self, list_name: str, window: Window) -> Page:
        """A page of one of our lists: two calls, plus one per further hundred objects.

        Without dates, or with dates that cover everything, by rank; else oldest change first.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """

    def find(self, index: str, key: str, limit: int = MOST_INDEX_HITS) -> list[IndexHit]:
        """Up to ``limit`` objects of whatever owner with this key in an index, the latest change first; two calls.

        An index lags a little: what was written this instant may be missing.
        """

    def received(self, owner: str, after: str | None, limit: int) -> list[StoredObject]:
        """Up to ``limit`` objects of an owner by id, those behind ``after``."""
