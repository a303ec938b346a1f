"""A CPO with a list of known objects, and the words in which tests speak about its pages."""

from __future__ import annotations

from datetime import UTC, datetime

from chalicelib.node.ports import OURS
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.world import Pair, Reply, pair

CPO = "/ocpi/cpo/2.1.1"
START = datetime(2026, 3, 1, tzinfo=UTC)


def listing(module: ModuleID, count: int) -> Pair:
    """A CPO with so many objects, created in the order of their ids, one a minute."""
    nodes = pair()
    nodes.world.clock.now = START
    for number in range(count):
        nodes.world.clock.pass_(minutes=1)
        nodes.cpo.company.own[module].put(f"X{number:04}", (), make.object_of(module, f"X{number:04}"))
    return nodes


def ids(*pages: Reply) -> list[str]:
    return [one["id"] for page in pages for one in page.data]


def changed_at(nodes: Pair, object_id: str, module: ModuleID = ModuleID.TARIFFS) -> datetime:
    stored = nodes.cpo.outside.stores[module].get(OURS, object_id)
    assert stored
    return stored.last_updated


def named(first: int, last: int) -> list[str]:
    return [f"X{number:04}" for number in range(first, last)]


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
