"""A stage that the previous release filled goes on with this one, which writes and sends what that one could read."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from tests.conftest import create_stack
from tests.resources import TEMPLATE, Stage
from tests.upgrade.record import FILE, filled, gone_on, read, started
from tests.upgrade.stored import TABLES, legible, load
from tests.upgrade.town import WORKERS

Json = Any


@pytest.fixture(scope="module")
def recorded() -> Json:
    """What the previous release did; do not change it."""
    return json.loads(FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def taken_over(recorded: Json, ministack_clients: Any, _cloudformation: Any) -> Json:
    """The stage of the previous release, on which this one starts, answers and works off what waits."""
    create_stack(_cloudformation, "takenover")
    stage = Stage("takenover", ministack_clients)
    state = recorded["filled"]
    load(stage, state["tables"])
    node, around = started(stage, state)
    with node.at_work():
        first = read(node, state)
        return {"answers": first, "gone_on": gone_on(stage, node, around, state)}


@pytest.fixture(scope="module")
def afresh(ministack_clients: Any, _cloudformation: Any) -> Json:
    """The same day with this release alone, as JSON."""
    create_stack(_cloudformation, "afresh")
    return json.loads(json.dumps(filled(Stage("afresh", ministack_clients))))


def of_each(items: list[Json], key: str) -> dict[str, Json]:
    """The items by what they are about."""
    return {item[key]: item for item in items}


# --- the recording ---------------------------------------------------------------------------------------------------


def test_the_recording_has_items_of_every_table_and_messages_of_every_queue(recorded: Json) -> None:
    template = TEMPLATE.read_text()
    tables, names = (
        set(re.findall(rf"{kind}Name: !Sub ocpi-\$\{{Stage\}}-(\S+)", template)) for kind in ("Table", "Queue")
    )
    queues = {name for name in names if "-dlq" not in name}

    assert {table for table, items in recorded["filled"]["tables"].items() if items} == tables
    assert {message["queue"] for message in recorded["filled"]["waiting"]} == queues
    assert queues == {*WORKERS, "commands"}


def test_the_recording_has_the_forms_that_matter(recorded: Json) -> None:
    text = json.dumps(recorded["filled"]["tables"]).replace("\\", "")
    bodies = [json.loads(message["body"]) for message in recorded["filled"]["waiting"]]

    for form in (
        *('"absent"', '"absent_pulls"', '"absent_since"', '"deleted_at"', '"posted"', '"authorization"', '"turn"'),
        *('"key_auth_id"', '"key_uid"', '"rank"', '"removals"', '"seen"', '"told/', '"breaker"', '"state": "open"'),
        *('"state":"failed"', '"state":"running"', '"state":"done"', '"invited"', '"pending"', '"unregistered"'),
        *('"fading"', '"offered"', '"overlap_until"'),
    ):
        assert form in text, form
    deliveries = [body for body in bodies if "partner" in body and "change" in body]
    assert {body["attempt"] is None for body in deliveries} == {True, False}
    assert any("tend" in body for body in bodies)


# --- the previous release's stage, with this release ------------------------------------------------------------------


def test_partners_and_the_host_are_answered_byte_for_byte_what_they_were(recorded: Json, taken_over: Json) -> None:
    assert of_each(taken_over["answers"], "asked") == of_each(recorded["filled"]["answers"], "asked")


def test_what_waited_is_delivered_to_partners_as_it_would_have_been(recorded: Json, taken_over: Json) -> None:
    before, now = recorded["gone_on"]["asked"], taken_over["gone_on"]["asked"]

    assert {host: len(asked) for host, asked in before.items()} != dict.fromkeys(before, 0)
    assert now == before
    for host, asked in (
        ("msp.example", "PATCH /2.1.1/locations/DE/ABC/LOC1/E1"),
        ("msp.example", "PUT /2.1.1/locations/DE/ABC/BUSY"),
        ("msp.example", "GET /2.1.1/cdrs/UNSURE"),
        ("msp.example", "POST /back/3"),
        ("msp.example", "POST /back/4"),
        ("down.example", "GET /versions"),
        ("down.example", "PUT /2.1.1/tariffs/DE/ABC/D5"),
        ("cpo.example", "GET /2.1.1/tariffs"),
    ):
        assert asked in [each["asked"] for each in now[host]], asked


def test_the_host_hears_of_what_waited_as_it_would_have(recorded: Json, taken_over: Json) -> None:
    published = taken_over["gone_on"]["published"]

    assert {"partner.broken", "partner.recovered", "object.created"} <= {each["type"] for each in published}
    assert published == recorded["gone_on"]["published"]


def test_what_follows_is_sent_in_the_same_messages(recorded: Json, taken_over: Json) -> None:
    for what in ("sent", "waiting"):
        assert taken_over["gone_on"][what] == recorded["gone_on"][what]


def test_items_that_are_written_again_keep_their_form(recorded: Json, taken_over: Json) -> None:
    for table, change in recorded["gone_on"]["tables"].items():
        now = taken_over["gone_on"]["tables"][table]
        assert legible({table: now["new"]}) == legible({table: change["new"]})
        assert now["gone"] == change["gone"]


def test_the_outbox_is_empty_and_the_crawl_done_in_the_end(recorded: Json, taken_over: Json) -> None:
    answers = of_each(taken_over["gone_on"]["answers"]["new"], "asked")
    ids = recorded["filled"]["ids"]

    assert taken_over["gone_on"]["answers"] == recorded["gone_on"]["answers"]
    outbox = json.loads(answers[f"/partners/{ids['down.example']}/outbox {{}}"]["body"])
    pulls = json.loads(answers[f"/partners/{ids['cpo.example']}/pulls {{}}"]["body"])["pulls"]
    assert outbox["failures"] == []
    assert {pull["module"]: pull["state"] for pull in pulls}["tariffs"] == "done"


# --- this release alone -----------------------------------------------------------------------------------------------


def test_items_are_written_in_the_form_that_the_previous_release_reads(recorded: Json, afresh: Json) -> None:
    before, now = legible(recorded["filled"]["tables"]), legible(afresh["tables"])

    for table in TABLES:
        assert now[table] == before[table]


def test_messages_are_sent_in_the_form_that_the_previous_release_reads(recorded: Json, afresh: Json) -> None:
    assert Counter(each["queue"] for each in afresh["sent"]).keys() == {*WORKERS, "commands"}
    for what in ("sent", "waiting"):
        assert afresh[what] == recorded["filled"][what]


def test_partners_are_asked_what_they_were_asked(recorded: Json, afresh: Json) -> None:
    assert afresh["asked"] == recorded["filled"]["asked"]
    assert {name: afresh[name] for name in ("now", "next_id", "ids", "partners")} == {
        name: recorded["filled"][name] for name in ("now", "next_id", "ids", "partners")
    }
