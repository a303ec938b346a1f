"""Chalice's configuration: each stage gives the functions what the settings read, and names what belongs to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from chalice.cli.factory import CLIFactory

from chalicelib.settings import Settings
from cli import policies
from cli.deploy import PLACEHOLDERS, stage_environment
from tests.infra.stage import ROOT

CONFIG: dict[str, Any] = json.loads((ROOT / ".chalice" / "config.json").read_text())
TIMEOUTS_S = {"api_handler": 28, "refresh_endpoints": 900}
each_stage = pytest.mark.parametrize("stage", CONFIG["stages"])
each_function = pytest.mark.parametrize("function", policies.GRANTS)


class Asked(Mapping[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def filled_in(stage: str) -> dict[str, str]:
    """A stage's variables, with a party where the example leaves it open."""
    return {**stage_environment(ROOT, stage), "OCPI_COUNTRY_CODE": "DE", "OCPI_PARTY_ID": "ABC", "OCPI_NAME": "A"}


def chalice_config(stage: str, function: str) -> Any:
    """The configuration as Chalice reads it."""
    return CLIFactory(str(ROOT), environ={}).create_config_obj(stage).scope(stage, function)


@each_stage
def test_a_stage_gives_exactly_the_variables_that_the_settings_read(stage: str) -> None:
    environment = Asked(filled_in(stage))

    Settings.from_environment(environment)

    assert environment.names == stage_environment(ROOT, stage).keys()


@each_stage
def test_a_stage_is_called_the_same_everywhere(stage: str) -> None:
    assert stage_environment(ROOT, stage)["OCPI_STAGE"] == stage
    assert CONFIG["stages"][stage]["api_gateway_stage"] == stage


@each_stage
def test_every_variable_is_a_string(stage: str) -> None:
    assert all(isinstance(value, str) for value in stage_environment(ROOT, stage).values())


@each_stage
def test_partners_networks_are_checked_in_every_deployed_stage(stage: str) -> None:
    assert not Settings.from_environment(filled_in(stage)).open_network


def test_dev_can_be_deployed_as_it_is_and_prod_cannot() -> None:
    Settings.from_environment(stage_environment(ROOT, "dev"))

    assert PLACEHOLDERS.items() <= stage_environment(ROOT, "prod").items()


@each_stage
@each_function
def test_each_function_has_a_policy_of_its_own(stage: str, function: str) -> None:
    config = chalice_config(stage, function)

    assert config.iam_policy_file == policies.filename(stage, function)
    assert config.autogen_policy is False
    assert config.manage_iam_role is True


@each_stage
@each_function
def test_the_api_answers_in_time_and_the_daily_round_outlives_slow_partners(stage: str, function: str) -> None:
    config = chalice_config(stage, function)

    assert config.lambda_timeout == TIMEOUTS_S.get(function, 60)
    assert config.lambda_memory_size == 1024


@each_stage
def test_the_api_is_regional_compressed_traced_and_on_arm(stage: str) -> None:
    config = chalice_config(stage, "api_handler")

    assert config.api_gateway_endpoint_type == "REGIONAL"
    assert config.minimum_compression_size == 1400
    assert config.xray_enabled is True
    assert config.lambda_architecture == "arm64"
    assert config.automatic_layer is True


def test_no_function_is_configured_that_has_no_policy() -> None:
    for stage in CONFIG["stages"].values():
        assert stage["lambda_functions"].keys() == policies.GRANTS.keys()
