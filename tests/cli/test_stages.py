"""Commands that talk to AWS: keys, deploying, and what they say when AWS does not let them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from chalicelib.node.partners.store import OperatorKey
from cli.keys import hash_of, new_key
from cli.output import Failure
from cli.stages import PROJECT, aws_problems
from cli.support import support_markdown
from tests.cli.conftest import Run
from tests.memory import MemoryPartnerStore

NOT_SET = dict.fromkeys(("OCPI_STAGE", "OCPI_COUNTRY_CODE", "OCPI_PARTY_ID", "OCPI_NAME"))
REGION = {"AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.fixture
def partners() -> MemoryPartnerStore:
    return MemoryPartnerStore(lambda: datetime.now(UTC))


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetItem")


def test_of_a_key_only_its_hash_is_kept(partners: MemoryPartnerStore) -> None:
    key = new_key(partners, OperatorKey("billing"))

    assert key.startswith("ocpi_")
    assert len(key) == len("ocpi_") + 43
    assert partners.operator_keys() == {hash_of(key): OperatorKey("billing")}


def test_no_two_keys_are_alike(partners: MemoryPartnerStore) -> None:
    assert new_key(partners, OperatorKey("one")) != new_key(partners, OperatorKey("two"))


def test_a_key_has_no_role_that_there_is_not(run: Run) -> None:
    """CMD-17: a role that is misspelt would be noticed when a driver waits."""
    result = run("keys", "create", "desk", "--role", "helpdesk")

    assert result.exit_code == 2
    assert "help-desk" in result.stderr


def test_without_settings_the_ways_to_give_them_are_told(run: Run) -> None:
    result = run("keys", "list", **NOT_SET)

    assert result.exit_code == 1
    assert "OCPI_COUNTRY_CODE is not set" in result.stderr
    assert "--stage" in result.stderr


@pytest.mark.parametrize("command", [("keys", "list"), ("deploy",)])
def test_an_unknown_stage_is_told_which_there_are(run: Run, command: tuple[str, ...]) -> None:
    result = run(*command, "--stage", "nowhere", **REGION)

    assert result.exit_code == 1
    assert "no stage 'nowhere'" in result.stderr
    assert "prod" in result.stderr


def test_a_stage_without_our_own_party_is_not_deployed(run: Run) -> None:
    result = run("deploy", "--stage", "prod", **REGION)

    assert result.exit_code == 1
    assert "OCPI_COUNTRY_CODE is still XX" in result.stderr


@pytest.mark.parametrize(
    ("problem", "advice"),
    [
        (NoRegionError(), "AWS_DEFAULT_REGION"),
        (NoCredentialsError(), "AWS_PROFILE"),
        (refused("ExpiredTokenException"), "AWS_PROFILE"),
        (refused("ResourceNotFoundException"), "deploy --stage prod"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "make run"),
    ],
)
def test_what_aws_refuses_comes_with_advice(problem: Exception, advice: str) -> None:
    with pytest.raises(Failure) as told, aws_problems("prod"):
        raise problem

    assert advice in told.value.next_step


def test_the_route_table_is_markdown_on_stdout(run: Run) -> None:
    result = run("docs", "routes")

    assert result.exit_code == 0
    assert result.stdout.startswith("# Routes\n")
    assert "/ocpi/cpo/versions" in result.stdout


def test_the_rules_and_their_proofs_are_markdown_on_stdout(run: Run) -> None:
    result = run("docs", "support")

    assert result.exit_code == 0
    assert result.stdout == support_markdown(PROJECT)
