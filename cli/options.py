"""Options of every command, before or after its name: the node, the operator key, and JSON output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

NODES = ("cpo", "emsp")


@dataclass(slots=True)
class Options:
    """The values of the options; click fills them in while it parses."""

    url: str | None = None
    key: str | None = None
    node: str | None = None
    as_json: bool = False


pass_options = click.make_pass_decorator(Options, ensure=True)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if value:
        setattr(context.ensure_object(Options), str(parameter.name), value)
    return value


def json_option(command: Decorated) -> Decorated:
    """Adds ``--json``."""
    option = click.option(
        "--json", "as_json", is_flag=True, expose_value=False, callback=_keep, help="Answer in JSON, for scripts."
    )
    return option(command)


def local_options(command: Decorated) -> Decorated:
    """Adds the options of commands that call AWS: ``--node`` and ``--json``."""
    option = click.option(
        "--node",
        type=click.Choice(NODES),
        expose_value=False,
        callback=_keep,
        help="A node that `python -m cli local` started; without it and a URL, its cpo.",
    )
    return option(json_option(command))


def node_options(command: Decorated) -> Decorated:
    """Adds the options that select a node's operator API, and ``--json``."""
    url = click.option(
        "--url",
        metavar="URL",
        expose_value=False,
        callback=_keep,
        help="The operator API, ending in /operator. [env: OCPI_OPERATOR_URL]",
    )
    key = click.option(
        "--key",
        metavar="KEY",
        expose_value=False,
        callback=_keep,
        help="An operator key. [env: OCPI_OPERATOR_KEY]",
    )
    return url(key(local_options(command)))
