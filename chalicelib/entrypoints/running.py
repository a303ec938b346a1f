"""The one node of this process, built at the first event: importing the app reads and connects nothing."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.bootstrap.aws import on_aws
from chalicelib.bootstrap.company import build_company
from chalicelib.entrypoints.observability import Telemetry
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.bootstrap.company import Company


@cache
def telemetry() -> Telemetry:
    """This process's logs and metrics."""
    return Telemetry(Settings.from_environment())


@cache
def company() -> Company:
    """The node as the environment describes it, on AWS."""
    settings = Settings.from_environment()
    return build_company(settings, on_aws(settings, telemetry()))
