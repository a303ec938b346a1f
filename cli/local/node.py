"""What runs in a node's process: Chalice's local server with the real app, its queues' pollers and its schedules."""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from chalice import local
from chalice.config import Config

from chalicelib import clihooks
from cli.local import workers
from cli.local.plan import HOST
from cli.stages import PROJECT


class RequestHandler(clihooks.RequestHandler):
    """Logs no requests of partners, because the node logs them itself."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line about a request."""
        if not self.path.startswith("/ocpi/"):
            super().log_request(code, size)


def main(port: int) -> None:
    """Serve until SIGTERM, or until the process that started this one is gone."""
    threading.Thread(target=_end_with_the_runner, daemon=True).start()
    app = importlib.import_module("app").app
    config = _config(app)
    server = local.create_local_server(app, config, HOST, port)
    server.server.RequestHandlerClass = functools.partial(RequestHandler, app_object=app, config=config)
    stop = threading.Event()
    workers.start(app, _sqs(), stop)

    def end(*_: object) -> None:
        stop.set()
        threading.Thread(target=server.shutdown).start()  # shutdown waits for the loop that this handler interrupts

    signal.signal(signal.SIGTERM, end)
    server.serve_forever()


def _end_with_the_runner() -> None:
    """End this process when stdin ends, because the runner is gone. It uses os.read, which holds no lock at exit."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(2)
    os._exit(1)


def _config(app: Any) -> Config:
    """Chalice's configuration, apart from the environment variables, which the runner has set."""
    from_disk = json.loads((PROJECT / ".chalice" / "config.json").read_text(encoding="utf-8"))
    stage = os.environ["OCPI_STAGE"]
    return Config(
        stage, user_provided_params={"chalice_app": app, "project_dir": str(PROJECT)}, config_from_disk=from_disk
    )


def _sqs() -> Any:
    return boto3.client("sqs", config=BotoConfig(max_pool_connections=20, retries={"total_max_attempts": 1}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
