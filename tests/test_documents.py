"""The documents say what the code does: routes, rules, settings and commands cannot drift apart from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb.commands import _KEPT as COMMANDS_KEPT
from chalicelib.adapters.dynamodb.outbox import _KEPT as OUTBOX_KEPT
from chalicelib.adapters.dynamodb.quarantine import _KEPT as QUARANTINE_KEPT
from chalicelib.adapters.sqs.pushes import LANES
from chalicelib.entrypoints.http import routes_markdown
from chalicelib.entrypoints.operator.api import _LARGEST_BODY
from chalicelib.modules.commands.results import _LANES
from chalicelib.node.commands import _MOST_EVENTS
from chalicelib.node.events.announcing import FEED_RETENTION as EVENTS_KEPT
from chalicelib.node.partners.breaker import LONGEST_PAUSE, LONGEST_RETRY_AFTER, OPENS_AFTER
from chalicelib.node.pulling.state import MOST_ATTEMPTS, MOST_ON_A_PAGE, MOST_PAGES, PAUSES_S
from chalicelib.node.pushing.outbox import MOST_COUNTED, RETRY_DELAYS
from chalicelib.node.pushing.retries import MOST_REQUEUED
from chalicelib.node.serving.node import LARGEST_BODY
from chalicelib.node.write_ahead import REQUEUE_DELAYS_S
from chalicelib.settings import Settings
from cli.main import cli
from cli.support import contradictions, proofs_of, rules_of, support_markdown

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


class Asked(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values_ = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def settings_read() -> set[str]:
    asked = Asked({"OCPI_COUNTRY_CODE": "DE", "OCPI_PARTY_ID": "ABC", "OCPI_NAME": "x"})
    Settings.from_environment(asked)
    return asked.names


def test_the_route_table_is_the_one_that_is_served() -> None:
    """``make docs`` writes it."""
    assert (ROOT / "docs" / "routes.md").read_text(encoding="utf-8") == routes_markdown()


def test_every_rule_of_ocpi_is_proven_or_it_is_said_why_not() -> None:
    """And what is exempt is not proven, and what is cited is a rule; ``docs/rules.csv`` is where they stand."""
    assert contradictions(rules_of(ROOT), proofs_of(ROOT)) == []


def test_the_table_has_all_the_rules_once() -> None:
    rules = rules_of(ROOT)

    assert len({rule.id for rule in rules}) == len(rules) == 266
    assert {rule.level for rule in rules} == set("MSID")
    assert all(rule.summary.endswith(".") and "|" not in rule.summary for rule in rules)


def test_what_is_supported_is_what_the_tests_prove() -> None:
    """``make docs`` writes it."""
    assert (ROOT / "docs" / "support.md").read_text(encoding="utf-8") == support_markdown(ROOT)


@pytest.mark.parametrize("name", sorted(settings_read()))
def test_every_setting_stands_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_every_setting_is_provided_by_every_stage() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    common = config.get("environment_variables", {})

    for stage, facts in config["stages"].items():
        assert settings_read() <= {*common, *facts.get("environment_variables", {})}, stage


LIMITS = {
    f"4 MB, operator API {_LARGEST_BODY // 2**20} MB": LARGEST_BODY == 4 * 2**20,
    f"| {LANES} deliveries, {_LANES} command results": True,
    f"| {len(RETRY_DELAYS)} in {sum(RETRY_DELAYS, timedelta()).days + 1} days |": True,
    f"| {OUTBOX_KEPT.days} days |": OUTBOX_KEPT == QUARANTINE_KEPT,
    f"| {MOST_REQUEUED} objects per partner and message |": True,
    f"`backlog` counts | {MOST_COUNTED:,} objects": True,
    f"not called | {OPENS_AFTER} |": True,
    f"up to {LONGEST_PAUSE // timedelta(minutes=1)} minutes": True,
    f"| {LONGEST_RETRY_AFTER // timedelta(hours=1)} hour |": True,
    f"| {MOST_PAGES:,}, with up to {MOST_ON_A_PAGE:,} objects": True,
    f"| {MOST_ATTEMPTS} within a quarter of an hour |": sum(PAUSES_S) < 900,
    f"| {len(REQUEUE_DELAYS_S)}, for 6 minutes in all |": 360 <= sum(REQUEUE_DELAYS_S) < 420,
    f"feed | {EVENTS_KEPT.days} days |": True,
    f"| {COMMANDS_KEPT.days} days, {_MOST_EVENTS} remarks each |": True,
}


@pytest.mark.parametrize("said", sorted(LIMITS))
def test_every_limit_stands_in_the_readme_as_it_is(said: str) -> None:
    assert said in README
    assert LIMITS[said]


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_is_named_in_the_readme(command: str) -> None:
    assert f"cli {command}" in README or f"`{command}" in README


def test_every_decision_is_numbered_and_titled() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))

    for number, decision in enumerate(decisions, 1):
        assert decision.name.startswith(f"{number:04}-")
        assert decision.read_text(encoding="utf-8").startswith(f"# {number}. ")
