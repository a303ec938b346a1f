"""The node of this process, built at the first event: importing the app reads no settings and connects nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.bootstrap.aws import on_aws
from chalicelib.bootstrap.company import build_company
from chalicelib.entrypoints.observability import Telemetry
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.adapters.aws import Clients
    from chalicelib.bootstrap.company import Company


@cache
def telemetry() -> Telemetry:
    """The logs, metrics and traces of this process."""
    return Telemetry(Settings.from_environment())


@cache
def clients() -> Clients:
    """The AWS clients of this process, each built at its first use."""
    from chalicelib.adapters.aws import Clients

    return Clients()


@cache
def company() -> Company:
    """The node of this process, on AWS, with the settings of the environment."""
    settings = Settings.from_environment()
    return build_company(settings, on_aws(settings, telemetry(), clients()))
