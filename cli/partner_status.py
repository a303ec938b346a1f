"""Tables about one partner, for ``partners show`` and ``outbox list``: status by module, and undelivered objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cli.api import OperatorApi
from cli.output import say, show_table

COLUMNS: Final = ("module", "direction", "last_success", "last_failure", "waiting", "since", "pulled", "problem")
FAILURES: Final = ("object", "since", "attempts", "failed_at", "next_try", "reason")


def entries(api: OperatorApi, partner_id: str) -> Iterator[dict[str, Any]]:
    """The partner's outbox: every object that was not delivered yet."""
    return api.list_all("partners", partner_id, "outbox", of="failures")


def show_failures(failures: list[dict[str, Any]]) -> None:
    """Print entries of the outbox as a table."""
    show_table(FAILURES, map(_failure, failures))


def show_partner_status(partner: Mapping[str, Any]) -> None:
    """Print the state of the circuit breaker, and a table by module and direction."""
    breaker = partner.get("breaker") or {}
    if breaker.get("state", "closed") != "closed":
        say(f"\n{_breaker_message(breaker)}")
    rows = list(_rows(partner))
    if rows:
        say("\nBy module and direction (in: they called us, out: we called them):")
        show_table(COLUMNS, ([each.get(column) for column in COLUMNS] for each in rows))


def _breaker_message(breaker: Mapping[str, Any]) -> str:
    why, until = breaker.get("problem") or "", breaker.get("until")
    if breaker["state"] == "waiting":
        return f"They asked us to wait until {until}: {why}"
    since, look = breaker.get("broken_since"), f"Next look: {until}"
    if breaker["state"] == "credentials_broken":
        advice = "New tokens, if they let us exchange them: python -m cli partners rotate PARTNER"
        said = f"Nothing is pushed until they take our token again. {look}"
        return f"Credentials broken since {since}: {why}\n{said}\n{advice}"
    return f"Not reached since {since}: {why}\nNothing is pushed until they answer again. {look}"


def _rows(partner: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the table: contacts by module and direction; a backlog or a pull belongs to direction ``out``."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for contact in partner.get("contacts") or ():
        found[contact["module"], contact["direction"]] = dict(contact)
    for backlog in partner.get("backlogs") or ():
        given_up = f" ({backlog['given_up']} given up)" if backlog["given_up"] else ""
        line = found.setdefault((backlog["module"], "out"), {})
        line |= {"waiting": f"{backlog['objects']}{given_up}", "since": backlog["oldest"]}
    for pull in partner.get("pulls") or ():
        found.setdefault((pull["module"], "out"), {})["pulled"] = pull["completed_at"] or pull["state"]
    for (module, direction), facts in sorted(found.items()):
        yield {**facts, "module": module, "direction": direction}


def _failure(failure: Mapping[str, Any]) -> list[Any]:
    what = "/".join([failure["module"], failure["id"], *(failure.get("path") or ())])
    known = {**failure, "object": what, "next_try": failure.get("next_try") or "given up"}
    return [known.get(column) for column in FAILURES]
