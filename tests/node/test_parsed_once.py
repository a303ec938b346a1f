"""Proves that every body that arrives, of a request or an answer, is parsed once, whoever has to know what it says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib.node.commands import CommandResult
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.partner import partner, said
from tests.node.pulling import Crawl, answered, following, ids
from tests.world import Pair, World, pair
from tests.world.network import Traffic

CODE = Path(__file__).parents[2] / "chalicelib"
LATER = "2026-02-01T00:00:00Z"


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each text was parsed as JSON, by whomever."""
    texts: Counter[str] = Counter()
    decode = json.JSONDecoder.decode

    def counting(decoder: json.JSONDecoder, text: str, **how: Any) -> Any:
        texts[text] += 1
        return decode(decoder, text, **how)

    monkeypatch.setattr(json.JSONDecoder, "decode", counting)
    return texts


def parsed(parses: Counter[str], body: bytes) -> int:
    return parses[body.decode()]


def bodies(traffic: list[Traffic]) -> Counter[str]:
    """Every body that crossed the network, and how often."""
    both = [body for each in traffic if each.response for body in (each.request.body, each.response.body)]
    return Counter(body.decode() for body in both if body)


def assert_each_body_was_parsed_once(parses: Counter[str], world: World, mark: int) -> None:
    sent = bodies(world.since(mark))
    assert {text: parses[text] for text in sent} == sent


def test_every_parser_of_what_partners_send_is_in_one_place() -> None:
    """So that counting what the standard library parses counts everything."""
    others = ("from_json", "model_validate_json", "validate_json", "raw_decode", "model_validate_strings")
    found = {
        path.relative_to(CODE).as_posix()
        for path in CODE.rglob("*.py")
        if any(name in path.read_text(encoding="utf-8") for name in others)
    }

    assert found == {"ocpi/reading.py"}


# --- we ask --------------------------------------------------------------------------------------------------------


def test_a_push_that_is_delivered(parses: Counter[str]) -> None:
    """The PATCH at the receiver, and its answer at the sender."""
    there = partner()
    mark = len(there.there.world.traffic)
    parses.clear()

    there.change(("E1",), {"status": "CHARGING"})
    there.there.pump()

    assert [each.request.method for each in there.there.world.since(mark)] == ["PATCH"]
    assert_each_body_was_parsed_once(parses, there.there.world, mark)


def test_a_patch_that_is_refused_then_looked_up_then_put(parses: Counter[str]) -> None:
    """Three answers, each judged by several questions."""
    there = partner()
    refusal = said(200, 2000, {"why": "no PATCH"})
    there.will("PATCH", refusal)
    mark = len(there.there.world.traffic)
    parses.clear()

    there.change(("E1",), {"status": "CHARGING"})
    there.there.pump()

    traffic = there.there.world.since(mark)
    assert [each.request.method for each in traffic] == ["PATCH", "GET", "PUT"]
    assert parsed(parses, refusal.body) == 1
    assert_each_body_was_parsed_once(parses, there.there.world, mark + 1)


def test_a_push_that_is_refused(parses: Counter[str]) -> None:
    """The outbox says why, and the breaker judges by the same answer."""
    there = partner()
    refusals = [said(503, 3000, {"n": 1}), said(503, 3000, {"n": 2})]
    there.will("PATCH", refusals[0])
    there.will("DELETE", refusals[1])
    parses.clear()

    there.change(("E1",), {"status": "CHARGING"})
    there.there.pump()

    assert len(there.backlog) == 1
    assert parsed(parses, refusals[0].body) == 1


def test_a_page_that_is_pulled(parses: Counter[str]) -> None:
    """Whatever is on it, new, known, newer or broken; no object of it is written out to be read again."""
    crawl = Crawl()
    crawl.run(answered(ids(1, 2)), full=True)
    broken = make.object_of(crawl.module, "X9") | {"coordinates": None}
    newer = ids(2, last_updated=LATER)
    first = answered([*ids(1), *newer, *ids(3), broken], following(f"{crawl.endpoint}?page=2"))
    last = answered(ids(4))
    parses.clear()

    assert crawl.run(first, last, full=True).received == 5

    assert crawl.held([1, 2, 3, 4]) == [1, 2, 3, 4]
    assert [parsed(parses, page.body) for page in (first, last)] == [1, 1]
    listed = {json.dumps(item, separators=(",", ":"), ensure_ascii=False) for item in [*newer, *ids(3, 4), broken]}
    assert {text: count for text, count in parses.items() if text in listed} == {}


def test_a_page_that_cannot_be_pulled(parses: Counter[str]) -> None:
    """An answer that says no is judged by the breaker as well."""
    crawl = Crawl()
    refusal = said(200, 3000)
    parses.clear()

    crawl.run(refusal)

    assert parsed(parses, refusal.body) == len(crawl.asked)


def test_a_registration(parses: Counter[str]) -> None:
    """Both sides look at each other's versions, and exchange credentials."""
    world = World()

    there = pair(world)

    assert there.emsp.partners()
    assert len(world.traffic) == 5
    assert_each_body_was_parsed_once(parses, world, 0)


def authorized(there: Pair, profile: Profile) -> str:
    there.put_in(ModuleID.LOCATIONS, make.location("LOC1"))
    there.put_in(ModuleID.TOKENS, make.token("K1", whitelist="NEVER"))
    there.pump()
    for company in (there.cpo, there.emsp):
        company.company.registrations.update(company.partners()[0], profile=profile)
    return there.cpo.company.authorizer.authorize("K1", None, {"location_id": "LOC1"}).allowed


@pytest.mark.parametrize("profile", Profile)
def test_a_driver_is_authorized(parses: Counter[str], profile: Profile) -> None:
    """The place at the eMSP, the verdict at the CPO."""
    there = pair()
    parses.clear()

    assert authorized(there, profile) == "ALLOWED"

    mark = len(there.world.traffic) - 1
    assert there.world.traffic[mark].path.endswith("/authorize")
    assert_each_body_was_parsed_once(parses, there.world, mark)


def test_a_command_and_its_result(parses: Counter[str]) -> None:
    """Four bodies in two requests."""
    there = pair()
    there.put_in(ModuleID.LOCATIONS, make.location("LOC1"))
    there.put_in(ModuleID.TOKENS, make.token("K1"))
    there.pump()
    mark = len(there.world.traffic)
    parses.clear()

    asked = {"token_uid": "K1", "location_id": "LOC1", "evse_uid": "E1"}
    command = there.emsp.company.sent_commands.send(there.emsp.partners()[0], "START_SESSION", asked)
    queues = there.cpo.command_queues
    queues.enqueue_result(
        CommandResult(command_id=queues.asked[-1]["command_id"], result="ACCEPTED", source="charge point")
    )
    there.cpo.pump_commands()

    after = there.emsp.ports.commands.get(command.id)
    assert after
    assert (after.answer, after.result) == ("ACCEPTED", "ACCEPTED")
    assert [each.request.method for each in there.world.since(mark)] == ["POST", "POST"]
    assert_each_body_was_parsed_once(parses, there.world, mark)


# --- we are asked --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sloppy", [False, True])
def test_a_put_a_patch_and_a_cdr_that_come_in(parses: Counter[str], sloppy: bool) -> None:
    """And what we answer is not parsed at all, neither a success nor a refusal."""
    there = pair()
    evse = make.evse(status="BROKEN" if sloppy else "AVAILABLE")
    cdr = make.cdr("C1") | ({"total_cost": "4.00"} if sloppy else {})
    calls = [
        ("PUT", there.at_emsp("locations", "LOC1"), make.location("LOC1", evses=[evse])),
        ("PATCH", there.at_emsp("locations", "LOC1", "E1"), {"status": "CHARGING", "last_updated": LATER}),
        ("POST", "/ocpi/emsp/2.1.1/cdrs", cdr),
        ("PUT", there.at_emsp("locations", "LOC1"), {"id": "LOC1"}),
        ("PATCH", there.at_emsp("locations", "LOC9"), {"name": "unknown"}),
    ]
    parses.clear()

    replies = [there.to_emsp(method, path, body) for method, path, body in calls]

    assert [parses[json.dumps(body)] for _, _, body in calls] == [1] * len(calls)
    assert [parsed(parses, reply.response.body) for reply in replies] == [0] * len(replies)
    assert [reply.code for reply in replies] == [1000, 1000, 1000, 2001, 2003]


def test_what_lies_in_quarantine_and_is_taken_after_all(parses: Counter[str]) -> None:
    """It is stored as bytes, which are parsed once more, when it is retried."""
    crawl = Crawl()
    crawl.us.company.registrations.update(crawl.them, profile=Profile.STRICT)
    crawl.run(answered([make.location("X1", evses=[make.evse(status="BROKEN")])]), full=True)
    crawl.us.company.registrations.update(crawl.them, profile=Profile.LENIENT)
    (entry,) = crawl.quarantine
    parses.clear()

    assert crawl.us.company.quarantine_retry.retry(crawl.them, entry.entry) == "created"

    assert parsed(parses, entry.body) == 1
