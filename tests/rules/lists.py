"""An owner with a list of known objects, and the words in which tests speak about its pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from chalicelib.node.objects import OURS
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.rules.every import EVER, id_field
from tests.world import Pair, Reply, crawl, pair

CPO = "/ocpi/cpo/2.1.1"
START = datetime(2026, 3, 1, tzinfo=UTC)


def listing(module: ModuleID, count: int) -> Pair:
    """An owner with so many objects, created in the order of their ids, one a minute."""
    nodes = pair()
    nodes.world.clock.now = START
    for number in range(count):
        nodes.world.clock.pass_(minutes=1)
        nodes.put_in(module, make.object_of(module, f"X{number:04}"))
    return nodes


def asked(nodes: Pair, module: ModuleID, query: Mapping[str, str] | None = None) -> Reply:
    """One page of the owner's list; from ever, unless the query says since when."""
    return nodes.to_owner(module)("GET", nodes.list_at_owner(module), query=_dated(module, query or {}))


def crawled(nodes: Pair, module: ModuleID, query: Mapping[str, str] | None = None) -> Iterator[Reply]:
    """All pages of the owner's list, following the links; from ever, unless the query says since when."""
    return crawl(nodes.to_owner(module), nodes.list_at_owner(module), _dated(module, query or {}))


def _dated(module: ModuleID, query: Mapping[str, str]) -> dict[str, str]:
    # Only where it must be there: the list without filters is another way through the store.
    return {**(EVER if module is ModuleID.SESSIONS else {}), **query}


def ids(*pages: Reply, module: ModuleID = ModuleID.TARIFFS) -> list[str]:
    return [one[id_field(module)] for page in pages for one in page.data]


def changed_at(nodes: Pair, object_id: str, module: ModuleID = ModuleID.TARIFFS) -> datetime:
    key = object_id.lower() if module is ModuleID.CDRS else object_id
    stored = nodes.owner(module).ports.stores[module].get(OURS, key)
    assert stored
    return stored.last_updated


def named(first: int, last: int) -> list[str]:
    return [f"X{number:04}" for number in range(first, last)]


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
