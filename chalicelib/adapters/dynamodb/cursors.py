"""Cursors of a list, the bounds of its dates, and how many objects fit on one page; for every object store.

A client *crawls* a list: it reads the first page, then each page that the ``Link`` header names. The link carries a
cursor, which is opaque to clients.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import Window

MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of JSON on one page. Lambda's limit for a response is 6 MB, with every quote escaped."""

_MOST_RESTARTS: Final = 3
_LARGEST: Final = 10**12
_LONGEST_KEY: Final = 1024
"""Bytes of the longest sort key of DynamoDB."""
_FIXED_WIDTH: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCursor:
    """The cursor of a crawl in the order of ranks: without dates, or with dates that covered the whole list at first.

    The position itself is the ``offset`` of the link.
    """

    removals: int
    """How many objects had ever been removed from the list when the crawl began."""
    restarts: int = 0
    """How often the crawl has begun again."""

    def restarted(self, removals: int) -> RankCursor | None:
        """The cursor to begin again at the end of a crawl; None if the crawl is complete, or was restarted three times.

        The rank of a removed object goes to the newest one. If that rank was before the crawl's position, the crawl
        misses the moved object. So the list is read again if anything was removed; objects read twice do no harm.

        Args:
            removals: how many objects have ever been removed from the list by now.
        """
        if removals == self.removals or self.restarts >= _MOST_RESTARTS:
            return None
        return RankCursor(removals=removals, restarts=self.restarts + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCursor:
    """The cursor of a crawl in the order of ``last_updated``: the key of the last object that was read."""

    last_updated: str
    """In the format of ``fixed_width``."""
    id: str
    total: int
    """The number of objects in the window at the start of the crawl."""


def encode_cursor(cursor: RankCursor | ChangeCursor) -> str:
    """The cursor as text for our ``Link`` header: JSON in base64url."""
    text = json.dumps(astuple(cursor), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(window: Window) -> RankCursor | ChangeCursor | None:
    """The window's cursor; None if it has none.

    Raises:
        InvalidParameters: the cursor is not one of ours, or belongs to other dates.
    """
    if window.cursor is None:
        return None
    match _parsed(window.cursor):
        case [int(removals), int(restarts)] if _counts(removals, restarts):
            return RankCursor(removals=removals, restarts=restarts)
        case [str(moment), str(object_id), int(total)] if _is_key(moment, object_id) and _counts(total):
            span = date_bounds(window)
            if window.has_dates and span is not None and span[0] <= moment <= span[1]:
                return ChangeCursor(last_updated=moment, id=object_id, total=total)
    raise InvalidParameters("cursor is not one that we issued for this list: start again at the first page")


def _parsed(cursor: str) -> Any:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        # JSON can contain a lone surrogate, which UTF-8 cannot encode.
        json.dumps(values, ensure_ascii=False).encode()
    except (binascii.Error, ValueError, RecursionError):
        return None
    return values


def _counts(*numbers: int) -> bool:
    return all(type(number) is int and 0 <= number < _LARGEST for number in numbers)


def _is_key(moment: str, object_id: str) -> bool:
    return bool(_FIXED_WIDTH.fullmatch(moment)) and 0 < len(object_id.encode()) <= _LONGEST_KEY


def fixed_width(moment: datetime) -> str:
    """The moment as text that sorts by time: ``2026-01-01T00:00:00.000Z``; microseconds are cut off."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_bounds(window: Window) -> tuple[str, str] | None:
    """The first and the last ``last_updated`` that is inside the window's dates; None if there can be none (PAG-22)."""
    since, until = window.date_from, window.date_to
    if since is not None and until is not None and since >= until:
        return None
    low = fixed_width(since) if since else "0000-00-00T00:00:00.000Z"
    # date_to is exclusive.
    high = fixed_width(until - timedelta(microseconds=1)) if until else "9999-12-31T23:59:59.999Z"
    return low, high


def bodies_that_fit(bodies: Iterable[bytes]) -> list[bytes]:
    """The first of these bodies, as many as fit on one page of ``MOST_BYTES``; at least one."""
    taken: list[bytes] = []
    size = 0
    for body in bodies:
        size += len(body)
        if taken and size > MOST_BYTES:
            break
        taken.append(body)
    return taken
