"""``import`` of tokens from CSV: what a cell becomes; a bad one is named by its line before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.operator_server import OperatorServer

NAMES = "uid,type,auth_id,visual_number,issuer,valid,whitelist"
GOOD = "04A1,RFID,NL-MSP-C1,,Demo,true,ALWAYS"


def csv_of(*lines: str, encoding: str = "utf-8") -> str:
    path = Path("tokens.csv")
    path.write_bytes("\r\n".join((*lines, "")).encode(encoding))
    return str(path)


def test_a_line_becomes_a_token_and_an_empty_cell_is_left_out(run: Run, server: OperatorServer) -> None:
    result = run("import", "tokens", csv_of(NAMES, GOOD, '0012,OTHER,NL-MSP-C2,"a, b",Demo,FALSE,NEVER'))

    assert result.exit_code == 0
    first = {"uid": "04A1", "type": "RFID", "auth_id": "NL-MSP-C1", "issuer": "Demo"}
    second = {"uid": "0012", "type": "OTHER", "auth_id": "NL-MSP-C2", "visual_number": "a, b", "issuer": "Demo"}
    assert server.own["tokens"] == {
        "04A1": first | {"valid": True, "whitelist": "ALWAYS"},
        "0012": second | {"valid": False, "whitelist": "NEVER"},
    }


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [((NAMES, GOOD), "utf-8-sig"), ((NAMES.replace(",", ";"), GOOD.replace(",", ";")), "utf-8")],
    ids=["a mark in front", "semicolons"],
)
def test_what_spreadsheets_write_is_taken(
    lines: tuple[str, ...], encoding: str, run: Run, server: OperatorServer
) -> None:
    assert run("import", "tokens", csv_of(*lines, encoding=encoding)).exit_code == 0
    assert list(server.own["tokens"]) == ["04A1"]


def test_stdin_can_be_csv(run: Run, server: OperatorServer) -> None:
    assert run("import", "tokens", "-", "--csv", stdin=f"{NAMES}\n{GOOD}\n").exit_code == 0
    assert list(server.own["tokens"]) == ["04A1"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GOOD.replace("true", "ja"), "line 3: valid is neither true nor false"),
        (GOOD.replace("ALWAYS", "SOMETIMES"), "line 3: Token: whitelist is not a value of this enum"),
        (GOOD.replace("NL-MSP-C1", ""), "line 3: Token: auth_id is missing"),
        (GOOD.replace("04A1", "0" * 37), "line 3: Token: uid"),
        (GOOD + ",more", "line 3: more cells than line 1 has names"),
        ('04A2,"RFID', "not CSV in UTF-8"),
    ],
)
def test_a_bad_cell_is_named_by_its_line_and_nothing_is_sent(
    line: str, said: str, run: Run, server: OperatorServer
) -> None:
    result = run("import", "tokens", csv_of(NAMES, GOOD, line))

    assert result.exit_code == 2
    assert said in result.stderr
    assert server.asked == []


def test_every_bad_line_is_named_but_no_more_than_twenty(run: Run) -> None:
    bad = GOOD.replace("true", "")

    result = run("import", "tokens", csv_of(NAMES, *[bad] * 30))

    assert [number for number in range(1, 40) if f"line {number}:" in result.stderr] == list(range(2, 22))


@pytest.mark.parametrize("names", [f"{NAMES},colour", f"{NAMES},uid", f"{NAMES},", ""])
def test_the_first_line_names_fields_of_a_token_each_once(names: str, run: Run, server: OperatorServer) -> None:
    result = run("import", "tokens", csv_of(names, GOOD))

    assert result.exit_code == 2
    assert "line 1" in result.stderr
    assert server.asked == []


def test_only_flat_objects_fit_into_csv(run: Run, server: OperatorServer) -> None:
    result = run("import", "tariffs", csv_of("id,currency", "T1,EUR"))

    assert result.exit_code == 2
    assert "JSON" in result.stderr
    assert server.asked == []
