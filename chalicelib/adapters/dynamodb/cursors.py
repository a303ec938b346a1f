"""What a crawl of a list means to every store: its date_bounds, where it stands, and how much one page may carry."""

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
"""JSON on one page. Lambda answers with 6 MB at most, and counts the escaped quotes."""

_MOST_RESTARTS: Final = 3
_LARGEST: Final = 10**12
_LONGEST_KEY: Final = 1024
"""Bytes that DynamoDB takes as a sort key."""
_FIXED_WIDTH: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCursor:
    """The crawl goes by rank. It stays so when its window has dates: it began when they covered the whole list."""

    removals: int
    """How many objects had been taken out of the list when the crawl began."""
    restarts: int = 0

    def again(self, removals: int) -> RankCursor | None:
        """The crawl from the start, if objects were taken out meanwhile.

        Each gave its rank to the newest object, and one that moved to where the crawl had been would be missed. An
        object that comes twice does no harm.
        """
        if removals == self.removals or self.restarts >= _MOST_RESTARTS:
            return None
        return RankCursor(removals=removals, restarts=self.restarts + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCursor:
    """The crawl goes by ``last_updated`` and stands behind this key; ``total`` was counted at its start."""

    last_updated: str
    id: str
    total: int


def encode_cursor(place: RankCursor | ChangeCursor) -> str:
    """The cursor for our own ``Link``; opaque to clients."""
    text = json.dumps(astuple(place), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(window: Window) -> RankCursor | ChangeCursor | None:
    """Where the window's cursor says that the crawl stands; None without a cursor.

    Raises:
        InvalidParameters: the cursor is not ours, or belongs to other dates.
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
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        # A lone surrogate passes as JSON, but cannot be sent on as UTF-8.
        json.dumps(place, ensure_ascii=False).encode()
    except (binascii.Error, ValueError, RecursionError):
        return None
    return place


def _counts(*numbers: int) -> bool:
    return all(type(number) is int and 0 <= number < _LARGEST for number in numbers)


def _is_key(moment: str, object_id: str) -> bool:
    return bool(_FIXED_WIDTH.fullmatch(moment)) and 0 < len(object_id.encode()) <= _LONGEST_KEY


def fixed_width(moment: datetime) -> str:
    """The instant such that texts sort as instants do: ``2026-01-01T00:00:00.000Z``; digits below are cut."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_bounds(window: Window) -> tuple[str, str] | None:
    """The first and the last ``last_updated`` inside the window's dates; None if nothing can be (PAG-22)."""
    since, until = window.date_from, window.date_to
    if since is not None and until is not None and since >= until:
        return None
    low = fixed_width(since) if since else "0000-00-00T00:00:00.000Z"
    # date_to itself is outside.
    high = fixed_width(until - timedelta(microseconds=1)) if until else "9999-12-31T23:59:59.999Z"
    return low, high


def bodies_that_fit(bodies: Iterable[bytes]) -> list[bytes]:
    """As many of the bodies as one page carries, at least one."""
    taken: list[bytes] = []
    size = 0
    for body in bodies:
        size += len(body)
        if taken and size > MOST_BYTES:
            break
        taken.append(body)
    return taken
