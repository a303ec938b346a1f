"""A node's process, seen from the runner; it ends with the runner, even if that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.api import OperatorApi
from cli.local.plan import HOST, NodePlan, without_aws
from cli.output import Failure
from cli.stages import PROJECT

START_S = 30.0
STOP_S = 5.0
LAST_LINES = 15


@dataclass(slots=True)
class LocalNode:
    """One node, running or not."""

    plan: NodePlan
    environment: dict[str, str]
    log: Path
    key: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Its name in messages: CPO or eMSP."""
        return {"cpo": "CPO", "emsp": "eMSP"}[self.plan.role]

    @property
    def api(self) -> OperatorApi:
        """A client of its operator API."""
        return OperatorApi(self.plan.operator_url, self.key)

    @property
    def is_running(self) -> bool:
        """Whether its process exists; it may not answer yet."""
        return self.process is not None and self.process.poll() is None

    def as_json(self) -> dict[str, Any]:
        """Its entry in ``NODES_FILE``, for the other commands."""
        return {
            "versions_url": self.plan.versions_url,
            "operator_url": self.plan.operator_url,
            "operator_key": self.key,
            "pid": self.process.pid if self.process else None,
            "log": str(self.log),
            "environment": self.environment,
        }

    def start(self) -> None:
        """Start it; it may take a second until it answers.

        It is in a session of its own, so that Ctrl-C reaches the runner alone, which stops things in order. Its stdin
        is a pipe that nobody writes to: it breaks when the runner is gone, even if that was killed.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.local.node", str(self.plan.port)],
                cwd=PROJECT,
                env={**without_aws(os.environ), **self.environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_up(self) -> None:
        """Return when it answers.

        Raises:
            Failure: it stopped, or takes too long.
        """
        deadline = time.monotonic() + START_S
        while not self._answers():
            if not self.is_running:
                raise Failure(f"The {self.name} node stopped while it started", f"Its log: {self.log}", self.log_tail())
            if time.monotonic() > deadline:
                raise Failure(f"The {self.name} node does not answer", f"Its log: {self.log}", self.log_tail())
            time.sleep(0.05)
        self.api.get()

    def stop(self) -> None:
        """End it, and wait until it is gone."""
        if self.process is None:
            return
        if self.process.stdin:
            self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def exit_reason(self) -> str:
        """How its process ended: its exit code or signal."""
        code = self.process.returncode if self.process else None
        if code is None or code >= 0:
            return f"with exit code {code}"
        return f"by {signal.Signals(-code).name}"

    def log_tail(self) -> Sequence[str]:
        """The last lines of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((HOST, self.plan.port)) == 0


def check_ports(plans: Sequence[NodePlan]) -> None:
    """Check that each node's port is free.

    Raises:
        Failure: it is not.
    """
    for plan in plans:
        option = f"--{plan.role}-port"
        if any(other.port == plan.port for other in plans if other is not plan):
            raise Failure(f"Both nodes were given port {plan.port}", f"Give another with {option}.")
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, plan.port))
            except OSError as taken:
                raise Failure(
                    f"Port {plan.port} is taken, so the {plan.role} node cannot have it",
                    f"Is a runner up already? Stop what listens there, or give another port with {option}.",
                ) from taken
