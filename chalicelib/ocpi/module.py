"""What a module's chapter declares: who owns its objects, what they are, and the objects nested inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from typing import Any, Final

from chalicelib.ocpi.errors import NotFound
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Deviation
from chalicelib.ocpi.types import OcpiObject

Json = dict[str, Any]

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


COMMAND_TYPE: Final = ("RESERVE_NOW", "START_SESSION", "STOP_SESSION", "UNLOCK_CONNECTOR")
"""What charge points can be asked to do. Spec: mod_commands.md 4.2."""


@dataclass(frozen=True, slots=True)
class Level:
    """One depth of a module's objects: the object itself, or a part that has a URL of its own."""

    model: type[OcpiObject]
    _: KW_ONLY
    id_field: str
    """The field that identifies it, which is also the last segment of its URL."""
    url_parameter: str
    """What the spec calls that segment, such as ``evse_uid``."""
    list_field: str = ""
    """The parent's list that holds it; empty for the object itself."""
    removed: Mapping[str, str] = field(default_factory=dict)
    """What marks it as removed, where the spec forbids to delete it; empty where leaving it out is enough."""
    stand_ins: Mapping[str, Any] = field(default_factory=dict)
    """What stands in for required fields that partners are known to leave out, where the operator lets them (Q-31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is special about the objects of a module when we own and send them."""

    private: bool = False
    """Each object is for one partner alone, and no other may see it (SES-02, CDR-02)."""
    date_from_required: bool = False
    """The list is not served without ``date_from`` (PAG-19)."""
    posted: bool = False
    """Sent by POST to the module's endpoint, once; the others are PUT at a URL of their own (CDR-04)."""
    refused: frozenset[str] = frozenset()
    """Rules that we let others break, but not ourselves."""
    is_final: Callable[[Json], bool] = lambda _whole: False
    """Whether the object, as it is, may never change again (SES-10, CDR-09)."""
    replaced_whole: frozenset[str] = frozenset()
    """Fields that receivers merge in different ways, so that a change of one is told by PUT (Q-48)."""
    least_pause_s: int = 0
    """Seconds between two pushes of one object, while nothing ``urgent`` changes (Q-48)."""
    urgent: frozenset[str] = frozenset()
    """Fields whose change is told at once."""


@dataclass(frozen=True, slots=True)
class Receiving:
    """What is special about the objects of a module when a partner owns them and sends them to us."""

    patched: Callable[[Json, Json], Json] = lambda _known, fields: fields
    """What the fields of a PATCH mean to the object that we know; for those that do not simply replace."""
    succeeding: Callable[[Json, Json], tuple[Json, tuple[Deviation, ...]]] = lambda _known, whole: (whole, ())
    """What we hold after a push of ``whole`` over what we ``known``, and what about that the partner should not do."""
    qualifier: str = ""
    """A field that a caller may name in the query, to say which object is meant (Q-51)."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    key_of: Callable[[str], str] = str
    """What an object is stored under: its id, or of ids that mean the same, one (FMT-07)."""
    not_found: type[NotFound] = NotFound
    lookups: Mapping[str, Callable[[Json], str]] = field(default_factory=dict)
    """How objects are found other than by id: the key of an object in each index."""
    sending: Sending = Sending()
    receiving: Receiving = Receiving()

    @property
    def model(self) -> type[OcpiObject]:
        """The object this module is about."""
        return self.levels[0].model

    @property
    def id_field(self) -> str:
        """The field that identifies an object among its owner's."""
        return self.levels[0].id_field

    def keys_of(self, whole: Json) -> dict[str, str]:
        """The object's keys in the indexes; none where it has nothing to be found by."""
        return {index: key for index, lookup in self.lookups.items() if (key := lookup(whole))}

    def level_of(self, path: Sequence[str]) -> Level:
        """The depth that a path of part ids, possibly empty, addresses."""
        return self.levels[len(path)]


def stand_ins_of(levels: Sequence[Level]) -> dict[tuple[str, ...], Any]:
    """What stands in for fields that are left out of the outermost level and those inside it, by their paths."""
    if not levels:
        return {}
    outermost, *inner = levels
    below = {(inner[0].list_field, *path): value for path, value in stand_ins_of(inner).items()} if inner else {}
    return {(name,): value for name, value in outermost.stand_ins.items()} | below
