"""Pacing: an object that changes every few seconds, such as a session, is pushed at most once per pause (Q-48).

Its first change and every urgent one are pushed at once. The others wait for the end of the pause and are pushed
together, with whatever is current by then. The last push, or the next one if it has not left yet, is noted beside the
object, so that every change of the object knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.ocpi.module import SendingRules

_MARGIN: Final = timedelta(seconds=2)
"""A change that comes later than this before a push leaves is announced too: the push may read the object too early."""


@dataclass(frozen=True, slots=True)
class PacedPush:
    """One push of a paced object, for all changes of the object since the push before."""

    at: datetime
    """When it leaves, or has left."""
    fields: frozenset[str] = frozenset()
    """The fields that it sends, unless it sends the whole object."""
    is_whole: bool = False
    _: KW_ONLY
    since: int = 1
    """The first version of the object that it is for; it is for all later ones, until it leaves."""
    version: int = 1
    """The version whose announcement makes it leave; the announcements from ``since`` on up to that one do not."""
    former: tuple[int, int] = (0, 0)
    """``since`` and ``version`` of the push before, whose announcements may be late."""

    @classmethod
    def of(cls, aside: Mapping[str, Any]) -> PacedPush | None:
        """The push that is noted beside an object, by its metadata; None: none yet."""
        noted = aside.get("turn")
        if noted is None:
            return None
        at, fields = datetime.fromisoformat(noted["at"]), frozenset(noted["fields"])
        since, version, *former = noted["versions"]
        return cls(at, fields, noted["whole"], since=since, version=version, former=tuple(former))

    @property
    def note(self) -> dict[str, Any]:
        """What to note beside the object: metadata that ``of`` reads."""
        at, fields, versions = self.at.isoformat(), sorted(self.fields), [self.since, self.version, *self.former]
        return {"turn": {"at": at, "fields": fields, "whole": self.is_whole, "versions": versions}}

    def covers(self, change: PacedPush) -> bool:
        """Whether it sends all fields that a push of the change alone would send."""
        return self.is_whole or (not change.is_whole and change.fields <= self.fields)

    def joined(self, other: PacedPush) -> PacedPush:
        """This push at its time, for the changes and with the fields of the other too."""
        return PacedPush(
            self.at,
            self.fields | other.fields,
            self.is_whole or other.is_whole,
            since=min(self.since, other.since),
            version=max(self.version, other.version),
            former=max(self.former, other.former),
        )

    def replaces(self, version: int) -> bool:
        """Whether a later announcement, of this push or the one before, is for the change of this version too."""
        return self.since <= version < self.version or self.former[0] <= version < self.former[1]


def next_push(sending: SendingRules, last: PacedPush | None, change: PacedPush) -> PacedPush:
    """The push that sends the change; equal to ``last`` where that one is still to leave and covers it.

    Args:
        sending: the pause between two pushes, and which fields are urgent.
        last: the push that is noted beside the object; None: none yet.
        change: a push of the change alone, at the time of the change, which is now.
    """
    if last is None:
        return change
    is_urgent = bool(change.fields & sending.urgent_fields)
    if last.at > change.at:
        if is_urgent:
            return change.joined(last)
        return last if last.covers(change) and change.at <= last.at - _MARGIN else last.joined(change)
    due = change.at if is_urgent else max(change.at, last.at + timedelta(seconds=sending.min_pause_s))
    return replace(change, at=due, former=(last.since, last.version))
