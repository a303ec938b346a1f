"""The node that a command calls: as named by its options, or a local one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from cli.api import OperatorApi
from cli.options import Options
from cli.output import Failure

NODES_FILE = Path(".local") / "nodes.json"
"""Written by ``python -m cli local`` into the folder where it runs."""


def operator_api(options: Options, environment: Mapping[str, str] | None = None) -> OperatorApi:
    """The operator API of the node that the options or the environment name.

    Options come before the environment, and the environment before local nodes.

    Raises:
        UsageError: they name two nodes, or none, or a URL without a key.
    """
    env = os.environ if environment is None else environment
    if options.url and options.node:
        raise click.UsageError("give --url or --node, not both")
    url = options.url or ("" if options.node else env.get("OCPI_OPERATOR_URL"))
    if not url:
        node = local_node(options.node or "cpo")
        return OperatorApi(node["operator_url"], options.key or node["operator_key"])
    key = options.key or env.get("OCPI_OPERATOR_KEY")
    if not key:
        raise click.UsageError("an operator key is missing: give --key or set OCPI_OPERATOR_KEY")
    return OperatorApi(url, key)


def local_node(role: str) -> dict[str, Any]:
    """The entry of one local node in ``NODES_FILE``.

    Raises:
        UsageError: there is no such file, so no local nodes are running.
    """
    if not NODES_FILE.exists():
        raise click.UsageError(
            "which node? Give --url and --key (or set OCPI_OPERATOR_URL and OCPI_OPERATOR_KEY), "
            "or start two nodes on this machine with: make run"
        )
    return dict(read_nodes()[role])


def read_nodes() -> dict[str, dict[str, Any]]:
    """The content of ``NODES_FILE``: each local node, by role.

    Raises:
        Failure: the file is not what the runner writes.
    """
    try:
        nodes: dict[str, dict[str, Any]] = json.loads(NODES_FILE.read_text(encoding="utf-8"))
    except ValueError as broken:
        raise Failure(f"{NODES_FILE} is not JSON", "Start the nodes again: make run") from broken
    return nodes


def write_nodes(nodes: Mapping[str, Mapping[str, Any]], file: Path = NODES_FILE) -> None:
    """Write the file, atomically and readable for its owner only: it holds operator keys."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(nodes, out, indent=2)
        out.write("\n")
    fresh.replace(file)
