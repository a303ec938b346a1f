"""When partners hear of a change to an object that changes all the time: at once, or together with what follows.

A session's meter moves every few seconds. Its first push and every urgent one leave at once; the others leave no more
often than the pause between them, each with whatever is current by then (Q-48).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.ocpi.module import SendingRules

_MARGIN: Final = timedelta(seconds=2)
"""Later than this before a push leaves, it might leave without the change."""


@dataclass(frozen=True, slots=True)
class PacedPush:
    """The last push of an object, or the next one if it has not left yet."""

    at: datetime
    fields: frozenset[str] = frozenset()
    """What it tells of; nothing where it tells the whole object."""
    is_whole: bool = False
    _: KW_ONLY
    since: int = 1
    """The version with which this turn began: it tells of that one and all later ones."""
    version: int = 1
    """The version that announced it."""
    former: tuple[int, int] = (0, 0)
    """``since`` and ``version`` of the turn before, whose announcements may be late."""

    @classmethod
    def of(cls, aside: Mapping[str, Any]) -> PacedPush | None:
        """The turn that was noted beside an object."""
        noted = aside.get("turn")
        if noted is None:
            return None
        at, fields = datetime.fromisoformat(noted["at"]), frozenset(noted["fields"])
        since, version, *former = noted["versions"]
        return cls(at, fields, noted["whole"], since=since, version=version, former=tuple(former))

    @property
    def note(self) -> dict[str, Any]:
        """What to note beside the object."""
        at, fields, versions = self.at.isoformat(), sorted(self.fields), [self.since, self.version, *self.former]
        return {"turn": {"at": at, "fields": fields, "whole": self.is_whole, "versions": versions}}

    def covers(self, change: PacedPush) -> bool:
        """Whether it tells of all that the change does."""
        return self.is_whole or (not change.is_whole and change.fields <= self.fields)

    def joined(self, other: PacedPush) -> PacedPush:
        """This turn, telling of what the other does too."""
        return PacedPush(
            self.at,
            self.fields | other.fields,
            self.is_whole or other.is_whole,
            since=min(self.since, other.since),
            version=max(self.version, other.version),
            former=max(self.former, other.former),
        )

    def replaces(self, version: int) -> bool:
        """Whether what this version announced is told by a later announcement of this turn, or of the former one."""
        return self.since <= version < self.version or self.former[0] <= version < self.former[1]


def next_push(sending: SendingRules, last: PacedPush | None, change: PacedPush) -> PacedPush:
    """The turn that tells of the change; equal to ``last`` where that one is still to leave and covers it.

    Args:
        sending: how often the module's objects are told of.
        last: the object's turn so far.
        change: what has changed; ``at`` is now.
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
