"""The emulator: reachable from here alone, and gone when whoever started it is gone."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from chalicelib.adapters.aws import Clients
from cli.local import emulator
from cli.local.emulator import Emulator, EmulatorError

ROOT = Path(__file__).parents[2]


def answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2).close()
    except OSError:
        return False
    return True


def port_of(running: Emulator) -> int:
    return int(running.endpoint.rpartition(":")[2])


def test_it_listens_on_loopback_only(ministack: Emulator) -> None:
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    ]

    ours = [address for address in listening if int(address.split(":")[1], 16) == port_of(ministack)]

    assert ours == [f"0100007F:{port_of(ministack):04X}"]


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((emulator.HOST, 0))
        other.listen()

        with pytest.raises(EmulatorError, match="taken"):
            emulator.start(tmp_path / "log", port=other.getsockname()[1])


def test_its_queries_are_remembered_as_long_as_it_has_the_functions_for_it() -> None:
    from ministack.services import dynamodb

    assert callable(dynamodb._tokenize)
    assert callable(dynamodb._condition_syntax_error)


def test_what_it_saved_at_a_clean_stop_is_there_again(tmp_path: Path) -> None:
    def queues(running: Emulator) -> list[str]:
        urls: list[str] = Clients(endpoint_url=running.endpoint).sqs().list_queues().get("QueueUrls", [])
        return [url.rpartition("/")[2] for url in urls]

    state = tmp_path / "state"
    with emulator.running(tmp_path / "log", state_dir=state) as first:
        Clients(endpoint_url=first.endpoint).sqs().create_queue(QueueName="kept")
        port = port_of(first)
    assert not answers(first.endpoint)

    second = emulator.start(tmp_path / "log", port=port, state_dir=state)
    try:
        assert queues(second) == ["kept"]
    finally:
        second.stop()


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from cli.local import emulator; "
        "print(emulator.start(Path(sys.argv[1])).endpoint, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent.stdout:
        endpoint = parent.stdout.readline().strip()
    assert answers(endpoint)

    parent.kill()
    parent.wait()

    until = time.monotonic() + 15
    while answers(endpoint) and time.monotonic() < until:
        time.sleep(0.05)
    assert not answers(endpoint)
