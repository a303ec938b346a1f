"""What there is to tell a partner, sorted and shortened: several announcements often say the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parts import Path

MOST_PARTS: Final = 4
"""With more changed parts than this, the whole object is the smaller conversation."""

ObjectKey = tuple[ModuleID, str]
"""An own object: its module and its id."""


def object_key_of(announcement: Announcement) -> ObjectKey:
    """The object that this is about."""
    return announcement.module, announcement.id


def coalesce(announcements: Iterable[Announcement]) -> list[Announcement]:
    """The fewest announcements that say the same: parts once, with all their fields, and nothing below a whole part."""
    by_path: dict[Path, Announcement] = {}
    for announcement in announcements:
        earlier = by_path.get(announcement.path)
        if earlier is not None:
            announcement = _joined(earlier, announcement)  # noqa: PLW2901
        by_path[announcement.path] = announcement
    whole = {path for path, announcement in by_path.items() if announcement.fields is None}
    kept = [
        announcement
        for path, announcement in by_path.items()
        if not any(path[:depth] in whole for depth in range(len(path)))
    ]
    return kept if len(kept) <= MOST_PARTS else [coalesce_to_one(kept)]


def coalesce_to_one(news: Sequence[Announcement]) -> Announcement:
    """One announcement that covers all of these, for the outbox."""
    return news[0] if len(news) == 1 else replace(news[-1], version=_latest(news), path=(), fields=None)


def _joined(earlier: Announcement, later: Announcement) -> Announcement:
    whole = earlier.fields is None or later.fields is None
    fields = None if whole else tuple(sorted({*(earlier.fields or ()), *(later.fields or ())}))
    return replace(later, version=_latest([earlier, later]), fields=fields)


def _latest(news: Iterable[Announcement]) -> int:
    # What was missed, or waited, is not always older than what comes with it.
    return max(announcement.version for announcement in news)
