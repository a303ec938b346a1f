"""The feed of events for the host: changes of partners, in the order of their publication; see docs/events.md."""

from __future__ import annotations

from typing import Final

from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply
from chalicelib.node.events.announcing import FEED_EXPIRES_AFTER, FEED_RETENTION, cursor_at, moment_of
from chalicelib.node.events.publishing import FEED_READ_DELAY
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.paging import window_of

_MOST_AT_A_TIME: Final = 100


def _events(call: OperatorCall) -> OperatorReply:
    query, feed = call.request.query, call.company.ports.event_feed
    limit = window_of({"limit": str(_MOST_AT_A_TIME)} | dict(query), _MOST_AT_A_TIME).limit
    until = call.company.ports.clock() - FEED_READ_DELAY
    after = query.get("after")
    if query.get("latest", "no") not in ("yes", "no") or (after and "latest" in query):
        raise InvalidParameters("latest is yes or no, and not asked for together with after")
    behind = _checked(after, cursor_at(until - FEED_EXPIRES_AFTER)) if after else cursor_at(until - FEED_RETENTION)
    latest = query.get("latest") == "yes"
    found = feed.latest(until, limit) if latest else feed.after(behind, until, limit)
    following = found[-1].cursor if found else max(behind, cursor_at(until))
    return OperatorReply({"items": [noted.detail for noted in found], "next": following})


def _checked(after: str, oldest: str) -> str:
    """The cursor ``after``, checked.

    Raises:
        InvalidParameters: it is none of ours, or the events after it are not kept any more.
    """
    try:
        moment_of(after)
    except ValueError:
        raise InvalidParameters("after is no cursor of ours: give next of an earlier answer") from None
    if after < oldest:
        raise InvalidParameters(
            f"what came after this was kept for {FEED_RETENTION.days} days and is gone: begin without after"
        )
    return after


OPERATIONS: Final = (
    Operation(
        method="GET",
        path=f"{ROOT}/events",
        summary="Events about partners of the last seven days, in order",
        handler=_events,
        query=("after", "limit", "latest"),
        reply_schema="Events",
    ),
)
