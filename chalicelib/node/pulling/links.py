"""The URLs that lead through a partner's list, from page to page, as pure functions.

Rules PAG-15, PAG-16, PAG-27; Q-07, Q-09, Q-10, Q-24.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.pages import ListPage, number
from chalicelib.node.pulling.state import MOST_PAGES, MOST_RESTARTS, Pull
from chalicelib.ocpi.errors import UnableToUseApi
from chalicelib.ocpi.types import format_date_time

OVERLAP: Final = timedelta(minutes=5)
"""A delta asks for what changed since this long before the last pull began, for clocks differ (PAG-27)."""
BEGINNING: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")
"""The ``date_from`` that asks for everything, where a list is not served without one (Q-10)."""


def first_page(endpoint: str, limit: int, since: datetime | None, *, date_required: bool) -> str:
    """The URL of the first page of a list.

    Args:
        endpoint: the URL of the module, as the partner registered it.
        limit: how many objects we ask for on a page.
        since: when the last pull that succeeded began; None asks for everything.
        date_required: whether the list is not served without ``date_from``.
    """
    query = {"limit": str(limit)}
    if since is None and date_required:
        since = BEGINNING + OVERLAP
    if since is not None:
        query = {"date_from": format_date_time(since - OVERLAP)} | query
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


def next_page(partner: Partner, pull: Pull, page: ListPage) -> Pull | None:
    """The pull with the URL of its next page, and with what recognises circles; None after the last page.

    Args:
        partner: whose list it is.
        pull: how far it was when the page was fetched.
        page: the page that was fetched.

    Raises:
        UnableToUseApi: the pages go in circles, have no end, or the link leads to a host that is not the partner's.
    """
    fewer = pull.total - page.total if page.total is not None and pull.total is not None else 0
    if fewer > 0 and (back := _moved_back(pull, fewer)):
        return back
    if page.listed is not None and page.listed == pull.listed:
        raise UnableToUseApi("they serve the same page again, whatever we ask for")
    url = _unlinked(pull, page) if page.link is None else _linked(partner, pull, page.link)
    if url is None:
        return None
    if not page.items:
        raise UnableToUseApi("an empty page has a next one")
    if pull.page + 1 >= MOST_PAGES:
        raise UnableToUseApi(f"more than {MOST_PAGES} pages")
    # The URL after each power of two pages is remembered, so that a circle of any size comes by it.
    is_landmark = pull.page & (pull.page + 1) == 0
    return replace(pull, url=url, listed=page.listed, landmark=url if is_landmark else pull.landmark)


def _linked(partner: Partner, pull: Pull, link: str) -> str:
    """The URL in the link, which may be relative."""
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


def _unlinked(pull: Pull, page: ListPage) -> str | None:
    """The next URL by ``offset``, for partners that serve pages without links; None if there are no more (Q-24)."""
    offset, count = _offset(pull.url), len(page.items)
    reached = (pull.received if offset is None else offset) + count
    if page.total is None or reached >= page.total or not count:
        return None
    return _with_query(pull.first_url, offset=str(reached))


def _moved_back(pull: Pull, fewer: int) -> Pull | None:
    """The same page, begun earlier by as many objects as have left the list meanwhile (PAG-16).

    Where the URL has no ``offset`` that we could lower, the pull begins again at its first page, once; None where it
    did already.
    """
    # What was remembered to recognise circles would take this for one.
    again = replace(pull, landmark=None, listed=None)
    offset = _offset(pull.url)
    if offset:
        return replace(again, url=_with_query(pull.url, offset=str(max(0, offset - fewer))))
    if offset is None and pull.url != pull.first_url and pull.restarts < MOST_RESTARTS:
        return replace(again, url=pull.first_url, restarts=pull.restarts + 1)
    return None


def drops_date(url: str, onward: str) -> bool:
    """Whether ``url`` has a ``date_from``, and the URL of the next page has none (Q-24)."""
    return "date_from" in _query(url) and "date_from" not in _query(onward)


def _at_their_host(url: str, endpoint: str) -> str:
    """The link with the endpoint's scheme and host, if it has the endpoint's path: some proxies write others (Q-24)."""
    link, own = urlsplit(url), urlsplit(endpoint)
    if link.path.rstrip("/") == own.path.rstrip("/"):
        return urlunsplit((own.scheme, own.netloc, link.path, link.query, ""))
    return url


def _query(url: str) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def _offset(url: str) -> int | None:
    return number(_query(url).get("offset"))


def _with_query(url: str, **fields: str) -> str:
    parts = urlsplit(url)
    query = {**_query(url), **fields}
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
