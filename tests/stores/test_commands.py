"""Commands are kept whole, changed only by who has seen them last, and found by partner, the latest first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.dynamodb.commands import DynamoCommandStore
from chalicelib.node.commands import Command, CommandStore, Posting, Side
from chalicelib.node.conflicts import Conflict
from tests import make
from tests.modules.relaying import REQUESTS
from tests.resources import Stage
from tests.stores.crawling import at


def command(command_id: str = "c1", second: float = 0, partner_id: str = "p1") -> Command:
    """A command of that second, accepted."""
    moment, request = at(second), REQUESTS["START_SESSION"]
    later = moment + timedelta(seconds=60)
    return Command(
        id=command_id,
        side=Side.RECEIVED,
        partner_id=partner_id,
        command="START_SESSION",
        request=request,
        at=moment,
        deadline=later,
        answer="ACCEPTED",
    )


def test_a_command_is_kept_as_it_is(commands: CommandStore) -> None:
    """CMD-06: with every fact, and its times to the microsecond."""
    made = replace(
        command(second=1.000001),
        side=Side.SENT,
        request={"token": make.token("Ä 日本"), "reservation_id": 7, "x": [1.5, None, True, {"": []}]},
        answer=None,
        result="TIMEOUT",
        posting=Posting.FAILED,
        problem="Ä\n",
        session_id="S/1",
    ).with_event(at(2.000003), "not answered: Ä", answer=None)
    made = replace(made, version=1)

    commands.add(made)

    assert commands.get("c1") == made
    assert commands.for_partner("p1", None, 10) == [made]


def test_what_was_never_added_is_not_there(commands: CommandStore) -> None:
    assert commands.get("c1") is None
    assert commands.for_partner("p1", None, 10) == []


def test_an_id_is_given_once(commands: CommandStore) -> None:
    """CMD-07: the second command would take the first one's result."""
    commands.add(command())

    with pytest.raises(Conflict):
        commands.add(command(second=1, partner_id="p2"))

    assert commands.get("c1") == command()


def test_only_the_next_version_is_saved(commands: CommandStore) -> None:
    """CMD-04: of two results that come at once, one is the first."""
    commands.add(command())
    first = command().with_event(at(1), "first", result="ACCEPTED")
    second = command().with_event(at(1), "second", result="REJECTED")

    commands.save(first)

    for stale in (second, first, command(), replace(first, version=4)):
        with pytest.raises(Conflict):
            commands.save(stale)
    assert commands.get("c1") == first
    commands.save(first.with_event(at(2), "third"))


def test_what_was_never_added_cannot_be_saved(commands: CommandStore) -> None:
    with pytest.raises(Conflict):
        commands.save(command().with_event(at(1), "first"))

    assert commands.get("c1") is None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_partner_s_commands_come_page_by_page_the_latest_first(commands: CommandStore, limit: int) -> None:
    for number in (3, 0, 4, 1, 2):
        commands.add(command(f"c{number}", number))
        commands.add(command(f"d{number}", number, "p2"))
    found: list[str] = []

    while page := commands.for_partner("p1", found[-1] if found else None, limit):
        assert len(page) <= limit
        found += [each.id for each in page]

    assert found == ["c4", "c3", "c2", "c1", "c0"]


def test_commands_of_one_millisecond_are_all_found_page_by_page(commands: CommandStore) -> None:
    """However finely they follow each other: the last of a page is where the next one begins."""
    names = ["d", "a", "c", "b", "e"]
    for number, name in enumerate(names):
        commands.add(command(name, number / 100_000))
    found: list[str] = []

    while page := commands.for_partner("p1", found[-1] if found else None, 2):
        found += [each.id for each in page]

    assert found == sorted(names, reverse=True)


def test_a_command_that_has_changed_keeps_its_place(commands: CommandStore) -> None:
    for number in range(3):
        commands.add(command(f"c{number}", number))

    commands.save(command("c0").with_event(at(100), "late", result="TIMEOUT"))

    found = commands.for_partner("p1", None, 10)
    assert [each.id for each in found] == ["c2", "c1", "c0"]
    assert found[-1].result == "TIMEOUT"


@pytest.mark.parametrize("after", ["c9", "d1", ""])
def test_behind_what_is_none_of_the_partner_s_one_begins_anew(commands: CommandStore, after: str) -> None:
    commands.add(command("c1"))
    commands.add(command("d1", 1, "p2"))

    assert [each.id for each in commands.for_partner("p1", after, 10)] == ["c1"]


@pytest.mark.parametrize("command_id", ["a/b", "/", "Ä ö/日本", "x" * 255, "日" * 255, "#", "*", " ", "c1/"])
def test_ids_may_be_anything_that_urls_can_say(commands: CommandStore, command_id: str) -> None:
    """CMD-06: they come back in a partner's URL."""
    commands.add(command(command_id))
    commands.add(command("other", -1))

    assert commands.get(command_id) == command(command_id)
    assert [each.id for each in commands.for_partner("p1", command_id, 10)] == ["other"]


def test_a_reservation_knows_the_command_that_it_stood_by_before(commands: CommandStore) -> None:
    """CMD-12."""
    until = at(3600)

    found = [commands.reserve(key, each, until) for key, each in [("k", "c1"), ("k", "c2"), ("l", "c3"), ("k", "c4")]]

    assert found == [None, "c1", None, "c2"]


@pytest.mark.parametrize("key", ["p1/LOC/1/7", "p1/日" + "本" * 38 + "/7", "c1"])
def test_a_reservation_is_no_command(commands: CommandStore, key: str) -> None:
    """CMD-12: whatever a partner calls its places."""
    commands.add(command("c1"))

    assert commands.reserve(key, "c1", at(3600)) is None

    assert commands.get(key) == (command("c1") if key == "c1" else None)
    assert [each.id for each in commands.for_partner("p1", None, 10)] == ["c1"]


def test_commands_and_reservations_expire_after_thirty_days(stage: Stage) -> None:
    table = stage.table("commands")
    store = DynamoCommandStore(table)
    store.add(command(second=10))
    store.save(command(second=10).with_event(at(5000), "late"))
    store.reserve("k", "c1", at(10) + timedelta(days=30))

    items = [table.get({"pk": {"S": key}}) for key in ("command/c1", "reservation/k")]

    assert [int(item["expires_at"]["N"]) for item in items if item] == [at(10 + 30 * 24 * 3600).timestamp()] * 2
