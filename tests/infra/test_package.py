"""What ``chalice package`` makes of the app: the template that CloudFormation would get, and the zip files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from chalicelib import clihooks
from cli import policies
from cli.deploy import stage_environment
from tests.infra.stage import REGION, ROOT

HANDLERS = {
    "app.app": "api_handler",
    "app.change_worker": "change_worker",
    "app.delivery_worker": "delivery_worker",
    "app.command_result_worker": "command_result_worker",
    "app.command_answer_worker": "command_answer_worker",
    "app.event_worker": "event_worker",
    "app.pull_worker": "pull_worker",
    "app.tend_partners": "tend_partners",
    "app.pull_partners": "pull_partners",
    "app.refresh_endpoints": "refresh_endpoints",
}


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


@pytest.fixture(scope="module")
def functions(package: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {HANDLERS[one["Handler"]]: one for one in of_type(package, "AWS::Serverless::Function")}


@pytest.fixture(scope="module")
def api(package: dict[str, Any]) -> dict[str, Any]:
    (only,) = of_type(package, "AWS::Serverless::Api")
    return only


def test_each_function_that_may_do_something_exists(functions: dict[str, dict[str, Any]]) -> None:
    assert functions.keys() == policies.GRANTS.keys()


def test_functions_run_as_configured(functions: dict[str, dict[str, Any]]) -> None:
    for name, function in functions.items():
        assert function["Timeout"] == {"api_handler": 28, "refresh_endpoints": 900}.get(name, 60)
        assert function["MemorySize"] == 1024
        assert function["Tracing"] == "Active"
        assert function["Architectures"] == ["arm64"]
        assert function["Environment"]["Variables"] == stage_environment(ROOT, "prod")


def test_each_function_has_the_role_of_its_policy(
    package: dict[str, Any], functions: dict[str, dict[str, Any]]
) -> None:
    for name, function in functions.items():
        role = package["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]

        assert [one["PolicyDocument"] for one in role["Policies"]] == [policies.policy("prod", name)]
        assert "ManagedPolicyArns" not in role


def test_workers_are_called_by_their_queues_and_the_clock(functions: dict[str, dict[str, Any]]) -> None:
    events = {name: list(function.get("Events", {}).values()) for name, function in functions.items()}
    queues = {
        name: [event["Properties"]["Queue"]["Fn::Sub"].rpartition(":ocpi-prod-")[2] for event in found]
        for name, found in events.items()
        if name.endswith("_worker")
    }

    assert queues == {
        "change_worker": ["changes"],
        "delivery_worker": ["deliveries.fifo"],
        "command_result_worker": ["command-results"],
        "command_answer_worker": ["command-answers.fifo"],
        "pull_worker": ["pulls"],
        "event_worker": ["events"],
    }
    for name in ("refresh_endpoints", "pull_partners", "tend_partners"):
        assert [event["Type"] for event in events[name]] == ["Schedule"]
    assert events["api_handler"] == []


@pytest.mark.parametrize("worker", ["delivery_worker", "command_answer_worker"])
def test_a_fifo_queue_is_polled_as_lambda_allows(functions: dict[str, dict[str, Any]], worker: str) -> None:
    (event,) = functions[worker]["Events"].values()

    assert event["Properties"]["BatchSize"] == 1
    assert event["Properties"]["MaximumBatchingWindowInSeconds"] == 0


def test_no_path_of_the_operator_api_leads_past_one_that_is_not_there(routes: dict[str, list[str]]) -> None:
    """API Gateway prefers a literal segment to a variable one, and does not come back from it."""
    operators = [path for path in routes if path.startswith("/operator/")]

    assert "/operator/tokens/{id}/authorization" in operators
    assert {path.rpartition("/")[0] for path in operators} <= routes.keys()


def test_the_api_has_the_apps_routes_and_no_others(api: dict[str, Any], routes: dict[str, list[str]]) -> None:
    paths = api["DefinitionBody"]["paths"]

    assert {path: sorted(map(str.upper, methods)) for path, methods in paths.items()} == routes


def test_every_path_variable_is_declared(api: dict[str, Any]) -> None:
    for path, methods in api["DefinitionBody"]["paths"].items():
        named = [segment.strip("{}+") for segment in path.split("/") if segment.startswith("{")]

        for method in methods.values():
            assert [parameter["name"] for parameter in method.get("parameters", [])] == named


def test_the_gateways_own_answers_are_envelopes(api: dict[str, Any]) -> None:
    assert api["DefinitionBody"]["x-amazon-apigateway-gateway-responses"] == clihooks.GATEWAY_RESPONSES


def test_the_stage_is_the_apis(api: dict[str, Any]) -> None:
    assert api["StageName"] == "prod"
    assert api["EndpointConfiguration"] == "REGIONAL"
    assert api["MinimumCompressionSize"] == 1400


def test_the_zip_holds_the_app_and_nothing_of_the_project_around_it(package: dict[str, Any], project: Path) -> None:
    with zipfile.ZipFile(project.parent / "package" / "deployment.zip") as code:
        names = code.namelist()

    assert {name.split("/")[0] for name in names} == {"app.py", "__pycache__", "chalice", "chalicelib"}
    assert "chalicelib/settings.py" in names


def test_the_layer_is_built_for_arm(package: dict[str, Any], project: Path) -> None:
    with zipfile.ZipFile(project.parent / "package" / "layer-deployment.zip") as layer:
        binaries = [name for name in layer.namelist() if name.endswith(".so") and "linux-gnu" in name]

    assert any("pydantic_core" in name for name in binaries)
    assert all("aarch64" in name for name in binaries)


def test_what_cloudformation_makes_of_it_has_no_faults(package: dict[str, Any]) -> None:
    uploaded = json.loads(
        json.dumps(package)
        .replace('"./deployment.zip"', '"s3://bucket/code.zip"')
        .replace('"./layer-deployment.zip"', '"s3://bucket/layer.zip"')
    )
    session = boto3.Session(region_name=REGION)

    plain = Translator({}, Parser(), boto_session=session).translate(uploaded, {})

    assert lint(json.dumps(plain), config=ManualArgs(regions=[REGION])) == []
