"""Operations about pulling: crawl a partner's list now, and show the progress of all crawls."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply, shown_time
from chalicelib.node.pulling.state import Pull
from chalicelib.ocpi.errors import InvalidParameters


def _start(call: OperatorCall) -> OperatorReply:
    full = call.request.query.get("full", "no")
    if full not in ("yes", "no"):
        raise InvalidParameters("full is yes or no")
    pull = call.company.pull_schedule.start(call.active_partner, call.module.identifier, full=full == "yes")
    return OperatorReply(pull_json(pull), 202)


def _pulls(call: OperatorCall) -> OperatorReply:
    return OperatorReply({"pulls": [pull_json(pull) for pull in call.company.ports.pulls.of(call.partner.id)]})


def pull_json(pull: Pull) -> dict[str, Any]:
    """The progress of the crawl of one list, as JSON."""
    moments = ("began_at", "updated_at", "completed_at", "full_at")
    return {
        "module": pull.module,
        "state": pull.state,
        "is_full": pull.is_full,
        "pages": pull.page,
        "total": pull.total,
        "received": pull.received,
        "taken": pull.taken,
        "refused": pull.refused,
        "problem": pull.problem,
        **{name: shown_time(getattr(pull, name)) for name in moments},
    }


_PARTNER: Final = f"{ROOT}/partners/{{partner}}"

OPERATIONS: Final = (
    Operation(
        method="GET", path=f"{_PARTNER}/pulls", summary="The progress of the crawls of their lists", handler=_pulls
    ),
    Operation(
        method="POST",
        path=f"{_PARTNER}/pull/{{module}}",
        summary="Crawl a list of theirs now",
        handler=_start,
        query=("full",),
    ),
)
