"""``deploy`` against moto with the real Chalice."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.ocpi.parties import Role
from cli import policies
from cli.deploy import stage_environment
from tests.infra.stage import FUNCTIONS, ROOT, Aws, Deployed

# moto's CloudFormation knows no alarms; test_data_template.py reads them.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..(CloudWatch..Alarm|Logs..MetricFilter):UserWarning")

CHECKED_NEVER = 0b01


def test_tables_have_their_keys_and_indexes(deployed: Deployed, aws: Aws) -> None:
    dynamodb = aws.client("dynamodb")
    keys = {}
    for name in (*policies.OBJECT_TABLES, "partners", "outbox", "quarantine", "commands", "pulls", "events"):
        table = dynamodb.describe_table(TableName=f"ocpi-dev-{name}")["Table"]
        indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", [])}
        keys[name] = ([key["AttributeName"] for key in table["KeySchema"]], indexes)

    assert keys == {
        "locations": (["pk", "id"], {"by_rank", "by_last_updated"}),
        "tariffs": (["pk", "id"], {"by_rank", "by_last_updated"}),
        "sessions": (["pk", "id"], {"by_rank", "by_last_updated", "by_auth_id"}),
        "cdrs": (["pk", "id"], {"by_rank", "by_last_updated"}),
        "tokens": (["pk", "id"], {"by_rank", "by_last_updated", "by_uid", "by_auth_id"}),
        "partners": (["pk", "sk"], set()),
        "outbox": (["pk", "sk"], {"by_due"}),
        "quarantine": (["pk", "sk"], set()),
        "commands": (["pk"], {"by_partner"}),
        "pulls": (["pk", "sk"], set()),
        "events": (["pk", "sk"], set()),
    }


@pytest.mark.parametrize(
    ("queue", "dead"),
    [
        ("changes", "changes-dlq"),
        ("deliveries.fifo", "deliveries-dlq.fifo"),
        ("pulls", "pulls-dlq"),
        ("events", "events-dlq"),
        ("command-results", "command-results-dlq"),
        ("command-answers.fifo", "command-answers-dlq.fifo"),
    ],
)
def test_queues_hand_dead_letters_on(deployed: Deployed, aws: Aws, queue: str, dead: str) -> None:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"ocpi-dev-{queue}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    redrive = json.loads(attributes["RedrivePolicy"])

    assert redrive["deadLetterTargetArn"].endswith(f":ocpi-dev-{dead}")
    assert int(redrive["maxReceiveCount"]) * int(attributes["VisibilityTimeout"]) == 30 * 60


def test_the_bus_is_called_after_the_stage(deployed: Deployed, aws: Aws) -> None:
    assert "ocpi-dev" in [bus["Name"] for bus in aws.client("events").list_event_buses()["EventBuses"]]


def test_functions_have_their_environment_timeout_and_role(deployed: Deployed) -> None:
    assert deployed.functions.keys() == set(FUNCTIONS.values())

    for function, name in FUNCTIONS.items():
        found = deployed.functions[name]
        assert found["Environment"]["Variables"] == stage_environment(ROOT, "dev")
        assert found["Timeout"] == {"api_handler": 28, "refresh_endpoints": 900}.get(function, 60)
        assert found["Role"].endswith(f":role/ocpi-dev-{function}")
        assert found["TracingConfig"]["Mode"] == "Active"
        assert found["Architectures"] == ["arm64"]


def test_each_role_holds_its_own_policy_alone(deployed: Deployed, aws: Aws) -> None:
    iam = aws.client("iam")

    for function in FUNCTIONS:
        role = f"ocpi-dev-{function}"
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        assert document == policies.policy("dev", function)
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_every_route_of_the_app_reaches_the_function(
    deployed: Deployed, aws: Aws, routes: dict[str, list[str]]
) -> None:
    pages = aws.client("apigateway").get_paginator("get_resources").paginate(restApiId=deployed.api_id)
    resources = [resource for page in pages for resource in page["items"] if "resourceMethods" in resource]

    assert {one["path"]: sorted(one["resourceMethods"]) for one in resources} == routes
    for resource in resources:
        for method in resource["resourceMethods"].values():
            assert method["methodIntegration"]["uri"].endswith(":function:ocpi-dev/invocations")


def test_the_api_is_published_under_its_stage(deployed: Deployed, aws: Aws) -> None:
    (stage,) = aws.client("apigateway").get_stages(restApiId=deployed.api_id)["item"]

    assert stage["stageName"] == "dev"
    assert deployed.deployment.api_url.startswith(f"https://{deployed.api_id}.execute-api.")


def test_queues_call_their_workers(deployed: Deployed) -> None:
    called = {
        one["EventSourceArn"].rsplit(":", 1)[1]: (one["FunctionArn"].rsplit(":", 1)[1], one["BatchSize"])
        for one in deployed.mappings
    }

    assert called == {
        "ocpi-dev-changes": ("ocpi-dev-change_worker", 10),
        "ocpi-dev-deliveries.fifo": ("ocpi-dev-delivery_worker", 1),
        "ocpi-dev-command-results": ("ocpi-dev-command_result_worker", 10),
        "ocpi-dev-command-answers.fifo": ("ocpi-dev-command_answer_worker", 1),
        "ocpi-dev-pulls": ("ocpi-dev-pull_worker", 1),
        "ocpi-dev-events": ("ocpi-dev-event_worker", 10),
    }


def test_endpoints_are_refreshed_every_day_lists_every_hour_and_partners_every_minute(
    deployed: Deployed, aws: Aws
) -> None:
    rules = aws.client("events").list_rules()["Rules"]

    assert {rule["Name"]: rule["ScheduleExpression"] for rule in rules} == {
        "ocpi-dev-refresh_endpoints-event": "rate(1 day)",
        "ocpi-dev-pull_partners-event": "rate(1 hour)",
        "ocpi-dev-tend_partners-event": "rate(1 minute)",
    }


def test_every_function_logs_into_a_group_of_the_stack(deployed: Deployed, aws: Aws) -> None:
    groups = aws.client("logs").describe_log_groups()["logGroups"]

    assert {(group["logGroupName"], group["retentionInDays"]) for group in groups} == {
        (f"/aws/lambda/{name}", 30) for name in FUNCTIONS.values()
    }


def test_the_urls_for_partners_are_returned_and_recorded(deployed: Deployed) -> None:
    url = deployed.deployment.api_url

    assert url.endswith("/dev")
    assert deployed.deployment.public_url == url
    assert deployed.recorded == [url]
    assert deployed.deployment.versions_urls == {
        Role.CPO: f"{url}/ocpi/cpo/versions",
        Role.EMSP: f"{url}/ocpi/emsp/versions",
    }


def test_the_state_file_is_commended_to_the_operators_care(deployed: Deployed) -> None:
    assert any("Keep .chalice/deployed/dev.json safe" in line for line in deployed.said)


def test_a_second_deploy_changes_nothing(deployed_twice: tuple[Deployed, Deployed]) -> None:
    first, second = deployed_twice

    assert "The stack ocpi-dev-data is up to date" in second.said
    assert first.deployment == second.deployment
    assert [api["id"] for api in first.apis] == [api["id"] for api in second.apis] == [second.api_id]
    assert {one["UUID"] for one in first.mappings} == {one["UUID"] for one in second.mappings}
    assert _code(first) == _code(second)
    assert _without_layer(first.state) == _without_layer(second.state)


def test_the_code_is_shipped_with_byte_code_that_holds_in_lambda(deployed: Deployed, project: Path) -> None:
    (hash_of_code,) = set(_code(deployed).values())
    (archive,) = (
        path
        for path in (project / ".chalice" / "deployments").glob("appcode-*.zip")
        if base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode() == hash_of_code
    )

    with zipfile.ZipFile(archive) as code:
        sources = [name for name in code.namelist() if name.endswith(".py")]
        compiled = {name: code.read(name) for name in code.namelist() if name.endswith(".pyc")}

    assert len(compiled) == len(sources)
    assert {struct.unpack("<I", content[4:8])[0] for content in compiled.values()} == {CHECKED_NEVER}


def _code(deployed: Deployed) -> dict[str, str]:
    return {name: function["CodeSha256"] for name, function in deployed.functions.items()}


def _without_layer(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Chalice publishes the layer anew each time."""
    return [resource for resource in state["resources"] if resource["resource_type"] != "lambda_layer"]
