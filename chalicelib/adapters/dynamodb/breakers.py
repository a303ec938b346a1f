"""``CircuitBreakerStore`` on DynamoDB: items in the table of the outbox, so that one call reads both."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from chalicelib.adapters.dynamodb.table import Item, Table
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState


class DynamoCircuitBreakerStore:
    """The circuit breakers of one stage."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def breaker(self, partner_id: str) -> CircuitBreaker:
        """The partner's breaker, a closed one if nothing ever failed; strongly consistent; one call."""
        return breaker_of(self._table.get(breaker_key(partner_id)), partner_id)

    def breakers(self) -> dict[str, CircuitBreaker]:
        """The breakers of all partners to which a request ever failed, by partner id; one call per megabyte."""
        items = self._table.query_partition("breaker")
        return {item["sk"]["S"]: breaker_of(item, item["sk"]["S"]) for item in items}

    def save_breaker(self, breaker: CircuitBreaker) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not ``breaker.version - 1``.
        """
        facts = {name: getattr(breaker, name) for name in ("state", "failures", "pauses", "problem", "token")}
        moments = {name: getattr(breaker, name) for name in ("broken_since", "until")}
        facts |= {name: moment and moment_text(moment) for name, moment in moments.items()}
        self._table.put_version(
            {
                **breaker_key(breaker.partner_id),
                "version": {"N": str(breaker.version)},
                "facts": {"S": json.dumps(facts)},
            }
        )


def breaker_key(partner_id: str) -> Item:
    """The key of a partner's breaker."""
    return {"pk": {"S": "breaker"}, "sk": {"S": partner_id}}


def moment_text(moment: datetime) -> str:
    """The moment in UTC with microseconds, in a fixed width: indexes sort it as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def breaker_of(item: Item | None, partner_id: str) -> CircuitBreaker:
    """The breaker in this item; a closed one if there is no item."""
    if item is None:
        return CircuitBreaker(partner_id=partner_id)
    facts = json.loads(item["facts"]["S"])
    moments = {name: datetime.fromisoformat(facts[name]) if facts[name] else None for name in ("broken_since", "until")}
    state = CircuitState(facts["state"])
    return CircuitBreaker(
        partner_id=partner_id, version=int(item["version"]["N"]), **{**facts, **moments, "state": state}
    )
