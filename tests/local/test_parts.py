"""The runner's parts that need no node."""

from __future__ import annotations

import json
import os
import threading
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tokens.objects import TOKEN_TYPE, WHITELIST_TYPE, Token
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.types import OcpiObject
from chalicelib.settings import Settings
from cli.local.command import Faults
from cli.local.demo import EXAMPLES, examples
from cli.local.logs import follow
from cli.local.plan import NodePlan, without_aws
from cli.local.process import check_ports
from cli.main import cli
from cli.output import Failure

CPO = NodePlan(Role.CPO, Party.of("FR", "ABC"), 8100)


def test_a_plan_makes_settings_of_its_own_party_and_stage() -> None:
    settings = Settings.from_environment(CPO.environment({}, {"OCPI_PAGE_LIMIT": "7", "OCPI_PARTY_ID": "XXX"}))

    assert settings.party == Party.of("FR", "ABC")
    assert settings.roles == frozenset({Role.CPO})
    assert settings.stage == "localcpo"
    assert settings.public_url == "http://127.0.0.1:8100"
    assert settings.page_limit == 7


def test_locally_one_sees_a_session_grow_and_may_ask_for_other_terms() -> None:
    usual = Settings.from_environment(CPO.environment({}, {}))
    tuned = {"OCPI_SESSION_PAUSE_S": "60", "OCPI_COMMANDS": "", "OCPI_COMMAND_TIMEOUT_S": "3"}
    asked = Settings.from_environment(CPO.environment({}, tuned))

    assert (usual.session_pause_s, len(usual.commands), usual.command_timeout_s) == (5, 4, 60)
    assert (asked.session_pause_s, asked.commands, asked.command_timeout_s) == (60, frozenset(), 3)


def test_no_way_leads_to_a_real_account() -> None:
    kept = without_aws({"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "secret", "OCPI_STAGE": "prod", "PATH": "/bin"})

    assert kept == {"PATH": "/bin", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def test_two_nodes_cannot_have_one_port() -> None:
    with pytest.raises(Failure, match="Both nodes"):
        check_ports([CPO, NodePlan(Role.EMSP, Party.of("NL", "MSP"), CPO.port)])


@pytest.mark.parametrize(("module", "model"), [("locations", Location), ("tariffs", Tariff), ("tokens", Token)])
def test_the_examples_are_valid_to_the_letter(module: str, model: type[OcpiObject]) -> None:
    for example in examples(module, CPO.party):
        model.model_validate(example)


def test_the_session_and_the_cdr_to_try_are_valid_to_the_letter_and_of_a_driver_there_is() -> None:
    (session,) = json.loads((EXAMPLES / "sessions.json").read_text(encoding="utf-8"))
    cdr = json.loads((EXAMPLES / "cdr.json").read_text(encoding="utf-8"))

    drivers = {token["auth_id"] for token in examples("tokens", Party.of("NL", "MSP"))}

    assert Session.model_validate(session).auth_id in drivers
    assert Cdr.model_validate(cdr).auth_id in drivers
    assert (session["id"], session["kwh"], session["total_cost"]) == (cdr["id"], cdr["total_energy"], cdr["total_cost"])


def test_there_is_an_example_token_of_every_kind() -> None:
    tokens = examples("tokens", Party.of("FR", "ABC"))

    assert {(token["whitelist"], token["valid"]) for token in tokens} == set(product(WHITELIST_TYPE, (True, False)))
    assert {token["type"] for token in tokens} == set(TOKEN_TYPE)
    assert all(token["auth_id"].startswith("FR-ABC-") for token in tokens)


def test_the_examples_belong_to_whoever_runs() -> None:
    ids = [evse["evse_id"] for location in examples("locations", CPO.party) for evse in location["evses"]]

    assert ids
    assert all(evse_id.startswith("FR*ABC*") for evse_id in ids)


def test_the_examples_refer_to_tariffs_there_are() -> None:
    tariffs = {tariff["id"] for tariff in examples("tariffs", CPO.party)}
    evses = [evse for location in examples("locations", CPO.party) for evse in location["evses"]]

    assert {connector["tariff_id"] for evse in evses for connector in evse["connectors"]} <= tariffs


def test_logs_are_followed_line_by_line(tmp_path: Path) -> None:
    log, lines, two = tmp_path / "cpo.log", list[str](), threading.Event()
    log.write_text("before\n")

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            two.set()

    follow({"cpo": log}, say)
    with log.open("a") as writing:
        for part in ("one\ntw", "o\nunfinished"):
            writing.write(part)
            writing.flush()
    assert two.wait(5)

    assert lines == ["cpo | one", "cpo | two"]


@pytest.mark.parametrize("party", ["DECPO", "D/CPO", "DE/CPOX", "DE"])
def test_what_is_no_party_is_a_mistake(party: str) -> None:
    result = CliRunner().invoke(cli, ["local", "--cpo-party", party])

    assert result.exit_code == 2
    assert "a party is two letters" in result.stderr


@pytest.mark.parametrize("faults", ["asleep", "slow,", "slow silent"])
def test_what_is_no_fault_is_a_mistake(faults: str) -> None:
    result = CliRunner().invoke(cli, ["local", "--charge-points", faults])

    assert result.exit_code == 2
    assert "rejecting" in result.stderr


@pytest.mark.parametrize(
    ("written", "faults"), [("slow, rejecting", {"slow", "rejecting"}), ("healthy", set()), ("silent", {"silent"})]
)
def test_faults_are_words_with_commas(written: str, faults: set[str]) -> None:
    assert Faults().convert(written, None, None) == faults


def test_charge_points_are_wanted_or_not() -> None:
    result = CliRunner().invoke(cli, ["local", "--charge-points", "healthy", "--no-charge-points"])

    assert result.exit_code == 2
    assert "not both" in result.stderr


def test_restarting_needs_a_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(cli, ["local", "restart"])

    assert result.exit_code == 1
    assert "python -m cli local" in result.stderr
