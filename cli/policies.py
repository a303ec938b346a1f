"""The IAM policy of each Lambda function: a table of permissions, and the policy files that are written from it.

Chalice takes a policy as a finished JSON file, so a policy that names one stage's resources needs a file per stage and
function. They are checked in, for a plain ``chalice deploy`` needs them too; ``python -m cli.policies`` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.settings import APP_NAME, resource_name

READ = ("BatchGetItem", "GetItem", "Query")
# A transaction needs the actions of its parts.
WRITE = ("DeleteItem", "PutItem", "UpdateItem")

OBJECT_TABLES = ("locations", "tariffs", "sessions", "cdrs", "tokens")
_LISTS = ("by_rank", "by_last_updated")
INDEXES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(OBJECT_TABLES, _LISTS),
    "sessions": (*_LISTS, "by_auth_id"),
    "tokens": (*_LISTS, "by_uid", "by_auth_id"),
    "commands": ("by_partner",),
    "outbox": ("by_due",),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """The permissions of one function: tables to read or write, queues to send to or receive from."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    """Tables that it reads and writes."""
    sends: tuple[str, ...] = ()
    receives: tuple[str, ...] = ()
    publishes: bool = False
    """Whether it publishes events to the bus."""


GRANTS: Mapping[str, Grant] = {
    # Passes commands on, starts their timers, receives results over the operator API, shows events, and retries or
    # drops entries of the outbox.
    "api_handler": Grant(
        reads=("events",),
        writes=(*OBJECT_TABLES, "partners", "outbox", "quarantine", "commands", "pulls"),
        sends=("changes", "deliveries.fifo", "commands", "command-results", "command-answers.fifo", "pulls", "events"),
    ),
    # Sends to its own queue too, to check again if a message comes before the write that it announces.
    "change_worker": Grant(
        reads=(*OBJECT_TABLES, "partners"), sends=("changes", "deliveries.fifo"), receives=("changes",)
    ),
    # Stores the URL of a CDR at a partner. Probes unreachable partners; if one answers again, queues what it missed in
    # its own queue, and starts pulls.
    "delivery_worker": Grant(
        reads=tuple(table for table in OBJECT_TABLES if table != "cdrs"),
        writes=("cdrs", "partners", "outbox", "pulls"),
        sends=("deliveries.fifo", "pulls", "events"),
        receives=("deliveries.fifo",),
    ),
    "command_result_worker": Grant(
        writes=("commands",), sends=("command-answers.fifo",), receives=("command-results",)
    ),
    # Records when it last reached the partner.
    "command_answer_worker": Grant(writes=("commands", "partners"), receives=("command-answers.fifo",)),
    # Stores the objects of a page like pushed ones. Records whether the partner is reachable, and queues retries once
    # it is again.
    "pull_worker": Grant(
        writes=(*OBJECT_TABLES, "partners", "quarantine", "pulls", "outbox"),
        sends=("pulls", "events", "deliveries.fifo"),
        receives=("pulls",),
    ),
    # Sends to its own queue too, as the change worker does.
    "event_worker": Grant(
        reads=(*OBJECT_TABLES, "partners", "commands"),
        writes=("events",),
        sends=("events",),
        receives=("events",),
        publishes=True,
    ),
    "pull_partners": Grant(reads=("partners", "outbox"), writes=("pulls",), sends=("pulls",)),
    # Calls no partner: the delivery worker does.
    "tend_partners": Grant(reads=("partners", "outbox"), sends=("deliveries.fifo",)),
    "refresh_endpoints": Grant(writes=("partners",)),
}


def policy(stage: str, function: str) -> dict[str, Any]:
    """The IAM policy document of a function in a stage.

    Partition, region and account are left open, as Chalice does in its own policies: a role reaches no other account
    unless that account lets it in.
    """
    grant = GRANTS[function]
    statements = [
        _statement("ReadTables", "dynamodb", READ, _tables(stage, grant.reads)),
        _statement("WriteTables", "dynamodb", READ + WRITE, _tables(stage, grant.writes)),
        _statement("SendMessages", "sqs", ("GetQueueUrl", "SendMessage"), _queues(stage, grant.sends)),
        # Lambda polls with the function's role.
        _statement(
            "ReceiveMessages",
            "sqs",
            ("DeleteMessage", "GetQueueAttributes", "ReceiveMessage"),
            _queues(stage, grant.receives),
        ),
        _statement("PublishEvents", "events", ("PutEvents",), [_bus(stage)] if grant.publishes else []),
        _statement("WriteLogs", "logs", ("CreateLogStream", "PutLogEvents"), [_log_streams(stage, function)]),
        # X-Ray has no resources to name.
        _statement("Trace", "xray", ("PutTelemetryRecords", "PutTraceSegments"), ["*"]),
    ]
    return {"Version": "2012-10-17", "Statement": [statement for statement in statements if statement["Resource"]]}


def filename(stage: str, function: str) -> str:
    """The file name, as ``iam_policy_file`` in the stage's configuration."""
    return f"policy-{stage}-{function}.json"


def write(project: Path, stage: str) -> list[str]:
    """Write the stage's policy files; returns the names of those that changed."""
    changed = []
    for function in GRANTS:
        path = project / ".chalice" / filename(stage, function)
        text = json.dumps(policy(stage, function), indent=2) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path.name)
    return changed


def _statement(sid: str, service: str, actions: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in sorted(actions)],
        "Resource": resources,
    }


def _tables(stage: str, names: Iterable[str]) -> list[str]:
    arns = []
    for name in names:
        table = f"arn:*:dynamodb:*:*:table/{resource_name(name, stage)}"
        arns += [table, *(f"{table}/index/{index}" for index in INDEXES.get(name, ()))]
    return arns


def _queues(stage: str, names: Iterable[str]) -> list[str]:
    return [f"arn:*:sqs:*:*:{resource_name(name, stage)}" for name in names]


def _bus(stage: str) -> str:
    return f"arn:*:events:*:*:event-bus/{APP_NAME}-{stage}"


def _log_streams(stage: str, function: str) -> str:
    # Chalice calls the API's function by the stage alone.
    name = f"{APP_NAME}-{stage}" if function == "api_handler" else resource_name(function, stage)
    return f"arn:*:logs:*:*:log-group:/aws/lambda/{name}:*"


def main() -> None:
    """Write the policy files of every configured stage."""
    project = Path(__file__).parent.parent
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    for stage in config["stages"]:
        for name in write(project, stage):
            print(f"wrote .chalice/{name}")


if __name__ == "__main__":
    main()
