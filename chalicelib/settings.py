"""The settings of a node, read from environment variables; no other code reads ``os.environ``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chalicelib.ocpi.module import COMMAND_TYPE
from chalicelib.ocpi.parties import Party, Role

APP_NAME = "ocpi"


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what it must be."""


def stage(environment: Mapping[str, str] | None = None) -> str:
    """The stage this process runs in, ``dev`` unless ``OCPI_STAGE`` says otherwise."""
    return (environment if environment is not None else os.environ).get("OCPI_STAGE", "dev")


def resource_name(name: str, stage_name: str) -> str:
    """The full name of a table, queue, function or stack in AWS: ``ocpi-<stage>-<name>``."""
    return f"{APP_NAME}-{stage_name}-{name}"


def queue_name(name: str) -> str:
    """The full name of a queue in this process's stage; app.py needs it at import, before there are ``Settings``."""
    return resource_name(name, stage())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a node; the README's configuration table describes each variable."""

    stage: str
    party: Party
    name: str
    website: str | None
    roles: frozenset[Role]
    public_url: str | None
    """Our base URL without a trailing slash; None: as recorded by ``python -m cli deploy``."""
    open_network: bool
    """Whether we may call loopback addresses and plain http; for local runs and tests only."""
    page_limit: int
    session_pause_s: int
    """Seconds between two pushes of one session."""
    commands: frozenset[str]
    """The commands that our charge points support; others are answered NOT_SUPPORTED."""
    command_timeout_s: int
    """Seconds until we answer TIMEOUT for a charge point that does not answer a command."""
    required_modules: frozenset[str]
    """Modules without which we register with no partner."""
    events: bool
    """Whether events about changes of partners are published to the host."""
    log_level: str
    console_logs: bool
    """Whether logs are plain text for a terminal instead of JSON."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """The settings in environment variables; ``os.environ`` by default.

        Raises:
            SettingsError: a variable is missing or malformed.
        """
        env = os.environ if environment is None else environment
        return cls(
            stage=stage(env),
            party=_party(env),
            name=_required(env, "OCPI_NAME"),
            website=env.get("OCPI_WEBSITE") or None,
            roles=_roles(env.get("OCPI_ROLES") or "cpo,emsp"),
            public_url=(env.get("OCPI_PUBLIC_URL") or "").rstrip("/") or None,
            open_network=_flag(env, "OCPI_OPEN_NETWORK"),
            page_limit=_between(env, "OCPI_PAGE_LIMIT", 100, 1, 1000),
            session_pause_s=_between(env, "OCPI_SESSION_PAUSE_S", 60, 0, 900),
            commands=_commands(env),
            command_timeout_s=_between(env, "OCPI_COMMAND_TIMEOUT_S", 60, 1, 900),
            required_modules=frozenset(_words(env.get("OCPI_REQUIRED_MODULES", ""))),
            events=_flag(env, "OCPI_EVENTS", default="yes"),
            log_level=(env.get("OCPI_LOG_LEVEL") or "INFO").upper(),
            console_logs=_flag(env, "OCPI_CONSOLE_LOGS"),
        )

    def table(self, name: str) -> str:
        """The full name of one of our tables."""
        return resource_name(name, self.stage)

    def queue(self, name: str) -> str:
        """The full name of one of our queues."""
        return resource_name(name, self.stage)

    @property
    def bus(self) -> str:
        """The full name of the EventBridge bus for events."""
        return f"{APP_NAME}-{self.stage}"

    @property
    def event_source(self) -> str:
        """The ``source`` of our events on the bus, which the host's rules match."""
        return f"{APP_NAME}.{self.stage}"


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set: give it in .chalice/config.json under environment_variables")
    return value


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def _party(env: Mapping[str, str]) -> Party:
    try:
        return Party.of(_required(env, "OCPI_COUNTRY_CODE"), _required(env, "OCPI_PARTY_ID"))
    except ValueError as broken:
        raise SettingsError(f"OCPI_COUNTRY_CODE and OCPI_PARTY_ID: {broken}") from broken


def _roles(text: str) -> frozenset[Role]:
    try:
        return frozenset(Role(word) for word in _words(text))
    except ValueError as broken:
        raise SettingsError(f"OCPI_ROLES is {text!r}: give cpo, emsp or cpo,emsp") from broken


def _commands(env: Mapping[str, str]) -> frozenset[str]:
    asked = env.get("OCPI_COMMANDS", ",".join(COMMAND_TYPE))
    unknown = sorted(set(_words(asked)) - {command.lower() for command in COMMAND_TYPE})
    if unknown:
        raise SettingsError(f"OCPI_COMMANDS has {unknown[0]!r}: give some of {','.join(COMMAND_TYPE)}, or nothing")
    return frozenset(word.upper() for word in _words(asked))


def _flag(env: Mapping[str, str], name: str, default: str = "no") -> bool:
    value = (env.get(name) or default).lower()
    if value not in ("yes", "no"):
        raise SettingsError(f"{name} is {value!r}: give yes or no")
    return value == "yes"


def _between(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isdigit() or not low <= int(text) <= high:
        raise SettingsError(f"{name} is {text!r}: give a whole number from {low} to {high}")
    return int(text)
