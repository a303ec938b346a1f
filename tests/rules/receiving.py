"""An eMSP that reads what its CPO pushes in one profile: what it answered, holds and counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from chalicelib.node.partners import Partner
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests.specimens import Path
from tests.world import Pair, Reply, pair

Json = Any

MODULE_OF = {"Location": ModuleID.LOCATIONS, "Tariff": ModuleID.TARIFFS}
REFUSED = (200, 2001)
CREATED = (201, 1000)


@dataclass(frozen=True)
class Receiving:
    """Pushes whole objects as the CPO does, and looks at what came of it."""

    pair: Pair

    @property
    def partner(self) -> Partner:
        return self.pair.emsp.partners()[0]

    def put(self, name: str, value: Json) -> Reply:
        """The answer to a PUT of a Location or Tariff at the URL of its own id."""
        object_id = value.get("id") if isinstance(value, dict) else None
        path = self.pair.at_emsp(MODULE_OF[name], quote(object_id if isinstance(object_id, str) else "x", safe=""))
        return self.pair.to_emsp("PUT", path, value)

    def held(self, name: str, object_id: str = "x") -> Json:
        return self.pair.emsp.received(MODULE_OF[name], self.pair.cpo.party, object_id)

    def counted(self) -> set[tuple[str, str]]:
        """Rule and place of everything that was forgiven."""
        tallies = self.pair.emsp.outside.partners.tallies(self.partner.id)
        names = [name.split(" ", 4) for name in tallies if name.startswith("lenient ")]
        return {(rule, place) for _, rule, _module, place, _what in names}


def receiving(profile: Profile) -> Receiving:
    """A fresh eMSP that reads in this profile."""
    found = Receiving(pair())
    found.pair.emsp.company.registrations.changed(found.partner, profile=profile)
    return found


def counted_as(path: Path) -> str:
    """How a place is called in a counter: without the numbers of list elements."""
    return re.sub(r"\.?\[\d+\]", "[]", "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path)).lstrip(".")
