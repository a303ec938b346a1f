"""Operations about the outbox, the objects not yet delivered to a partner: list them, retry now, drop."""

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
"""Entries that one request lists, or retries."""


def delivery_status(company: Company, partner: Partner, breaker: CircuitBreaker) -> dict[str, Any]:
    """The circuit breaker of the partner, and its backlog: objects in the outbox by module, and since when."""
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


def _list(call: OperatorCall) -> OperatorReply:
    failures = call.company.ports.outbox.entries(call.partner.id, call.after, _AT_A_TIME)
    return OperatorReply({"failures": list(map(_shown, failures)), "after": _next_cursor(failures)})


def _retry(call: OperatorCall) -> OperatorReply:
    partner, key = call.active_partner, _object_key(call)
    if not call.company.ports.outbox.retry(partner.id, key, call.company.ports.clock()):
        raise NotFound(f"nothing of {entry_name(key)} waits for this partner")
    _queue_retry(call.company, partner)
    return OperatorReply({"retried": 1}, 202)


def _retry_all(call: OperatorCall) -> OperatorReply:
    partner, ports = call.active_partner, call.company.ports
    failures, now = ports.outbox.entries(partner.id, call.after, _AT_A_TIME), ports.clock()
    # Each may have been delivered meanwhile.
    retried = sum(ports.outbox.retry(partner.id, object_key_of(failure.announcement), now) for failure in failures)
    if failures:
        _queue_retry(call.company, partner)
    return OperatorReply({"retried": retried, "after": _next_cursor(failures)}, 202)


def _drop(call: OperatorCall) -> OperatorReply:
    partner, key = call.partner, _object_key(call)
    if not call.company.ports.outbox.state(partner.id, key).entry:
        raise NotFound(f"nothing of {entry_name(key)} waits for this partner")
    call.company.ports.outbox.clear(partner.id, key)
    return OperatorReply({"dropped": 1})


def _queue_retry(company: Company, partner: Partner) -> None:
    company.ports.push_queues.retry(RetryDue(partner.id), cause=company.ports.clock().isoformat())


def _object_key(call: OperatorCall) -> ObjectKey:
    module = call.module
    return module.identifier, module.key_of(call.params["id"])


def _next_cursor(failures: list[OutboxEntry]) -> str | None:
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
        method="GET", path=_OUTBOX, summary="Objects not yet delivered to this partner", handler=_list, query=("after",)
    ),
    Operation(
        method="POST",
        path=f"{_OUTBOX}/retry",
        summary="Retry all of it now, some hundred objects at a time",
        handler=_retry_all,
        query=("after",),
    ),
    Operation(
        method="POST",
        path=f"{_OUTBOX}/{{module}}/{{id}}/retry",
        summary="Retry an object now, also one that was given up",
        handler=_retry,
    ),
    Operation(
        method="DELETE",
        path=f"{_OUTBOX}/{{module}}/{{id}}",
        summary="Drop it: it is not sent to them before it changes again",
        handler=_drop,
    ),
)
