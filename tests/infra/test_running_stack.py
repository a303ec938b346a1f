"""Two packaged stages roam: each function has in its package all that it needs, and its role allows all that it does.

The emulator enforces IAM, so an action that a policy lacks fails here as on AWS; and functions find nothing but their
packages and boto3. What Lambda itself does with a role is not enforced and is asked for instead.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pytest

from chalicelib.node.partners.breaker import OPENS_AFTER
from chalicelib.node.pushing.messages import Announcement
from chalicelib.node.pushing.outbox import OutboxEntry
from chalicelib.ocpi.module import ModuleID
from cli import policies
from cli.local import emulator
from cli.local.workers import Schedule
from tests import make
from tests.infra.running_stack import Roaming, RunningStage, add_stages, connected, deploy, function_of, lambda_python
from tests.infra.stage import ROOT, copy_project

CPO, EMSP = "DE/CPO", "NL/MSP"
STAGES = {
    "cpo": {"OCPI_COUNTRY_CODE": "DE", "OCPI_PARTY_ID": "CPO"},
    "emsp": {"OCPI_COUNTRY_CODE": "NL", "OCPI_PARTY_ID": "MSP"},
}
EVERY_DAY = Schedule("refresh_endpoints", 86_400, print)
EVERY_HOUR = Schedule("pull_partners", 3_600, print)
EVERY_MINUTE = Schedule("tend_partners", 60, print)
for_everybody = pytest.mark.parametrize("module", ["locations", "tariffs"])
each_function = pytest.mark.parametrize("function", policies.GRANTS)


def added(tariff: str) -> Announcement:
    """That there is a new tariff."""
    return Announcement(ModuleID.TARIFFS, tariff, version=1)


def let_the_pause_end(roaming: Roaming) -> None:
    """Let it be time to see whether the eMSP answers again."""
    breakers = roaming.cpo.ports.breakers
    breaker = roaming.eventually(lambda: found if (found := breakers.breaker(roaming.at_cpo)).needs_probe else None)
    breakers.save_breaker(replace(breaker, until=breaker.broken_since, version=breaker.version + 1))


def let_a_day_pass(admin: Any, stage: RunningStage) -> None:
    """Call the function of the daily schedule, as EventBridge would."""
    call(admin, stage, EVERY_DAY)


def call(admin: Any, stage: RunningStage, schedule: Schedule) -> None:
    """Call the function of a schedule."""
    event = json.dumps(schedule.event(datetime.now(UTC)))
    answer = admin.client("lambda").invoke(FunctionName=stage.function(schedule.name), Payload=event)
    assert "FunctionError" not in answer, answer["Payload"].read()


@pytest.fixture(scope="module")
def admin() -> Iterator[Any]:
    """A session of an administrator, at an AWS that enforces IAM."""
    # Not pytest's own, which it keeps for a while: the emulator leaves 30 MB per function in its folder.
    with TemporaryDirectory(ignore_cleanup_errors=True) as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        settings = {"AUTH": "true", "LAMBDA_PYTHON": str(lambda_python(folder / "python")), "TMPDIR": name}
        with emulator.running(folder / "log", settings=settings) as running:
            for variable, value in running.environment.items():
                patch.setenv(variable, value)
            yield boto3.Session()


@pytest.fixture(scope="module")
def roaming(admin: Any, tmp_path_factory: pytest.TempPathFactory) -> Roaming:
    """The two stages, registered with each other through their APIs."""
    project = copy_project(ROOT, tmp_path_factory.mktemp("stages") / "project")
    add_stages(project, STAGES)
    cpo, emsp = (deploy(admin, project, stage) for stage in STAGES)
    return Roaming(cpo, emsp, *connected(cpo, emsp))


def test_who_brings_no_token_is_answered_401_in_an_envelope(roaming: Roaming) -> None:
    answer = roaming.cpo.call("GET", "/ocpi/cpo/versions")

    assert (answer.status, answer.json["status_code"]) == (401, 2000)


def test_an_unknown_path_is_answered_404_in_an_envelope(roaming: Roaming) -> None:
    answer = roaming.cpo.call("GET", "/ocpi/3.0/nothing", authorization="Token unknown")

    assert (answer.status, answer.json["status_code"]) == (404, 2000)


def test_both_know_each_other_as_registered(roaming: Roaming) -> None:
    (emsp,) = roaming.cpo.operate("GET", "/partners")["partners"]
    (cpo,) = roaming.emsp.operate("GET", "/partners")["partners"]

    assert (emsp["state"], emsp["party"], emsp["problem"]) == ("registered", EMSP, None)
    assert (cpo["state"], cpo["party"], cpo["problem"]) == ("registered", CPO, None)
    assert all(url.startswith(roaming.emsp.url) for url in emsp["endpoints"].values())


@for_everybody
def test_an_object_that_the_cpo_puts_in_arrives_at_the_emsp(module: str, roaming: Roaming) -> None:
    kept = roaming.cpo.operate("PUT", f"/{module}/NEW", make.object_of(module, "NEW"))

    assert roaming.eventually(lambda: roaming.received(module, "NEW")) == kept["object"]


def test_a_driver_is_authorized_in_real_time_by_a_token_that_arrived(roaming: Roaming) -> None:
    roaming.emsp.operate("PUT", "/tokens/CARD", make.token("CARD", whitelist="NEVER"))
    roaming.eventually(lambda: tokens_of_the_emsp(roaming))

    verdict = roaming.cpo.operate("POST", "/authorize", {"uid": "card"})

    assert (verdict["allowed"], verdict["decided_by"]) == ("ALLOWED", "real-time")


def tokens_of_the_emsp(roaming: Roaming) -> list[Any]:
    """What the CPO has got."""
    return list(roaming.cpo.operate("GET", f"/partners/{roaming.at_cpo}/tokens")["items"])


def test_a_session_arrives_at_the_emsp_whose_driver_it_is(roaming: Roaming) -> None:
    roaming.emsp.operate("PUT", "/tokens/DRIVER", make.token("DRIVER", auth_id="NL-MSP-7"))
    roaming.eventually(lambda: "DRIVER" in [token["uid"] for token in tokens_of_the_emsp(roaming)])

    kept = roaming.cpo.operate("PUT", "/sessions/RIDE", make.session("RIDE", auth_id="NL-MSP-7"))

    assert roaming.eventually(lambda: roaming.received("sessions", "RIDE")) == kept["object"]


def test_a_cdr_is_posted_and_read_back_where_the_emsp_says_it_is(roaming: Roaming) -> None:
    kept = roaming.cpo.operate("POST", f"/cdrs?partner={roaming.at_cpo}", make.cdr("BILL"))
    roaming.eventually(lambda: roaming.cpo.operate("GET", "/cdrs/BILL/posting")["posted_at"])

    posting = roaming.cpo.operate("GET", "/cdrs/BILL/posting?fetch=yes")

    assert posting["is_equal"]
    assert roaming.cpo.operate("GET", "/cdrs/BILL") == kept["object"]


def test_a_cdr_that_contradicts_the_first_is_kept_apart(roaming: Roaming) -> None:
    sent = roaming.partner().token_we_send
    assert sent is not None
    for cost in (3.13, 99):
        roaming.emsp.call(
            "POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("TWICE", total_cost=cost), authorization=f"Token {sent.secret}"
        )

    (kept,) = roaming.emsp.operate("GET", f"/partners/{roaming.at_emsp}/quarantine")["items"]

    assert (kept["id"], kept["object"]["total_cost"]) == ("TWICE", 99)
    assert roaming.received("cdrs", "twice")["total_cost"] == 3.13


def test_a_changed_status_arrives(roaming: Roaming) -> None:
    roaming.cpo.operate("PUT", "/locations/BUSY", make.location("BUSY"))
    roaming.cpo.operate("PATCH", "/locations/BUSY/E1", {"status": "CHARGING"})

    def arrived() -> bool:
        location = roaming.received("locations", "BUSY")
        return location is not None and location["evses"][0]["status"] == "CHARGING"

    assert roaming.eventually(arrived)


def test_a_deleted_tariff_disappears_at_both(roaming: Roaming) -> None:
    for object_id in ("GONE", "NEWEST"):
        roaming.cpo.operate("PUT", f"/tariffs/{object_id}", make.tariff(object_id))
    roaming.eventually(lambda: roaming.received("tariffs", "GONE"))

    roaming.cpo.operate("DELETE", "/tariffs/GONE")

    assert roaming.eventually(lambda: roaming.received("tariffs", "GONE") is None)
    assert "GONE" not in [tariff["id"] for tariff in roaming.cpo.operate("GET", "/tariffs")["items"]]


def test_the_emsps_host_hears_of_what_arrives_on_the_bus_and_in_the_feed(admin: Any, roaming: Roaming) -> None:
    events, sqs = admin.client("events"), admin.client("sqs")
    url = sqs.create_queue(QueueName="host-of-the-emsp")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["ocpi.emsp"], "detail-type": ["object.created"], "detail": {"object_id": ["HEARD"]}}
    events.put_rule(Name="host", EventBusName="ocpi-emsp", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="host", EventBusName="ocpi-emsp", Targets=[{"Id": "1", "Arn": arn}])

    kept = roaming.cpo.operate("PUT", "/tariffs/HEARD", make.tariff("HEARD"))
    (message,) = roaming.eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages"))
    event = json.loads(message["Body"])["detail"]

    assert (event["object"], event["partner"]["party"]) == (kept["object"], CPO)
    feed = roaming.eventually(lambda: [one for one in latest_events(roaming) if one["id"] == event["id"]])
    assert feed[0] == {**event, "object": None}


def latest_events(roaming: Roaming) -> list[Any]:
    """What the eMSP's host reads."""
    return list(roaming.emsp.operate("GET", "/events?latest=yes")["items"])


@pytest.mark.parametrize("query", ["limit=1", "limit=1&date_from=2020-01-01T00:00:00Z&date_to=2030-01-01T00:00:00Z"])
@for_everybody
def test_the_emsp_can_read_the_lists_in_pages(module: str, query: str, roaming: Roaming) -> None:
    objects = [make.object_of(module, object_id) for object_id in ("LISTED1", "LISTED2")]
    roaming.cpo.operate("PUT", f"/{module}", objects)
    token = roaming.token_of_the_emsp()

    answer = roaming.cpo.call("GET", f"/ocpi/cpo/2.1.1/{module}?{query}", authorization=f"Token {token}")

    assert (answer.status, answer.json["status_code"], len(answer.json["data"])) == (200, 1000, 1)
    assert int(answer.headers["x-total-count"]) >= 2
    assert 'rel="next"' in answer.headers["link"]


@for_everybody
def test_the_emsps_host_can_list_what_it_received(module: str, roaming: Roaming) -> None:
    roaming.cpo.operate("PUT", f"/{module}/SENT", make.object_of(module, "SENT"))
    roaming.eventually(lambda: roaming.received(module, "SENT"))

    listed = roaming.emsp.operate("GET", f"/partners/{roaming.at_emsp}/{module}")["items"]

    assert "SENT" in [each["id"] for each in listed]


def test_what_an_absent_partner_misses_waits_in_the_outbox_until_it_takes_the_next_change(roaming: Roaming) -> None:
    with roaming.emsp_down():
        roaming.cpo.operate("PUT", "/tariffs/MISSED", make.tariff("MISSED"))
        roaming.eventually(lambda: "MISSED" in roaming.outbox())

    roaming.cpo.operate("PATCH", "/tariffs/MISSED", {"currency": "CHF"})

    assert roaming.eventually(lambda: roaming.received("tariffs", "MISSED"))["currency"] == "CHF"
    assert roaming.eventually(lambda: "MISSED" not in roaming.outbox())


def test_every_minute_what_is_due_is_told_again(admin: Any, roaming: Roaming) -> None:
    """OFF-03."""
    roaming.emsp.operate("PUT", "/tokens?push=no", [make.token("OVERDUE")])
    news, an_hour_ago = Announcement(ModuleID.TOKENS, "OVERDUE", version=1), datetime.now(UTC) - timedelta(hours=1)
    outbox = roaming.emsp.ports.outbox
    outbox.record(
        OutboxEntry(
            partner_id=roaming.at_emsp,
            announcement=news,
            reason="refused",
            attempts=1,
            failed_at=an_hour_ago,
            due_at=an_hour_ago,
        )
    )

    # Of two calls within a minute the second would be taken for a repetition, so the CPO's is left to the test below.
    call(admin, roaming.emsp, EVERY_MINUTE)

    assert roaming.eventually(lambda: "OVERDUE" in [token["uid"] for token in tokens_of_the_emsp(roaming)])
    assert roaming.eventually(lambda: not outbox.entries(roaming.at_emsp))


def test_a_partner_that_was_down_is_probed_and_then_told_what_it_missed(admin: Any, roaming: Roaming) -> None:
    """OFF-03, OFF-04."""
    tariffs = [f"DOWN{number}" for number in range(OPENS_AFTER)]
    with roaming.emsp_down():
        for tariff in tariffs:
            roaming.cpo.operate("PUT", f"/tariffs/{tariff}", make.tariff(tariff))
        let_the_pause_end(roaming)
        roaming.eventually(lambda: {*tariffs} <= {*roaming.outbox()})

    call(admin, roaming.cpo, EVERY_MINUTE)

    assert roaming.eventually(lambda: all(roaming.received("tariffs", tariff) for tariff in tariffs))
    assert roaming.eventually(lambda: not {*tariffs} & {*roaming.outbox()})
    assert roaming.cpo.ports.breakers.breaker(roaming.at_cpo).is_clean
    assert "tokens" in {pull["module"] for pull in pulls_of(roaming.cpo, roaming.at_cpo)}


def pulls_of(stage: RunningStage, partner: str) -> list[Any]:
    """How a stage is with each list of a partner."""
    return list(stage.operate("GET", f"/partners/{partner}/pulls")["pulls"])


def test_a_delivery_finds_the_endpoint_that_has_moved(roaming: Roaming) -> None:
    """VER-13."""
    partner = roaming.partner()
    roaming.cpo.ports.partners.save(
        partner.with_changes(endpoints={**partner.endpoints, "tariffs": f"{roaming.emsp.url}/old"})
    )

    roaming.cpo.operate("PUT", "/tariffs/FOLLOWS", make.tariff("FOLLOWS"))

    assert roaming.eventually(lambda: roaming.received("tariffs", "FOLLOWS"))
    assert roaming.partner().endpoints == partner.endpoints


def test_a_change_that_is_announced_long_before_it_is_written_is_told_then(roaming: Roaming) -> None:
    roaming.cpo.ports.push_queues.announce([added("LATE")])
    roaming.eventually(lambda: roaming.cpo.waiting("changes")["later"])

    roaming.cpo.write_tariff(make.tariff("LATE"))

    assert roaming.eventually(lambda: roaming.received("tariffs", "LATE"))


def test_once_a_day_a_partner_learns_what_we_publish_and_we_what_it_publishes(admin: Any, roaming: Roaming) -> None:
    """VER-11, VER-13."""
    partner = roaming.partner()
    stale = {"credentials": partner.endpoints["credentials"]}
    roaming.cpo.ports.partners.save(partner.with_changes(shown="what we published then", endpoints=stale))

    let_a_day_pass(admin, roaming.cpo)

    found = roaming.partner()
    assert (found.shown, found.endpoints, found.problem) == (partner.shown, partner.endpoints, None)
    assert found.token_we_send != partner.token_we_send


def test_tokens_are_rotated_and_a_connection_is_ended_by_the_host(roaming: Roaming) -> None:
    """The other way round, for both have both roles."""
    at_emsp, at_cpo = connected(roaming.emsp, roaming.cpo)

    rotated = roaming.cpo.operate("PUT", f"/partners/{at_cpo}/credentials")
    ended = roaming.cpo.operate("DELETE", f"/partners/{at_cpo}")

    assert (rotated["state"], rotated["problem"]) == ("registered", None)
    assert (ended["state"], ended["problem"]) == ("unregistered", None)
    assert roaming.emsp.operate("GET", f"/partners/{at_emsp}")["state"] == "unregistered"


@pytest.mark.parametrize("by", ["queue", "operator API"])
def test_a_command_reaches_the_charge_points_and_its_result_whoever_asked(by: str, roaming: Roaming) -> None:
    """CMD-02, CMD-04, CMD-06."""
    roaming.emsp.operate("PUT", "/tokens/REMOTE", make.token("REMOTE"))
    roaming.cpo.operate("PUT", "/locations/REMOTE", make.location("REMOTE"))
    reservation = {"reservation_id": 1, "expiry_date": "2099-01-01T00:00:00Z"}
    asked = {"token_uid": "REMOTE", "location_id": "REMOTE", **reservation}

    sent = roaming.emsp.operate("POST", f"/partners/{roaming.at_emsp}/commands/RESERVE_NOW", asked)
    (message,) = roaming.eventually(lambda: roaming.cpo.take("commands"))
    command_id, result = message["command_id"], {"result": "REJECTED"}
    if by == "queue":
        roaming.cpo.send("command-results", {"version": 1, "command_id": command_id, **result})
    else:
        roaming.cpo.operate("POST", f"/commands/{command_id}/result", result)

    assert sent["answer"] == "ACCEPTED"
    assert roaming.eventually(lambda: roaming.emsp.operate("GET", f"/commands/{sent['id']}")["result"]) == "REJECTED"
    at_cpo = f"/partners/{roaming.at_cpo}/commands?limit=1"
    assert roaming.eventually(lambda: roaming.cpo.operate("GET", at_cpo)["items"][0]["posting"] == "done")


def test_the_emsp_pulls_what_it_was_not_told(roaming: Roaming) -> None:
    """OFF-04."""
    roaming.cpo.write_tariff(make.tariff("UNTOLD"))
    at_emsp = f"/partners/{roaming.at_emsp}"

    began = roaming.emsp.operate("POST", f"{at_emsp}/pull/tariffs?full=yes")
    done = roaming.eventually(lambda: pulled(roaming, "tariffs", "done"))

    assert began["state"] == "running"
    assert (done["is_full"], done["refused"], done["problem"]) == (True, 0, None)
    assert roaming.received("tariffs", "UNTOLD") == make.tariff("UNTOLD")


def test_a_broken_object_in_a_list_is_kept_apart(roaming: Roaming) -> None:
    """TRA-39."""
    roaming.cpo.write_tariff(make.tariff("BROKEN") | {"currency": 7})
    at_emsp = f"/partners/{roaming.at_emsp}"
    roaming.eventually(lambda: pulled(roaming, "tariffs", "done", "failed", "none"))

    roaming.emsp.operate("POST", f"{at_emsp}/pull/tariffs?full=yes")
    roaming.eventually(lambda: pulled(roaming, "tariffs", "done"))

    assert "BROKEN" in [kept["id"] for kept in roaming.emsp.operate("GET", f"{at_emsp}/quarantine")["items"]]


def pulled(roaming: Roaming, module: str, *states: str) -> Any:
    """How the eMSP's crawl of a list stands, if it stands so."""
    found = pulls_of(roaming.emsp, roaming.at_emsp)
    (pull,) = [pull for pull in found if pull["module"] == module] or [{"state": "none"}]
    return pull if pull["state"] in states else None


def test_every_hour_the_lists_whose_turn_has_come_are_begun(admin: Any, roaming: Roaming) -> None:
    call(admin, roaming.emsp, EVERY_HOUR)

    pulls = pulls_of(roaming.emsp, roaming.at_emsp)
    assert {pull["module"] for pull in pulls} == {"locations", "tariffs", "sessions", "cdrs"}


# --- what the tests above count on -------------------------------------------------------------------------------


def test_what_a_role_does_not_allow_is_refused(admin: Any, roaming: Roaming) -> None:
    iam, role = admin.client("iam"), roaming.cpo.role("api_handler").rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    less = [statement for statement in policy["Statement"] if statement["Sid"] != "SendMessages"]

    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy | {"Statement": less}))
    refused = roaming.cpo.call(
        "PUT", "/operator/tariffs/NO", make.tariff("NO"), authorization=f"Bearer {roaming.cpo.key}"
    )
    iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))

    assert refused.status == 500


def test_functions_find_the_runtimes_packages_and_no_others(admin: Any, roaming: Roaming) -> None:
    program = """
import pkgutil
def found(event, context):
    return [module.name for module in pkgutil.iter_modules() if "site-packages" in module.module_finder.path]
"""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as package:
        package.writestr("look.py", program)
    functions = admin.client("lambda")
    functions.create_function(
        FunctionName="look",
        Runtime="python3.11",
        Handler="look.found",
        Role=roaming.cpo.role("api_handler"),
        Code={"ZipFile": code.getvalue()},
    )

    answer = functions.invoke(FunctionName="look")

    assert json.loads(answer["Payload"].read()) == ["boto3", "botocore", "dateutil", "s3transfer", "six"]


# --- what Lambda does with a role, which the emulator allows itself ----------------------------------------------


@each_function
def test_lambda_may_write_what_functions_log_and_trace(function: str, admin: Any, roaming: Roaming) -> None:
    name = roaming.cpo.function(function)
    arn = admin.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    logs = arn.replace(":lambda:", ":logs:").replace(":function:", ":log-group:/aws/lambda/")

    assert roaming.cpo.allows(function, f"{logs}:log-stream:any", "logs:CreateLogStream", "logs:PutLogEvents")
    assert roaming.cpo.allows(function, "*", "xray:PutTelemetryRecords", "xray:PutTraceSegments")
    assert not roaming.cpo.allows(function, logs.replace("-cpo", "-emsp"), "logs:PutLogEvents")


def test_lambda_may_take_messages_from_the_queues_that_call_functions(admin: Any, roaming: Roaming) -> None:
    names = {roaming.cpo.function(function): function for function in policies.GRANTS}
    mappings = admin.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    sources = {names[found]: one["EventSourceArn"] for one in mappings if (found := function_of(one)) in names}

    assert sources.keys() == {name for name in policies.GRANTS if name.endswith("_worker")}
    for function, queue in sources.items():
        needed = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
        assert roaming.cpo.allows(function, queue, *needed)
