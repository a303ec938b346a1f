"""Pulling a partner's list on DynamoDB and SQS: page by page, and what a page costs of which nothing is new."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest

from chalicelib.node.pulling.state import Pull, PullState, PullStep
from chalicelib.ocpi.module import ModuleID
from tests import make
from tests.conversations.on_aws import CallCount, CompanyOnAws, pair_on_aws
from tests.resources import Stage
from tests.world import Pair

ON_A_PAGE = 100


@pytest.fixture
def pair(new_stage: Callable[[], Stage]) -> Pair:
    """The CPO has three pages of locations of which it told nobody."""
    pair = pair_on_aws(new_stage(), new_stage())
    pair.cpo.company.own_objects[ModuleID.LOCATIONS].import_all([make.location(f"LOC{n:03}") for n in range(201)])
    pair.world.clock.pass_(minutes=1)
    return pair


def emsp(pair: Pair) -> CompanyOnAws:
    assert isinstance(pair.emsp, CompanyOnAws)
    return pair.emsp


def begin(pair: Pair) -> Pull:
    """Let the eMSP begin to pull everything."""
    return pair.emsp.company.pull_schedule.start(pair.emsp.partners()[0], ModuleID.LOCATIONS, full=True)


def found(pair: Pair) -> Pull:
    """How far it is."""
    (pull,) = pair.emsp.ports.pulls.of(pair.emsp.partners()[0].id)
    return pull


def test_a_list_of_three_pages_arrives_whole(pair: Pair) -> None:
    """PAG-15."""
    begin(pair)
    emsp(pair).pump()

    pull = found(pair)
    assert (pull.state, pull.page, pull.total, pull.problem) == (PullState.DONE, 3, 201, None)
    assert (pull.received, pull.taken, pull.refused) == (201, 201, 0)
    for object_id in ("LOC000", "LOC100", "LOC200"):
        ours = pair.to_cpo("GET", f"/ocpi/cpo/2.1.1/locations/{object_id}").data
        assert json.loads(pair.to_emsp("GET", pair.at_emsp("locations", object_id)).response.body)["data"] == ours


def test_a_page_of_which_nothing_is_new_costs_a_handful_of_calls(pair: Pair) -> None:
    """PAG-27: what comes twice counts once."""
    begin(pair)
    emsp(pair).pump()
    begin(pair)

    with CallCount(emsp(pair).stage) as made:
        emsp(pair).pull_on()

    assert (found(pair).received, found(pair).taken) == (ON_A_PAGE, 0)
    # How far we are, who they are, and that they may be called; what we hold; what the page listed, how far we are now.
    ours = Counter({"GetItem": 3, "BatchGetItem": 1, "PutItem": 2})
    # Both companies' stages are on one emulator: these are the page as the CPO reads it.
    theirs = Counter({"Query": 1, "BatchGetItem": 2})
    assert made == ours + theirs


def test_a_page_that_is_sent_for_twice_is_fetched_once(pair: Pair) -> None:
    """PAG-27."""
    pull = begin(pair)
    emsp(pair).pull_on()
    emsp(pair).ports.pull_queue.enqueue(_again(pull))

    emsp(pair).pump()

    assert (found(pair).state, found(pair).received) == (PullState.DONE, 201)


def _again(pull: Pull) -> PullStep:
    return PullStep(partner_id=pull.partner_id, module=pull.module, crawl=pull.crawl, page=pull.page)
