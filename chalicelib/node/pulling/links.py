"""The URLs that lead through a partner's list, from page to page; pure, so that every form of link is easily tried.

Rules PAG-15, PAG-16, PAG-27; Q-07, Q-09, Q-10, Q-24.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.state import MOST_PAGES, MOST_RESTARTS, Pull, digest_of_page
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.errors import UnableToUseApi
from chalicelib.ocpi.paging import next_link
from chalicelib.ocpi.types import format_date_time

OVERLAP: Final = timedelta(minutes=5)
"""A delta asks again for what changed this long before the last crawl began: clocks differ (PAG-27)."""
BEGINNING: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
"""Where a list cannot be had without ``date_from``, this asks for all of it (Q-10)."""


def first_page(endpoint: str, limit: int, since: datetime | None, *, date_required: bool) -> str:
    """Where a crawl begins.

    Args:
        endpoint: of the module, as the partner registered it.
        limit: how many objects we ask for on a page.
        since: when the last crawl began that succeeded; None asks for everything.
        date_required: whether the list cannot be had without ``date_from``.
    """
    query = {"limit": str(limit)}
    if since is None and date_required:
        since = BEGINNING + OVERLAP
    if since is not None:
        query = {"date_from": format_date_time(since - OVERLAP)} | query
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


@dataclass(frozen=True, slots=True)
class CrawledPage:
    """What a page says about the way on."""

    count: int
    """Objects on it."""
    _: KW_ONLY
    listed: str | None
    """A digest of their ids."""
    total: int | None
    """Objects that there are in all, says the partner."""
    link: str | None
    """To the next page, as it is written there."""

    @classmethod
    def of(cls, answer: Answer, ids: Collection[str]) -> CrawledPage:
        """The page in this answer, which lists objects of these ids."""
        headers = answer.headers
        total, link = _number(headers.get("x-total-count")), next_link(headers.get("link", ""))
        return cls(len(ids), listed=digest_of_page(ids), total=total, link=link)


def next_page(partner: Partner, pull: Pull, page: CrawledPage) -> dict[str, Any] | None:
    """The URL of the next page, and what else changes in the pull with it; None on the last one.

    Raises:
        UnableToUseApi: the crawl goes in circles, has no end, or leads to somebody else.
    """
    fewer = pull.total - page.total if page.total is not None and pull.total is not None else 0
    if fewer > 0 and (back := _moved_back(pull, fewer)):
        return back | {"landmark": None, "listed": None}
    if page.listed is not None and page.listed == pull.listed:
        raise UnableToUseApi("they serve the same page again, whatever we ask for")
    url = _unlinked(pull, page) if page.link is None else _linked(partner, pull, page.link)
    if url is None:
        return None
    if not page.count:
        raise UnableToUseApi("an empty page has a next one")
    if pull.page + 1 >= MOST_PAGES:
        raise UnableToUseApi(f"more than {MOST_PAGES} pages")
    # Each power of two pages another one is remembered, so that a circle of any size comes by it.
    return {"url": url, "landmark": url if pull.page & (pull.page + 1) == 0 else pull.landmark}


def _linked(partner: Partner, pull: Pull, link: str) -> str:
    try:
        url = _at_their_host(urljoin(pull.url, link), partner.endpoints[pull.module])
        is_theirs = partner.hosts(url)
    except ValueError:
        raise UnableToUseApi("the link to the next page is no URL") from None
    if url in (pull.url, pull.first_url, pull.landmark):
        raise UnableToUseApi("the link to the next page leads back")
    if not is_theirs:
        raise UnableToUseApi("the link to the next page leads to a host that is not theirs")
    return url


def _unlinked(pull: Pull, page: CrawledPage) -> str | None:
    """Some serve pages, but no links (Q-24)."""
    offset = _offset(pull.url)
    reached = (pull.received if offset is None else offset) + page.count
    if page.total is None or reached >= page.total or not page.count:
        return None
    return _with_query(pull.first_url, offset=str(reached))


def _moved_back(pull: Pull, fewer: int) -> dict[str, Any] | None:
    """The page again, begun earlier by as many objects as have left the list before it (PAG-16).

    Where only its owner knows how the URL says that, the crawl begins again, once.
    """
    offset = _offset(pull.url)
    if offset:
        return {"url": _with_query(pull.url, offset=str(max(0, offset - fewer)))}
    if offset is None and pull.url != pull.first_url and pull.restarts < MOST_RESTARTS:
        return {"url": pull.first_url, "restarts": pull.restarts + 1}
    return None


def drops_date(url: str, onward: str) -> bool:
    """Whether the list was asked for from a date on, and its next page is not (Q-24)."""
    return "date_from" in _query(url) and "date_from" not in _query(onward)


def _at_their_host(url: str, endpoint: str) -> str:
    """The link at the module's own host, where only host or scheme differ: proxies write such links (Q-24)."""
    link, own = urlsplit(url), urlsplit(endpoint)
    if link.path.rstrip("/") == own.path.rstrip("/"):
        return urlunsplit((own.scheme, own.netloc, link.path, link.query, ""))
    return url


def _query(url: str) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _offset(url: str) -> int | None:
    return _number(_query(url).get("offset"))


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = {**_query(url), **fields}
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def _number(text: str | None) -> int | None:
    return int(text[:20]) if text and text.isascii() and text.isdigit() else None
