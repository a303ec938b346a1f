"""What a request costs: DynamoDB calls, bytes, and CPU beside the CPU of those calls alone, in one run.

Run: ``make bench``, or ``python -m benchmarks.requests``. The emulator runs in a process of its own, so process time is
ours. Trust the ratio, not the milliseconds: it says how much the node adds to what boto3 costs anyway.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Sheet

from chalicelib.adapters.aws import Clients
from chalicelib.ocpi.module import ModuleID
from cli.local import emulator
from tests import make
from tests.conftest import create_stack
from tests.conversations.on_aws import CallCount, pair_on_aws
from tests.resources import Stage
from tests.world import Pair

ROUNDS = 200
LOCATIONS = 200


def location(number: int) -> dict[str, Any]:
    """A location of about 4 KB: eight EVSEs of two connectors."""
    connectors = [make.connector(str(n), tariff_id="T1") for n in (1, 2)]
    evses = [make.evse(f"NL*ABC*E{number:05}*{n}", connectors=connectors) for n in range(8)]
    return make.location(f"LOC{number:05}", evses=evses)


def cpu_ms(action: Callable[[], object]) -> float:
    """CPU time of this process per call."""
    action()
    began = time.process_time()
    for _ in range(ROUNDS):
        action()
    return (time.process_time() - began) * 1000 / ROUNDS


def bare(stage: Stage, calls: dict[str, int], table: str, ids: list[str]) -> Callable[[], None]:
    """The same DynamoDB calls without a node around them."""
    client, name = stage.clients.dynamodb(), stage.table(table).name
    keys = [{"pk": {"S": "ours"}, "id": {"S": one}} for one in ids]
    query = {
        "TableName": name,
        "IndexName": "by_rank",
        "KeyConditionExpression": "#list = :list AND #rank BETWEEN :first AND :last",
        "ExpressionAttributeNames": {"#list": "list", "#rank": "rank"},
        "ExpressionAttributeValues": {":list": {"S": "all"}, ":first": {"N": "1"}, ":last": {"N": str(len(ids))}},
    }
    update = {
        "TableName": name,
        "Key": {"pk": {"S": "bench"}, "id": {"S": "x"}},
        "UpdateExpression": "SET body = :body",
        "ExpressionAttributeValues": {":body": {"B": os.urandom(900)}},
    }
    actions: dict[str, Callable[[], object]] = {
        "Query": lambda: client.query(**query),
        "BatchGetItem": lambda: client.batch_get_item(RequestItems={name: {"Keys": keys, "ConsistentRead": True}}),
        "GetItem": lambda: client.get_item(TableName=name, Key=keys[0], ConsistentRead=True),
        "UpdateItem": lambda: client.update_item(**update),
    }

    def act() -> None:
        for call, times in calls.items():
            for _ in range(times):
                actions[call]()

    return act


def measure(pair: Pair) -> Sheet:
    """A row for each kind of request."""
    own = pair.cpo.company.own_objects[ModuleID.LOCATIONS]
    own.import_all([location(n) for n in range(LOCATIONS)])
    whole, path = location(0), pair.at_emsp("locations", "LOC00000")
    pair.to_emsp("PUT", path, whole)
    evse = whole["evses"][0]["uid"]
    status = {"status": "CHARGING", "last_updated": "2026-02-01T00:00:00Z"}
    page = {"limit": "50"}
    requests: list[tuple[str, Any, Callable[[], Any]]] = [
        ("GET page of 50", pair.cpo, lambda: pair.to_cpo("GET", "/ocpi/cpo/2.1.1/locations", query=page)),
        ("GET one location", pair.cpo, lambda: pair.to_cpo("GET", "/ocpi/cpo/2.1.1/locations/LOC00000")),
        ("PUT location", pair.emsp, lambda: pair.to_emsp("PUT", path, whole)),
        ("PATCH EVSE status", pair.emsp, lambda: pair.to_emsp("PATCH", f"{path}/{evse}", status)),
    ]
    sheet = Sheet("request", "DynamoDB calls", "bytes", "CPU ms", "calls alone ms", "ratio")
    ids = [f"LOC{n:05}" for n in range(50)]
    for name, company, request in requests:
        request()
        with CallCount(company.stage) as made:
            reply = request()
        calls = dict(made)
        ours, alone = cpu_ms(request), cpu_ms(bare(company.stage, calls, "locations", ids))
        spelled = ", ".join(f"{times} {call}" for call, times in calls.items())
        size = len(reply.response.body) + len(reply.response.headers.get("link", ""))
        sheet.add_row(name, spelled, str(size), f"{ours:.2f}", f"{alone:.2f}", f"{ours / alone:.2f}")
    return sheet


def main() -> None:
    """Measure and print."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": emulator.REGION}
    with tempfile.TemporaryDirectory() as folder, emulator.running(Path(folder) / "log") as running:
        from botocore.session import get_session

        cloudformation = get_session().create_client("cloudformation", endpoint_url=running.endpoint)
        stages = []
        for name in ("bench1", "bench2"):
            create_stack(cloudformation, name)
            stages.append(Stage(name, Clients(endpoint_url=running.endpoint)))
        Console().print(measure(pair_on_aws(*stages)))


if __name__ == "__main__":
    main()
