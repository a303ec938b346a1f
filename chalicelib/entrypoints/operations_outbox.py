"""The host's side of what partners still have to be told: look, try again now, or let it be."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.bootstrap import Company
from chalicelib.entrypoints.operations import ROOT, Ask, Operation, Reply, shown_time
from chalicelib.node.breaker import Breaker
from chalicelib.node.news import Object, object_of
from chalicelib.node.outbox import Failure, place
from chalicelib.node.partners import Partner
from chalicelib.node.ports import Tend
from chalicelib.ocpi.errors import NotFound

_AT_A_TIME: Final = 500
"""Entries that one request shows, or has tried again."""


def standing(company: Company, partner: Partner, breaker: Breaker) -> dict[str, Any]:
    """Whether we call the partner, and by module how much it still has to be told, and since when."""
    backlog = company.outside.outbox.backlog(partner.id)
    return {
        "breaker": {
            "state": breaker.state,
            "failures": breaker.failures,
            "problem": breaker.problem or None,
            "broken_since": shown_time(breaker.broken_since),
            "until": shown_time(breaker.until),
        },
        "backlog": sum(each.objects for each in backlog.values()),
        "backlogs": [
            {"module": module, "objects": each.objects, "given_up": each.given_up, "oldest": shown_time(each.oldest)}
            for module, each in sorted(backlog.items())
        ],
    }


def _list(ask: Ask) -> Reply:
    failures = ask.company.outside.outbox.of(ask.partner.id, ask.after, _AT_A_TIME)
    return Reply({"failures": list(map(_shown, failures)), "after": _onward(failures)})


def _retry(ask: Ask) -> Reply:
    partner, about = ask.active_partner, _about(ask)
    if not ask.company.outside.outbox.retry(partner.id, about, ask.company.outside.clock()):
        raise NotFound(f"nothing of {place(about)} waits for this partner")
    _tend(ask.company, partner)
    return Reply({"retried": 1}, 202)


def _retry_all(ask: Ask) -> Reply:
    partner, outside = ask.active_partner, ask.company.outside
    failures, now = outside.outbox.of(partner.id, ask.after, _AT_A_TIME), outside.clock()
    # Each may have arrived meanwhile.
    retried = sum(outside.outbox.retry(partner.id, object_of(failure.announcement), now) for failure in failures)
    if failures:
        _tend(ask.company, partner)
    return Reply({"retried": retried, "after": _onward(failures)}, 202)


def _drop(ask: Ask) -> Reply:
    partner, about = ask.partner, _about(ask)
    if not ask.company.outside.outbox.ledger(partner.id, about).missed:
        raise NotFound(f"nothing of {place(about)} waits for this partner")
    ask.company.outside.outbox.settle(partner.id, about)
    return Reply({"dropped": 1})


def _tend(company: Company, partner: Partner) -> None:
    company.outside.queues.tend(Tend(partner.id), cause=company.outside.clock().isoformat())


def _about(ask: Ask) -> Object:
    module = ask.module
    return module.identifier, module.key_of(ask.steps["id"])


def _onward(failures: list[Failure]) -> str | None:
    return place(object_of(failures[-1].announcement)) if len(failures) == _AT_A_TIME else None


def _shown(failure: Failure) -> dict[str, Any]:
    return {
        "module": failure.announcement.module,
        "id": failure.announcement.id,
        "path": list(failure.announcement.path),
        "reason": failure.reason,
        "attempts": failure.attempts,
        "since": shown_time(failure.first_failed_at),
        "failed_at": shown_time(failure.failed_at),
        "next_try": shown_time(failure.due_at),
    }


_OUTBOX: Final = f"{ROOT}/partners/{{partner}}/outbox"

OPERATIONS: Final = (
    Operation("GET", _OUTBOX, "What this partner still has to be told", _list, query=("after",)),
    Operation(
        "POST", f"{_OUTBOX}/retry", "Try all of it again now, some hundred at a time", _retry_all, query=("after",)
    ),
    Operation("POST", f"{_OUTBOX}/{{module}}/{{id}}/retry", "Try an object again now, also one given up", _retry),
    Operation("DELETE", f"{_OUTBOX}/{{module}}/{{id}}", "Let it be: they are not told of it before it changes", _drop),
)
