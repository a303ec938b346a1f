"""What a local node is to be: its role, its party, its port, and the environment that makes it so."""

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
"""What can be wrong with simulated charge points."""
TUNABLE: Final = {
    "OCPI_PAGE_LIMIT": "100",
    # Short, so that one sees a session grow.
    "OCPI_SESSION_PAUSE_S": "5",
    "OCPI_COMMANDS": ",".join(COMMAND_TYPE),
    "OCPI_COMMAND_TIMEOUT_S": "60",
    "OCPI_REQUIRED_MODULES": "",
    "OCPI_LOG_LEVEL": "INFO",
}
"""Settings that a local run takes over from its own environment, and what they are otherwise."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One of the two nodes."""

    role: Role
    party: Party
    port: int

    @property
    def url(self) -> str:
        """Where everybody reaches it."""
        return f"http://{HOST}:{self.port}"

    @property
    def versions_url(self) -> str:
        """What partners are given."""
        return f"{self.url}/ocpi/{self.role}/versions"

    @property
    def operator_url(self) -> str:
        """What the company's own people and systems use."""
        return f"{self.url}/operator"

    @property
    def stage(self) -> str:
        """Whose tables and queues it uses; a stage's name has letters and digits only."""
        return f"local{self.role}"

    def environment(self, aws: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
        """The settings, and the way to the emulator."""
        tuned = {name: inherited.get(name, default) for name, default in TUNABLE.items()}
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
    """An environment that leads to no AWS account: whoever runs this may be logged in to one."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("AWS_", "OCPI_"))}
    return {**kept, "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
