"""What ``deploy`` refuses, warns of and says, against a small stand-in for CloudFormation and Chalice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.ocpi.parties import Role
from cli import policies
from cli.deploy import DeployError, Deployment, deploy, run_chalice
from tests.infra.stage import ROOT


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
