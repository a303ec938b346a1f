"""The AWS emulator of local runs and tests: ministack as a child process that only this machine can reach.

It keeps everything in memory. With a state directory it saves its state at a clean stop, but not if it is killed.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
REGION = "eu-central-1"
_ROOT = Path(__file__).parents[2]
_START_S = 30
_STOP_S = 15


class EmulatorError(Exception):
    """The emulator did not start; the message ends with its output."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    endpoint: str
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which boto3 calls this emulator, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def stop(self) -> None:
        """End it, after it has saved its state."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


def start(
    log: Path, *, port: int = 0, state_dir: Path | None = None, settings: Mapping[str, str] | None = None
) -> Emulator:
    """Start an emulator, and wait until it is ready; it ends with the process that started it, even if that is killed.

    Args:
        log: the file for its output.
        port: where it listens; 0 takes a free one.
        state_dir: where it loads and saves its state; None saves nothing.
        settings: further variables for ministack, such as ``AUTH``; and ``LAMBDA_PYTHON``, which runs functions.

    Raises:
        EmulatorError: the port is taken, or it did not become ready.
    """
    port = _free(port)
    # Without one it still writes a key of its own, by default to a folder that all users share.
    state = {"PERSIST_STATE": str(int(state_dir is not None)), "STATE_DIR": str(state_dir or log.with_suffix(".state"))}
    environment = _environment(port) | state | dict(settings or {})
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.local.emulator"],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal reaches the parent alone, which stops this in its own time.
            start_new_session=True,
        )
    emulator = Emulator(f"http://{HOST}:{port}", process)
    try:
        _wait_until_ready(emulator)
    except BaseException as failed:
        emulator.stop()
        if isinstance(failed, EmulatorError):
            raise EmulatorError(f"{failed}: {log.read_text(errors='replace')[-2000:]}") from None
        raise
    return emulator


@contextmanager
def running(
    log: Path, *, state_dir: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Emulator]:
    """An emulator for as long as the block runs."""
    emulator = start(log, state_dir=state_dir, settings=settings)
    try:
        yield emulator
    finally:
        emulator.stop()


def _free(port: int) -> int:
    """``port``, or some free one for 0; ministack cannot tell us which one it got."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as taken:
            raise EmulatorError(f"port {port} is taken") from taken
        return int(probe.getsockname()[1])


def _environment(port: int) -> dict[str, str]:
    # Neither real credentials nor somebody else's endpoint may reach the functions that it runs.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        # It opens ports of their own for these, on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }  # fmt: skip


def _wait_until_ready(emulator: Emulator) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if emulator.process.poll() is not None:
            raise EmulatorError(f"the emulator ended with {emulator.process.returncode}")
        try:
            urllib.request.urlopen(f"{emulator.endpoint}/_ministack/ready", timeout=2).close()  # noqa: S310 - http, ours
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
        else:
            return
    raise EmulatorError(f"the emulator was not ready within {_START_S} s")


# --- the child process -------------------------------------------------------------------------------------------


def _serve() -> None:
    from ministack import app
    from ministack.services import dynamodb

    threading.Thread(target=_end_with_parent, daemon=True).start()
    _remember_expressions(dynamodb)
    # It runs functions with its own interpreter, where they would find everything that is installed here.
    sys.executable = os.environ.get("LAMBDA_PYTHON", sys.executable)
    app.main()


def _end_with_parent() -> None:
    """End this process when the parent closes our standard input, which also happens if the parent is killed."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOP_S)
    os._exit(1)


def _remember_expressions(dynamodb: object) -> None:
    """Halves the time of a Query: ministack parses the key condition anew for each item of a partition.

    May go when ministack does so itself; without these two functions nothing is changed.
    """
    for name in ("_tokenize", "_condition_syntax_error"):
        function = getattr(dynamodb, name, None)
        if callable(function):
            setattr(dynamodb, name, functools.lru_cache(maxsize=1000)(function))


if __name__ == "__main__":
    _serve()
