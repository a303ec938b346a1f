"""The whole of roaming, from the first contact to the bill, as ``examples/roaming_story.py`` tells it on two nodes."""

from __future__ import annotations

from pathlib import Path

from examples.roaming_story import nodes_of, tell
from tests.local.test_runner import local


def test_a_driver_charges_and_is_billed_between_two_companies_that_have_just_met(tmp_path: Path) -> None:
    """TOK-20, SES-04, CDR-04, CDR-05, CDR-21, CRD-17."""
    said: list[str] = []

    with local(tmp_path, "--bare") as runner:
        story = tell(*nodes_of(runner.nodes), said.append)

    assert story.location_at_emsp["evses"][0]["status"] == "AVAILABLE"
    assert story.token_at_cpo["whitelist"] == "NEVER"
    assert (story.verdict["allowed"], story.verdict["decided_by"]) == ("ALLOWED", "real-time")
    assert story.verdict["location"]["location_id"] == story.location_at_emsp["id"]

    assert story.statuses_at_emsp == ("PENDING", "ACTIVE", "COMPLETED")
    assert story.session_at_emsp == story.session_at_cpo
    assert (story.session_at_emsp["kwh"], story.session_at_emsp["total_cost"]) == (20, 8.4)

    assert story.posting["is_equal"]
    assert story.posting["theirs"] == story.cdr_at_emsp
    assert (story.cdr_at_emsp["total_energy"], story.cdr_at_emsp["total_cost"]) == (20, 8.4)
    assert story.cdr_at_emsp["auth_id"] == story.token_at_cpo["auth_id"]

    assert story.partner_at_cpo["state"] == story.partner_at_emsp["state"] == "unregistered"
    assert said[-1] == "They part: unregistered, at both"
