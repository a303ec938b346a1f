"""What the host of a pair's receiver hears, for tests of events."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.modules import MODULES
from chalicelib.node.objects import theirs
from chalicelib.ocpi.module import ModuleID
from tests.world import CompanyInWorld, Pair

Json = dict[str, Any]


def heard(company: CompanyInWorld) -> list[Json]:
    """What the company's host has heard since it was asked last, as it reads it."""
    company.pump_events()
    news, company.bus.published = json.loads(json.dumps(company.bus.published)), []
    return list(news)


def told(there: Pair) -> Pair:
    """The pair, whose hosts have heard that the two are registered."""
    heard(there.cpo)
    heard(there.emsp)
    return there


def kinds(news: list[Json]) -> list[str]:
    """What happened."""
    return [event["kind"] for event in news]


def held(there: Pair, module: ModuleID, object_id: str) -> Json | None:
    """The object as the module's receiver holds it."""
    key, owner = MODULES[module].key_of(object_id), there.owner(module).party
    stored = there.receiver(module).ports.stores[module].get(theirs(owner), key)
    return None if stored is None or stored.metadata.get("deleted_at") else json.loads(stored.body)


def push(there: Pair, module: ModuleID, value: Json) -> None:
    """Let the owner send a whole object, by PUT or POST."""
    steps, method = ((), "POST") if module is ModuleID.CDRS else ((value[MODULES[module].id_field],), "PUT")
    reply = there.to_receiver(module)(method, there.at_receiver(module, *steps), value)
    assert reply.code == 1000, reply.message
