"""What a module's chapter declares: who owns its objects, what they are, and the objects nested inside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from chalicelib.ocpi.errors import NotFound
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.types import OcpiObject

VERSION: Final = "2.1.1"


class ModuleID(StrEnum):
    """The modules of this version. Spec: version_information_endpoint.md, ModuleID."""

    CDRS = "cdrs"
    COMMANDS = "commands"
    CREDENTIALS = "credentials"
    LOCATIONS = "locations"
    SESSIONS = "sessions"
    TARIFFS = "tariffs"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Level:
    """One depth of a module's objects: the object itself, or a part that has a URL of its own."""

    model: type[OcpiObject]
    id_field: str
    """The field that identifies it, which is also the last segment of its URL."""
    url_parameter: str
    """What the spec calls that segment, such as ``evse_uid``."""
    list_field: str = ""
    """The parent's list that holds it; empty for the object itself."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """What marks it as removed, where the spec forbids to delete it; empty where leaving it out is enough."""


@dataclass(frozen=True, slots=True)
class Module:
    """A client-owned module: its interfaces differ from its siblings' in exactly these facts.

    Spec: transport_and_format.md, Client owned object push; the interface tables of each module.
    """

    identifier: ModuleID
    owner: Role
    """Who owns the objects: serves the list, and pushes."""
    levels: tuple[Level, ...]
    """The object, then its parts, outermost first."""
    single_objects: bool = False
    """The owner also serves single objects at every depth."""
    deletable: bool = False
    """The receiver's interface defines DELETE."""
    not_found: type[NotFound] = NotFound

    @property
    def model(self) -> type[OcpiObject]:
        """The object this module is about."""
        return self.levels[0].model

    @property
    def id_field(self) -> str:
        """The field that identifies an object among its owner's."""
        return self.levels[0].id_field

    def level_of(self, path: Sequence[str]) -> Level:
        """The depth that a path of part ids, possibly empty, addresses."""
        return self.levels[len(path)]
