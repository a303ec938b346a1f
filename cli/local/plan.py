"""The configuration of a local node: role, party, port, and the environment variables for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chalicelib.ocpi.module import COMMAND_TYPE
from chalicelib.ocpi.parties import Party, Role

HOST: Final = "127.0.0.1"
NAMES: Final = {Role.CPO: "Demo Charging", Role.EMSP: "Demo Mobility"}
FAULTS: Final = ("slow", "silent", "rejecting")
"""Faults of simulated charge points."""
OVERRIDABLE: Final = {
    "OCPI_PAGE_LIMIT": "100",
    # Short, so that the updates of a session can be watched.
    "OCPI_SESSION_PAUSE_S": "5",
    "OCPI_COMMANDS": ",".join(COMMAND_TYPE),
    "OCPI_COMMAND_TIMEOUT_S": "60",
    "OCPI_REQUIRED_MODULES": "",
    "OCPI_LOG_LEVEL": "INFO",
}
"""Settings that a local run takes from its own environment, and their defaults."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One of the two nodes."""

    role: Role
    party: Party
    port: int

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def versions_url(self) -> str:
        """Its versions URL, for partners."""
        return f"{self.url}/ocpi/{self.role}/versions"

    @property
    def operator_url(self) -> str:
        """The URL of its operator API."""
        return f"{self.url}/operator"

    @property
    def stage(self) -> str:
        """Its stage, which names its tables and queues; it has letters and digits only."""
        return f"local{self.role}"

    def environment(self, aws: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of the node: its settings, and those for the emulator."""
        tuned = {name: inherited.get(name, default) for name, default in OVERRIDABLE.items()}
        return {
            **aws,
            **tuned,
            "OCPI_STAGE": self.stage,
            "OCPI_COUNTRY_CODE": self.party.country_code,
            "OCPI_PARTY_ID": self.party.party_id,
            "OCPI_NAME": NAMES[self.role],
            "OCPI_WEBSITE": f"https://{self.role}.example.com",
            "OCPI_ROLES": self.role.value,
            "OCPI_PUBLIC_URL": self.url,
            "OCPI_OPEN_NETWORK": "yes",
            "OCPI_CONSOLE_LOGS": "yes",
            "AWS_CHALICE_CLI_MODE": "true",
        }


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without access to an AWS account, to which the user may be logged in."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "OCPI_"))}
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
