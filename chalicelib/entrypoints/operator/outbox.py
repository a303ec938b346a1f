"""The host's side of what partners still have to be told: look, try again now, or let it be."""

from __future__ import annotations

from typing import Any, Final

from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints.operator.operation import ROOT, Operation, OperatorCall, OperatorReply, shown_time
from chalicelib.node.partners.breaker import CircuitBreaker
from chalicelib.node.partners.partner import Partner
from chalicelib.node.pushing.coalescing import ObjectKey, object_key_of
from chalicelib.node.pushing.messages import RetryDue
from chalicelib.node.pushing.outbox import OutboxEntry, entry_name
from chalicelib.ocpi.errors import NotFound

_AT_A_TIME: Final = 500
"""Entries that one request shows, or has tried again."""


def standing(company: Company, partner: Partner, breaker: CircuitBreaker) -> dict[str, Any]:
    """Whether we call the partner, and by module how much it still has to be told, and since when."""
    backlog = company.ports.outbox.backlog(partner.id)
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


def _list(ask: OperatorCall) -> OperatorReply:
    failures = ask.company.ports.outbox.entries(ask.partner.id, ask.after, _AT_A_TIME)
    return OperatorReply({"failures": list(map(_shown, failures)), "after": _onward(failures)})


def _retry(ask: OperatorCall) -> OperatorReply:
    partner, about = ask.active_partner, _about(ask)
    if not ask.company.ports.outbox.retry(partner.id, about, ask.company.ports.clock()):
        raise NotFound(f"nothing of {entry_name(about)} waits for this partner")
    _tend(ask.company, partner)
    return OperatorReply({"retried": 1}, 202)


def _retry_all(ask: OperatorCall) -> OperatorReply:
    partner, ports = ask.active_partner, ask.company.ports
    failures, now = ports.outbox.entries(partner.id, ask.after, _AT_A_TIME), ports.clock()
    # Each may have arrived meanwhile.
    retried = sum(ports.outbox.retry(partner.id, object_key_of(failure.announcement), now) for failure in failures)
    if failures:
        _tend(ask.company, partner)
    return OperatorReply({"retried": retried, "after": _onward(failures)}, 202)


def _drop(ask: OperatorCall) -> OperatorReply:
    partner, about = ask.partner, _about(ask)
    if not ask.company.ports.outbox.state(partner.id, about).entry:
        raise NotFound(f"nothing of {entry_name(about)} waits for this partner")
    ask.company.ports.outbox.clear(partner.id, about)
    return OperatorReply({"dropped": 1})


def _tend(company: Company, partner: Partner) -> None:
    company.ports.push_queues.retry(RetryDue(partner.id), cause=company.ports.clock().isoformat())


def _about(ask: OperatorCall) -> ObjectKey:
    module = ask.module
    return module.identifier, module.key_of(ask.steps["id"])


def _onward(failures: list[OutboxEntry]) -> str | None:
    return entry_name(object_key_of(failures[-1].announcement)) if len(failures) == _AT_A_TIME else None


def _shown(failure: OutboxEntry) -> dict[str, Any]:
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
    Operation(
        method="GET", path=_OUTBOX, summary="What this partner still has to be told", handler=_list, query=("after",)
    ),
    Operation(
        method="POST",
        path=f"{_OUTBOX}/retry",
        summary="Try all of it again now, some hundred at a time",
        handler=_retry_all,
        query=("after",),
    ),
    Operation(
        method="POST",
        path=f"{_OUTBOX}/{{module}}/{{id}}/retry",
        summary="Try an object again now, also one given up",
        handler=_retry,
    ),
    Operation(
        method="DELETE",
        path=f"{_OUTBOX}/{{module}}/{{id}}",
        summary="Let it be: they are not told of it before it changes",
        handler=_drop,
    ),
)
