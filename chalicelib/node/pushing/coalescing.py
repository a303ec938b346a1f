"""Coalescing: several announcements of one object become the fewest that tell a partner the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from chalicelib.node.pushing.messages import Announcement
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parts import Path

MOST_PARTS: Final = 4
"""Parts of one object that are sent one by one; if more have changed, the whole object is sent once instead."""

ObjectKey = tuple[ModuleID, str]
"""One of our objects: its module and its id."""


def object_key_of(announcement: Announcement) -> ObjectKey:
    """The key of the object that has changed."""
    return announcement.module, announcement.id


def coalesce(announcements: Iterable[Announcement]) -> list[Announcement]:
    """The fewest announcements that tell the same, in the order in which their parts were first announced.

    Each part is named once, with all of its changed fields. What lies inside a part that is sent whole is left out. If
    more than ``MOST_PARTS`` are left, they become one announcement of the whole object.

    Args:
        announcements: all about one object.
    """
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


def coalesce_to_one(announcements: Sequence[Announcement]) -> Announcement:
    """One announcement that covers all of these, as an entry of the outbox holds it: of two or more, the whole object.

    Args:
        announcements: at least one, all about one object.
    """
    if len(announcements) == 1:
        return announcements[0]
    return replace(announcements[-1], version=_latest(announcements), path=(), fields=None)


def _joined(earlier: Announcement, later: Announcement) -> Announcement:
    whole = earlier.fields is None or later.fields is None
    fields = None if whole else tuple(sorted({*(earlier.fields or ()), *(later.fields or ())}))
    return replace(later, version=_latest([earlier, later]), fields=fields)


def _latest(announcements: Iterable[Announcement]) -> int:
    # What waited in the outbox, or in a queue, is not always older than what is coalesced with it.
    return max(announcement.version for announcement in announcements)
