"""What the functions may do: no more than their work needs, and nothing in another stage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli import policies
from tests.infra.stage import ROOT

STAGES = ("dev", "prod")
each_policy = pytest.mark.parametrize(("stage", "function"), [(s, f) for s in STAGES for f in policies.GRANTS])


def statements(stage: str, function: str) -> list[dict[str, Any]]:
    """The checked-in policy, which is what Chalice deploys."""
    path = ROOT / ".chalice" / policies.filename(stage, function)
    found: list[dict[str, Any]] = json.loads(path.read_text())["Statement"]
    return found


def allowed(stage: str, function: str) -> dict[str, set[str]]:
    """The actions by what they act on: a table, index or queue without the stage's prefix."""
    found: dict[str, set[str]] = {}
    for statement in statements(stage, function):
        for resource in statement["Resource"]:
            name = resource.rsplit(":", 1)[-1].removeprefix("table/").removeprefix(f"ocpi-{stage}-")
            found.setdefault(name, set()).update(statement["Action"])
    return found


@each_policy
def test_a_checked_in_policy_is_what_the_table_says(stage: str, function: str) -> None:
    assert statements(stage, function) == policies.policy(stage, function)["Statement"]


@each_policy
def test_a_policy_reaches_its_own_stage_only(stage: str, function: str) -> None:
    own = re.compile(
        rf"arn:\*:(dynamodb|sqs|logs|events):\*:\*:(table/|event-bus/|log-group:/aws/lambda/)?ocpi-{stage}\b[^*]*(:\*)?"
    )

    for statement in statements(stage, function):
        for resource in statement["Resource"]:
            assert own.fullmatch(resource) or statement["Sid"] == "Trace"


@each_policy
def test_no_action_is_a_pattern(stage: str, function: str) -> None:
    assert not any("*" in action for statement in statements(stage, function) for action in statement["Action"])


@each_policy
def test_only_tracing_reaches_everything(stage: str, function: str) -> None:
    open_actions = {action for one in statements(stage, function) for action in one["Action"] if "*" in one["Resource"]}

    assert open_actions == {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}


@each_policy
def test_nobody_may_scan_or_manage_tables_and_queues(stage: str, function: str) -> None:
    wanted = {f"dynamodb:{action}" for action in policies.READ + policies.WRITE} | {
        f"sqs:{action}"
        for action in ("SendMessage", "GetQueueUrl", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
    }
    wanted.add("events:PutEvents")

    for statement in statements(stage, function):
        services = {action.split(":")[0] for action in statement["Action"]}
        assert services & {"logs", "xray"} or set(statement["Action"]) <= wanted


def test_the_api_sends_changes_and_reads_no_queue() -> None:
    api = allowed("prod", "api_handler")

    assert api["changes"] == {"sqs:SendMessage", "sqs:GetQueueUrl"}
    assert api["deliveries.fifo"] == {"sqs:SendMessage", "sqs:GetQueueUrl"}
    stores = ("partners", "outbox", "quarantine")
    assert all("dynamodb:PutItem" in api[table] for table in (*policies.OBJECT_TABLES, *stores))


def test_workers_change_no_objects_but_note_where_a_cdr_was_posted() -> None:
    changed = {
        worker: [table for table in policies.OBJECT_TABLES if "dynamodb:PutItem" in allowed("prod", worker)[table]]
        for worker in ("change_worker", "delivery_worker")
    }

    assert changed == {"change_worker": [], "delivery_worker": ["cdrs"]}


def test_workers_read_all_objects() -> None:
    for worker in ("change_worker", "delivery_worker"):
        granted = allowed("prod", worker)

        for table in policies.OBJECT_TABLES:
            assert granted[table] >= {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}


def test_only_those_who_take_partners_objects_read_and_fill_the_quarantine() -> None:
    takers = [name for name in policies.GRANTS if "quarantine" in allowed("prod", name)]

    assert takers == ["api_handler", "pull_worker"]


def test_who_pulls_keeps_every_object_and_leaves_it_to_the_delivery_worker_to_tell() -> None:
    granted = allowed("prod", "pull_worker")

    assert all("dynamodb:PutItem" in granted[table] for table in (*policies.OBJECT_TABLES, "partners", "pulls"))
    assert {name for name, actions in granted.items() if "sqs:SendMessage" in actions} == {
        *("pulls", "events", "deliveries.fifo")
    }
    assert [name for name, actions in granted.items() if "sqs:ReceiveMessage" in actions] == ["pulls"]


def test_who_begins_to_pull_touches_no_objects_and_changes_no_partner() -> None:
    granted = allowed("prod", "pull_partners")

    touched = {
        name: actions for name, actions in granted.items() if any(a.startswith(("dynamodb", "sqs")) for a in actions)
    }
    assert set(touched) == {"partners", "pulls", "outbox", "outbox/index/by_due"}
    assert touched["partners"] == touched["outbox"] == {f"dynamodb:{action}" for action in policies.READ}
    assert "sqs:ReceiveMessage" not in touched["pulls"]


def test_only_what_concerns_commands_touches_them() -> None:
    readers = {
        name: {queue for queue, actions in allowed("prod", name).items() if "sqs:SendMessage" in actions}
        for name in policies.GRANTS
        if "commands/index/by_partner" in allowed("prod", name)
    }

    assert readers == {
        "api_handler": {
            *("changes", "deliveries.fifo", "commands", "command-results", "command-answers.fifo", "pulls", "events")
        },
        "command_result_worker": {"command-answers.fifo"},
        "command_answer_worker": set(),
        "event_worker": {"events"},
    }


def test_only_who_publishes_events_reaches_the_bus_and_changes_nothing_but_the_feed() -> None:
    publishers = {name for name in policies.GRANTS if "event-bus/ocpi-prod" in allowed("prod", name)}
    granted = allowed("prod", "event_worker")

    assert publishers == {"event_worker"}
    assert granted["event-bus/ocpi-prod"] == {"events:PutEvents"}
    assert [name for name, actions in granted.items() if "dynamodb:PutItem" in actions] == ["events"]
    assert granted["events"] >= {"sqs:ReceiveMessage", "sqs:SendMessage"}


def test_whoever_takes_something_from_a_partner_may_announce_it() -> None:
    announcers = {name for name in policies.GRANTS if "sqs:SendMessage" in allowed("prod", name).get("events", ())}

    assert announcers >= {"api_handler", "pull_worker", "delivery_worker", "event_worker"}


def test_who_answers_commands_notes_contacts_of_partners_and_touches_no_objects() -> None:
    granted = allowed("prod", "command_answer_worker")

    assert "dynamodb:UpdateItem" in granted["partners"]
    assert granted["command-answers.fifo"] == {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
    assert not granted.keys() & {*policies.OBJECT_TABLES, "outbox", "quarantine"}


def test_nobody_of_ours_reads_the_queue_of_commands() -> None:
    assert all("sqs:ReceiveMessage" not in allowed("prod", name).get("commands", ()) for name in policies.GRANTS)


def test_the_functions_that_look_objects_up_may_use_every_index() -> None:
    granted = allowed("prod", "api_handler")

    for table in policies.OBJECT_TABLES:
        for index in policies.INDEXES[table]:
            assert "dynamodb:Query" in granted[f"{table}/index/{index}"]


def test_only_the_delivery_worker_takes_deliveries() -> None:
    takers = [
        function
        for function in policies.GRANTS
        if "sqs:ReceiveMessage" in allowed("prod", function).get("deliveries.fifo", ())
    ]

    assert takers == ["delivery_worker"]


def test_refreshing_endpoints_touches_no_objects_and_changes_partners_only() -> None:
    granted = allowed("prod", "refresh_endpoints")

    touched = {
        name: actions for name, actions in granted.items() if any(a.startswith(("dynamodb", "sqs")) for a in actions)
    }
    assert set(touched) == {"partners"}


def test_who_looks_what_is_due_changes_nothing_and_sends_the_delivery_worker() -> None:
    granted = allowed("prod", "tend_partners")

    touched = {
        name: actions for name, actions in granted.items() if any(a.startswith(("dynamodb", "sqs")) for a in actions)
    }
    assert touched.pop("deliveries.fifo") == {"sqs:SendMessage", "sqs:GetQueueUrl"}
    assert set(touched) == {"partners", "outbox", "outbox/index/by_due"}
    assert all(actions == {f"dynamodb:{action}" for action in policies.READ} for actions in touched.values())


def test_who_delivers_may_look_after_a_partner_to_the_end() -> None:
    granted = allowed("prod", "delivery_worker")

    assert all("dynamodb:UpdateItem" in granted[table] for table in ("outbox", "partners", "pulls"))
    assert "dynamodb:Query" in granted["outbox/index/by_due"]
    assert {"deliveries.fifo", "pulls"} <= {name for name, actions in granted.items() if "sqs:SendMessage" in actions}


def test_writing_policies_again_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()

    assert policies.write(tmp_path, "dev") == [policies.filename("dev", function) for function in policies.GRANTS]
    assert policies.write(tmp_path, "dev") == []
