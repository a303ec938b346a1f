"""``deploy`` against moto with the real Chalice, and its refusals and warnings against a small stand-in."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.ocpi.parties import Role
from cli import policies
from cli.deploy import DeployError, Deployment, deploy, run_chalice, stage_environment
from tests.infra.stage import FUNCTIONS, ROOT, Aws, Deployed

# moto's CloudFormation knows no alarms; test_data_template.py reads them.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS..(CloudWatch..Alarm|Logs..MetricFilter):UserWarning")

CHECKED_NEVER = 0b01


# With Chalice, against moto.


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


# Refusals and warnings, against a stand-in.


class Stack:
    """CloudFormation with at most one stack, which ends as it is told."""

    def __init__(self, status: str | None = None, *, ends: str = "COMPLETE", parameters: Sequence[str] = ()) -> None:
        self.status = status
        self.ends = ends
        self.parameters = parameters
        self.requests: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        if self.status is None:
            raise refusal("Stack with id ocpi-dev-data does not exist")
        status, self.status = self.status, self.status.replace("IN_PROGRESS", self.ends)
        parameters = [{"ParameterKey": name, "ParameterValue": "given"} for name in self.parameters]
        return {"Stacks": [{"StackStatus": status, "Parameters": parameters}]}

    def create_stack(self, **request: Any) -> None:
        self._begin("CREATE", request)

    def update_stack(self, **request: Any) -> None:
        if self.requests:
            raise refusal("No updates are to be performed.")
        self._begin("UPDATE", request)

    def describe_stack_events(self, **_: str) -> dict[str, Any]:
        return {"StackEvents": list(reversed(self.events))}

    def _begin(self, kind: str, request: dict[str, Any]) -> None:
        self.status = f"{kind}_IN_PROGRESS"
        self.requests.append(request)
        self._tell("of an earlier request", "CREATE_FAILED", "Forgotten")
        self._tell(request["ClientRequestToken"], f"{kind}_IN_PROGRESS", "LocationsTable")
        if self.ends == "FAILED":
            self._tell(request["ClientRequestToken"], f"{kind}_FAILED", "LocationsTable", "Table already exists")

    def _tell(self, token: str, status: str, resource: str, reason: str | None = None) -> None:
        event = {
            "EventId": str(len(self.events)),
            "ClientRequestToken": token,
            "ResourceStatus": status,
            "LogicalResourceId": resource,
        }
        self.events.append(event | ({"ResourceStatusReason": reason} if reason else {}))


def refusal(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "CloudFormation")


class Chalice:
    """Runs as Chalice does: leaves the state file, or fails."""

    def __init__(self, exit_code: int = 0, resources: Sequence[dict[str, str]] | None = None) -> None:
        self.exit_code = exit_code
        self.resources = (
            [{"resource_type": "rest_api", "rest_api_url": "https://api.test/dev/"}] if resources is None else resources
        )
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], project: Path) -> int:
        self.calls.append(list(arguments))
        if not self.exit_code:
            state = project / ".chalice" / "deployed" / "dev.json"
            state.parent.mkdir(exist_ok=True)
            state.write_text(json.dumps({"resources": self.resources}))
        return self.exit_code


class Deployer:
    """Deploys a small project and keeps what was said and recorded."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.said: list[str] = []
        self.recorded: list[str] = []

    def __call__(self, stage: str = "dev", stack: Stack | None = None, run: Chalice | None = None) -> Deployment:
        return deploy(
            stage,
            project=self.project,
            cloudformation=stack or Stack(),
            record_public_url=self.recorded.append,
            say=self.said.append,
            run=run or Chalice(),
            sleep=lambda _: None,
        )

    def configure(self, change: Callable[[dict[str, str]], object]) -> None:
        """Change the variables of stage dev."""
        path = self.project / ".chalice" / "config.json"
        config = json.loads(path.read_text())
        change(config["stages"]["dev"]["environment_variables"])
        path.write_text(json.dumps(config))


@pytest.fixture
def deployer(tmp_path: Path) -> Deployer:
    for folder in (".chalice", "infra"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("deployed", "deployments"))
    return Deployer(tmp_path)


def test_prod_is_refused_until_it_names_a_party(deployer: Deployer) -> None:
    stack = Stack()

    with pytest.raises(DeployError, match="OCPI_COUNTRY_CODE is still XX"):
        deployer("prod", stack)

    assert stack.requests == []


def test_an_unknown_stage_is_refused(deployer: Deployer) -> None:
    with pytest.raises(DeployError, match="no stage 'test', only dev, prod"):
        deployer("test")


@pytest.mark.parametrize(
    ("name", "value"),
    [("OCPI_STAGE", "prod"), ("OCPI_OPEN_NETWORK", "yes"), ("OCPI_PAGE_LIMIT", "many"), ("OCPI_NAME", "")],
)
def test_a_wrong_setting_is_refused_by_name(deployer: Deployer, name: str, value: str) -> None:
    deployer.configure(lambda variables: variables.update({name: value}))

    with pytest.raises(DeployError, match=name):
        deployer()


def test_what_happens_to_the_stack_is_told_once(deployer: Deployer) -> None:
    deployer(stack=Stack())

    assert deployer.said[:2] == ["Creating the stack ocpi-dev-data", "  CREATE_IN_PROGRESS LocationsTable"]
    assert deployer.said.count("  CREATE_IN_PROGRESS LocationsTable") == 1


def test_a_stack_that_fails_says_why_and_no_function_is_touched(deployer: Deployer) -> None:
    chalice = Chalice()

    with pytest.raises(DeployError, match="LocationsTable: Table already exists"):
        deployer(stack=Stack(ends="FAILED"), run=chalice)

    assert chalice.calls == []


def test_a_stack_that_was_never_whole_must_be_deleted_first(deployer: Deployer) -> None:
    with pytest.raises(DeployError, match="delete it and deploy again"):
        deployer(stack=Stack("ROLLBACK_COMPLETE"))


def test_what_was_set_on_the_stack_by_hand_stays(deployer: Deployer) -> None:
    stack = Stack("CREATE_COMPLETE", parameters=["Stage", "AlarmTopicArn"])

    deployer(stack=stack)

    assert stack.requests[0]["Parameters"] == [
        {"ParameterKey": "Stage", "ParameterValue": "dev"},
        {"ParameterKey": "AlarmTopicArn", "UsePreviousValue": True},
    ]


def test_a_missing_state_file_of_an_existing_stage_is_warned_of(deployer: Deployer) -> None:
    stack = Stack()

    deployer(stack=stack)
    assert not any("Careful" in line for line in deployer.said)

    (deployer.project / ".chalice" / "deployed" / "dev.json").unlink()
    deployer(stack=stack)
    assert any("Careful: .chalice/deployed/dev.json is missing" in line for line in deployer.said)


def test_a_failed_chalice_records_no_url(deployer: Deployer) -> None:
    with pytest.raises(DeployError, match="chalice deploy failed"):
        deployer(run=Chalice(exit_code=2))

    assert deployer.recorded == []


def test_an_app_without_an_api_is_an_error(deployer: Deployer) -> None:
    with pytest.raises(DeployError, match="no API"):
        deployer(run=Chalice(resources=[]))


def test_a_url_of_ones_own_is_the_one_for_partners(deployer: Deployer) -> None:
    deployer.configure(lambda variables: variables.update(OCPI_PUBLIC_URL="https://ocpi.test/", OCPI_ROLES="cpo"))

    deployment = deployer()

    assert deployment == Deployment(
        api_url="https://api.test/dev",
        public_url="https://ocpi.test",
        versions_urls={Role.CPO: "https://ocpi.test/ocpi/cpo/versions"},
    )
    assert deployer.recorded == ["https://ocpi.test"]


def test_a_missing_policy_is_written_before_chalice_reads_it(deployer: Deployer) -> None:
    name = policies.filename("dev", "api_handler")
    (deployer.project / ".chalice" / name).unlink()

    deployer()

    assert deployer.said[0] == f"Wrote .chalice/{name}"
    assert (deployer.project / ".chalice" / name).exists()


def test_chalice_runs_with_this_interpreter_and_leaves_stdout_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    exit_code = run_chalice(["--version"], tmp_path)
    said = capfd.readouterr()

    assert exit_code == 0
    assert said.out == ""
    assert "1.34.0" in said.err


def test_chalice_without_a_project_fails(tmp_path: Path) -> None:
    assert run_chalice(["deploy", "--stage", "dev"], tmp_path) != 0
