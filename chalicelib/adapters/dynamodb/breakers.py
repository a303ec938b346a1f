"""The breakers of all partners, as ``BreakerStore`` promises them: items beside the outbox, which is read with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from chalicelib.adapters.dynamodb.table import Item, Table
from chalicelib.node.partners.breaker import CircuitBreaker, CircuitState


class DynamoCircuitBreakerStore:
    """The breakers of one stage, in the table of its outbox."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def breaker(self, partner_id: str) -> CircuitBreaker:
        """The partner's; a closed one where nothing ever failed. One call."""
        return breaker_of(self._table.get(breaker_key(partner_id)), partner_id)

    def breakers(self) -> dict[str, CircuitBreaker]:
        """Those of all partners to whom something ever failed; one call."""
        found = self._table.query_partition("breaker")
        return {item["sk"]["S"]: breaker_of(item, item["sk"]["S"]) for item in found}

    def save_breaker(self, breaker: CircuitBreaker) -> None:
        """Write the next version; one call.

        Raises:
            Conflict: the stored version is not the one before.
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
    """Where a partner's breaker is."""
    return {"pk": {"S": "breaker"}, "sk": {"S": partner_id}}


def moment_text(moment: datetime) -> str:
    """The moment in a fixed width, for indexes sort it as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def breaker_of(item: Item | None, partner_id: str) -> CircuitBreaker:
    """The breaker that an item says; a closed one without it."""
    if item is None:
        return CircuitBreaker(partner_id=partner_id)
    facts = json.loads(item["facts"]["S"])
    moments = {name: datetime.fromisoformat(facts[name]) if facts[name] else None for name in ("broken_since", "until")}
    state = CircuitState(facts["state"])
    return CircuitBreaker(
        partner_id=partner_id, version=int(item["version"]["N"]), **{**facts, **moments, "state": state}
    )
