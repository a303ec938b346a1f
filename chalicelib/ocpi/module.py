"""The declaration of a module: who owns its objects, their models and parts, and its rules for sending and receiving.

Receiver, sender and push are written once, for all modules; they read these declarations.
"""

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
    """One level of a module's objects: the object itself, or a part that has a URL of its own, such as an EVSE."""

    model: type[OcpiObject]
    _: KW_ONLY
    id_field: str
    """The field that identifies it, which is also the last segment of its URL."""
    url_parameter: str
    """What the spec calls that segment, such as ``evse_uid``."""
    list_field: str = ""
    """The parent's list that holds it; empty for the object itself."""
    removal_marker: Mapping[str, str] = field(default_factory=dict)
    """Fields that mark a part as removed, where the spec forbids to delete it; empty where it is just left out."""
    stand_ins: Mapping[str, Any] = field(default_factory=dict)
    """Values for required fields that partners leave out; used if the operator accepts that of a partner (Q-31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRules:
    """Rules of a module for objects that we own and send."""

    private: bool = False
    """Each object is for one partner, and no other may see it (SES-02, CDR-02)."""
    date_from_required: bool = False
    """The list is not served without ``date_from`` (PAG-19)."""
    sent_by_post: bool = False
    """Objects are sent once, by POST to the module's endpoint; else by PUT to a URL of their own (CDR-04)."""
    enforced_rules: frozenset[str] = frozenset()
    """Ids of rules whose breach is only a warning in what partners send, but an error in what we send."""
    is_final: Callable[[Json], bool] = lambda _whole: False
    """Whether an object is in a final state, and may not change any more (SES-10, CDR-09)."""
    never_patched: frozenset[str] = frozenset()
    """Fields whose change is sent by PUT of the whole part, because receivers merge them differently (Q-48)."""
    min_pause_s: int = 0
    """Seconds between two pushes of one object, as long as none of the ``urgent_fields`` changes (Q-48)."""
    urgent_fields: frozenset[str] = frozenset()
    """Fields whose change is pushed at once."""


@dataclass(frozen=True, slots=True)
class ReceivingRules:
    """Rules of a module for objects that a partner owns and sends to us."""

    expand_patch: Callable[[Json, Json], Json] = lambda _known, fields: fields
    """The fields to replace, of: the object that we hold, and the fields of a PATCH. By default the same fields."""
    reconcile: Callable[[Json, Json], tuple[Json, tuple[Deviation, ...]]] = lambda _known, whole: (whole, ())
    """The object to store, and deviations, of: the object that we hold, and the new one. By default the new one."""
    qualifier: str = ""
    """A field that a caller may give in the query, where one id stands for several objects (Q-51)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A module whose objects one side owns and the other receives; modules differ in exactly these fields.

    Spec: transport_and_format.md, Client owned object push; the interface tables of each module.
    """

    identifier: ModuleID
    owner: Role
    """Who owns the objects: serves the list, and pushes."""
    levels: tuple[Level, ...]
    """The object, then its parts, outermost first."""
    single_objects: bool = False
    """The owner also serves GET of single objects, at every level."""
    deletable: bool = False
    """The receiver's interface defines DELETE."""
    key_of: Callable[[str], str] = str
    """The key under which an object is stored, of its id: equal for ids that mean the same (FMT-07)."""
    not_found: type[NotFound] = NotFound
    """The error for an object or part that we do not have."""
    lookups: Mapping[str, Callable[[Json], str]] = field(default_factory=dict)
    """Indexes by which objects are found other than by id: the index's name, and the key of an object in it."""
    sending: SendingRules = SendingRules()
    receiving: ReceivingRules = ReceivingRules()

    @property
    def model(self) -> type[OcpiObject]:
        """The model of the module's objects."""
        return self.levels[0].model

    @property
    def id_field(self) -> str:
        """The field that identifies an object among those of its owner."""
        return self.levels[0].id_field

    def keys_of(self, whole: Json) -> dict[str, str]:
        """The object's keys by index, without empty ones."""
        return {index: key for index, lookup in self.lookups.items() if (key := lookup(whole))}

    def level_of(self, path: Sequence[str]) -> Level:
        """The level of the part at this path of ids; an empty path is the object itself."""
        return self.levels[len(path)]


def stand_ins_of(levels: Sequence[Level]) -> dict[tuple[str, ...], Any]:
    """Values for required fields that are left out, of these levels, by their paths."""
    if not levels:
        return {}
    outermost, *inner = levels
    below = {(inner[0].list_field, *path): value for path, value in stand_ins_of(inner).items()} if inner else {}
    return {(name,): value for name, value in outermost.stand_ins.items()} | below
