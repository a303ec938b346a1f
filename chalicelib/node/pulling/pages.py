"""One page of a partner's list: what it says, and the request that fetches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.node.outbound import Outbound
from chalicelib.node.partners.breaker import CircuitBreakers
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pulling.state import MOST_ON_A_PAGE, digest_of_page
from chalicelib.node.telemetry import Observer
from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.envelope import data_of
from chalicelib.ocpi.errors import NotTaken, OcpiError, UnableToUseApi
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.paging import next_link

_TRY_LATER: Final = (429, 500, 502, 503, 504)
"""HTTP statuses of a partner that cannot answer now."""
REFUSED: Final = (401, 403)
"""HTTP statuses of a partner that does not take our token: asking again does not help."""
_THEIR_FAULT: Final = 3000
"""The OCPI status of a server that failed; many send it with HTTP 200 (Q-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """What a page of a list says."""

    items: Sequence[Any]
    """The objects, as JSON values; any of them may be broken."""
    keys: Sequence[str]
    """What each object is stored under, in the same order; empty for one without an id."""
    listed: str | None
    """A digest of the keys; None if there are none."""
    total: int | None
    """How many objects the whole list has, says the partner; None if it does not say."""
    link: str | None
    """The URL of the next page as the partner wrote it; None if there is no link."""

    @classmethod
    def of(cls, answer: Answer, module: Module) -> ListPage:
        """The page in an answer to GET.

        Raises:
            NotTaken: the partner cannot answer now, or does not take our token.
            UnableToUseApi: the answer is no page of a list, or a larger one than we read.
        """
        items = _items_of(answer)
        keys = [module.key_of(id_of(item, module)) for item in items]
        total, link = number(answer.headers.get("x-total-count")), next_link(answer.headers.get("link", ""))
        return cls(items=items, keys=keys, listed=digest_of_page(keys), total=total, link=link)


def id_of(item: Any, module: Module) -> str:
    """The id of an object on a page, at most 255 characters of it; empty if it has none."""
    found = item.get(module.id_field) if isinstance(item, dict) else None
    return found[:255] if isinstance(found, str) else ""


def number(text: str | None) -> int | None:
    """The number in a header or a query, of which 20 digits count; None if it is none."""
    return int(text[:20]) if text and text.isascii() and text.isdigit() else None


def _items_of(answer: Answer) -> list[Any]:
    if answer.http_status in (*_TRY_LATER, *REFUSED) or answer.status_code == _THEIR_FAULT:
        raise NotTaken(_summary(answer), answer)
    data = data_of(answer, "the list")
    if data is None:
        # Some leave an empty list out.
        return []
    if not isinstance(data, list):
        raise UnableToUseApi("the list was answered with something that is none (TRA-12)")
    if len(data) > MOST_ON_A_PAGE:
        raise UnableToUseApi(f"a page of {len(data)} objects, and we read at most {MOST_ON_A_PAGE} on one")
    return data


def _summary(answer: Answer) -> str:
    code = f", OCPI status {answer.status_code}: {answer.status_message[:200]}" if answer.status_code else ""
    return f"HTTP {answer.http_status}{code}"


class PageFetcher:
    """Asks partners for pages of their lists, and tells the partner's circuit breaker how that went."""

    def __init__(self, outbound: Outbound, breakers: CircuitBreakers, observer: Observer) -> None:
        self._outbound = outbound
        self._breakers = breakers
        self._observer = observer

    def fetch(self, partner: Partner, module: Module, url: str) -> ListPage | OcpiError:
        """The page at ``url``, or why there is none; one call, and two more where the breaker changes."""
        self._observer.set_context(partner.id, module.identifier)
        try:
            page = ListPage.of(self._outbound.send(partner, module.identifier, "GET", url), module)
        except OcpiError as failure:
            self._breakers.record_failure(partner, failure)
            return failure
        self._breakers.record_success(partner, self._breakers.for_partner(partner))
        return page
