"""The runner from outside: what is up, what is noted, what a change at one node does at the other, what is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.stages import PROJECT

PATIENCE_S = 60


def wait_for(what: str, found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def free_ports() -> tuple[str, str]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1]), str(other.getsockname()[1])


@dataclass
class Runner:
    """``python -m cli local`` in an empty folder."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        file = self.folder / ".local" / "nodes.json"
        wait_for("the nodes", lambda: file.exists() or self.process.poll() is not None)
        assert file.exists(), self.said
        found: dict[str, dict[str, Any]] = json.loads(file.read_text())
        return found

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    @property
    def children(self) -> list[int]:
        listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
        pairs = [line.split() for line in listed.splitlines()]
        return [int(pid) for pid, parent in pairs if int(parent) == self.process.pid]

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert self.nodes
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def ask(self, role: str, path: str = "", method: str = "GET", body: object = None) -> Any:
        node = self.nodes[role]
        request = urllib.request.Request(
            node["operator_url"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {node['operator_key']}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT)}


@contextmanager
def local(folder: Path, *options: str) -> Iterator[Runner]:
    cpo, emsp = free_ports()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "local", "--cpo-port", cpo, "--emsp-port", emsp, *options],
            cwd=folder,
            env=environment(),
            stdout=said,
            stderr=said,
        )
    runner = Runner(folder, process)
    try:
        yield runner
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The demo, shared by tests that look at different things: starting it takes longer than they do."""
    with local(tmp_path_factory.mktemp("demo")) as runner:
        yield runner


on_the_demo = pytest.mark.xdist_group("demo")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_bare_nodes_are_noted_answer_and_know_nobody(tmp_path: Path) -> None:
    with local(tmp_path, "--bare", "--cpo-party", "FR/ABC") as runner:
        nodes = runner.nodes

        assert set(nodes) == {"cpo", "emsp"}
        for role, party in (("cpo", "FR/ABC"), ("emsp", "NL/MSP")):
            us = runner.ask(role)
            assert us["party"] == party
            assert us["roles"] == [role]
            assert us["versions_urls"] == {role: nodes[role]["versions_url"]}
            assert runner.ask(role, "/partners") == {"partners": []}
        assert runner.ask("cpo", "/locations?offset=0&limit=1")["total"] == 0


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    with local(tmp_path, "--bare") as runner:
        assert runner.nodes
        children = runner.children
        assert len(children) == 3

        runner.process.send_signal(signal.SIGINT)

        assert runner.process.wait(PATIENCE_S) == 0
        assert not any(map(is_alive, children))
        assert not (tmp_path / ".local" / "nodes.json").exists()


def test_a_killed_runner_leaves_nothing_running(tmp_path: Path) -> None:
    with local(tmp_path, "--bare") as runner:
        assert runner.nodes
        children = runner.children

        runner.process.kill()

        wait_for("the end of the children", lambda: not any(map(is_alive, children)))


@on_the_demo
def test_a_killed_node_leaves_the_other_running_and_can_be_started_again(demo: Runner) -> None:
    before = demo.nodes["emsp"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait_for("word of it", lambda: "eMSP node stopped by SIGKILL" in demo.said)
    assert demo.ask("cpo")["party"] == "DE/CPO"

    restarted = demo.cli("local", "restart")

    assert restarted.returncode == 0, restarted.stderr
    assert demo.nodes["emsp"]["pid"] != before
    assert demo.ask("emsp")["party"] == "NL/MSP"


@on_the_demo
def test_the_demo_nodes_roam(demo: Runner) -> None:
    (cpo,) = demo.ask("emsp", "/partners")["partners"]
    received = f"/partners/{cpo['id']}/locations"
    location = demo.ask("emsp", received)["items"][0]
    evse = location["evses"][0]

    demo.ask("cpo", f"/locations/{location['id']}/{evse['uid']}", "PATCH", {"status": "INOPERATIVE"})

    def arrived() -> bool:
        now = demo.ask("emsp", f"{received}/{location['id']}")["evses"][0]["status"]
        return bool(now == "INOPERATIVE")

    wait_for("the new status", arrived)


@on_the_demo
def test_the_demo_ends_with_a_bill(demo: Runner) -> None:
    """What the welcome says to try works as it stands."""
    assert demo.nodes
    wait_for("the welcome", lambda: "Ctrl-C" in demo.said)
    lines = [line.split(" -m cli ")[1].split() for line in demo.said.splitlines() if " -m cli " in line]
    (authorize,) = (line for line in lines if line[0] == "authorize")
    (sessions,) = (line for line in lines if line[:2] == ["import", "sessions"])
    (post,) = (line for line in lines if line[:2] == ["cdrs", "post"])
    (posting,) = (line for line in lines if line[:2] == ["cdrs", "posting"])

    assert "real-time" in demo.cli(*authorize).stdout
    assert demo.cli(*sessions).returncode == 0
    assert demo.cli(*post).returncode == 0

    wait_for("the CDR", lambda: "is equal   yes" in demo.cli(*posting).stdout)


@on_the_demo
def test_keys_of_a_local_node_can_be_made_and_revoked(demo: Runner) -> None:
    url = demo.nodes["emsp"]["operator_url"]
    create = ("keys", "create", "back office", "--role", "help-desk", "--node", "emsp", "--json")
    made = json.loads(demo.cli(*create).stdout)
    assert made["roles"] == ["help-desk"]
    assert demo.cli("partners", "list", "--url", url, "--key", made["key"]).returncode == 0

    listed = json.loads(demo.cli("keys", "list", "--node", "emsp", "--json").stdout)["keys"]
    assert {"id": made["id"], "name": "back office", "roles": ["help-desk"]} in listed

    revoked = demo.cli("keys", "revoke", made["id"], "--node", "emsp")

    assert revoked.returncode == 0, revoked.stderr
    assert "back office" not in demo.cli("keys", "list", "--node", "emsp").stdout
    assert demo.cli("partners", "list", "--url", url, "--key", made["key"]).returncode == 1


def test_data_is_kept_where_asked(tmp_path: Path) -> None:
    with local(tmp_path, "--bare", "--state-dir", "state") as runner:
        imported = runner.cli("import", "tariffs", str(PROJECT / "examples" / "tariffs.json"))
        assert imported.returncode == 0, imported.stderr
        assert runner.ask("cpo", "/tariffs?limit=1")["total"] == 2
    (tmp_path / "said").unlink()

    with local(tmp_path, "--bare", "--state-dir", "state") as runner:
        assert runner.ask("cpo", "/tariffs?limit=1")["total"] == 2


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with local(tmp_path, "--emsp-port", str(port)) as runner:
            assert runner.process.wait(PATIENCE_S) == 1
            assert f"Port {port} is taken" in runner.said
            assert "--emsp-port" in runner.said
