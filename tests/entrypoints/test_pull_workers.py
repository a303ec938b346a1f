"""Proves that the hourly schedule begins crawls, and that the worker of their queue takes them to their end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.app import CloudWatchEvent, SQSEvent

from chalicelib.bootstrap.company import Company
from chalicelib.entrypoints import workers
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.pulling.state import PullState
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role

NOWHERE = "https://127.0.0.1/locations"
"""An address that we never call, so that no test waits for the network."""


def event_of(*steps: Any, version: int = 1) -> SQSEvent:
    """A batch as Lambda hands it over."""
    bodies = [json.dumps({"v": version, "step": step}) for step in steps]
    return SQSEvent({"Records": [{"messageId": "m", "body": body, "receiptHandle": "r"} for body in bodies]}, None)


def every_hour() -> CloudWatchEvent:
    texts = dict.fromkeys(("version", "account", "region", "detail-type", "source", "time", "id"), "")
    return CloudWatchEvent({**texts, "detail": {}, "resources": []}, None)


def partner_of(company: Company) -> Partner:
    """A CPO that serves us locations."""
    made = Partner(
        id="p1",
        our_role=Role.EMSP,
        state=State.REGISTERED,
        party=Party.of("DE", "CPO"),
        endpoints={ModuleID.LOCATIONS: NOWHERE},
        token_we_send=AuthToken("secret-token-number-000001"),
    )
    return company.ports.partners.save(made)


def test_the_schedule_begins_a_crawl_and_the_worker_ends_it(company: Company) -> None:
    """PAG-17: with its reason where it cannot be done."""
    partner = partner_of(company)

    workers.pull_partners(every_hour())
    begun = company.ports.pulls.get(partner.id, ModuleID.LOCATIONS)
    assert begun is not None
    assert (begun.state, begun.is_full) == (PullState.RUNNING, True)
    workers.pulls(event_of([partner.id, "locations", begun.crawl, 0]))

    ended = company.ports.pulls.get(partner.id, ModuleID.LOCATIONS)
    assert ended is not None
    assert (ended.state, ended.crawl) == (PullState.FAILED, begun.crawl)
    assert ended.problem


def test_a_step_of_nobody_s_crawl_is_over(company: Company) -> None:
    """PAG-15: it holds up no other."""
    workers.pulls(event_of(["nobody", "cdrs", "c1", 0]))

    assert company.ports.pulls.of("nobody") == []


def test_a_step_of_a_later_release_waits_for_it(company: Company) -> None:
    with pytest.raises(ValueError, match="later release"):
        workers.pulls(event_of(["p1", "cdrs", "c1", 0], version=2))

    assert company.ports.pulls.of("p1") == []
