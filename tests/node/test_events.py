"""Proves that the host hears of each change that a partner made, once, with the object as it is held."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from tests import make
from tests.node.hearing import heard, held, kinds, push, told
from tests.node.pulling import LISTED, Crawl, answered, ids
from tests.node.pushing import DEPTHS, EARLIER, LATER, LATEST, Depth, another_value
from tests.world import CLIENT_OWNED, Pair, pair

each_module = pytest.mark.parametrize("module", MODULES)
each_pushed = pytest.mark.parametrize("module", CLIENT_OWNED)
each_depth = pytest.mark.parametrize("depth", DEPTHS, ids=str)
DELETABLE = [identifier for identifier, module in MODULES.items() if module.deletable]


@pytest.fixture
def there() -> Pair:
    return told(pair())


@each_module
def test_an_object_that_arrives_is_told_once_as_it_is_held(there: Pair, module: ModuleID) -> None:
    receiver, owner = there.receiver(module), there.owner(module)
    push(there, module, make.object_of(module, "X1"))

    (event,) = heard(receiver)

    assert event["kind"] == "object.created"
    assert (event["module"], event["object_id"], event["path"], event["version"]) == (module, "X1", [], 1)
    assert event["object"] == held(there, module, "X1")
    partner = receiver.partners()[0]
    role = MODULES[module].owner.value
    assert event["partner"] == {"id": partner.id, "name": partner.name, "role": role, "party": str(owner.party)}
    assert event["href"] == f"/operator/partners/{partner.id}/{module}/X1"
    assert heard(receiver) == []


@each_module
def test_a_change_that_is_taken_costs_one_message_and_what_changes_nothing_none(there: Pair, module: ModuleID) -> None:
    messages = there.receiver(module).events.messages
    sent = []
    for _ in range(2):
        push(there, module, make.object_of(module, "X1"))
        sent.append(len(messages))

    assert sent == [1, 1]


@each_pushed
def test_an_object_that_is_replaced_is_told_under_another_id(there: Pair, module: ModuleID) -> None:
    field, value = another_value(module)
    push(there, module, make.object_of(module, "X1", last_updated=EARLIER))
    push(there, module, make.object_of(module, "X1", last_updated=LATER, **{field: value}))

    first, second = heard(there.receiver(module))

    assert kinds([first, second]) == ["object.created", "object.updated"]
    assert (second["version"], second["object"]) == (2, held(there, module, "X1"))
    assert second["object"][field] == value
    assert first["id"] != second["id"]


@each_depth
def test_a_patch_names_its_part(there: Pair, depth: Depth) -> None:
    module, (field, value) = depth.module.identifier, depth.required
    push(there, module, depth.whole)
    url = there.at_receiver(module, "X1", *depth.path)
    there.to_receiver(module)("PATCH", url, {field: value, "last_updated": LATEST})

    _, event = heard(there.receiver(module))

    assert (event["kind"], event["path"]) == ("object.updated", list(depth.path))
    assert event["object"] == held(there, module, "X1")


@each_module
def test_the_same_object_again_is_nothing_to_tell(there: Pair, module: ModuleID) -> None:
    """Q-68, CDR-08."""
    for _ in range(2):
        push(there, module, make.object_of(module, "X1"))

    assert kinds(heard(there.receiver(module))) == ["object.created"]


@each_pushed
def test_a_new_stamp_alone_is_nothing_to_tell(there: Pair, module: ModuleID) -> None:
    """Q-68."""
    for stamp in (EARLIER, LATER):
        push(there, module, make.object_of(module, "X1", last_updated=stamp))

    assert kinds(heard(there.receiver(module))) == ["object.created"]


@each_pushed
def test_a_push_that_comes_too_late_is_nothing_to_tell(there: Pair, module: ModuleID) -> None:
    """Q-32."""
    field, value = another_value(module)
    push(there, module, make.object_of(module, "X1", last_updated=LATER))
    push(there, module, make.object_of(module, "X1", last_updated=EARLIER, **{field: value}))

    assert kinds(heard(there.receiver(module))) == ["object.created"]


@each_module
def test_what_is_refused_is_nothing_to_tell(there: Pair, module: ModuleID) -> None:
    body = make.object_of(module, "X1")
    del body[MODULES[module].id_field]
    steps, method = ((), "POST") if module is ModuleID.CDRS else (("X1",), "PUT")
    there.to_receiver(module)(method, there.at_receiver(module, *steps), body)

    assert heard(there.receiver(module)) == []


@pytest.mark.parametrize("module", DELETABLE)
def test_an_object_that_is_deleted_is_told_without_it_and_one_that_comes_back_is_new(
    there: Pair, module: ModuleID
) -> None:
    """TAR-03."""
    push(there, module, make.object_of(module, "X1"))
    there.to_receiver(module)("DELETE", there.at_receiver(module, "X1"))
    gone = heard(there.receiver(module))[-1]
    push(there, module, make.object_of(module, "X1"))
    (back,) = heard(there.receiver(module))

    assert (gone["kind"], gone["version"], gone["object"], gone["href"]) == ("object.removed", 2, None, None)
    assert (back["kind"], back["version"]) == ("object.created", 3)
    assert back["object"] == held(there, module, "X1")


@pytest.mark.parametrize("module", LISTED)
def test_a_pulled_object_is_told_like_one_that_was_pushed(module: ModuleID) -> None:
    """PAG-17."""
    crawl = Crawl(module)
    told(crawl.pair)

    for _ in range(2):
        crawl.run(answered(ids(1, 2, module=module), total=2), full=True)

    news = heard(crawl.pair.receiver(module))
    assert kinds(news) == ["object.created"] * 2
    assert [event["object"] for event in news] == [held(crawl.pair, module, name) for name in ("X1", "X2")]
    assert len({event["id"] for event in news}) == 2


@pytest.mark.parametrize("module", [ModuleID.LOCATIONS, ModuleID.TARIFFS])
@pytest.mark.parametrize("back_by", ["pull", "push"])
def test_what_is_not_listed_any_more_is_told_as_removed_until_it_is_back(module: ModuleID, back_by: str) -> None:
    """PAG-25, Q-28: once, when it is hidden, and not at the first pull that lacks it."""
    crawl, both = Crawl(module), answered(ids(1, 2, module=module))
    told(crawl.pair)
    crawl.run(both, full=True)
    heard(crawl.us)
    crawl.run(answered(ids(1, module=module)), full=True)
    assert heard(crawl.us) == []

    for _ in range(2):
        crawl.run(answered(ids(1, module=module)), full=True)
    gone = heard(crawl.us)
    if back_by == "pull":
        crawl.run(both, full=True)
    else:
        push(crawl.pair, module, make.object_of(module, "X2"))
    back = heard(crawl.us)

    assert [(each["kind"], each["object_id"], each["object"]) for each in gone] == [("object.removed", "X2", None)]
    assert [(each["kind"], each["object"]) for each in back] == [("object.created", held(crawl.pair, module, "X2"))]


def test_a_session_that_its_cdr_ends_is_told_too(there: Pair) -> None:
    """Q-47."""
    push(there, ModuleID.SESSIONS, make.session("X1"))
    push(there, ModuleID.CDRS, make.cdr("X1"))

    news = heard(there.emsp)

    assert [(event["kind"], event["module"]) for event in news] == [
        ("object.created", "sessions"),
        ("object.created", "cdrs"),
        ("object.updated", "sessions"),
    ]
    assert news[-1]["object"]["status"] == "COMPLETED"


def test_what_the_host_itself_puts_in_is_not_told_to_it(there: Pair) -> None:
    there.put_in(ModuleID.LOCATIONS, make.location("LOC1"))
    there.pump()

    assert heard(there.cpo) == []
    assert kinds(heard(there.emsp)) == ["object.created"]


def test_two_changes_that_wait_together_show_the_object_as_it_is_now(there: Pair) -> None:
    push(there, ModuleID.TARIFFS, make.tariff("X1", last_updated=EARLIER))
    push(there, ModuleID.TARIFFS, make.tariff("X1", currency="CHF", last_updated=LATER))

    first, second = heard(there.emsp)

    assert [first["version"], second["version"]] == [1, 2]
    assert first["object"] == second["object"] == held(there, ModuleID.TARIFFS, "X1")


# --- partners ------------------------------------------------------------------------------------------------------


def test_both_hosts_hear_that_they_are_registered_and_that_it_is_over() -> None:
    there = pair()
    begun = [heard(side) for side in (there.cpo, there.emsp)]

    there.emsp.company.registrations.unregister(there.emsp.partners()[0])
    ended = [heard(side) for side in (there.cpo, there.emsp)]

    for news, kind in ((begun, "partner.registered"), (ended, "partner.unregistered")):
        assert [kinds(each) for each in news] == [[kind], [kind]]
        for (event,), side, other in zip(news, (there.cpo, there.emsp), (there.emsp, there.cpo), strict=True):
            partner = side.partners()[0]
            assert event["partner"]["id"] == event["object_id"] == partner.id
            assert event["partner"]["party"] == str(other.party)
            assert (event["module"], event["object"], event["href"]) == (None, None, f"/operator/partners/{partner.id}")


def test_a_rotation_and_a_new_name_are_nothing_to_tell(there: Pair) -> None:
    there.emsp.company.registrations.rotate(there.emsp.partners()[0])
    there.emsp.company.registrations.update(there.emsp.partners()[0], name="Red")

    assert heard(there.cpo) == heard(there.emsp) == []


def test_an_invitation_that_is_withdrawn_was_no_registration(there: Pair) -> None:
    invitation = there.cpo.company.registrations.invite(Role.EMSP)
    there.cpo.company.registrations.unregister(invitation.partner)

    assert heard(there.cpo) == []


def test_a_partner_that_does_not_answer_is_told_once_and_once_that_it_does_again(there: Pair) -> None:
    there.world.down.add("emsp.example")
    for number in range(7):
        there.put_in(ModuleID.TARIFFS, make.tariff(f"T{number}"))
        there.pump()
    (broken,) = heard(there.cpo)
    there.world.down.clear()
    there.world.clock.pass_(minutes=20)
    there.cpo.look()
    (recovered,) = heard(there.cpo)

    assert (broken["kind"], recovered["kind"]) == ("partner.broken", "partner.recovered")
    assert "connection refused" in broken["reason"]
    assert broken["partner"]["party"] == recovered["partner"]["party"] == "NL/MSP"


def test_no_token_is_in_any_event() -> None:
    there = pair()
    for module in MODULES:
        push(there, module, make.object_of(module, "X1"))

    text = json.dumps([*heard(there.cpo), *heard(there.emsp)])

    secrets = {partner.token_we_send.secret for side in (there.cpo, there.emsp) for partner in side.partners()}  # type: ignore[union-attr]
    assert len(secrets) == 2
    assert not any(secret in text for secret in secrets)


# --- commands ------------------------------------------------------------------------------------------------------


def result_of(there: Pair, *results: Any) -> list[dict[str, Any]]:
    """What the eMSP's host hears when a command of it gets these results."""
    partner = there.emsp.partners()[0]
    there.cpo.company.own_objects[ModuleID.LOCATIONS].put("LOC1", (), make.location("LOC1"))
    there.emsp.company.own_objects[ModuleID.TOKENS].put("K1", (), make.token("K1"))
    asked = {"token_uid": "K1", "location_id": "LOC1"}
    command = there.emsp.company.sent_commands.send(partner, "START_SESSION", asked)
    for result in results:
        there.to_emsp("POST", command.response_url, {"result": result})
    return heard(there.emsp)


def test_the_host_of_an_emsp_hears_what_became_of_its_command(there: Pair) -> None:
    """CMD-06."""
    (event,) = result_of(there, "REJECTED")

    assert (event["kind"], event["module"], event["version"]) == ("command.result", "commands", 1)
    assert event["object"] == {
        "id": event["object_id"],
        "command": "START_SESSION",
        "answer": "ACCEPTED",
        "result": "REJECTED",
        "session_id": None,
    }
    assert event["href"] == f"/operator/commands/{event['object_id']}"


def test_only_the_first_result_counts(there: Pair) -> None:
    """Q-56."""
    (event,) = result_of(there, "ACCEPTED", "TIMEOUT")

    assert event["object"]["result"] == "ACCEPTED"


def test_a_host_that_wants_no_events_costs_nothing() -> None:
    there = pair(events=False)
    for module in (ModuleID.LOCATIONS, ModuleID.CDRS):
        push(there, module, make.object_of(module, "X1"))

    assert there.emsp.events.messages == []
    assert kinds(heard(there.cpo)) == ["partner.registered"]
