"""Lists in pages: the window that a request asks for, and page headers. Spec: transport_and_format.md, Pagination."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.types import parse_date_time

DEFAULT_LIMIT: Final = 50
_LARGEST_OFFSET: Final = 10**9
_LONGEST_CURSOR: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The part of a list that was asked for: ``date_from`` is included, ``date_to`` is not (Q-07)."""

    offset: int = 0
    limit: int = DEFAULT_LIMIT
    date_from: datetime | None = None
    date_to: datetime | None = None
    cursor: str | None = None
    """Where the last page ended; the store wrote it, and we put it into our ``Link``."""

    @property
    def has_dates(self) -> bool:
        """Whether the list is filtered by date."""
        return self.date_from is not None or self.date_to is not None


@dataclass(frozen=True, slots=True)
class Page:
    """One page: objects as JSON, the number of objects in all pages, and the start of the next page, if any."""

    bodies: tuple[bytes, ...]
    total: int
    next_offset: int | None = None
    next_cursor: str | None = None


def window_of(query: Mapping[str, str], cap: int) -> Window:
    """The window that a request asks for, with a limit of at most ``cap`` (PAG-02, PAG-03, PAG-08).

    Raises:
        InvalidParameters: the offset, limit, date or cursor is not valid (PAG-13, PAG-21).
    """
    cursor = query.get("cursor") or None
    if cursor and len(cursor) > _LONGEST_CURSOR:
        raise InvalidParameters("cursor is not one that we issued: start again at the first page")
    return Window(
        offset=_whole(query, "offset", 0, 0),
        limit=min(_whole(query, "limit", min(DEFAULT_LIMIT, cap), 1), cap),
        date_from=_date(query, "date_from"),
        date_to=_date(query, "date_to"),
        cursor=cursor,
    )


def _whole(query: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or int(text[:20]) < least:
        raise InvalidParameters(f"{name} must be a whole number of at least {least} (PAG-13)")
    return min(int(text[:20]), _LARGEST_OFFSET)


def _date(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        # A "+" that a caller forgot to encode arrives as a space before the offset.
        return parse_date_time(re.sub(r" (\d\d:?\d\d)$", r"+\1", text, flags=re.ASCII))
    except ValueError as broken:
        raise InvalidParameters(f"{name} {broken} (PAG-21)") from None


_LINK: Final = re.compile(r"""<([^<>]*)>((?:\s*;[^,;"'<>]*(?:"[^"]*"|'[^']*')?)*)""")
_PARAMETER: Final = re.compile(r""";\s*([^\s=;,"']+)\s*=\s*("[^"]*"|'[^']*'|[^,;"'\s]+)""")
_LONGEST_LINK: Final = 8192


def next_link(header: str) -> str | None:
    """The URL of the next page in a ``Link`` header, as it is written there; None on the last page (PAG-15).

    The header may hold several links, with other parameters, in either kind of quotes or none (RFC 8288, Q-24).
    """
    for url, parameters in _LINK.findall(header[:_LONGEST_LINK]):
        found = [value.strip("\"'") for name, value in _PARAMETER.findall(parameters) if name.lower() == "rel"]
        if found and "next" in found[0].lower().split():
            return str(url).strip() or None
    return None


def page_headers(page: Page, window: Window, url: str, query: Mapping[str, str]) -> dict[str, str]:
    """``X-Total-Count``, ``X-Limit`` and, unless this is the last page, ``Link`` (PAG-06 to PAG-10).

    Args:
        page: the answer.
        window: the window that the request asked for.
        url: the list's absolute URL.
        query: the request's query, whose date filters the link repeats.
    """
    headers = {"x-total-count": str(page.total), "x-limit": str(window.limit)}
    if page.next_offset is not None:
        filters = {name: query[name] for name in ("date_from", "date_to") if query.get(name)}
        place = {"offset": str(page.next_offset), "limit": str(window.limit)}
        cursor = {"cursor": page.next_cursor} if page.next_cursor else {}
        headers["link"] = f'<{url}?{urlencode(filters | place | cursor, quote_via=quote)}>; rel="next"'
    return headers
