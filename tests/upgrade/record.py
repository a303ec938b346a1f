"""Records what a release stores, sends and answers, as ``recorded.json``: ``python -m tests.upgrade.record [FILE]``.

Run it anew when a release is published whose stored forms or messages were changed on purpose, in a checkout of that
release. Keep the old file's forms readable for as long as items and messages of that release can exist: then give the
new recording a name of its own, and have ``test_upgrade`` read both.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from chalicelib.adapters.aws import Clients
from cli.local import emulator
from tests.conftest import create_stack
from tests.resources import Stage
from tests.upgrade.stored import TABLES, dumped, keep
from tests.upgrade.story import Fill, answers, go_on, neighbours
from tests.upgrade.town import Neighbour, Node, Town

Json = Any

FILE: Final = Path(__file__).parent / "recorded.json"


def filled(stage: Stage) -> Json:
    """What stands in the stage's tables and waits in its queues after a day, and whatever else it takes to go on."""
    town = Town()
    around = neighbours(town)
    node = Node(stage, town)
    for table in TABLES:
        keep(stage, table)
    fill = Fill(node, around)
    with node.at_work():
        fill.run()
    return {
        "now": town.clock.now.isoformat(),
        "next_id": town.next_id,
        "sent": [each.form() for each in node.sent],
        "waiting": [each.as_json() for each in node.waiting],
        "ids": fill.ids,
        "partners": {
            host: {"given": each.given, "tokens": each.tokens, "lists": each.lists} for host, each in around.items()
        },
        "asked": {host: each.log for host, each in around.items()},
        "tables": dumped(stage),
    }


def started(stage: Stage, state: Json) -> tuple[Node, dict[str, Neighbour]]:
    """A node that starts on such a stage, and the partners as they were."""
    town = Town(now=datetime.fromisoformat(state["now"]), next_id=state["next_id"])
    around = neighbours(town)
    for host, known in state["partners"].items():
        around[host].given, around[host].tokens, around[host].lists = known["given"], known["tokens"], known["lists"]
    return Node(stage, town, state["waiting"], sent=len(state["sent"])), around


def read(node: Node, state: Json) -> list[Json]:
    """What it answers now."""
    return answers(node, state["ids"], {host: known["given"] for host, known in state["partners"].items()})


def gone_on(stage: Stage, node: Node, around: dict[str, Neighbour], state: Json) -> Json:
    """What follows from what waited: items, messages, what partners were asked and the host was told, and answers."""
    go_on(node, around)
    return {
        "sent": [each.form() for each in node.sent],
        "waiting": [each.as_json() for each in node.waiting],
        "published": node.published,
        "asked": {host: each.log for host, each in around.items()},
        "tables": {table: _change(state["tables"][table], items) for table, items in dumped(stage).items()},
        # Partners' answers bear the time, so all of them would be new.
        "answers": _change(state["answers"], [each for each in read(node, state) if each["of"] == "host"]),
    }


def _change(before: list[Json], after: list[Json]) -> Json:
    """What is new and what is gone; a list that says everything twice would be twice as long."""
    return {
        "new": [each for each in after if each not in before],
        "gone": sum(each not in after for each in before),
    }


def lines(value: Json, depth: int = 3) -> str:
    """JSON with a line for each item, message and answer, so that what differs is easily seen."""
    if depth == 0 or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[\n" + ",\n".join(lines(each, 0) for each in value) + "\n]"
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {lines(each, depth - 1)}" for name, each in value.items()) + "\n}"


def record(stage: Stage) -> Json:
    """The whole recording."""
    state = filled(stage)
    node, around = started(stage, json.loads(json.dumps(state)))
    with node.at_work():
        state["answers"] = read(node, state)
        return {"filled": state, "gone_on": gone_on(stage, node, around, state)}


def _main() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with patch.dict(os.environ, environment), tempfile.TemporaryDirectory() as room:
        from botocore.session import get_session

        with emulator.running(Path(room) / "log") as running:
            client = get_session().create_client("cloudformation", endpoint_url=running.endpoint)
            create_stack(client, "recorded")
            found = record(Stage("recorded", Clients(endpoint_url=running.endpoint)))
    path = Path(sys.argv[1]) if sys.argv[1:] else FILE
    path.write_text(lines(found, 4) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _main()
