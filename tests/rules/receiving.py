"""A reader of whole objects in one profile: what it answers, holds and counts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.tokens.objects import AuthorizationInfo, Token
from chalicelib.node.bodies import as_json
from chalicelib.node.partners.partner import Partner
from chalicelib.ocpi import envelope
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Deviation, Profile, read
from chalicelib.ocpi.types import OcpiObject
from tests.specimens import Path
from tests.world import Pair, Reply, pair

Json = Any

MODULE_OF = {"Location": ModuleID.LOCATIONS, "Tariff": ModuleID.TARIFFS}
"""What a CPO puts at the eMSP."""
MODEL_OF: Final[dict[str, type[OcpiObject]]] = {
    "Session": Session,
    "CDR": Cdr,
    "Token": Token,
    "AuthorizationInfo": AuthorizationInfo,
}
"""What is read from its bytes without a node around it: these are posted, put the other way, or answered."""
REFUSED = (200, 2001)
CREATED = (201, 1000)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Receiving:
    """Takes whole objects as a partner sends them, and looks at what came of it."""

    profile: Profile
    read: dict[tuple[str, str], Json] = field(default_factory=dict)
    forgiven: list[Deviation] = field(default_factory=list)

    @cached_property
    def pair(self) -> Pair:
        """An eMSP that reads in this profile, and its CPO."""
        nodes = pair()
        nodes.emsp.company.registrations.update(nodes.emsp.partners()[0], profile=self.profile)
        return nodes

    @property
    def partner(self) -> Partner:
        return self.pair.emsp.partners()[0]

    def put(self, name: str, value: Json) -> Reply:
        """The answer to a PUT at the URL of the object's own id, or what it would be."""
        object_id = id_in(name, value)
        if name in MODEL_OF:
            return self._read(name, object_id, value)
        path = self.pair.at_emsp(MODULE_OF[name], quote(object_id, safe=""))
        return self.pair.to_emsp("PUT", path, value)

    def _read(self, name: str, object_id: str, value: Json) -> Reply:
        try:
            reading = read(MODEL_OF[name], json.dumps(value).encode(), self.profile, NOW)
        except InvalidParameters as refused:
            return Reply(envelope.failure(NOW, refused))
        created = (name, object_id) not in self.read
        self.read[name, object_id] = as_json(reading.value)
        self.forgiven.extend(reading.deviations)
        return Reply(envelope.success(NOW, created=created))

    def held(self, name: str, object_id: str = "x") -> Json:
        if name in MODEL_OF:
            return self.read.get((name, object_id))
        return self.pair.emsp.received(MODULE_OF[name], self.pair.cpo.party, object_id)

    def counted(self) -> set[tuple[str, str]]:
        """Rule and place of everything that was forgiven."""
        counters = self.pair.emsp.ports.partners.counters(self.partner.id) if "pair" in vars(self) else {}
        names = [name.split(" ", 4) for name in counters if name.startswith("lenient ")]
        read_alone = {(deviation.rule, deviation.path) for deviation in self.forgiven}
        return {(rule, place) for _, rule, _module, place, _what in names} | read_alone


def receiving(profile: Profile) -> Receiving:
    """A fresh reader."""
    return Receiving(profile)


def id_field(name: str) -> str:
    """The field that identifies an object of this name."""
    return "uid" if name == "Token" else "id"


def id_in(name: str, value: Json) -> str:
    """The object's id, or what stands for it where it has none."""
    object_id = value.get(id_field(name)) if isinstance(value, dict) else None
    return object_id if isinstance(object_id, str) else "x"


def model_name(name: str) -> str:
    """How our messages call an object."""
    return MODEL_OF[name].__name__ if name in MODEL_OF else name


def counted_as(path: Path) -> str:
    """How a place is called in a counter: without the numbers of list elements."""
    return re.sub(r"\.?\[\d+\]", "[]", "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path)).lstrip(".")
