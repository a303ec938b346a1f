"""What the node needs from the outside, as protocols; adapters fulfil them, tests use a memory store.

Calls that reach the outside may raise anything of their own: that is our infrastructure failing, answered 3000 at the
edge and repeated by SQS in a worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

from chalicelib.node.contacts import Contact
from chalicelib.node.partners import Grant, Partner
from chalicelib.ocpi.http import Request, Response
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.paging import Page, Window
from chalicelib.ocpi.parties import Party, Role

OURS: Final = "ours"
"""The owner key of our own objects."""

MOST_AT_ONCE: Final = 99
"""How many new objects one transaction takes: a hundred actions, one of which moves the list's counter."""


def theirs(party: Party) -> str:
    """The owner key of a party's objects."""
    return f"theirs/{party}"


def owner_of(key: str) -> Party | None:
    """Whose objects an owner key stands for; None for ours."""
    return None if key == OURS else Party.of(*key.split("/")[1:])


MOST_FOUND: Final = 50
"""Objects that share a key, such as the cards of one contract, as far as anybody looks."""

LONGEST_ID: Final = 255
"""Characters of an object's id; no profile lets a longer one pass, and a key has to hold it."""


def is_storable(object_id: str) -> bool:
    """Whether there can be an object with this id at all; what a URL says is not checked yet, nor half characters."""
    return 0 < len(object_id) <= LONGEST_ID and not _HALF_CHARACTER.search(object_id)


_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


class Conflict(Exception):
    """Somebody else wrote first; read again and repeat."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it lies in the store.

    ``version`` is 1 for a new object and grows by one with each write. ``last_updated`` has milliseconds and orders
    delta pulls. ``aside`` is what we know about the object beside its body.
    """

    id: str
    body: bytes
    last_updated: datetime
    version: int = 1
    list: str | None = None
    """The list an own object stands in: ``all``, or a party's; None for received objects."""
    aside: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """By which it is found in the module's indexes, such as ``by_auth_id``."""

    def noted(self, **aside: Any) -> Stored:
        """The next version, with this noted beside the same body; None forgets."""
        noted = {name: value for name, value in {**self.aside, **aside}.items() if value is not None}
        return replace(self, version=self.version + 1, aside=noted)


@dataclass(frozen=True, slots=True)
class Found:
    """An object that an index knew, and whose it is."""

    owner: str
    """``ours``, or as ``theirs`` says."""
    stored: Stored


class ObjectStore(Protocol):
    """The objects of one module."""

    def get(self, owner: str, object_id: str) -> Stored | None:
        """The object, strongly consistent; one call."""

    def get_many(self, owner: str, object_ids: Sequence[str]) -> dict[str, Stored]:
        """Those of the objects that exist, by id; strongly consistent; one call per hundred."""

    def put(self, owner: str, stored: Stored) -> None:
        """Write a received object, or a new state of an own one; one call.

        ``stored.version`` is the version it will have: 1 for a new received object, else the one it replaces plus 1.

        Raises:
            Conflict: the stored version is not the one before.
            BodyTooLarge: the object is larger than the store can hold.
        """

    def create(self, stored: Sequence[Stored]) -> None:
        """Add new own objects to their list, in this order, all or nothing; they get the next ranks.

        All of one list, at most ``MOST_AT_ONCE``. Two calls: the counter, the transaction. What is stored of them may
        exceed the 4 MB of one transaction; then it takes several, each of them all or nothing. Repeats itself while
        others create in the same list.

        Raises:
            Conflict: one of them exists already.
            BodyTooLarge: one of them is larger than the store can hold.
        """

    def remove(self, owner: str, stored: Stored) -> None:
        """Delete the object; in a list of ours the newest object takes over its rank, so that ranks stay dense.

        Raises:
            Conflict: the stored version is another one.
        """

    def page(self, list_name: str, window: Window) -> Page:
        """A page of one of our lists: two calls, plus one per further hundred objects.

        Without dates, or with dates that cover everything, by rank; else oldest change first.

        Raises:
            InvalidParameters: the window's cursor is not one of ours.
        """

    def find(self, index: str, key: str, limit: int = MOST_FOUND) -> list[Found]:
        """Up to ``limit`` objects of whatever owner with this key in an index, the latest change first; two calls.

        An index lags a little: what was written this instant may be missing.
        """

    def received(self, owner: str, after: str | None, limit: int) -> list[Stored]:
        """Up to ``limit`` objects of an owner by id, those behind ``after``."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A grant and the partner it belongs to."""

    grant: Grant
    partner: Partner


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key to the operator API, known by its hash alone."""

    name: str
    roles: frozenset[str] = frozenset()
    """What its holder may do beyond what every holder may, such as ``help-desk``."""


class PartnerStore(Protocol):
    """Our partners, the tokens we issued to them, and what we counted about them."""

    def get(self, partner_id: str) -> Partner | None:
        """The partner, strongly consistent."""

    def all(self) -> list[Partner]:
        """Every partner, oldest first, registered or not."""

    def save(
        self, partner: Partner, *, issue: Iterable[Grant] = (), revoke: Iterable[str] = (), release: Party | None = None
    ) -> Partner:
        """Write the partner, tokens to issue and token hashes to revoke, in one transaction.

        ``partner.version`` is the one that was read (0: new); the answer has the next. A registered partner claims its
        party for its role; ``release`` gives a claim up.

        Raises:
            Conflict: the partner changed meanwhile.
            PartyTaken: another connection of this role has claimed the party (Q-34).
        """

    def admission(self, our_role: Role, token_hash: str) -> Admission | None:
        """Whom the token admits to this role's tree, strongly consistent; None if it is unknown or expired."""

    def tally(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters, such as one per deviation; one call."""

    def tallies(self, partner_id: str) -> dict[str, int]:
        """The partner's counters."""

    def note_contact(self, partner_id: str, module: str, direction: str, at: datetime, problem: str | None) -> None:
        """Remember that it went well with the partner then, or failed with this problem; one call."""

    def contacts(self, partner_id: str) -> list[Contact]:
        """When we were last in touch with the partner, by module and direction; one call."""

    def operator_key(self, key_hash: str) -> OperatorKey | None:
        """The operator key with this hash, or None."""

    def save_operator_key(self, key_hash: str, key: OperatorKey) -> None:
        """Let this key in."""

    def operator_keys(self) -> dict[str, OperatorKey]:
        """All operator keys by their hash."""

    def remove_operator_key(self, key_hash: str) -> None:
        """Let this key in no longer."""

    def public_url(self) -> str | None:
        """Where partners reach us, as recorded at the last deployment."""

    def record_public_url(self, url: str) -> None:
        """Remember where partners reach us."""


class PartyTaken(Exception):
    """Another connection of the same role has claimed this party."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One own object is about to change: the message that drives everything partners are told.

    ``fields`` is None when the part at ``path`` is new or replaced as a whole; ``removed`` when the object goes away.
    """

    module: ModuleID
    id: str
    version: int
    path: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One partner is to be told about one change; it carries no content, the worker reads the current state."""

    partner_id: str
    announcement: Announcement
    attempt: int | None = None
    """For another try of what stands in the outbox: how many have failed. A try that comes twice is made once."""


@dataclass(frozen=True, slots=True)
class Tend:
    """Look after one partner: probe it if it is not called, queue again what it missed and what is due."""

    partner_id: str
    after: str | None = None
    """Go through everything that nothing reached them with, from behind this place on; None: what is due."""


class Queues(Protocol):
    """The queues that drive what must not happen inside a request."""

    def announce(self, announcements: Sequence[Announcement], *, attempt: int = 0, delay_s: int = 0) -> None:
        """Send one message to ``changes``; ``attempt`` counts how often it was put back."""

    def deliver(self, deliveries: Sequence[Delivery], *, cause: str = "") -> None:
        """Send one message each to ``deliveries.fifo``, in this order; order holds within a partner's lane.

        All that is about one object goes in one lane.

        Equal deliveries of one ``cause``, such as the id of the message that led here, are sent once.
        """

    def tend(self, tend: Tend, *, cause: str) -> None:
        """Send one message to ``deliveries.fifo``, behind what waits there in one of the partner's lanes."""


class Web(Protocol):
    """The way out to partners."""

    def check(self, url: str, *, public: bool = False) -> None:
        """Nothing, if the URL itself is one that we call; where its name leads is seen when it is called.

        Raises:
            AddressNotAllowed: it is none.
        """

    def send(self, request: Request, *, timeout_s: float | None = None, public: bool = False) -> Response:
        """The partner's answer; ``public`` closes a network that was opened for local runs.

        Raises:
            Unreachable: no answer.
            UnableToUseApi: the address is not one we may call, or the answer is not one we may read.
        """
