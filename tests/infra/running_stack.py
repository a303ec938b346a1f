"""The packaged stages in an emulator that enforces IAM: each function runs from its zip and with its own role."""

from __future__ import annotations

import json
import platform
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import boto3

from chalicelib.bootstrap.aws import on_aws, partner_store
from chalicelib.bootstrap.ports import Ports
from chalicelib.node.objects import StoredObject
from chalicelib.node.partners.partner import Partner
from chalicelib.node.partners.store import OperatorKey
from chalicelib.node.partners.visibility import EVERYBODY
from chalicelib.node.telemetry import NoObserver
from chalicelib.ocpi.module import ModuleID
from chalicelib.settings import APP_NAME, Settings, resource_name
from cli import keys, policies
from cli.deploy import put_data_stack, stage_environment
from tests.infra.stage import package_of
from tests.infra.unpacked import ARCHITECTURES

T = TypeVar("T")

PATIENCE_S = 120.0
"""What comes, comes within seconds; on a busy machine, where every function starts cold, it may take longer."""


def lambda_python(folder: Path) -> Path:
    """An interpreter that has what Lambda's has, so that whatever else the zip forgets is missing.

    The emulator would run functions with its own, where all that the tests need is installed. An environment without
    pip is empty; the five packages of the runtime that we do not ship (``clipackages``) are linked into it from here.
    """
    venv.create(folder, symlinks=True)
    here = Path(boto3.__file__).parents[1]
    (there,) = folder.glob("lib/python3.*/site-packages")
    for name in ("boto3", "botocore", "dateutil", "s3transfer", "six.py"):
        (there / name).symlink_to(here / name)
    return folder / "bin" / "python"


def add_stages(project: Path, stages: Mapping[str, Mapping[str, str]]) -> None:
    """Configure stages as a host does, by copying stage dev, but for this machine; give them their policies."""
    path = project / ".chalice" / "config.json"
    config = json.loads(path.read_text())
    config["lambda_architecture"] = ARCHITECTURES[platform.machine()]
    for name, environment in stages.items():
        stage = json.loads(json.dumps(config["stages"]["dev"]).replace("dev", name))
        stage["environment_variables"] |= {"OCPI_OPEN_NETWORK": "yes", **environment}
        config["stages"][name] = stage
        policies.write(project, name)
    path.write_text(json.dumps(config))


_COUNTS = {"now": "", "later": "Delayed", "taken": "NotVisible"}
"""What SQS calls them."""


@dataclass(frozen=True)
class Answer:
    """What an API answered."""

    status: int
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True)
class RunningStage:
    """A deployed stage: its API as the world reaches it, and its data as an administrator does."""

    name: str
    aws: Any
    url: str
    ports: Ports
    key: str

    def call(self, method: str, path: str, value: Any = None, *, authorization: str = "") -> Answer:
        """The answer of the API."""
        body = None if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        request = urllib.request.Request(f"{self.url}{path}", body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=PATIENCE_S)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            said = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, said, json.loads(answer.read()))

    def operate(self, method: str, path: str, value: Any = None) -> Any:
        """What the operator API says when it has done what it was asked."""
        answer = self.call(method, f"/operator{path}", value, authorization=f"Bearer {self.key}")
        assert answer.status < 300, answer.json
        return answer.json

    def function(self, name: str) -> str:
        """What Lambda calls a function of ours."""
        return function_name(self.name, name)

    def role(self, function: str) -> str:
        """The ARN of a function's role."""
        return str(
            self.aws.client("lambda").get_function(FunctionName=self.function(function))["Configuration"]["Role"]
        )

    def allows(self, function: str, resource: str, *actions: str) -> bool:
        """Whether a function's role allows all of the actions."""
        answer = self.aws.client("iam").simulate_principal_policy(
            PolicySourceArn=self.role(function), ActionNames=list(actions), ResourceArns=[resource]
        )
        return [one["EvalDecision"] for one in answer["EvaluationResults"]] == ["allowed"] * len(actions)

    def write_tariff(self, tariff: dict[str, Any]) -> None:
        """Add an own tariff behind the node's back, so that it tells nobody."""
        stored = StoredObject(
            id=tariff["id"], body=json.dumps(tariff).encode(), last_updated=datetime.now(UTC), list=EVERYBODY
        )
        self.ports.stores[ModuleID.TARIFFS].create([stored])

    def waiting(self, queue: str) -> dict[str, int]:
        """How many messages are in a queue: to be taken now, to be taken later, or taken."""
        asked = {"QueueUrl": self._url(queue), "AttributeNames": ["All"]}
        found = self.aws.client("sqs").get_queue_attributes(**asked)["Attributes"]
        return {name: int(found[f"ApproximateNumberOfMessages{end}"]) for name, end in _COUNTS.items()}

    def take(self, queue: str) -> list[Any]:
        """What a host takes from a queue."""
        sqs, url = self.aws.client("sqs"), self._url(queue)
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    def send(self, queue: str, message: Any) -> None:
        """Put a host's message into a queue."""
        self.aws.client("sqs").send_message(QueueUrl=self._url(queue), MessageBody=json.dumps(message))

    def _url(self, queue: str) -> str:
        return str(self.aws.client("sqs").get_queue_url(QueueName=resource_name(queue, self.name))["QueueUrl"])


@dataclass(frozen=True)
class Roaming:
    """Two stages, and their connection as each of them has it."""

    cpo: RunningStage
    emsp: RunningStage
    at_cpo: str
    at_emsp: str

    def received(self, module: str, object_id: str) -> Any:
        """The object as the CPO sent it to the eMSP; None if it did not."""
        answer = self.emsp.call(
            "GET",
            f"/operator/partners/{self.at_emsp}/{module}/{object_id}",
            authorization=f"Bearer {self.emsp.key}",
        )
        return answer.json if answer.status == 200 else None

    def outbox(self) -> list[str]:
        """The objects that the CPO still has to tell the eMSP about."""
        return [failure["id"] for failure in self.cpo.operate("GET", f"/partners/{self.at_cpo}/outbox")["failures"]]

    def eventually(self, look: Callable[[], T | None]) -> T:
        """What ``look`` finds once it finds something, unless a function fails before."""

        def looked() -> T | None:
            problem = failure_of_a_worker(self.cpo.aws)
            assert not problem, problem
            return look()

        return eventually(looked)

    def partner(self) -> Partner:
        """The eMSP as the CPO knows it, for an administrator to change."""
        found = self.cpo.ports.partners.get(self.at_cpo)
        assert found is not None
        return found

    @contextmanager
    def emsp_down(self) -> Iterator[None]:
        """For as long as the block runs, nobody listens where the CPO finds the eMSP."""
        nowhere, up = "http://127.0.0.1:1024", self.partner()
        endpoints = {module: url.replace(self.emsp.url, nowhere) for module, url in up.endpoints.items()}
        self.cpo.ports.partners.save(up.with_changes(versions_url=f"{nowhere}/versions", endpoints=endpoints))
        try:
            yield
        finally:
            again = self.partner().with_changes(versions_url=up.versions_url, endpoints=up.endpoints)
            self.cpo.ports.partners.save(again)

    def token_of_the_emsp(self) -> str:
        """What the eMSP sends to the CPO."""
        found = self.emsp.ports.partners.get(self.at_emsp)
        assert found is not None
        assert found.token_we_send is not None
        return found.token_we_send.secret


def failure_of_a_worker(aws: Any) -> str:
    """What a function logged that failed at the last messages it was given; nothing if none did."""
    for mapping in aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]:
        if mapping["LastProcessingResult"] == "FAILED":
            name = function_of(mapping)
            logged = aws.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
            return f"{name} failed:\n" + "\n".join(event["message"] for event in logged[-30:])
    return ""


def function_of(mapping: Mapping[str, Any]) -> str:
    """The name of the function that an event source mapping calls."""
    return str(mapping["FunctionArn"]).rpartition(":")[2]


def connected(cpo: RunningStage, emsp: RunningStage) -> tuple[str, str]:
    """Invite and register, through both operator APIs; the connection's id at the CPO, and at the eMSP."""
    invited = cpo.operate("POST", "/partners", {"role": "emsp"})
    asked = {"versions_url": invited["versions_url"], "token": invited["token"], "role": "cpo"}
    return invited["id"], emsp.operate("POST", "/partners/register", asked)["id"]


def function_name(stage: str, function: str) -> str:
    """What Chalice calls a function when it deploys it itself; the policies count on that."""
    return f"{APP_NAME}-{stage}" if function == "api_handler" else resource_name(function, stage)


def deploy(aws: Any, project: Path, stage: str) -> RunningStage:
    """Package a stage and create it as on AWS, by CloudFormation; record its URL and make a key, as our CLI does."""
    put_data_stack(aws.client("cloudformation"), stage, project=project, say=lambda _: None, sleep=_briefly)
    url = _create_code_stack(aws, project, stage)
    settings = Settings.from_environment(stage_environment(project, stage))
    partners = partner_store(settings)
    partners.record_public_url(url)
    return RunningStage(
        stage,
        aws,
        url,
        on_aws(settings, NoObserver()),
        keys.new_key(partners, OperatorKey("tests", frozenset(keys.ROLES))),
    )


def _create_code_stack(aws: Any, project: Path, stage: str) -> str:
    """What ``aws cloudformation package`` and ``deploy`` do; where the API is reached."""
    s3, cloudformation = aws.client("s3"), aws.client("cloudformation")
    bucket, stack, folder = f"packages-{stage}", f"{APP_NAME}-{stage}", project.parent / f"package-{stage}"
    template = json.dumps(_with_names(package_of(project, stage, folder), stage))
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    for file in ("deployment.zip", "layer-deployment.zip"):
        s3.upload_file(str(folder / file), bucket, file)
        template = template.replace(f'"./{file}"', f'"s3://{bucket}/{file}"')
    # The emulator asks for a right of its own to send batches; in AWS there is none, the right to send covers it.
    template = template.replace('"sqs:SendMessage"', '"sqs:SendMessage", "sqs:SendMessageBatch"')
    # By way of S3, too: with this many routes it is larger than the 51,200 bytes that a request may bring.
    s3.put_object(Bucket=bucket, Key="sam.json", Body=template.encode())
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{s3.meta.endpoint_url}/{bucket}/sam.json",
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )

    def finished() -> Any:
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found

    created = eventually(finished)
    assert created["StackStatus"] == "CREATE_COMPLETE", created
    outputs = {one["OutputKey"]: one["OutputValue"] for one in created["Outputs"]}
    return f"{s3.meta.endpoint_url}/_aws/execute-api/{outputs['RestAPIId']}/{stage}"


def _with_names(template: dict[str, Any], stage: str) -> dict[str, Any]:
    """The template with its functions named; ``chalice package`` leaves that to CloudFormation."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            name = resource["Properties"]["Handler"].removeprefix("app.")
            resource["Properties"]["FunctionName"] = function_name(stage, "api_handler" if name == "app" else name)
    return template


def eventually(look: Callable[[], T | None]) -> T:
    """What ``look`` finds once it finds something; other processes are at work meanwhile."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if found := look():
            return found
        _briefly()
    raise AssertionError(f"not within {PATIENCE_S} s")


def _briefly(_: float = 0) -> None:
    time.sleep(0.05)
