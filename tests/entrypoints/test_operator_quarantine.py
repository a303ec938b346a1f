"""Proves the host's side of the quarantine: what was not taken can be taken after all, or dropped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.receiving.quarantine import QuarantineEntry
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Role
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.entrypoints.desk import Answer, Desk
from tests.node.pulling import Crawl, answered, following
from tests.world import CLIENT_OWNED

Json = Any


class Retrying(Crawl):
    """A host that pulled a list with broken objects from a partner that it reads strictly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.desk = Desk(self.us)
        self.read(Profile.STRICT)

    def read(self, profile: Profile) -> None:
        """The operator changes how the partner is read."""
        assert self.desk("PATCH", f"/partners/{self.them.id}", {"profile": profile}).status == 200

    @property
    def items(self) -> list[Json]:
        return list(self.desk("GET", f"/partners/{self.them.id}/quarantine").json["items"])

    def retry(self, entry: str | None = None) -> Answer:
        """What the host is answered; the only entry, unless another is named."""
        return self.desk("POST", f"/partners/{self.them.id}/quarantine/{entry or self.items[0]['entry']}/retry")

    def drop(self, entry: str) -> Answer:
        return self.desk("DELETE", f"/partners/{self.them.id}/quarantine/{entry}")


def broken(module: ModuleID, object_id: str = "X1", **fields: Any) -> Json:
    """An object that only the lenient profile takes, for its time has an offset (FMT-03)."""
    return make.object_of(module, object_id, last_updated="2026-01-01T00:00:00+00:00", **fields)


@pytest.mark.parametrize("module", list(MODULES))
def test_what_was_broken_on_every_page_is_taken_once_the_partner_is_read_leniently(module: ModuleID) -> None:
    """TRA-39, OFF-04: whole and sound objects are taken at once, the others when the operator has them tried again."""
    crawl = Retrying(module)
    pages = [[make.object_of(module, f"X{page}0"), broken(module, f"X{page}1")] for page in (1, 2, 3)]
    links = [following(f"{crawl.endpoint}?page={page}") for page in (2, 3)]
    pull = crawl.run(*map(answered, pages, [*links, None]))
    assert (pull.taken, pull.refused) == (3, 3)
    crawl.read(Profile.LENIENT)

    outcomes = [crawl.retry(each["entry"]).json for each in crawl.items]

    assert outcomes == [{"outcome": "created"}] * 3
    assert crawl.items == []
    assert crawl.held([10, 11, 20, 21, 30, 31]) == [10, 11, 20, 21, 30, 31]


@pytest.mark.parametrize("module", list(MODULES))
def test_what_is_refused_again_stays_with_the_reason_of_now(module: ModuleID) -> None:
    """TRA-39."""
    crawl = Retrying(module)
    crawl.run(answered([broken(module)]))
    before = crawl.items[0]
    crawl.us.ports.quarantine.record(
        QuarantineEntry(
            partner_id=crawl.them.id,
            module=module,
            id="X1",
            body=crawl.quarantine[0].body,
            reason="long ago",
            at=crawl.world.clock(),
        )
    )

    answer = crawl.retry()

    assert (answer.status, answer.error) == (422, f"refused again: {before['reason']}")
    assert [(each["entry"], each["reason"]) for each in crawl.items] == [(before["entry"], before["reason"])]
    assert crawl.holds("X1") is None


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_an_older_state_does_not_replace_a_newer_one(module: ModuleID) -> None:
    """Q-32: what came in the meantime counts."""
    crawl = Retrying(module)
    crawl.run(answered([broken(module)]))
    crawl.run(answered([make.object_of(module, "X1", last_updated="2026-02-01T00:00:00Z")]))
    crawl.read(Profile.LENIENT)

    assert crawl.retry().json == {"outcome": "known"}
    assert crawl.holds("X1")["last_updated"] == "2026-02-01T00:00:00Z"
    assert crawl.items == []


@pytest.mark.parametrize("module", CLIENT_OWNED)
def test_a_newer_state_replaces_an_older_one(module: ModuleID) -> None:
    """Q-32."""
    crawl = Retrying(module)
    crawl.run(answered([make.object_of(module, "X1", last_updated="2025-12-01T00:00:00Z")]))
    crawl.run(answered([broken(module)]))
    crawl.read(Profile.LENIENT)

    assert crawl.retry().json == {"outcome": "updated"}
    assert crawl.holds("X1")["last_updated"] == "2026-01-01T00:00:00Z"


def test_a_cdr_that_contradicts_another_is_never_taken() -> None:
    """CDR-08, Q-49: it is refused however often it is retried, in whichever profile, and can only be dropped."""
    crawl = Retrying(ModuleID.CDRS)
    crawl.run(answered([make.cdr("X1")]))
    crawl.run(answered([make.cdr("X1", total_cost=9)]))
    crawl.read(Profile.LENIENT)
    counters = dict(crawl.counters)
    [entry] = crawl.items

    for _ in range(2):
        answer = crawl.retry()
        assert answer.status == 422
        assert "a CDR never changes" in answer.error
    assert [each["entry"] for each in crawl.items] == [entry["entry"]]
    assert crawl.counters == counters

    assert crawl.drop(entry["entry"]).json == {"outcome": "deleted"}
    assert crawl.items == []
    assert crawl.holds("X1")["total_cost"] == 3.13


def test_a_broken_cdr_that_turns_out_to_contradict_another_is_one_entry() -> None:
    """CDR-08."""
    crawl = Retrying(ModuleID.CDRS)
    crawl.run(answered([make.cdr("X1")]))
    crawl.run(answered([broken(ModuleID.CDRS, total_cost=9)]))
    crawl.read(Profile.LENIENT)

    assert "a CDR never changes" in crawl.retry().error
    assert ["a CDR never changes" in each["reason"] for each in crawl.items] == [True]


def test_what_was_too_large_to_be_kept_whole_cannot_be_taken() -> None:
    crawl = Retrying()
    body = json.dumps(make.location("X1")).encode()
    cut = QuarantineEntry(
        partner_id=crawl.them.id,
        module=ModuleID.LOCATIONS,
        id="X1",
        body=body,
        reason="why",
        at=crawl.world.clock(),
        is_cut=True,
    )
    crawl.us.ports.quarantine.record(cut)

    answer = crawl.retry()

    assert (answer.status, len(crawl.items)) == (409, 1)
    assert "too large to be kept whole" in answer.error
    assert crawl.drop(crawl.items[0]["entry"]).status == 200


def test_a_partner_that_has_left_has_nothing_taken() -> None:
    """CRD-17: its party may be somebody else's by now."""
    crawl = Retrying()
    crawl.run(answered([broken(ModuleID.LOCATIONS)]))
    crawl.us.company.registrations.end_by_partner(crawl.them)

    answer = crawl.retry()

    assert (answer.status, len(crawl.items)) == (409, 1)
    assert "unregistered" in answer.error


@pytest.mark.parametrize("entry", ["nothing", "%20", "x" * 300, "%ED%A0%80"])
def test_an_entry_that_is_not_kept_is_not_found(entry: str) -> None:
    crawl = Retrying()

    assert crawl.retry(entry).status == 404
    assert crawl.drop(entry).status == 404


def test_nobody_touches_the_entries_of_another_partner() -> None:
    crawl = Retrying()
    crawl.run(answered([broken(ModuleID.LOCATIONS)]))
    [entry] = crawl.items
    other = crawl.us.company.registrations.invite(Role.CPO).partner

    for method, path in (("POST", "/retry"), ("DELETE", "")):
        assert crawl.desk(method, f"/partners/{other.id}/quarantine/{entry['entry']}{path}").status == 404
    assert crawl.items == [entry]


@pytest.mark.parametrize(("limit", "most_bytes"), [(2, 10**6), (100, 1)])
def test_a_long_quarantine_is_listed_in_pieces(monkeypatch: pytest.MonkeyPatch, limit: int, most_bytes: int) -> None:
    """TRA-39: a function answers 6 MB at most, and a list may be broken from its beginning to its end."""
    monkeypatch.setattr("chalicelib.entrypoints.operator.quarantine._AT_A_TIME", limit)
    monkeypatch.setattr("chalicelib.entrypoints.operator.quarantine._MOST_BYTES", most_bytes)
    crawl = Retrying(ModuleID.TARIFFS)
    crawl.run(answered([broken(ModuleID.TARIFFS, f"X{number}") for number in range(5)]))

    pieces: list[Json] = [{"items": [], "after": ""}]
    while (after := pieces[-1]["after"]) is not None:
        pieces.append(crawl.desk("GET", f"/partners/{crawl.them.id}/quarantine", query={"after": after}).json)

    assert all(0 < len(piece["items"]) <= (limit if most_bytes > 1 else 1) for piece in pieces[1:])
    found = [each["id"] for piece in pieces for each in piece["items"]]
    assert sorted(found) == [f"X{number}" for number in range(5)]
