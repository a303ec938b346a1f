"""How far a crawl is, is kept whole and changed only by who has seen it last; its queue says what is to be fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb.objects import DynamoObjectStore
from chalicelib.adapters.dynamodb.pulls import DynamoPullStore
from chalicelib.adapters.sqs.pulls import SqsPullQueue, step_in
from chalicelib.node.conflicts import Conflict
from chalicelib.node.pulling.state import MOST_ON_A_PAGE, Pull, PullState, PullStep, PullStore, digest_of
from chalicelib.ocpi.module import ModuleID
from tests.node.faults import run_on
from tests.node.pulling import Crawl, answered, following, ids
from tests.resources import Stage
from tests.stores.conftest import Calls
from tests.stores.crawling import at

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


def pull(module: ModuleID = ModuleID.LOCATIONS, partner_id: str = "p1", **facts: Any) -> Pull:
    """A crawl's first version."""
    url = "https://cpo.example/locations?limit=100"
    begun = Pull(
        partner_id=partner_id,
        module=module,
        crawl="c1",
        state=PullState.RUNNING,
        is_full=True,
        url=url,
        first_url=url,
        began_at=at(0),
        updated_at=at(0),
    )
    return replace(begun.with_(at(1.000001)), **facts)


def test_a_crawl_is_kept_as_it_is(pulls: PullStore) -> None:
    """PAG-27: with every fact, and its times to the microsecond."""
    made = pull(
        state=PullState.FAILED,
        is_full=False,
        url="https://cpo.example/locations?cursor=Ä日本%2B",
        page=7,
        attempts=3,
        restarts=1,
        landmark="https://cpo.example/locations?cursor=1",
        listed="0123456789abcdef",
        total=10**12,
        received=600,
        taken=500,
        refused=3,
        problem="Ä: HTTP 503\n",
        since=at(-3600.000003),
        completed_at=at(-3500),
        full_at=at(-7200),
    )

    pulls.save(made)

    assert pulls.get("p1", ModuleID.LOCATIONS) == made
    assert pulls.of("p1") == [made]


def test_what_never_was_is_not_there(pulls: PullStore) -> None:
    """PAG-17."""
    assert pulls.get("p1", ModuleID.LOCATIONS) is None
    assert pulls.of("p1") == []
    assert set(pulls.seen(pull())) == set()


def test_each_partner_and_module_has_a_crawl_of_its_own(pulls: PullStore) -> None:
    """PAG-17."""
    for partner_id in ("p1", "p10"):
        for module in (ModuleID.TARIFFS, ModuleID.LOCATIONS):
            pulls.save(pull(module, partner_id))

    assert pulls.of("p1") == [pull(ModuleID.LOCATIONS), pull(ModuleID.TARIFFS)]
    assert pulls.get("p10", ModuleID.TARIFFS) == pull(ModuleID.TARIFFS, "p10")
    assert pulls.get("p10", ModuleID.CDRS) is None


def test_only_who_has_seen_it_last_moves_a_crawl(pulls: PullStore) -> None:
    """PAG-27: of two that fetched one page, one goes on."""
    first = pull()
    pulls.save(first)
    second = first.with_(at(2), page=1)
    pulls.save(second)

    for stale in (first, second, first.with_(at(3), page=1), replace(second, version=4)):
        with pytest.raises(Conflict):
            pulls.save(stale)

    assert pulls.get("p1", ModuleID.LOCATIONS) == second


def test_a_crawl_remembers_what_its_pages_listed(pulls: PullStore) -> None:
    """PAG-25: across pages, however often each is fetched, and nothing of other crawls."""
    first, other = pull(), pull(crawl="c10")
    many = [f"L{number}" for number in range(100)]
    pulls.record_seen(first, many)
    pulls.record_seen(first, many)
    pulls.record_seen(replace(first, page=1), [])
    pulls.record_seen(replace(first, page=2), ["Ä/日本", ""])
    pulls.record_seen(other, ["from another crawl"])
    pulls.record_seen(replace(first, module=ModuleID.TARIFFS), ["a tariff"])
    pulls.record_seen(replace(first, partner_id="p2"), ["of another partner"])

    seen = pulls.seen(first)

    assert {digest_of(each) for each in [*many, "Ä/日本", ""]} <= set(seen)
    for absent in ("L100", "from another crawl", "a tariff", "of another partner"):
        assert digest_of(absent) not in seen


def test_the_largest_page_is_remembered(pulls: PullStore) -> None:
    """PAG-25."""
    many = [f"L{number}" for number in range(MOST_ON_A_PAGE)]

    pulls.record_seen(pull(), many)

    assert set(pulls.seen(pull())) == set(map(digest_of, many))


def test_what_was_listed_is_not_taken_for_a_crawl(pulls: PullStore) -> None:
    """PAG-25."""
    pulls.record_seen(pull(), ["L1"])

    assert pulls.of("p1") == []


def test_what_was_listed_goes_away_by_itself(moto_stage: Stage) -> None:
    """PAG-25: after two days; the crawl itself stays."""
    table = moto_stage.table("pulls")
    store, made = DynamoPullStore(table), pull()
    store.save(made)
    store.record_seen(made, ["L1"])

    items = {item["sk"]["S"]: item for item in table.query(**_all_of("p1"))}

    expires_at = int(items["locations/c1/0"]["expires_at"]["N"])
    assert 0 <= expires_at - (made.updated_at + timedelta(days=2)).timestamp() <= 1
    assert "expires_at" not in items["locations"]


def _all_of(partner_id: str) -> dict[str, Any]:
    return {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": partner_id}}}


# --- what a page costs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "full", "made"),
    [
        (ModuleID.TARIFFS, False, {"GetItem": 1, "BatchGetItem": 1, "PutItem": 1}),
        (ModuleID.TARIFFS, True, {"GetItem": 1, "BatchGetItem": 1, "PutItem": 2}),
        (ModuleID.CDRS, True, {"GetItem": 1, "BatchGetItem": 2, "PutItem": 1}),
    ],
)
def test_a_page_of_a_hundred_objects_that_we_hold_costs_a_handful_of_calls(
    stage: Stage, calls: Calls, module: ModuleID, made: dict[str, int], *, full: bool
) -> None:
    """PAG-27: how far we are and how far then, what we hold, what was listed; the partner is one call more."""
    crawl = Crawl(module)
    stores = {each: DynamoObjectStore(stage.table(each)) for each in crawl.us.ports.stores}
    run_on(crawl.us, stores=stores, pulls=DynamoPullStore(stage.table("pulls")))
    listed = ids(*range(100), module=module)
    assert crawl.run(answered(listed)).taken == 100
    crawl.answers = [answered(listed, following("?c=1"))]
    crawl.schedule.start(crawl.them, module, full=full)
    calls.made()

    crawl.crawler.crawl_page(crawl.us.pull_steps.steps.pop(0)[0])

    assert calls.made() == made
    assert (crawl.now.page, crawl.now.received, crawl.now.taken) == (1, 100, 0)


# --- the queue -----------------------------------------------------------------------------------------------------


class Sink:
    """A client that keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.looked_up = 0

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - AWS's name
        self.looked_up += 1
        return {"QueueUrl": f"https://queue/{QueueName}"}

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)


@given(TEXT, st.sampled_from(ModuleID), TEXT, st.integers(0, 20_000))
def test_any_step_is_read_as_it_was_written(partner_id: str, module: ModuleID, crawl: str, page: int) -> None:
    """PAG-15."""
    sink, sent = Sink(), PullStep(partner_id=partner_id, module=module, crawl=crawl, page=page)

    SqsPullQueue("pulls", lambda: sink).enqueue(sent)

    (message,) = sink.sent
    assert message["QueueUrl"] == "https://queue/pulls"
    assert step_in(message["MessageBody"]) == sent
    assert isinstance(step_in(message["MessageBody"]).module, ModuleID)


@pytest.mark.parametrize(("delay_s", "expected"), [(0, 0), (600, 600), (900, 900), (5000, 900)])
def test_a_step_waits_as_long_as_a_queue_lets_it(delay_s: int, expected: int) -> None:
    """PAG-17."""
    sink = Sink()
    queue = SqsPullQueue("pulls", lambda: sink)

    for _ in range(2):
        queue.enqueue(PullStep(partner_id="p1", module=ModuleID.CDRS, crawl="c1", page=0), delay_s=delay_s)

    assert [message["DelaySeconds"] for message in sink.sent] == [expected, expected]
    assert sink.looked_up == 1


def test_a_step_of_a_later_release_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="later release"):
        step_in(json.dumps({"v": 2, "step": ["p1", "cdrs", "c1", 0]}))


def test_the_queue_of_a_stage_is_there(moto_stage: Stage) -> None:
    """PAG-17: as the template makes it, a step comes out of it as it went in."""
    step, clients = PullStep(partner_id="p1", module=ModuleID.TOKENS, crawl="c1", page=3), moto_stage.clients

    SqsPullQueue(moto_stage.queue("pulls"), clients.sqs).enqueue(step)

    url = clients.sqs().get_queue_url(QueueName=moto_stage.queue("pulls"))["QueueUrl"]
    (message,) = clients.sqs().receive_message(QueueUrl=url)["Messages"]
    assert step_in(message["Body"]) == step
