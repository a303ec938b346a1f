"""Partners, their tokens and parties: written together or not at all."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.node.conflicts import Conflict
from chalicelib.node.partners.partner import Grant, GrantKind, Partner, State
from chalicelib.node.partners.store import PartnerStore, PartyTaken
from chalicelib.ocpi.auth import AuthToken
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile
from tests.stores.conftest import Clock

TNM = Party.of("NL", "TNM")
OTHER = Party.of("NL", "OTH")


def make(partner_id: str = "p1", **facts: Any) -> Partner:
    made: dict[str, Any] = {"id": partner_id, "our_role": Role.CPO, "state": State.INVITED}
    return Partner(**made | facts)


def grant(token_hash: str = "hash", partner_id: str = "p1", **facts: Any) -> Grant:  # noqa: S107 - the name of a hash
    made: dict[str, Any] = {"token_hash": token_hash, "partner_id": partner_id, "our_role": Role.CPO}
    return Grant(**made | {"kind": GrantKind.CURRENT} | facts)


def test_an_unknown_partner_is_none(partners: PartnerStore) -> None:
    assert partners.get("p1") is None
    assert partners.all() == []


def test_a_saved_partner_has_the_next_version(partners: PartnerStore) -> None:
    saved = partners.save(make())

    assert saved.version == 1
    assert partners.get("p1") == saved
    assert partners.save(saved.with_changes(name="TNM")).version == 2


def test_every_fact_about_a_partner_is_kept(partners: PartnerStore, clock: Clock) -> None:
    facts: dict[str, Any] = {
        "id": "p1",
        "our_role": Role.EMSP,
        "state": State.REGISTERED,
        "name": "The Ñew Motion",
        "party": TNM,
        "versions_url": "https://example.com/versions",
        "endpoints": {"locations": "https://example.com/locations"},
        "business_details": {"name": "TNM", "logo": {"url": "https://example.com/logo", "width": 10}},
        "token_we_send": AuthToken("secret-1"),
        "former_token_we_send": AuthToken("secret-2"),
        "overlap_until": clock() + timedelta(microseconds=1),
        "issued": ("hash-1", "hash-2"),
        "fading": ("hash-2",),
        "shown": "fingerprint",
        "profile": Profile.STRICT,
        "accept_incomplete_locations": True,
        "takes_patches": False,
        "is_suspended": True,
        "problem": "none",
        "updated_at": clock(),
    }
    assert facts.keys() | {"version"} == {field.name for field in fields(Partner)}, "a fact has come or gone"

    saved = partners.save(make(**facts))

    assert partners.get("p1") == saved == make(**facts, version=1)


def test_every_fact_about_a_token_is_kept(partners: PartnerStore, clock: Clock) -> None:
    until = clock() + timedelta(seconds=1.5)
    spent = grant(kind=GrantKind.SPENT, expires_at=until, repeat_of="fingerprint", our_role=Role.EMSP)
    assert not [field.name for field in fields(Grant) if getattr(spent, field.name) is None]

    saved = partners.save(make(our_role=Role.EMSP), issue=[spent])

    authentication = partners.authenticate(Role.EMSP, "hash")
    assert authentication
    assert (authentication.grant, authentication.partner) == (spent, saved)


def test_partners_come_oldest_first(partners: PartnerStore, clock: Clock) -> None:
    for partner_id in ("p2", "p9", "p1"):
        clock.pass_(seconds=1)
        partners.save(make(partner_id))
    clock.pass_(seconds=1)
    known = partners.get("p2")
    assert known
    partners.save(known.with_changes(state=State.UNREGISTERED))

    assert [partner.id for partner in partners.all()] == ["p2", "p9", "p1"]


def test_a_partner_that_changed_meanwhile_is_a_conflict(partners: PartnerStore) -> None:
    read = partners.save(make())
    partners.save(read.with_changes(name="first"))

    for stale in (read.with_changes(name="second"), make()):
        with pytest.raises(Conflict):
            partners.save(stale, issue=[grant()])

    known = partners.get("p1")
    assert known
    assert known.name == "first"
    assert partners.authenticate(Role.CPO, "hash") is None


def test_a_new_version_of_nothing_is_a_conflict(partners: PartnerStore) -> None:
    with pytest.raises(Conflict):
        partners.save(make(version=3))


# --- tokens ------------------------------------------------------------------------------------------------------


def test_a_token_admits_to_its_own_tree_only(partners: PartnerStore) -> None:
    """TRA-06."""
    partners.save(make(), issue=[grant()])

    assert partners.authenticate(Role.CPO, "hash")
    assert partners.authenticate(Role.EMSP, "hash") is None
    assert partners.authenticate(Role.CPO, "other") is None


def test_a_token_admits_until_it_expires(partners: PartnerStore, clock: Clock) -> None:
    """CRD-30."""
    partners.save(make(), issue=[grant(expires_at=clock() + timedelta(seconds=10))])

    clock.pass_(seconds=9.999)
    assert partners.authenticate(Role.CPO, "hash")
    clock.pass_(seconds=0.001)
    assert partners.authenticate(Role.CPO, "hash") is None


def test_a_revoked_token_admits_no_longer(partners: PartnerStore) -> None:
    """CRD-17."""
    saved = partners.save(make(), issue=[grant("old")])

    partners.save(saved, issue=[grant("new")], revoke=["old", "never issued"])

    assert partners.authenticate(Role.CPO, "old") is None
    assert partners.authenticate(Role.CPO, "new")


def test_a_token_can_change_its_kind(partners: PartnerStore, clock: Clock) -> None:
    saved = partners.save(make(), issue=[grant()])

    partners.save(saved, issue=[grant(kind=GrantKind.FADING, expires_at=clock() + timedelta(hours=1))])

    authentication = partners.authenticate(Role.CPO, "hash")
    assert authentication
    assert authentication.grant.kind is GrantKind.FADING


def test_an_admission_knows_the_partner_as_it_is(partners: PartnerStore) -> None:
    saved = partners.save(make(), issue=[grant()])
    later = partners.save(saved.with_changes(state=State.REGISTERED, party=TNM))

    authentication = partners.authenticate(Role.CPO, "hash")

    assert authentication
    assert authentication.partner == later


# --- parties -----------------------------------------------------------------------------------------------------


def registered(partner_id: str, party: Party = TNM, **facts: Any) -> Partner:
    return make(partner_id, state=State.REGISTERED, party=party, **facts)


def test_a_party_registers_once_per_role(partners: PartnerStore) -> None:
    """CRD-28."""
    partners.save(registered("p1"))

    with pytest.raises(PartyTaken):
        partners.save(registered("p2"), issue=[grant("hash", "p2")])

    assert partners.get("p2") is None
    assert partners.authenticate(Role.CPO, "hash") is None
    partners.save(registered("p3", our_role=Role.EMSP))


def test_a_registered_partner_may_be_saved_again(partners: PartnerStore) -> None:
    saved = partners.save(registered("p1"))

    assert partners.save(saved.with_changes(name="again")).version == 2


def test_a_partner_that_is_not_registered_claims_nothing(partners: PartnerStore) -> None:
    partners.save(make("p1", state=State.PENDING, party=TNM))

    assert partners.save(registered("p2")).version == 1


def test_a_stale_partner_is_a_conflict_before_its_party_is_taken(partners: PartnerStore) -> None:
    read = partners.save(make("p1"))
    partners.save(read)
    partners.save(registered("p2"))

    with pytest.raises(Conflict):
        partners.save(read.with_changes(state=State.REGISTERED, party=TNM))


def test_a_suspended_partner_keeps_its_party(partners: PartnerStore) -> None:
    """Q-34: it comes back as the same."""
    saved = partners.save(registered("p1"))

    partners.save(saved.with_changes(is_suspended=True))

    with pytest.raises(PartyTaken):
        partners.save(registered("p2"))


def test_an_unregistered_partner_leaves_its_party_to_others(partners: PartnerStore) -> None:
    saved = partners.save(registered("p1"))

    partners.save(saved.with_changes(state=State.UNREGISTERED))

    assert partners.save(registered("p2")).version == 1


def test_a_partner_that_changes_its_party_gives_up_the_old_one(partners: PartnerStore) -> None:
    saved = partners.save(registered("p1"))

    partners.save(saved.with_changes(party=OTHER), release=TNM)

    assert partners.save(registered("p2", TNM)).version == 1
    with pytest.raises(PartyTaken):
        partners.save(registered("p3", OTHER))


def test_nobody_can_give_up_the_claim_of_another(partners: PartnerStore) -> None:
    partners.save(registered("p1"))

    partners.save(make("p2", party=TNM), release=TNM)
    known = partners.get("p2")
    assert known
    partners.save(known.with_changes(state=State.UNREGISTERED))

    with pytest.raises(PartyTaken):
        partners.save(registered("p3"))


def test_releasing_the_party_that_is_claimed_keeps_it(partners: PartnerStore) -> None:
    partners.save(registered("p1"), release=TNM)

    with pytest.raises(PartyTaken):
        partners.save(registered("p2"))
