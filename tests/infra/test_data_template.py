"""The data stack as written: names, keys, what is kept, and what happens to messages that fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cfnlint import decode
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from chalicelib.adapters.dynamodb.items import key_attribute
from chalicelib.modules import MODULES
from chalicelib.ocpi.module import Module
from cli import policies
from tests.infra.stage import FUNCTIONS, REGION, ROOT

TEXT = (ROOT / "infra" / "data.yaml").read_text()
TABLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(policies.OBJECT_TABLES, ("pk", "id")),
    **dict.fromkeys(("partners", "outbox", "quarantine", "pulls", "events"), ("pk", "sk")),
    "commands": ("pk",),
}
LISTS = {("by_rank", "list", "rank"), ("by_last_updated", "list", "last_updated")}
BY_AUTH_ID = ("by_auth_id", "key_auth_id", "last_updated")
BY_UID = ("by_uid", "key_uid", "last_updated")
INDEXES = {
    "locations": LISTS,
    "tariffs": LISTS,
    "sessions": {*LISTS, BY_AUTH_ID},
    "cdrs": LISTS,
    "tokens": {*LISTS, BY_AUTH_ID, BY_UID},
    "commands": {("by_partner", "partner", "at")},
    "outbox": {("by_due", "pk", "due_at")},
}
WORKED_OFF = [
    ("changes", "changes-dlq"),
    ("deliveries.fifo", "deliveries-dlq.fifo"),
    ("pulls", "pulls-dlq"),
    ("events", "events-dlq"),
    ("command-results", "command-results-dlq"),
    ("command-answers.fifo", "command-answers-dlq.fifo"),
]
"""The queues that our workers read, and where their dead letters go."""
WORKER_TIMEOUT_S = json.loads((ROOT / ".chalice" / "config.json").read_text())["lambda_timeout"]


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    parsed, broken = decode.decode_str(TEXT)
    assert not broken
    return dict(parsed)


def of_type(template: dict[str, Any], kind: str, name_property: str) -> dict[str, dict[str, Any]]:
    """The resources of a type, by the name they get in stage dev."""
    return {
        named(one["Properties"][name_property]): one for one in template["Resources"].values() if one["Type"] == kind
    }


def named(value: Any) -> str:
    return str(value["Fn::Sub"]).replace("${Stage}", "dev")


def test_cfn_lint_finds_nothing() -> None:
    assert lint(TEXT, config=ManualArgs(regions=[REGION], include_checks=["I"])) == []


def test_every_name_carries_the_stage(template: dict[str, Any]) -> None:
    names = {"TableName", "QueueName", "AlarmName", "LogGroupName", "Name"}

    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Logs::MetricFilter":
            continue  # It has no name of its own.
        (name,) = (resource["Properties"][key] for key in names & resource["Properties"].keys())

        assert name["Fn::Sub"].removeprefix("/aws/lambda/").startswith("ocpi-${Stage}")


def test_there_is_a_table_for_each_module_and_each_store(template: dict[str, Any]) -> None:
    tables = of_type(template, "AWS::DynamoDB::Table", "TableName")

    stores = {"partners", "outbox", "quarantine", "commands", "pulls", "events"}
    assert set(tables) == {f"ocpi-dev-{name}" for name in {*MODULES, *stores}}


@pytest.mark.parametrize(("module", "table"), [(MODULES[name], name) for name in MODULES])
def test_each_lookup_of_a_module_has_its_index(module: Module, table: str) -> None:
    assert {*module.lookups} == {name for name, *_ in INDEXES[table] - LISTS}
    assert {name: key_attribute(name) for name in module.lookups} == {n: key for n, key, _ in INDEXES[table] - LISTS}


@pytest.mark.parametrize(("table", "keys"), TABLES.items())
def test_a_table_is_billed_by_use_encrypted_recoverable_and_kept(
    template: dict[str, Any], table: str, keys: tuple[str, ...]
) -> None:
    found = of_type(template, "AWS::DynamoDB::Table", "TableName")[f"ocpi-dev-{table}"]
    properties = found["Properties"]

    assert tuple(key["AttributeName"] for key in properties["KeySchema"]) == keys
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert found["DeletionPolicy"] == "RetainExceptOnCreate"
    assert found["UpdateReplacePolicy"] == "Retain"


def test_indexes_are_where_something_is_looked_up_and_hold_keys_only_but_for_what_is_due(
    template: dict[str, Any],
) -> None:
    tables = of_type(template, "AWS::DynamoDB::Table", "TableName")
    indexes = {
        name: {
            (index["IndexName"], *(key["AttributeName"] for key in index["KeySchema"]))
            for index in table["Properties"].get("GlobalSecondaryIndexes", [])
        }
        for name, table in tables.items()
    }
    whole = [
        index["IndexName"]
        for table in tables.values()
        for index in table["Properties"].get("GlobalSecondaryIndexes", [])
        if index["Projection"]["ProjectionType"] != "KEYS_ONLY"
    ]

    assert {name: found for name, found in indexes.items() if found} == {
        f"ocpi-dev-{name}": expected for name, expected in INDEXES.items()
    }
    assert whole == ["by_due"]


@pytest.mark.parametrize(("queue", "dead"), WORKED_OFF)
def test_a_message_that_fails_for_half_an_hour_is_kept_for_two_weeks(
    template: dict[str, Any], queue: str, dead: str
) -> None:
    queues = of_type(template, "AWS::SQS::Queue", "QueueName")
    properties = queues[f"ocpi-dev-{queue}"]["Properties"]
    logical = properties["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]

    assert template["Resources"][logical] == queues[f"ocpi-dev-{dead}"]
    assert properties["RedrivePolicy"]["maxReceiveCount"] * properties["VisibilityTimeout"] == 30 * 60
    assert queues[f"ocpi-dev-{dead}"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("queue", [queue for queue, _ in WORKED_OFF])
def test_who_dies_over_a_message_does_not_hold_up_its_lane_for_long(template: dict[str, Any], queue: str) -> None:
    properties = of_type(template, "AWS::SQS::Queue", "QueueName")[f"ocpi-dev-{queue}"]["Properties"]

    assert properties["VisibilityTimeout"] == (2 if queue.endswith(".fifo") else 6) * WORKER_TIMEOUT_S


def test_a_command_that_nobody_reads_is_forgotten_after_five_minutes(template: dict[str, Any]) -> None:
    properties = of_type(template, "AWS::SQS::Queue", "QueueName")["ocpi-dev-commands"]["Properties"]

    assert properties["MessageRetentionPeriod"] == 5 * 60
    assert "RedrivePolicy" not in properties
    assert "FifoQueue" not in properties


def test_every_queue_is_encrypted(template: dict[str, Any]) -> None:
    for queue in of_type(template, "AWS::SQS::Queue", "QueueName").values():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("queue", ["deliveries.fifo", "command-answers.fifo"])
def test_what_partners_are_told_is_ordered_per_group_and_limited_per_group(
    template: dict[str, Any], queue: str
) -> None:
    properties = of_type(template, "AWS::SQS::Queue", "QueueName")[f"ocpi-dev-{queue}"]["Properties"]

    assert properties["FifoQueue"] is True
    assert properties["ContentBasedDeduplication"] is False
    assert properties["DeduplicationScope"] == "messageGroup"
    assert properties["FifoThroughputLimit"] == "perMessageGroupId"


def test_dead_and_late_messages_raise_alarms_that_need_no_topic(template: dict[str, Any]) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm", "AlarmName")
    metrics = {name: alarm["Properties"]["MetricName"] for name, alarm in alarms.items()}

    worked_off = ("changes", "deliveries", "pulls", "events", "command-results", "command-answers")
    assert metrics == {
        **{f"ocpi-dev-{queue}-dead": "ApproximateNumberOfMessagesVisible" for queue in worked_off},
        **{f"ocpi-dev-{queue}-late": "ApproximateAgeOfOldestMessage" for queue in (*worked_off, "commands")},
        "ocpi-dev-errors": "Errors",
    }
    assert template["Parameters"]["AlarmTopicArn"]["Default"] == ""
    assert all("Fn::If" in alarm["Properties"]["AlarmActions"] for alarm in alarms.values())


def test_a_timer_that_is_set_makes_no_queue_late(template: dict[str, Any]) -> None:
    longest_timer_s = 900
    alarms = of_type(template, "AWS::CloudWatch::Alarm", "AlarmName")

    for queue in ("command-results", "pulls"):
        assert alarms[f"ocpi-dev-{queue}-late"]["Properties"]["Threshold"] > longest_timer_s
    assert alarms["ocpi-dev-commands-late"]["Properties"]["Threshold"] == 60


def test_an_alarm_watches_the_queue_it_is_named_after(template: dict[str, Any]) -> None:
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm", "AlarmName").items():
        if name == "ocpi-dev-errors":
            continue
        logical = alarm["Properties"]["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        watched = named(template["Resources"][logical]["Properties"]["QueueName"])
        queue = name.removesuffix("-dead").removesuffix("-late")

        assert watched.removesuffix(".fifo") == (f"{queue}-dlq" if name.endswith("-dead") else queue)


def test_every_function_has_a_log_group_that_forgets(template: dict[str, Any]) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup", "LogGroupName")

    assert set(groups) == {f"/aws/lambda/{name}" for name in FUNCTIONS.values()}
    assert all(group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def test_an_error_in_any_function_raises_an_alarm(template: dict[str, Any]) -> None:
    """N-41, Q-49: the fields are those of our log lines, and the stage's own."""
    resources = template["Resources"]
    filters = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Logs::MetricFilter"]
    groups = {name for name, each in resources.items() if each["Type"] == "AWS::Logs::LogGroup"}
    alarm = of_type(template, "AWS::CloudWatch::Alarm", "AlarmName")["ocpi-dev-errors"]["Properties"]

    assert {each["LogGroupName"]["Ref"] for each in filters} == groups
    for each in filters:
        (metric,) = each["MetricTransformations"]
        assert each["FilterPattern"] == '{ $.level = "ERROR" }'
        assert (metric["MetricNamespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
        assert metric["Dimensions"] == [{"Key": "service", "Value": "$.service"}]
    (dimension,) = alarm["Dimensions"]
    assert (dimension["Name"], named(dimension["Value"])) == ("service", "ocpi-dev")


def test_policies_name_only_what_the_stack_has(template: dict[str, Any]) -> None:
    tables = of_type(template, "AWS::DynamoDB::Table", "TableName")
    known = {f"table/{name}" for name in tables} | {
        f"table/{name}/index/{index['IndexName']}"
        for name, table in tables.items()
        for index in table["Properties"].get("GlobalSecondaryIndexes", [])
    }
    known |= set(of_type(template, "AWS::SQS::Queue", "QueueName"))
    known |= {f"event-bus/{name}" for name in of_type(template, "AWS::Events::EventBus", "Name")}
    known |= {f"log-group:{name}:*" for name in of_type(template, "AWS::Logs::LogGroup", "LogGroupName")}

    for function in policies.GRANTS:
        for statement in policies.policy("dev", function)["Statement"]:
            for resource in statement["Resource"]:
                assert resource == "*" or resource.split(":", 5)[5] in known
